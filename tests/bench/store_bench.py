#!/usr/bin/env python3
"""The snapstore alone: recovery of a million exceptions beside reading the same bytes, and what ten thousand snapshots and ten
million exceptions of 16 TiB cost, written in clusters of 32 chunks as file systems do, and by single chunks, the worst case.

usage: store_bench.py BUILD [--full]       (without --full: a thousand and a million)
"""

import pathlib
import sys

from report import Report, measure


def main():
    words = [word for word in sys.argv[1:] if word != "--full"]
    programs = pathlib.Path(words[0] if words else "build") / "bench"
    report = Report("store", "the snapstore alone; origin and slots are made up, metadata is in a real file")
    measure(report, programs / "recovery_measure")
    snapshots, exceptions = (10_000, 10_000_000) if "--full" in sys.argv else (1000, 1_000_000)
    measure(report, programs / "scale_measure", snapshots, exceptions, 32)
    measure(report, programs / "scale_measure", snapshots, exceptions, 1)
    report.close()


if __name__ == "__main__":
    main()
