#!/usr/bin/env python3
"""Shows that the soak (tests/soak) runs to its end in either mix, for some seconds of what `make soak`
does for hours; and that it would notice: its checker refuses bytes that no instant of the writers
had, and a soak that finds a wrong byte says so, keeps the evidence and ends with status 1."""

import pathlib
import re
import shutil
import subprocess
import sys
import unittest

import stand

SOAK = stand.SOURCE / "tests" / "soak"
sys.path.insert(0, str(SOAK))
from stamped_writer import StampedWriter, WrongBytes, sectors_of  # noqa: E402

SECONDS = "6"

stand.need("nbdkit", "nbdcopy", "fio")


def soak(*options):
    return subprocess.run([SOAK / "soak.py", "--seconds", SECONDS, "--seed", str(stand.SEED),
                           "--kill-pause", "2", *options], stdout=subprocess.PIPE, check=False,
                          timeout=15 * stand.PATIENCE_S, text=True)


class Soak(unittest.TestCase):
    def test_both_mixes(self):
        for mix in ("ordinary", "filling"):
            ran = soak("--mix", mix)
            print(ran.stdout)
            self.assertEqual(ran.returncode, 0, ran.stdout)

    def test_a_wrong_byte_ends_it_and_is_kept(self):
        ran = soak("--spoil-one-copy")
        self.assertEqual(ran.returncode, 1, ran.stdout)
        self.assertIn("WrongBytes", ran.stdout)
        kept = pathlib.Path(re.search(r"kept in (\S+)", ran.stdout).group(1))
        self.assertTrue((kept / "volume-snapstore.img").exists())
        self.assertTrue(list(kept.glob("birth-*")))
        shutil.rmtree(kept)


class Checker(unittest.TestCase):
    """Three writes while a snapshot is made; the second failed and may be there in part."""

    def setUp(self):
        self.writer = StampedWriter(None, 0, 0, 4 * 512, None, None)
        self.before = bytes(4 * 512)
        self.entries = [(0, sectors_of(0, 1, 1), True), (512, sectors_of(1, 2, 2), False),
                        (1536, sectors_of(3, 1, 3), True)]

    def check(self, *versions):
        image = b"".join(sectors_of(sector, 1, version) if version else bytes(512)
                         for sector, version in enumerate(versions))
        self.writer.check_snapshot(self.before, self.entries, image, "s")

    def test_instants_are_accepted(self):
        for versions in ((0, 0, 0, 0), (1, 0, 0, 0), (1, 2, 0, 0), (1, 0, 2, 0), (1, 2, 2, 3),
                         (1, 0, 0, 3)):
            self.check(*versions)

    def test_what_was_never_together_is_refused(self):
        for versions in ((0, 0, 0, 3), (0, 2, 0, 0), (9, 0, 0, 0), (1, 3, 0, 0), (1, 2, 2, 2)):
            with self.assertRaises(WrongBytes):
                self.check(*versions)


if __name__ == "__main__":
    stand.main()
