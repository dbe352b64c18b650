"""What every benchmark says and keeps: one figure of ours beside one of a peer's, measured in turns in one run.

    report = Report("nbd_writes", "what it measures, on what", tools=("fio", "nbdkit"))
    report.compare("granted random 4K writes", "1/s", ours, "nbdkit's file plugin", theirs, goal=0.90)
    report.close()

Prints a line for each comparison: the medians, the median of the ratios of each turn, their spread, and the goal. With the
variable DDSNAP_RESULTS set, close() writes FOLDER/NAME.json too, which `collect.py` makes BENCHMARKS.md of.
"""

import json
import os
import pathlib
import platform
import re
import signal
import statistics
import subprocess
import sys
import time


def source_version():
    said = subprocess.run(["git", "-C", str(pathlib.Path(__file__).parent), "describe", "--always", "--dirty"], check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return said.stdout.decode().strip() or "unknown"


def processor():
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.machine()


def tool_version(tool):
    """The first number that `TOOL --version` says."""
    try:
        said = subprocess.run([tool, "--version"], check=False, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT).stdout.decode(errors="replace")
    except OSError:
        return "not installed"
    found = re.search(r"\d+(\.\d+)+", said)
    return found.group() if found else "unknown"


class Report:
    def __init__(self, name, about, tools=()):
        self.name = name
        self.about = about
        self.rows = []
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # told to end, it still ends what it started
        self.versions = {tool: tool_version(tool) for tool in tools}
        print(f"{name}: {about}; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors", flush=True)

    def compare(self, what, unit, ours, peer, theirs, goal=None, more_is_better=True):
        """ours and theirs: as many figures as turns, each of ours beside the one of theirs of the same turn."""
        ratios = sorted(a / b for a, b in zip(ours, theirs, strict=True) if b)
        if not ratios:
            print(f"  {what}: nothing to compare with")
            return None
        ratio = statistics.median(ratios)
        is_met = None if goal is None else ratio >= goal if more_is_better else ratio <= goal
        self.rows.append({"what": what, "unit": unit, "ours": list(ours), "peer": peer, "theirs": list(theirs),
                          "ratio": ratio, "lowest": ratios[0], "highest": ratios[-1], "goal": goal,
                          "more_is_better": more_is_better, "is_met": is_met})
        wish = "" if goal is None else f"  goal {'>=' if more_is_better else '<='} {goal:g}: {'met' if is_met else 'MISSED'}"
        print(f"  {what}: {statistics.median(ours):,.4g} {unit}; {peer}: {statistics.median(theirs):,.4g}; "
              f"ratio {ratio:.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f}){wish}", flush=True)
        return ratio

    def limit(self, what, unit, figures, goal, more_is_better=False):
        """A figure with a goal of its own, such as seconds or bytes."""
        return self.compare(what, unit, figures, "the limit", [goal] * len(figures), 1.0, more_is_better)

    def figure(self, what, unit, figures, more_is_better=True):
        """A figure that stands alone: no peer does the like, or it only explains another."""
        return self.compare(what, unit, figures, "itself", figures, more_is_better=more_is_better)

    def close(self):
        folder = os.environ.get("DDSNAP_RESULTS")
        if not folder:
            return
        kept = {"name": self.name, "about": self.about, "command": " ".join(sys.argv), "time": int(time.time()),
                "source": source_version(), "machine": f"{os.cpu_count()} x {processor()}", "kernel": platform.release(),
                "load": round(os.getloadavg()[0], 1), "versions": self.versions, "rows": self.rows}
        path = pathlib.Path(folder) / f"{self.name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


def measure(report, program, *words):
    """Runs a *_measure program, whose lines of figures come in by print_measure()."""
    with subprocess.Popen([str(program), *map(str, words)], stdout=subprocess.PIPE, text=True) as running:
        for line in running.stdout:
            fields = line.rstrip("\n").split("|")
            if fields[0] != "MEASURE":
                print("  " + line, end="", flush=True)
                continue
            _, what, unit, ours, peer, theirs, limit = fields
            ours = [float(one) for one in ours.split()]
            if peer:
                report.compare(what, unit, ours, peer, [float(one) for one in theirs.split()], more_is_better=False)
            elif float(limit) > 0:
                report.limit(what, unit, ours, float(limit))
            else:
                report.figure(what, unit, ours, more_is_better=False)
    if running.returncode != 0:
        sys.exit(f"{program} ended with {running.returncode}")
