"""The benchmarks of kernel targets: one boot of an emulated machine, systems taking turns in it, and the lines that it prints."""

import argparse
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
READ_IOPS, READ_PERCENTILES, WRITE_IOPS, WRITE_PERCENTILES = 7, 17, 48, 58  # fields of fio's terse format, version 3
PERCENTILES = 20


class FioFigures:
    def __init__(self, terse, is_read):
        fields = terse.split(";")
        self.rate = float(fields[READ_IOPS if is_read else WRITE_IOPS])
        first = READ_PERCENTILES if is_read else WRITE_PERCENTILES
        self.latency_us = {}
        for field in fields[first:first + PERCENTILES]:
            percent, value = field.split("=")
            self.latency_us[float(percent.rstrip("%"))] = float(value)


def parse_options():
    parser = argparse.ArgumentParser()
    parser.add_argument("build", nargs="?", default="build")
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--kernel", default="6.1")
    parser.add_argument("--rounds", type=int, default=5)
    return parser.parse_args()


def run_in_guest(options, script, systems, files=()):
    """Yields (system, what, rest of the line) of each line that the script printed."""
    bench = ROOT / "tests/bench/vm"
    command = [str(ROOT / "tests/vm/run"), "-k", options.kernel, "-b", options.build, "-e", f"ROUNDS={options.rounds}",
               "-e", "SYSTEMS=" + ",".join(systems)]
    for file in (bench / "systems.sh", *files):
        command += ["-f", str(file)]
    with subprocess.Popen([*command, str(bench / script)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          errors="replace") as guest:
        said = []
        for line in guest.stdout:
            said.append(line)
            words = line.split(None, 4)
            if words[:1] == ["BENCH"]:
                yield words[1], words[3], words[4]
    if guest.returncode == 77:
        print("".join(said[-1:]), end="")
        sys.exit(0)
    if guest.returncode != 0:
        sys.exit("".join(said[-20:]))


def name_of(system):
    kind, chunk, count = system.split(":")
    if kind == "linear":
        return "dm-linear"
    name = {"ddsnap": "ddsnap", "snapshot": "dm-snapshot", "thin": "dm-thin"}[kind]
    return f"{name} {chunk}K, {count} snapshot{'' if count == '1' else 's'}"
