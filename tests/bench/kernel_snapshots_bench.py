#!/usr/bin/env python3
"""What snapshots themselves cost on the kernel's targets: to take and to drop one, to read one whole (nothing copied out; a tenth of
it), and to unpack a tree of files and sync with a snapshot before each (the original's nsnaps). Systems take turns on the same two
disks in one boot of an emulated machine, as in kernel_targets_bench.py. Times of less than some ms are lost in the clock of 10 ms.

usage: kernel_snapshots_bench.py BUILD [--full] [--kernel 6.1|6.12] [--rounds N]
"""

import collections
import pathlib
import sys
import tarfile
import tempfile

from kernel_guest import FioFigures, name_of, parse_options, run_in_guest
from report import Report

SHORT = "linear:4:0 ddsnap:16:1 ddsnap:16:8 snapshot:16:1 snapshot:16:8 thin:64:1 thin:64:8"
FULL = SHORT + " ddsnap:16:64 ddsnap:16:1000 thin:64:64"


def make_tree(folder):
    """Headers of a kernel: what a machine that can run the VM tests has."""
    headers = sorted(pathlib.Path("/usr/src").glob("linux-headers-*-common/include/linux"))
    if not headers:
        print("skipped: no kernel headers below /usr/src (scripts/install-deps --vm)")
        sys.exit(0)
    path = pathlib.Path(folder) / "tree.tar"
    with tarfile.open(path, "w") as tree:
        tree.add(headers[0], "linux")
    return path


def main():
    options = parse_options()
    systems = (FULL if options.full else SHORT).split()
    report = Report(f"kernel_snapshots_{options.kernel}",
                    f"Linux {options.kernel} emulated by QEMU, origin 256 MiB, {options.rounds} turns")
    found = collections.defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        for system, what, rest in run_in_guest(options, "snapshots.sh", systems, [make_tree(folder)]):
            if what.startswith("read"):
                figure = FioFigures(rest, True).rate
            else:
                times, start, end = (float(word) for word in rest.split())
                figure = (end - start) / times * 1000
            found[system, what].append(figure)

    def compare(what, unit, ours, theirs, goal=None, more_is_better=False):
        if (theirs, what) in found:
            report.compare(f"{what}, {name_of(ours)}", unit, found[ours, what], name_of(theirs), found[theirs, what], goal,
                           more_is_better)

    for system in systems:
        kind, chunk, count = system.split(":")
        if kind != "ddsnap":
            continue
        for what in ("take", "drop", "trees"):
            compare(what, "ms", system, f"snapshot:{chunk}:{count}")
            compare(what, "ms", system, f"thin:64:{count}")
        compare("trees", "ms", system, "linear:4:0")
        compare("read-whole", "1/s", system, "linear:4:0", 0.9, more_is_better=True)
        compare("read-tenth", "1/s", system, "linear:4:0", 0.7, more_is_better=True)
    report.close()


if __name__ == "__main__":
    main()
