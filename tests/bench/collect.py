#!/usr/bin/env python3
"""Makes BENCHMARKS.md, its pictures and BENCHMARKS.json of a folder of results, as report.py and Google Benchmark leave them there.

usage: collect.py RESULTS [INTO]       (default: tests/bench)
"""

import json
import pathlib
import statistics
import subprocess
import sys
import time

from reasons import reason_for

HEAD = """# Benchmarks

Every figure of ours stands beside one of a peer's, or of a physical limit, taken in turns in the same run; what counts is the ratio. Made by
`make bench` or `make bench-full`; medians, and in brackets the least and the most. `tests/bench/regressions.py OLD NEW` names what got worse between two
folders of results, or two of the files BENCHMARKS.json that stand beside this page.
The figures themselves are those of one machine, and tell little about another.
"""


def number(value):
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def span(values):
    middle = number(statistics.median(values))
    return f"{middle} ({number(min(values))} to {number(max(values))})" if len(set(values)) > 1 else middle


def verdict(row):
    if row["goal"] is None:
        return ""
    return f"{'>=' if row['more_is_better'] else '<='} {row['goal']:g}: {'met' if row['is_met'] else '**missed**'}"


def section(result, picture):
    when = time.strftime("%Y-%m-%d", time.gmtime(result["time"]))
    lines = [f"## {result['name']}", "", f"{result['about']}. {when}, source {result['source']}, {result['machine']}, Linux "
             f"{result['kernel']}, load {result['load']}. `{result['command']}`", ""]
    if result.get("versions"):
        lines += ["With " + ", ".join(f"{tool} {version}" for tool, version in result["versions"].items()) + ".", ""]
    if picture:
        lines += [f"![ratios]({picture})", ""]
    lines += ["| what | unit | ddsnap | peer | the peer's | ratio (spread) | goal |", "|---|---|---|---|---|---|---|"]
    for row in result["rows"]:
        beside = "| | | " if row["peer"] == "itself" else (
            f"| {row['peer']} | {span(row['theirs'])} | {row['ratio']:.2f} ({row['lowest']:.2f} to {row['highest']:.2f}) ")
        lines.append(f"| {row['what']} | {row['unit']} | {span(row['ours'])} {beside}| {verdict(row)} |")
    return lines + [""]


def micro_section(name, result):
    lines = [f"## {name}", "", f"{result['context']['num_cpus']} processors, load {result['context']['load_avg'][0]:.1f}.", "",
             "| what | processor time | rate |", "|---|---|---|"]
    for row in result["benchmarks"]:
        rate = next((f"{row[key] / scale:,.3g} {unit}" for key, scale, unit in
                     (("bytes_per_second", 1 << 30, "GiB/s"), ("items_per_second", 1e6, "million/s")) if key in row), "")
        lines.append(f"| {row['name']} | {row['cpu_time']:,.3g} {row['time_unit']} | {rate} |")
    return lines + [""]


# One bar a row: the ratio, with its spread, on a logarithmic scale about 1.
PLOT = """set terminal svg size 900,{height} dynamic enhanced background rgb 'white' font 'sans,12'
set output '{output}'
set logscale x
set grid xtics
set yrange [-0.7:{rows}-0.3] reverse
set ytics ({labels})
set xlabel 'ratio to the peer'
set arrow from 1,-0.7 to 1,{rows}-0.3 nohead lw 2 lc rgb '#808080'
set lmargin 60
unset key
plot '-' using 2:1:3:4 with xerrorbars pt 7 ps 1 lw 2 lc rgb '#2060a0'
{data}
e
"""


def draw(result, folder):
    rows = [row for row in result["rows"] if row["ratio"] > 0 and row["peer"] != "itself"]
    if len(rows) < 2:
        return None
    quoted = [f"{row['what']} / {row['peer']}".replace("'", "").replace('"', "").replace("_", r"\\_").replace("%", "%%") for row in rows]
    labels = ", ".join(f'"{words}" {at}' for at, words in enumerate(quoted))
    data = "\n".join(f"{at} {row['ratio']} {row['lowest']} {row['highest']}" for at, row in enumerate(rows))
    picture = folder / "plots" / f"{result['name']}.svg"
    picture.parent.mkdir(parents=True, exist_ok=True)
    script = PLOT.format(height=90 + 24 * len(rows), output=picture, rows=len(rows), labels=labels, data=data)
    try:
        subprocess.run(["gnuplot"], input=script.encode(), check=True)
    except FileNotFoundError:
        print("collect: no gnuplot, no pictures", file=sys.stderr)
        return None
    return picture.relative_to(folder)


def missed_section(results):
    rows = [(result["name"], row) for result in results for row in result["rows"] if row["is_met"] is False]
    if not rows:
        return ["Every goal is met.", ""]
    return ["## Goals missed", "", "What things must cost is in [MODEL.md](MODEL.md).", "", "| where | what | measured | goal | why |",
            "|---|---|---|---|---|"] + [
        f"| {name} | {row['what']}, beside {row['peer']} | {row['ratio']:.2f} | {verdict(row).split(':', maxsplit=1)[0]} | "
        f"{reason_for(name, row['what'] + ', beside ' + row['peer'])} |" for name, row in rows] + [""]


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    folder = pathlib.Path(sys.argv[1])
    into = pathlib.Path(sys.argv[2]) if len(sys.argv) == 3 else pathlib.Path(__file__).resolve().parent
    results, micro = [], []
    for path in sorted(folder.glob("*.json")):
        kept = json.loads(path.read_text(encoding="utf-8"))
        if "rows" in kept:
            results.append(kept)
        elif "benchmarks" in kept:
            micro.append((path.stem, kept))
    lines = [HEAD] + missed_section(results)
    for result in results:
        lines += section(result, draw(result, into))
    for name, kept in micro:
        lines += micro_section(name, kept)
    (into / "BENCHMARKS.json").write_text("[\n" + ",\n".join(map(json.dumps, results)) + "\n]\n", encoding="utf-8")
    (into / "BENCHMARKS.md").write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
