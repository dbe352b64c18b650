#!/usr/bin/env python3
"""Shows that Ceph reads what export writes, that import reads what Ceph writes, and that merge-delta
and 'rbd merge-diff' agree: chains of two and three deltas over thousands of chunks, each with its own
fate in every delta, over volumes that keep, grow and shrink; and, on a cluster of one node in memory,
images that import-diff brings from snapshot to snapshot and export-diff brings back. Skipped where
Ceph is not installed (scripts/install-deps --ceph). Randomness comes from a printed seed."""

import os
import pathlib
import random
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest

from ceph_node import CephNode, missing_programs

DDSNAP = pathlib.Path(os.environ["DDSNAP_BUILD"]) / "bin" / "ddsnap"
SEED = int(os.environ.get("DDSNAP_SEED", "20081120"))
PATIENCE_S = 120
CHUNK = 4096
CHUNKS = 3000
RUNS = 9


def parse(stream):
    """Size of the image, and what the stream does to it: {chunk of 512 bytes: its new content}."""
    assert stream[:12] == b"rbd diff v1\n", stream[:12]
    at, size, pieces = 12, None, {}
    while stream[at:at + 1] != b"e":
        tag = stream[at:at + 1]
        if tag in b"ft":
            at += 5 + struct.unpack_from("<I", stream, at + 1)[0]
        elif tag == b"s":
            size = struct.unpack_from("<Q", stream, at + 1)[0]
            at += 9
        else:
            offset, length = struct.unpack_from("<QQ", stream, at + 1)
            at += 17
            content = bytes(length) if tag == b"z" else stream[at:at + length]
            at += length if tag == b"w" else 0
            assert len(content) == length and offset % 512 == 0 and length % 512 == 0
            for i in range(0, length, 512):
                pieces[offset + i] = content[i:i + 512]
    assert at + 1 == len(stream)
    return size, pieces


def applied(stream, image):
    size, pieces = parse(stream)
    result = bytearray(image[:size].ljust(size, b"\0"))
    for offset, content in pieces.items():
        result[offset:offset + 512] = content
    return bytes(result)


