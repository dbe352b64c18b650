#!/usr/bin/env python3
"""What writes and reads of one volume cost on the kernel's targets: dm-linear, ddsnap's origin with so many snapshots, dm-snapshot
and dm-thin, taking turns on the same two disks in one boot of an emulated machine. The disks are files in TMPDIR: in /dev/shm
a flush is nearly free and what is left is what the code costs; on a disk its flushes count.

usage: kernel_targets_bench.py BUILD [--full] [--kernel 6.1|6.12] [--rounds N]
"""

import collections

from kernel_guest import FioFigures, name_of, parse_options, run_in_guest
from report import Report

SHORT = "linear:4:0 ddsnap:16:1 ddsnap:16:8 snapshot:16:1 snapshot:16:8 thin:64:1 thin:64:8"
FULL = ("linear:4:0 ddsnap:16:0 ddsnap:16:1 ddsnap:16:8 ddsnap:16:64 ddsnap:16:1000 ddsnap:4:1 ddsnap:4:8 ddsnap:4:1000 "
        "snapshot:16:1 snapshot:16:8 snapshot:4:1 snapshot:4:8 thin:64:1 thin:64:8 thin:64:64")
def main():
    options = parse_options()
    systems = (FULL if options.full else SHORT).split()
    report = Report(f"kernel_targets_{options.kernel}", f"Linux {options.kernel} emulated by QEMU, origin 256 MiB, {options.rounds} turns")
    found = collections.defaultdict(list)
    for system, what, terse in run_in_guest(options, "writes.sh", systems):
        found[system, what].append(FioFigures(terse, what.startswith("read")))
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


if __name__ == "__main__":
    main()
