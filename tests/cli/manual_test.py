#!/usr/bin/env python3
"""Shows that the manual is whole: each verb has a page with its synopsis, all its options, examples and its exit status; the
configuration's page names each key that is understood; no example calls a verb or an option that is not there; each
page that another one names exists; and mandoc and groff find nothing to complain of (where they are installed)."""

import pathlib
import re
import shutil
import subprocess
import unittest

from documented_calls import Calls, fenced_or_indented, help_of, options_of
from harness import DDSNAP, SOURCE, CliTest

PAGES = SOURCE / "ddsnap" / "manual" / "pages"
OURS = re.compile(r"\b((?:nbdkit-)?ddsnap[a-z.-]*)\((\d)\)")


def plain(page):
    """The words of a page without roff's marks."""
    text = re.sub(r"\\f[BIRP]", "", page)
    for mark, meant in (("\\-", "-"), ("\\(aq", "'"), ("\\&", ""), ("\\e", "\\")):
        text = text.replace(mark, meant)
    return re.sub(r"^\.BR (\S+) (\(\d\))", r"\1\2", text, flags=re.M)


class Manual(CliTest):
    def setUp(self):
        super().setUp()
        listed = help_of().split("Verbs:\n")[1].split("\n\n")[0].splitlines()
        self.verbs = [line.split()[0] for line in listed]
        subprocess.run([SOURCE / "scripts" / "make-manual", DDSNAP, self.path("man")], check=True)
        self.pages = {path.name: path for path in sorted(pathlib.Path(self.path("man")).glob("man?/*"))}

    def test_every_verb_has_its_page_with_all_its_options(self):
        for verb in self.verbs:
            with self.subTest(verb=verb):
                page = plain(self.pages[f"ddsnap-{verb}.8"].read_text())
                for heading in ("NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXAMPLES", "EXIT STATUS", "SEE ALSO"):
                    self.assertIn(f".SH {heading}\n", page)
                listed = set(re.findall(r"(?<![\w-])(--?[a-z][a-z-]*)", page.partition(".SH OPTIONS")[2]))
                self.assertEqual(options_of(help_of(verb)) - listed, set())

    def test_no_source_is_without_a_verb(self):
        named = {path.stem for path in PAGES.glob("*.md") if not re.search(r"\.\d$", path.stem)}
        self.assertEqual(named, set(self.verbs))

    def test_examples_call_what_is_there(self):
        calls = Calls()
        for path in sorted(PAGES.glob("*.md")):
            self.assertEqual(calls.complaints(fenced_or_indented(path.read_text()), self.verbs), [], path.name)

    def test_the_configuration_s_page_has_each_key(self):
        page = plain(self.pages["ddsnap.conf.5"].read_text())
        keys = re.findall(r'^ +\{"([a-z-]+)",', (SOURCE / "ddsnap/replica/job_config.cc").read_text(), flags=re.M)
        self.assertGreater(len(keys), 15)
        self.assertEqual([key for key in keys if not re.search(rf"(?<![\w-]){key}(?![\w-])", page)], [])

    def test_configurations_that_are_shown_are_understood(self):
        page = (PAGES / "ddsnap.conf.5.md").read_text()
        shown = [text for text in re.findall(r"(?:^    .*\n)+", page, flags=re.M) if "[volume]" in text]
        self.assertEqual(len(shown), 2)
        for text in shown:
            self.write("shown.conf", re.sub(r"^    ", "", text, flags=re.M).encode())
            ran = self.run_ddsnap("config", "check", "--config", ".", "shown")
            self.assertIn(b"no server answers", ran.stdout + ran.stderr)  # all else is right
            self.assertNotIn(ran.returncode, (2, 3), ran.stderr)

    def test_pages_that_others_name_exist(self):
        for name, path in self.pages.items():
            for page, section in OURS.findall(plain(path.read_text())):
                self.assertIn(f"{page}.{section}", self.pages, name)

    def test_mandoc_and_groff_are_content(self):
        if not shutil.which("mandoc") or not shutil.which("groff"):
            self.skipTest("mandoc or groff is not installed")
        for name, path in self.pages.items():
            ran = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", path], stdout=subprocess.PIPE, check=False)
            self.assertEqual(ran.stdout.decode(), "", name)
            ran = subprocess.run(["groff", "-ww", "-z", "-t", "-man", "-T", "utf8", path], stderr=subprocess.PIPE,
                                 check=False)
            told = [line for line in ran.stderr.decode().splitlines()
                    if "break line" not in line]  # a long word in a narrow column
            self.assertEqual(told, [], name)


if __name__ == "__main__":
    unittest.main()
