#!/usr/bin/env python3
"""What writes and reads of one volume cost on the kernel's targets: dm-linear, ddsnap's origin with so many snapshots, dm-snapshot
and dm-thin, taking turns on the same two disks in one boot of an emulated machine. The disks are files in TMPDIR: in /dev/shm
a flush is nearly free and what is left is what the code costs; on a disk its flushes count.

usage: kernel_targets_bench.py BUILD [--full] [--kernel 6.1|6.12] [--rounds N]
"""

import argparse
import collections
import pathlib
import subprocess
import sys

from report import Report

ROOT = pathlib.Path(__file__).resolve().parents[2]
SHORT = "linear:4:0 ddsnap:16:1 ddsnap:16:8 snapshot:16:1 snapshot:16:8 thin:64:1 thin:64:8"
FULL = ("linear:4:0 ddsnap:16:0 ddsnap:16:1 ddsnap:16:8 ddsnap:16:64 ddsnap:16:1000 ddsnap:4:1 ddsnap:4:8 ddsnap:4:1000 "
        "snapshot:16:1 snapshot:16:8 snapshot:4:1 snapshot:4:8 thin:64:1 thin:64:8 thin:64:64")
READ_IOPS, READ_PERCENTILES, WRITE_IOPS, WRITE_PERCENTILES = 7, 17, 48, 58  # fields of fio's terse format, version 3
PERCENTILES = 20


class Measurement:
    def __init__(self, terse, is_read):
        fields = terse.split(";")
        self.rate = float(fields[READ_IOPS if is_read else WRITE_IOPS])
        first = READ_PERCENTILES if is_read else WRITE_PERCENTILES
        self.latency_us = {}
        for field in fields[first:first + PERCENTILES]:
            percent, value = field.split("=")
            self.latency_us[float(percent.rstrip("%"))] = float(value)


def run(options, systems):
    command = [str(ROOT / "tests/vm/run"), "-k", options.kernel, "-b", options.build, "-e", f"ROUNDS={options.rounds}",
               "-e", "SYSTEMS=" + ",".join(systems), str(ROOT / "tests/bench/vm/writes.sh")]
    found = collections.defaultdict(list)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace") as guest:
        said = []
        for line in guest.stdout:
            said.append(line)
            words = line.split(None, 4)
            if words[:1] == ["BENCH"]:
                _, system, _, what, terse = words
                found[system, what].append(Measurement(terse, what.startswith("read")))
    if guest.returncode == 77:
        print("".join(said[-1:]), end="")
        sys.exit(0)
    if guest.returncode != 0:
        sys.exit("".join(said[-20:]))
    return found


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build", nargs="?", default="build")
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--kernel", default="6.1")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    systems = (FULL if options.full else SHORT).split()
    report = Report(f"kernel_targets_{options.kernel}", f"Linux {options.kernel} emulated by QEMU, origin 256 MiB, {options.rounds} turns")
    found = run(options, systems)
    rates = {key: [one.rate for one in value] for key, value in found.items()}

    def compare(what, ours, theirs, goal=None):
        if (ours, what) in rates and (theirs, what) in rates:
            report.compare(f"{what}, {name_of(ours)}", "1/s", rates[ours, what], name_of(theirs), rates[theirs, what], goal)

    for system in systems:
        kind, chunk, count = system.split(":")
        if kind != "ddsnap":
            continue
        for what in ("again-4k", "again-64k", "read-4k"):
            compare(what, system, "linear:4:0", 0.97)
        compare("fresh-4k", system, "linear:4:0", 0.25 if (chunk, count) == ("4", "1") else None)
        compare("fresh-64k", system, "linear:4:0")
        for what in ("fresh-4k", "fresh-64k", "fresh-4k-alone"):
            compare(what, system, f"snapshot:{chunk}:{count}", {"1": 1.0, "8": 3.0}.get(count) if what == "fresh-4k" else None)
            compare(what, system, f"thin:64:{count}", 1.0 if what == "fresh-4k" else None)
        if count == "1000":
            compare("fresh-4k", system, f"ddsnap:{chunk}:1", 0.95)
    for system in systems:
        alone = found[system, "fresh-4k-alone"]
        middle = sorted(alone, key=lambda one: one.latency_us[99.0])[len(alone) // 2].latency_us
        print(f"  {name_of(system)}: one write at a time, us: " + ", ".join(f"{percent:g} % {middle[percent]:,.0f}"
                                                                          for percent in (50.0, 95.0, 99.0)))
    report.close()


def name_of(system):
    kind, chunk, count = system.split(":")
    if kind == "linear":
        return "dm-linear"
    name = {"ddsnap": "ddsnap", "snapshot": "dm-snapshot", "thin": "dm-thin"}[kind]
    return f"{name} {chunk}K, {count} snapshot{'' if count == '1' else 's'}"


if __name__ == "__main__":
    main()
