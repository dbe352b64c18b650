#!/usr/bin/env python3
"""Shows that the origin is a good disk while snapshots come and go: fio writes and verifies random
mixed sizes (512 B to 64 KiB) at depth 16 in several jobs on disjoint ranges, one of them trimming,
while snapshots are made, read, compared with a copy made at their birth, and deleted."""

import subprocess
import sys
import threading

import stand

stand.need("nbdkit", "nbdcopy", "fio")
if "nbd" not in subprocess.run(["fio", "--enghelp"], stdout=subprocess.PIPE, check=False,
                               text=True).stdout.split():
    print("skipped: this fio has no nbd engine")
    sys.exit(77)

JOB_BYTES = 8 << 20
VERIFYING_JOBS = 3
SNAPSHOTS = 8
MAX_LIVE = 3


def job(number, name, kind, *options):
    return [f"[{name}{number}]", f"rw={kind}", f"offset={number * JOB_BYTES}", f"size={JOB_BYTES}",
            *options]


def fio_jobs(uri, seed):
    lines = ["[global]", "ioengine=nbd", f"uri={uri}", "bsrange=512-64k", "blockalign=512",
             "iodepth=16", f"randseed={seed}", "group_reporting=1"]
    for number in range(VERIFYING_JOBS):
        lines += job(number, "verify", "randwrite" if number else "randrw", "verify=crc32c",
                     "do_verify=1", "verify_fatal=1", "verify_backlog=64", "io_size=6m")
    # Trims of a range that is written meanwhile; no content to expect, but no error either.
    lines += job(VERIFYING_JOBS, "trim", "randtrim", "io_size=2m")
    lines += job(VERIFYING_JOBS, "write", "randwrite", "io_size=2m")
    return "\n".join(lines) + "\n"


class FioVerify(stand.StandTest):
    ORIGIN_BYTES = (VERIFYING_JOBS + 1) * JOB_BYTES
    STORE_BYTES = 256 << 20

    def test_verify_under_snapshots(self):
        done = threading.Event()
        failures = []
        rounds = []

        def run_fio():
            while not done.is_set() or not rounds:
                with open(self.stand.path("jobs.fio"), "w", encoding="ascii") as file:
                    file.write(fio_jobs(self.stand.uri(), stand.SEED + len(rounds)))
                try:
                    stand.run_tool("fio", self.stand.path("jobs.fio"), cwd=self.stand.folder)
                except Exception as error:  # pylint: disable=broad-except
                    failures.append(error)
                    return
                rounds.append(1)

        fio = threading.Thread(target=run_fio)
        fio.start()
        try:
            self.make_read_and_delete_snapshots(fio)
        finally:
            done.set()
            fio.join()
        self.assertEqual(failures, [])
        print(f"{len(rounds)} rounds of fio; {self.stand.status()['first_writes']} first writes")

    def make_read_and_delete_snapshots(self, fio):
        births = {}
        for number in range(SNAPSHOTS):
            tag = str(number)
            writes = self.stand.status()["first_writes"]
            self.stand.create(tag)
            births[tag] = self.stand.copy_out(tag, f"birth{tag}")
            if not births.keys() - {tag}:
                continue
            stand.wait_until(lambda before=writes: not fio.is_alive() or
                             self.stand.status()["first_writes"] > before + 100,
                             "fio makes no first writes")
            for old, birth in births.items():
                self.assert_same(self.stand.copy_out(old, "copy"), birth)
            if len(births) > MAX_LIVE:
                victim = sorted(births)[1]  # one in the middle
                self.stand.ddsnap("delete", self.stand.server, victim)
                del births[victim]


if __name__ == "__main__":
    stand.main()
