#!/usr/bin/env python3
"""Shows that documents name what is there. tests/ORIGINAL.md: each `file`: name, name; ... of its tables is a file of tests/ and a
test, or a function, in it. The documents for users: verbs, options and files that they name exist, and each text that
TROUBLESHOOTING.md quotes is one that the program has."""

import pathlib
import re
import unittest

from documented_calls import Calls, help_of

TESTS = pathlib.Path(__file__).resolve().parents[1]
# `file`: and the names up to the next file or the end of the cell.
NAMED = re.compile(r"`([a-z0-9_/]+)`: ([^`|]+)")
ROOT = TESTS.parent
MANUAL = ROOT / "ddsnap" / "manual"
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

    def test_calls_in_documents_are_understood(self):
        verbs = [line.split()[0] for line in help_of().split("Verbs:\n")[1].split("\n\n")[0].splitlines()]
        calls = Calls()
        for path in [ROOT / "README.md", *sorted(MANUAL.glob("*.md"))]:
            with self.subTest(document=path.name):
                text = path.read_text(encoding="utf-8")
                spans = "\n".join(re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.S)))
                blocks = "\n".join(re.findall(r"^```sh\n(.*?)^```", text, flags=re.M | re.S))
                self.assertEqual(calls.complaints(spans + "\n" + blocks, verbs), [])

    def test_files_in_documents_are_there(self):
        names = {path.name for path in ROOT.rglob("*.md") if "build" not in path.parts}
        for path in [ROOT / "README.md", *sorted(MANUAL.glob("*.md"))]:
            for name in re.findall(r"`((?:ddsnap|server|agent|tests|scripts|kernel-patches)/[\w./-]+)`", path.read_text()):
                self.assertTrue((ROOT / name).exists(), (path.name, name))
            for name in re.findall(r"`([A-Z]+\.md)`", path.read_text()):
                self.assertIn(name, names, path.name)

    def quoted_errors(self):
        cells = re.findall(r"^\| (.*?) \|", (MANUAL / "TROUBLESHOOTING.md").read_text(), flags=re.M)
        return [quoted for cell in cells for quoted in re.findall(r'"([^"]+)"', cell)]

    def sources(self):
        folders = [ROOT / folder for folder in ("ddsnap", "server", "agent", "kernel-patches")]
        return {path: path.read_text() for folder in folders for path in folder.rglob("*.[ch]*")}

    def test_error_texts_are_the_program_s(self):
        told = re.sub(r'"\s*\n\s*"', "", "\n".join(self.sources().values()))
        quoted = self.quoted_errors()
        self.assertGreater(len(quoted), 90)
        self.assertEqual([text for text in quoted for piece in text.split("...") if piece.strip() not in told], [])

    def test_errors_that_a_user_can_do_something_about_are_explained(self):
        """Nearly all: what a new one means may come with the next change."""
        pieces = [piece.strip() for text in self.quoted_errors() for piece in text.split("...") if len(piece.strip()) > 8]
        texts = []
        for text in self.sources().values():
            for call in re.findall(r"fail\(\s*ErrorCode::k(?:Busy|Exists|NoSpace|NotInitialized|Dropped|Version|Failed),(.*?)\);",
                                   text, flags=re.S):
                words = "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', call))
                texts += [words] if len(words) > 8 else []
        missing = [text for text in texts if not any(piece in text for piece in pieces)]
        self.assertLess(len(missing), len(texts) / 10, missing)


if __name__ == "__main__":
    unittest.main(verbosity=2)
