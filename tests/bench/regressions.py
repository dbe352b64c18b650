#!/usr/bin/env python3
"""Names what got worse between two folders of results, or two BENCHMARKS.json: a ratio whose whole spread lies on the wrong side of the old one's.
Exit status 1 when there is any.

usage: regressions.py OLD NEW
"""

import json
import pathlib
import sys


def rows_of(where):
    where = pathlib.Path(where)
    kept = [json.loads(path.read_text(encoding="utf-8")) for path in (sorted(where.glob("*.json")) if where.is_dir() else [where])]
    results = [result for one in kept for result in (one if isinstance(one, list) else [one])]
    return {(result["name"], row["what"], row["peer"]): row for result in results for row in result.get("rows", [])}


def is_worse(old, new):
    return new["highest"] < old["lowest"] if old["more_is_better"] else new["lowest"] > old["highest"]


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    old, new = rows_of(sys.argv[1]), rows_of(sys.argv[2])
    common = [key for key in old if key in new]
    worse = [key for key in common if is_worse(old[key], new[key])]
    for key in worse:
        print(f"{key[0]}: {key[1]}, beside {key[2]}: {old[key]['ratio']:.2f} before, {new[key]['ratio']:.2f} now")
    print(f"{len(worse)} of {len(common)} worse; {len(old) - len(common)} only in {sys.argv[1]}, {len(new) - len(common)} only in {sys.argv[2]}")
    sys.exit(1 if worse else 0)


if __name__ == "__main__":
    main()
