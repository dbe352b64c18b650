#!/usr/bin/env python3
"""Shows that every test that tests/ORIGINAL.md names is there: each `file`: name, name; ... of its
tables is a file of tests/ and a test, or a function, in it."""

import pathlib
import re
import unittest

TESTS = pathlib.Path(__file__).resolve().parents[1]
# `file`: and the names up to the next file or the end of the cell.
NAMED = re.compile(r"`([a-z0-9_/]+)`: ([^`|]+)")
DEFINED = r"(?:TEST(?:_[FP])?\(\w+,\s*{0}\)|(?:def|void) {0}\()"


def source_of(name):
    folder = TESTS if "/" in name else TESTS / "unit"
    for suffix in (".cc", ".py", ".sh"):
        path = folder / (name + suffix)
        if path.exists():
            return path
    return None


class Documents(unittest.TestCase):
    def test_every_named_test_is_there(self):
        rows = [line for line in (TESTS / "ORIGINAL.md").read_text().splitlines()
                if re.match(r"\| \d+ \|", line)]
        self.assertEqual([int(row.split("|")[1]) for row in rows],
                         [*range(1, 18), *range(24, 28)])
        missing = []
        for row in rows:
            named = NAMED.findall(row)
            self.assertTrue(named, row)
            for file, names in named:
                source = source_of(file)
                if source is None:
                    missing.append(file)
                    continue
                text = source.read_text()
                missing += [f"{file}: {name}" for name in re.findall(r"\w+", names)
                            if not re.search(DEFINED.format(name), text)]
        self.assertEqual(missing, [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
