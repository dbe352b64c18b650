#!/usr/bin/env python3
"""Shows compare and digest on files: ranges that differ and exit status 3, the same as JSON, holes,
sizes that differ; a changelist made from a digest is the one made from both images, and a file that
is cut short meanwhile ends compare with a line and no file."""

import json
import os
import subprocess
import unittest

from harness import DDSNAP, VOLUME_BYTES, CliTest


class Compare(CliTest):
    def setUp(self):
        super().setUp()
        self.make_volume_pair()
        self.old = (self.folder / "old.img").read_bytes()
        self.new = (self.folder / "new.img").read_bytes()

    def expected(self, chunk_bytes):
        ranges = []
        for at in range(0, max(len(self.old), len(self.new)), chunk_bytes):
            if self.old[at:at + chunk_bytes] == self.new[at:at + chunk_bytes]:
                continue
            length = min(chunk_bytes, max(len(self.old), len(self.new)) - at)
            if ranges and sum(ranges[-1]) == at:
                ranges[-1] = (ranges[-1][0], ranges[-1][1] + length)
            else:
                ranges.append((at, length))
        return ranges

    def compare(self, *words):
        ran = self.run_ddsnap("compare", *words, "old.img", "new.img")
        self.assertEqual(ran.stderr, b"")
        self.assertEqual(ran.returncode, 3)
        return ran.stdout.decode()

    def check_all(self):
        for chunk, words in ((4096, []), (65536, ["-c", "64K"])):
            wanted = self.expected(chunk)
            found = [tuple(map(int, line.split())) for line in self.compare(*words).splitlines()]
            self.assertEqual(found, wanted)
            told = json.loads(self.compare("--json", *words))
            self.assertEqual([(r["offset_bytes"], r["length_bytes"]) for r in told["ranges"]], wanted)
            self.assertEqual(told["different_bytes"], sum(length for _, length in wanted))
            self.assertEqual((told["a_bytes"], told["b_bytes"], told["chunk_bytes"]),
                             (len(self.old), len(self.new), chunk))

    def test_ranges(self):
        self.check_all()

    def test_sizes_that_differ(self):
        for size in (VOLUME_BYTES + 70_000, VOLUME_BYTES - 512 * 3):
            self.new = (self.new + b"x" * 100_000)[:size]
            self.write("new.img", self.new)
            self.check_all()

    def test_the_same(self):
        self.assertEqual(self.succeed("compare", "old.img", "old.img"), b"")
        self.assertEqual(json.loads(self.succeed("compare", "--json", "old.img", "old.img"))["ranges"], [])

    def test_holes_are_zeros(self):
        self.write("dense", bytes(VOLUME_BYTES))
        with open(self.path("sparse"), "wb") as sparse:
            sparse.truncate(VOLUME_BYTES)
        self.assertEqual(self.succeed("compare", "dense", "sparse"), b"")
        self.write("other", bytes(VOLUME_BYTES - 1) + b"x")
        ran = self.run_ddsnap("compare", "sparse", "other")
        self.assertEqual((ran.returncode, ran.stdout.decode().split()),
                         (3, [str(VOLUME_BYTES - 4096), "4096"]))

    def test_a_digest_stands_for_the_old_image(self):
        self.succeed("digest", "old.img", "digest")
        self.succeed("create-cl", "--compare", "wanted", "old.img", "new.img")
        self.succeed("create-cl", "--digest", "digest", "found", "new.img")
        self.assertEqual((self.folder / "found").read_bytes(), (self.folder / "wanted").read_bytes())
        self.succeed("create-delta", "-r", "found", "delta", "new.img")
        self.succeed("verify", "delta", "old.img")
        self.write("target.img", self.old)
        self.succeed("apply-delta", "delta", "target.img")
        self.assertEqual((self.folder / "target.img").read_bytes(), self.new)
        piped = self.succeed("digest", "-c", "4K", "old.img", "-")
        through = self.run_ddsnap("create-cl", "--digest", "-", "found", "new.img", stdin=piped)
        self.assertEqual(through.returncode, 0, through.stderr)
        self.succeed("create-cl", "--compare", "-c", "4K", "wanted", "old.img", "new.img")
        self.assertEqual((self.folder / "found").read_bytes(), (self.folder / "wanted").read_bytes())

    def test_inspect_tells_what_a_digest_is_of(self):
        self.succeed("digest", "old.img", "digest")
        found = json.loads(self.succeed("inspect", "--json", "digest"))
        self.assertEqual(found["type"], "digest")
        self.assertEqual(found["of"]["size_bytes"], os.path.getsize(self.path("old.img")))
        self.assertEqual(found["file_bytes"], os.path.getsize(self.path("digest")))
        self.assertIn(b"digest of", self.succeed("inspect", "digest"))

    def test_a_digest_of_something_else(self):
        self.succeed("create-cl", "--compare", "cl", "old.img", "new.img")
        self.check_error(self.run_ddsnap("create-cl", "--digest", "cl", "out", "new.img"), 3, "digest")
        self.check_error(self.run_ddsnap("create-cl", "--digest", "d", "--compare", "out", "new.img"), 2)

    def test_a_file_that_shrinks_meanwhile(self):
        """Both stay open and stopped while one is cut: whatever the moment, one line and no core."""
        for name in ("a.img", "b.img"):
            with open(self.path(name), "wb") as image:
                image.truncate(1 << 30)
                for at in range(0, 64 << 20, 1 << 20):
                    image.seek(at)
                    image.write(self.random.randbytes(65536))
        running = subprocess.Popen([DDSNAP, "digest", "a.img", "out"], cwd=self.folder,
                                   stderr=subprocess.PIPE)
        self.addCleanup(running.wait)
        self.addCleanup(running.stderr.close)
        os.truncate(self.path("a.img"), 4096)
        said = running.stderr.read()
        self.assertIn(running.wait(), (0, 1), said)  # 0: it was done before
        if running.returncode:
            self.assertRegex(said, rb"^ddsnap: [^\n]*\n$")
            self.assertFalse((self.folder / "out").exists())


if __name__ == "__main__":
    unittest.main()
