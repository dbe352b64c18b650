#!/usr/bin/env python3
"""What writers of the origin wait while a snapshot with very many exceptions is deleted: the 99th percentile of random 4K writes, 8 in
flight, some of them first writes, through nbdkit, beside the same without a delete, in turns.

usage: delete_bench.py BUILD [--full]        (20,000 exceptions; --full: a million, and 5 GiB in /var/tmp for each of two files)
"""

import os
import pathlib
import sys
import threading
import time

WORDS = [word for word in sys.argv if word != "--full"]
os.environ["DDSNAP_BUILD"] = WORDS[1] if len(WORDS) > 1 else "build"
os.environ.setdefault("TMPDIR", "/var/tmp")
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
from fio import over_nbd, p99_us  # noqa: E402
from report import Report  # noqa: E402
from stand import Stand, need  # noqa: E402

EXCEPTIONS = 1_000_000 if "--full" in sys.argv else 20_000
CHUNK_BYTES = 4096
ORIGIN_BYTES = EXCEPTIONS * CHUNK_BYTES * 5 // 4
ROUNDS = 5
RUN_S = 2
DELETE_AFTER_S = 0.5


class Volume:
    def __init__(self):
        self.stand = Stand(ORIGIN_BYTES, initialize=False)
        os.truncate(self.stand.snapstore, 3 * ORIGIN_BYTES + (256 << 20))
        self.stand.ddsnap("initialize", "-c", "4K", self.stand.snapstore, self.stand.origin)
        self.stand.start_agent()
        self.stand.start_server()
        self.stand.start_nbdkit()
        over_nbd(self.stand.nbd, "--rw=write", "--bs=1m", "--iodepth=16", f"--size={ORIGIN_BYTES}")  # so that no chunk is zeros

    def fill(self, tag):
        """A snapshot with so many exceptions, and a newer one, into which writes go meanwhile."""
        self.stand.create(tag)
        over_nbd(self.stand.nbd, "--rw=randwrite", "--bs=4k", "--iodepth=64", f"--size={ORIGIN_BYTES}",
                 f"--io_size={EXCEPTIONS * CHUNK_BYTES}")
        self.stand.create(tag + "-after")

    def write_us(self):
        return p99_us(over_nbd(self.stand.nbd, "--rw=randwrite", "--bs=4k", "--iodepth=8", f"--size={ORIGIN_BYTES}",
                               "--time_based", f"--runtime={RUN_S}"))

    def write_beside_delete_us(self, tag):
        took = []

        def delete():
            time.sleep(DELETE_AFTER_S)
            begin = time.monotonic()
            self.stand.ddsnap("delete", self.stand.server, tag)
            took.append((time.monotonic() - begin) * 1000)
        deleting = threading.Thread(target=delete)
        deleting.start()
        p99 = self.write_us()
        deleting.join()
        return p99, took[0]


def main():
    need("fio", "nbdkit")
    report = Report("delete", f"deletes of snapshots with {EXCEPTIONS:,} exceptions drawn at random", tools=("fio", "nbdkit"))
    volume = Volume()
    try:
        with_delete, without, took = [], [], []
        for number in range(ROUNDS):
            tag = f"s{number}"
            volume.fill(tag)
            without.append(volume.write_us())
            volume.stand.create(tag + "-beside")  # as many first writes as before
            p99, delete_ms = volume.write_beside_delete_us(tag)
            with_delete.append(p99)
            took.append(delete_ms)
            for left in ("-after", "-beside"):
                volume.stand.ddsnap("delete", volume.stand.server, tag + left)
        report.compare("origin's writes, 99 %, while one is deleted", "us", with_delete, "without", without, 2, more_is_better=False)
        report.figure("delete, until it is answered", "ms", took, more_is_better=False)
        report.close()
    finally:
        volume.stand.close()


if __name__ == "__main__":
    main()
