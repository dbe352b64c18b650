#!/usr/bin/env python3
"""What others wait while a target asks where a whole volume lies, in a store with very many snapshots
(T7, timeline 29), and what a create and a first write cost there; beside the same with one snapshot,
in one run. Prints milliseconds.

usage: many_snapshots_bench.py BUILD [SNAPSHOTS]        (default: 2000; at most 65,535)
"""

import os
import pathlib
import random
import struct
import subprocess
import sys
import time

os.environ["DDSNAP_BUILD"] = sys.argv[1] if len(sys.argv) > 1 else "build"
E2E = pathlib.Path(__file__).resolve().parents[1] / "e2e"
sys.path.insert(0, str(E2E))
import raw_client  # noqa: E402
from bystanders import Bystanders, in_words  # noqa: E402
from stand import Stand, need  # noqa: E402

SNAPSHOTS = int(sys.argv[2]) if len(sys.argv) > 2 else 2000
ORIGIN_BYTES = 64 << 20
STORE_BYTES = 1 << 30
CREATE_SNAPSHOT = 64
AT_ONCE = 32
ASKING = 4  # targets that ask for everything


def create_many(volume, count):
    client = raw_client.RawClient(volume.server)
    begin = time.monotonic()
    for number in range(0, count, AT_ONCE):
        now = min(AT_ONCE, count - number)
        for one in range(now):
            tag = f"n{number + one}".encode()
            client.send(raw_client.frame(CREATE_SNAPSHOT, os.urandom(16) + struct.pack(
                "<BBH", 0x80, 0, len(tag)) + tag))
        for _ in range(now):
            kind, body = client.receive()
            assert kind != raw_client.ERROR, body
    client.close()
    return (time.monotonic() - begin) / count * 1000


def measure(volume, content, what):
    others = Bystanders(volume, content)
    try:
        print(f"{what}, alone:          {in_words(others.measure())}", flush=True)
        with subprocess.Popen([sys.executable, str(E2E / "hostile_clients.py"), "questions",
                               volume.server, str(ASKING)], stdout=subprocess.PIPE) as asking:
            assert asking.stdout.readline() == b"ready\n"
            print(f"{what}, {ASKING} ask for all:  {in_words(others.measure())}", flush=True)
            asking.kill()
    finally:
        others.stop()
    if others.failures:
        raise others.failures[0]


def main():
    need("nbdkit")
    volume = Stand(ORIGIN_BYTES, STORE_BYTES)
    try:
        content = random.Random(1).randbytes(1 << 20)
        with open(volume.origin, "r+b") as origin:
            origin.write(content)
        volume.start_agent()
        volume.start_server()
        volume.create("first")
        volume.start_nbdkit()
        print(f"ms, median / 99% / worst; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
        measure(volume, content, "1 snapshot")
        print(f"{SNAPSHOTS} snapshots made, each {create_many(volume, SNAPSHOTS):.2f} ms")
        measure(volume, content, f"{SNAPSHOTS + 1} snapshots")
    finally:
        volume.close()


if __name__ == "__main__":
    main()
