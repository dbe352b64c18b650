#!/usr/bin/env python3
"""Shows merge-delta on files: what it makes turns the oldest image into the newest one, also from
differences when it is given the base; it fits where the first delta fits and nowhere else; a merge
that is killed or fails leaves nothing; deltas out of order, a missing base and pipes are refused."""

import os
import signal
import subprocess
import unittest

from harness import DDSNAP, VOLUME_BYTES, CliTest

COUNT = 4


class MergeDelta(CliTest):
    def setUp(self):
        super().setUp()
        self.images = [bytearray(self.random.randbytes(VOLUME_BYTES))]
        for _ in range(COUNT):
            image = bytearray(self.images[-1])
            for _ in range(6):
                at = self.random.randrange(len(image) - 50_000)
                length = self.random.randrange(1, 50_000)
                image[at:at + length] = self.random.choice(
                    [bytes(length), self.random.randbytes(length), b"text " * (length // 5)]
                )[:length].ljust(length, b"x")
            self.images.append(image)
        for i, image in enumerate(self.images):
            self.write(f"v{i}.img", image)
        self.make_deltas("-r", "raw")
        self.make_deltas("-x", "diff")

    def make_deltas(self, mode, name):
        for i in range(COUNT):
            self.succeed("create-cl", "--compare", f"cl{i}", f"v{i}.img", f"v{i + 1}.img")
            self.succeed("create-delta", mode, f"cl{i}", f"{name}{i}", f"v{i}.img", f"v{i + 1}.img")

    def deltas(self, name):
        return [f"{name}{i}" for i in range(COUNT)]

    def check_rebuilds(self, delta):
        self.write("target.img", self.images[0])
        self.succeed("apply-delta", delta, "target.img")
        self.assertEqual((self.folder / "target.img").read_bytes(), self.images[-1])

    def test_raw_deltas(self):
        for more in ([], ["--codec", "lz4"], ["-g", "0"], ["--base", "v0.img"], ["--threads", "2"]):
            self.succeed("merge-delta", *more, *self.deltas("raw"), "merged")
            self.succeed("verify", "merged", "v0.img")
            self.check_rebuilds("merged")

    def test_differences_want_the_base(self):
        self.check_error(self.run_ddsnap("merge-delta", *self.deltas("diff"), "merged"), 2, "--base")
        self.assertFalse((self.folder / "merged").exists())
        self.succeed("merge-delta", "--base", "v0.img", *self.deltas("diff"), "merged")
        self.check_rebuilds("merged")
        for base, status in (("v1.img", 1), ("raw0", 2)):
            self.check_error(self.run_ddsnap("merge-delta", "--base", base, *self.deltas("diff"), "new"),
                             status)
            self.assertFalse((self.folder / "new").exists())

    def test_it_fits_where_the_first_one_fits(self):
        self.succeed("merge-delta", *self.deltas("raw"), "merged")
        self.assertEqual(self.run_ddsnap("verify", "merged", "v1.img").returncode, 1)
        self.write("target.img", self.images[1])
        self.check_error(self.run_ddsnap("apply-delta", "merged", "target.img"), 1)
        self.assertEqual((self.folder / "target.img").read_bytes(), self.images[1])

    def test_through_pipes_and_over_one_of_its_own(self):
        whole = self.succeed("merge-delta", *self.deltas("raw"), "-")
        self.write("merged", whole)
        self.check_rebuilds("merged")
        first = (self.folder / "raw0").read_bytes()
        for out in ("-", "merged"):
            whole = self.succeed("merge-delta", "-", *self.deltas("raw")[1:], out, stdin=first)
            if out == "-":
                self.write("merged", whole)
            self.check_rebuilds("merged")
        self.succeed("merge-delta", *self.deltas("raw"), "raw0")
        self.check_rebuilds("raw0")

    def test_deltas_out_of_order(self):
        before = self.digest_of_folder()
        for names in (["raw1", "raw0"], ["raw0", "raw0"]):
            self.check_error(self.run_ddsnap("merge-delta", *names, "new"), (1, 2))
        self.check_error(self.run_ddsnap("merge-delta", *self.deltas("raw"), "no/such/folder"), 4)
        self.assertEqual(self.digest_of_folder(), before)

    def test_a_full_delta_begins_a_chain(self):
        self.succeed("create-delta", "--full", "full", "v0.img")
        self.succeed("merge-delta", "full", *self.deltas("raw"), "merged")
        self.write("target.img", bytes(VOLUME_BYTES))
        self.succeed("apply-delta", "merged", "target.img")
        self.assertEqual((self.folder / "target.img").read_bytes(), self.images[-1])

    def test_a_killed_merge_leaves_the_old_file(self):
        self.write("merged", b"what was there")
        for signal_nr in (signal.SIGKILL, signal.SIGTERM):
            merge = subprocess.Popen(
                [DDSNAP, "merge-delta", "--rate-limit", "4K", *self.deltas("raw"), "merged"],
                cwd=self.folder, stderr=subprocess.DEVNULL,
                env={**os.environ, "DDSNAP_STATE_DIR": self.path("state")})
            self.addCleanup(merge.wait)
            while not [name for name in os.listdir(self.folder) if name.endswith(".tmp")]:
                self.assertIsNone(merge.poll())
            merge.send_signal(signal_nr)
            self.assertNotEqual(merge.wait(), 0)
            self.assertEqual((self.folder / "merged").read_bytes(), b"what was there")
            for name in os.listdir(self.folder):
                if name.endswith(".tmp"):
                    self.assertEqual(signal_nr, signal.SIGKILL)
                    os.unlink(self.path(name))


if __name__ == "__main__":
    unittest.main()
