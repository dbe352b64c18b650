#!/usr/bin/env python3
"""What others wait in a store with very many snapshots, and while targets ask there where a whole volume lies (T7, timeline 29);
beside the same with one snapshot, in turns, in one run.

usage: many_snapshots_bench.py BUILD [--full] [SNAPSHOTS]        (default: 2000, --full 10000; at most 65,535)
"""

import os
import pathlib
import random
import struct
import subprocess
import sys
import time

WORDS = [word for word in sys.argv if word != "--full"]
os.environ["DDSNAP_BUILD"] = WORDS[1] if len(WORDS) > 1 else "build"
E2E = pathlib.Path(__file__).resolve().parents[1] / "e2e"
sys.path.insert(0, str(E2E))
import raw_client  # noqa: E402
from bystanders import Bystanders  # noqa: E402
from report import Report  # noqa: E402
from stand import Stand, need  # noqa: E402

SNAPSHOTS = int(WORDS[2]) if len(WORDS) > 2 else 10_000 if "--full" in sys.argv else 2000
ORIGIN_BYTES = 64 << 20
STORE_BYTES = 1 << 30
CREATE_SNAPSHOT = 64
ROUNDS = 5
AT_ONCE = 32
CREATES = 50  # whose time is taken, one by one
ASKING = 4  # targets that ask for everything
PARTS = (("median", 0.5), ("99 %", 0.99))


class Volume:
    def __init__(self, content):
        self.stand = Stand(ORIGIN_BYTES, STORE_BYTES)
        with open(self.stand.origin, "r+b") as origin:
            origin.write(content)
        self.stand.start_agent()
        self.stand.start_server()
        self.stand.create("first")
        self.stand.start_nbdkit()
        self.content = content
        self.client = raw_client.RawClient(self.stand.server)
        self.made = 0

    def close(self):
        self.client.close()
        self.stand.close()

    def create(self, count):
        """So many snapshots with one round trip."""
        for _ in range(count):
            tag = f"n{self.made}".encode()
            self.made += 1
            self.client.send(raw_client.frame(CREATE_SNAPSHOT, os.urandom(16) + struct.pack("<BBH", 0x80, 0, len(tag)) + tag))
        for _ in range(count):
            kind, body = self.client.receive()
            assert kind != raw_client.ERROR, body

    def create_ms(self):
        begin = time.monotonic()
        self.create(1)
        return (time.monotonic() - begin) * 1000

    def wait_ms(self, is_asked):
        """What others waited, by what they do; while targets ask for everything or not."""
        others = Bystanders(self.stand, self.content)
        try:
            if not is_asked:
                return others.measure()
            with subprocess.Popen([sys.executable, str(E2E / "hostile_clients.py"), "questions", self.stand.server, str(ASKING)],
                                  stdout=subprocess.PIPE) as asking:
                assert asking.stdout.readline() == b"ready\n"
                took = others.measure()
                asking.kill()
            return took
        finally:
            others.stop()
            if others.failures:
                raise others.failures[0]


def compare_waits(report, many, one, is_asked):
    took = [(many.wait_ms(is_asked), one.wait_ms(is_asked)) for _ in range(ROUNDS)]
    how = f", {ASKING} targets ask for all" if is_asked else ""
    for what in took[0][0]:
        for name, part in PARTS:
            ours, theirs = ([side[what][int(len(side[what]) * part)] for side in sides] for sides in zip(*took))
            report.compare(f"{what}, {name}{how}", "ms", ours, "with one snapshot", theirs, more_is_better=False)


def main():
    need("nbdkit")
    content = random.Random(1).randbytes(1 << 20)
    report = Report("many_snapshots", f"what others wait in a store with {SNAPSHOTS:,} snapshots", tools=("nbdkit",))
    many, one = Volume(content), Volume(content)
    try:
        for left in range(SNAPSHOTS, 0, -AT_ONCE):
            many.create(min(AT_ONCE, left))
        report.limit(f"create of a snapshot, {SNAPSHOTS:,} there", "ms", [many.create_ms() for _ in range(CREATES)], 10)
        report.limit("create of a snapshot, one there", "ms", [one.create_ms() for _ in range(CREATES)], 10)
        compare_waits(report, many, one, is_asked=False)
        compare_waits(report, many, one, is_asked=True)
        report.close()
    finally:
        many.close()
        one.close()


if __name__ == "__main__":
    main()
