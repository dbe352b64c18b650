#!/usr/bin/env python3
"""What writes through the nbdkit plugin cost, beside what they could cost at best, in one run.

Granted writes (random 4 KiB, depth 64) are set against nbdkit's own file plugin on a like file, in
turns. First writes (4 KiB into 16 KiB chunks, depth 64) are set against the bound that the same
disk's raw rates leave: each is one chunk read from the origin and one chunk written to the snapstore
under an fdatasync per 64, so 1 / (1/read + 1/write). Prints medians and ratios. The original server
made 2,600 first writes a second (closed loop, 16 KiB chunks, no flush at all).

usage: nbd_writes_bench.py BUILD
"""

import os
import pathlib
import subprocess
import sys

os.environ["DDSNAP_BUILD"] = sys.argv[1] if len(sys.argv) > 1 else "build"
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
from fio import fio, over_nbd  # noqa: E402
from report import Report  # noqa: E402
from stand import PLUGIN, Stand, need  # noqa: E402

ORIGIN_BYTES = 512 << 20
STORE_BYTES = 1 << 30
ORIGINAL_FIRST_WRITES = 2600
ROUNDS = 5
WRITES = 12_000  # of 4 KiB, each to a chunk drawn at random
THREADS = 64  # of nbdkit: one for each write in flight


def writes_a_second(socket, *options):
    return over_nbd(socket, "--iodepth=64", f"--size={ORIGIN_BYTES}", *options)["write"]["iops"]


def fill(path, size_bytes):
    with open(path, "wb") as file:
        for _ in range(size_bytes >> 20):
            file.write(os.urandom(1 << 20))


def start_file_plugin(stand, path):
    socket = stand.path("file-nbd")
    pid = stand.path("file.pid")
    stand.start("file-nbdkit", ["nbdkit", "-f", "-t", str(THREADS), "-U", socket, "-P", pid, "file", path],
                lambda: os.path.exists(pid))
    return socket


def granted_writes(report, stand, other):
    options = ("--rw=randwrite", "--bs=4k", "--time_based", "--runtime=3")
    writes_a_second(stand.nbd, *options)
    ours, theirs = [], []
    for _ in range(ROUNDS):
        theirs.append(writes_a_second(other, *options))
        ours.append(writes_a_second(stand.nbd, *options))
    report.compare("granted random 4K writes", "1/s", ours, "nbdkit's file plugin", theirs, 0.90)


def raw_bound(stand):
    read = fio("--ioengine=io_uring", "--iodepth=64", f"--filename={stand.origin}", "--rw=randread", "--bs=16k",
               f"--size={ORIGIN_BYTES}", "--io_size=256m")["read"]["iops"]
    spare = stand.path("raw-store")
    subprocess.run(["fallocate", "-l", str(STORE_BYTES), spare], check=True)
    write = fio("--ioengine=io_uring", "--iodepth=64", f"--filename={spare}", "--rw=write", "--bs=16k", "--iodepth_batch=64",
                "--iodepth_batch_complete_min=64", "--fdatasync=64", f"--size={STORE_BYTES}", "--io_size=256m")["write"]["iops"]
    os.unlink(spare)
    return read, write, 1 / (1 / read + 1 / write)


def first_writes(report, stand):
    ours, bounds = [], []
    for round_number in range(ROUNDS):
        read, write, bound = raw_bound(stand)
        stand.create(f"round-{round_number}")
        before = stand.status()
        rate = writes_a_second(stand.nbd, "--rw=randwrite", "--bs=4k", "--blockalign=16k", f"--io_size={WRITES * 4096}")
        after = stand.status()
        first = after["first_writes"] - before["first_writes"]
        share = first / WRITES  # the rest hit chunks that were granted already
        ours.append(rate * share)
        bounds.append(bound)
        print(f"  round {round_number}: raw read {read:9,.0f}/s, raw write+flush {write:9,.0f}/s, bound {bound:9,.0f}/s, "
              f"first writes {rate * share:9,.0f}/s, {first / max(1, after['batches'] - before['batches']):.0f} a batch")
        stand.ddsnap("delete", stand.server, f"round-{round_number}")
    report.compare("first writes, 16K chunks", "1/s", ours, "the bound of the raw rates", bounds, 0.60)
    report.compare("first writes, 16K chunks", "1/s", ours, "the original's 2,600/s", [ORIGINAL_FIRST_WRITES] * ROUNDS, 10)


def main():
    need("fio", "nbdkit", "fallocate")
    stand = Stand(ORIGIN_BYTES, STORE_BYTES)
    try:
        fill(stand.origin, ORIGIN_BYTES)
        other = stand.path("like-origin")
        fill(other, ORIGIN_BYTES)
        stand.start_agent()
        stand.start_server()
        stand.start_nbdkit("-t", str(THREADS))
        report = Report("nbd_writes", f"writes through nbdkit, plugin {PLUGIN.name}, origin {ORIGIN_BYTES >> 20} MiB, depth 64",
                        tools=("fio", "nbdkit"))
        granted_writes(report, stand, start_file_plugin(stand, other))
        first_writes(report, stand)
        report.close()
    finally:
        stand.close()


if __name__ == "__main__":
    main()