class WithFolder(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ddsnap-rbd-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.random = random.Random(SEED)

    def run_in_folder(self, *words):
        ran = subprocess.run(words, cwd=self.folder, timeout=PATIENCE_S, check=False, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE,
                             env={**os.environ, "DDSNAP_STATE_DIR": str(self.folder / "state")})
        self.assertEqual(ran.returncode, 0, (words, ran.stderr))
        return ran.stdout

    def ddsnap(self, *words):
        return self.run_in_folder(DDSNAP, *words)

    def write(self, name, content):
        (self.folder / name).write_bytes(content)

    def read(self, name):
        return (self.folder / name).read_bytes()

    def edited(self, image, size):
        """Every chunk draws what becomes of it."""
        chunks = []
        for at in range(0, size, CHUNK):
            old = image[at:at + CHUNK].ljust(CHUNK, b"\0")
            fate = self.random.randrange(8)
            if fate == 0:
                old = self.random.randbytes(CHUNK)
            elif fate == 1:
                old = bytes(CHUNK)
            elif fate == 2:
                place = self.random.randrange(CHUNK - 8)
                old = old[:place] + self.random.randbytes(8) + old[place + 8:]
            chunks.append(old)
        return b"".join(chunks)[:size]

    def make_chain(self, sizes, mode="-r"):
        """v0, v1, ... and deltas d0, d1, ... between them, and the same as streams e0, e1, ..."""
        images = [self.random.randbytes(sizes[0])]
        self.write("v0", images[0])
        for i, size in enumerate(sizes[1:]):
            images.append(self.edited(images[-1], size))
            self.write(f"v{i + 1}", images[-1])
            self.ddsnap("create-cl", "--compare", "-c", "4K", f"cl{i}", f"v{i}", f"v{i + 1}")
            self.ddsnap("create-delta", mode, "--codec", "lz4", f"cl{i}", f"d{i}", f"v{i}", f"v{i + 1}")
            self.export(f"d{i}", f"e{i}", f"s{i}", f"s{i + 1}", "--base", f"v{i}")
        return images

    def export(self, delta, stream, from_name, to_name, *more):
        self.ddsnap("export", "--format", "rbd-diff-v1", "--from-name", from_name, "--to-name", to_name, *more, delta,
                    stream)


@unittest.skipIf(shutil.which("rbd") is None, "needs rbd: scripts/install-deps --ceph")
class MergeDiff(WithFolder):
    def sizes(self, count, run):
        if run % 3 == 0:
            return [CHUNKS * CHUNK] * count
        return [(CHUNKS + self.random.randrange(-CHUNKS // 3, CHUNKS // 3)) * CHUNK
                - self.random.choice((0, 512, 1536)) for _ in range(count)]

    def test_two_and_three_deltas(self):
        for run in range(RUNS):
            for name in os.listdir(self.folder):
                if not (self.folder / name).is_dir():
                    os.unlink(self.folder / name)
            count = 2 + run % 2
            sizes = self.sizes(count + 1, run)
            with self.subTest(seed=SEED, run=run, sizes=sizes):
                images = self.make_chain(sizes)
                self.ddsnap("merge-delta", *(f"d{i}" for i in range(count)), "merged")
                self.export("merged", "ours", "s0", f"s{count}")
                theirs = "e0"
                for i in range(1, count):
                    self.run_in_folder("rbd", "--no-progress", "merge-diff", theirs, f"e{i}", f"theirs{i}")
                    theirs = f"theirs{i}"
                self.assertEqual(applied(self.read(theirs), images[0]), images[-1])
                self.assertEqual(applied(self.read("ours"), images[0]), images[-1])
                if len(set(sizes)) == 1:
                    self.assertEqual(parse(self.read("ours")), parse(self.read(theirs)))
                self.check_import(theirs, images)

    def check_import(self, stream, images):
        self.ddsnap("import", "--base", "v0", "-c", "8K", stream, "delta")
        self.write("target", images[0].ljust(len(images[-1]), b"x"))
        self.ddsnap("apply-delta", "delta", "target")
        self.assertEqual(self.read("target")[:len(images[-1])], images[-1])


@unittest.skipIf(missing_programs(), "needs ceph: scripts/install-deps --ceph")
class Cluster(WithFolder):
    SIZES = [12 << 20, 12 << 20, 16 << 20, 8 << 20]

    @classmethod
    def setUpClass(cls):
        cls.node = CephNode()
        cls.addClassCleanup(cls.node.close)

    def rbd(self, *words, **more):
        return self.node.run("rbd", "--no-progress", *words, **more)

    def test_there_and_back(self):
        images = self.make_chain(self.SIZES, "-b")
        last = len(images) - 1
        self.ddsnap("create-delta", "--full", "full", "v0")
        self.ddsnap("export", "--format", "rbd-diff-v1", "--to-name", "s0", "full", "e-full")
        self.rbd("create", "--size", f"{self.SIZES[0]}B", "image")
        self.rbd("import-diff", str(self.folder / "e-full"), "image")
        for i in range(last):
            self.rbd("import-diff", str(self.folder / f"e{i}"), "image")
        for i, wanted in enumerate(images):
            self.assertEqual(self.rbd("export", f"image@s{i}", "-"), wanted)

        for first in range(last):
            back = self.rbd("export-diff", "--from-snap", f"s{first}", f"image@s{last}", "-")
            self.write("back", back)
            self.ddsnap("import", "--base", f"v{first}", "back", "delta")
            self.write("target", images[first].ljust(len(images[last]), b"x"))
            self.ddsnap("apply-delta", "delta", "target")
            self.assertEqual(self.read("target")[:len(images[last])], images[last])
        self.write("back", self.rbd("export-diff", f"image@s{last}", "-"))
        self.ddsnap("import", "back", "delta")
        self.write("target", bytes(len(images[last])))
        self.ddsnap("apply-delta", "delta", "target")
        self.assertEqual(self.read("target"), images[last])

    def test_the_second_version(self):
        """It lives inside the second format of whole images: ours is put into the place of theirs."""
        image = self.random.randbytes(1 << 20) + bytes(1 << 20) + self.random.randbytes(1 << 20)
        self.write("v", image)
        self.ddsnap("create-delta", "--full", "full", "v")
        self.ddsnap("export", "--format", "rbd-diff-v2", "--to-name", "s", "full", "e")
        self.rbd("create", "--size", f"{len(image)}B", "empty")
        whole = self.rbd("export", "--export-format", "2", "empty", "-")
        banner = b"rbd image diffs v2\n"
        start = whole.index(banner) + len(banner)
        self.write("container", whole[:start] + struct.pack("<Q", 1) + self.read("e"))
        self.rbd("import", "--export-format", "2", str(self.folder / "container"), "second")
        self.assertEqual(self.rbd("export", "second", "-"), image)

        theirs = self.rbd("export", "--export-format", "2", "second", "-")
        start = theirs.index(banner) + len(banner)
        self.assertEqual(struct.unpack_from("<Q", theirs, start), (2,))  # to the snapshot, and to the head
        first = theirs[start + 8:].split(b"rbd diff v2\n")[1]
        self.write("theirs", b"rbd diff v2\n" + first)
        self.ddsnap("import", "theirs", "delta")
        self.write("target", bytes(len(image)))
        self.ddsnap("apply-delta", "delta", "target")
        self.assertEqual(self.read("target"), image)


if __name__ == "__main__":
    print(f"seed {SEED}")
    program = unittest.main(exit=False)
    result = program.result
    if result.wasSuccessful() and result.testsRun == len(result.skipped):
        print("skipped: " + "; ".join(sorted({reason for _, reason in result.skipped})))
        sys.exit(77)
    sys.exit(not result.wasSuccessful())
