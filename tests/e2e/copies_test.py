#!/usr/bin/env python3
"""Shows that copiers of others take origin and snapshots out unchanged (nbdcopy, qemu-img), that the
map of FROM..TO says exactly which chunks changed, as data, and of the others "hole" and never
"zero", and that a copier that knows nothing of this still copies TO whole."""

import json
import random

import stand

stand.need("nbdkit", "nbdinfo", "nbdcopy", "qemu-img")

STATE_HOLE, STATE_ZERO = 1, 2


class Copies(stand.StandTest):
    ORIGIN_BYTES = (32 << 20) + 5 * 512  # the last chunk is a short one

    def setUp(self):
        super().setUp()
        self.chaos = random.Random(stand.SEED)
        self.shadow = bytearray(self.ORIGIN_BYTES)
        self.client = self.stand.client()
        self.addCleanup(self.client.close)

    def write_somewhere(self, pieces):
        """Writes pieces and returns the chunks they touch."""
        touched = set()
        for _ in range(pieces):
            length = self.chaos.randrange(1, 100) * 512
            at = self.chaos.randrange((self.ORIGIN_BYTES - length) // 512) * 512
            content = self.chaos.randbytes(length)
            self.client.write(at, content)
            self.shadow[at:at + length] = content
            touched.update(range(at // stand.CHUNK_BYTES,
                                 (at + length - 1) // stand.CHUNK_BYTES + 1))
        end = self.ORIGIN_BYTES - 512
        self.client.write(end, b"e" * 512)
        self.shadow[end:] = b"e" * 512
        touched.add(end // stand.CHUNK_BYTES)
        return touched

    def keep_shadow(self, name):
        with open(self.stand.path(name), "wb") as file:
            file.write(self.shadow)
        return self.stand.path(name)

    def test_origin_and_snapshots_come_out_as_they_are(self):
        expected = {}
        for tag in ("0", "1", "2"):
            self.write_somewhere(60)
            self.stand.create(tag)
            expected[tag] = self.keep_shadow(f"shadow{tag}")
        self.write_somewhere(60)
        self.client.flush()
        expected[""] = self.keep_shadow("shadow")
        for export, shadow in expected.items():
            copy = self.stand.copy_out(export, "copy")
            self.assert_same(copy, shadow)
            stand.run_tool("qemu-img", "compare", "-f", "raw", "-F", "raw",
                           self.stand.uri(export), shadow)
            stand.run_tool("qemu-img", "convert", "-f", "raw", "-O", "raw", self.stand.uri(export),
                           self.stand.path("converted"))
            self.assert_same(self.stand.path("converted"), shadow)
        for one, other in (("0", "1"), ("2", "")):
            with self.assertRaisesRegex(AssertionError, "status 1"):
                stand.run_tool("qemu-img", "compare", "-f", "raw", "-F", "raw",
                               self.stand.uri(one), self.stand.uri(other))

    def test_copying_in(self):
        self.write_somewhere(60)
        image = self.keep_shadow("shadow")
        self.stand.create("0")
        with open(self.stand.path("other"), "wb") as file:
            file.write(self.chaos.randbytes(self.ORIGIN_BYTES))
        stand.run_tool("nbdcopy", "--flush", self.stand.path("other"), self.stand.uri())
        self.assert_same(self.stand.copy_out("", "copy"), self.stand.path("other"))
        self.assert_same(self.stand.copy_out("0", "copy"), image)

    def test_the_map_of_a_difference(self):
        self.write_somewhere(200)
        self.stand.create("0")
        first = self.write_somewhere(30)
        self.stand.create("1")
        second = self.write_somewhere(30)
        self.stand.create("2")
        shadow = self.keep_shadow("shadow")
        self.write_somewhere(30)
        self.check_map("1..2", second)
        self.check_map("0..2", first | second)
        for export in ("0..2", "1..2"):
            self.assert_same(self.stand.copy_out(export, "copy"), shadow)
            # Not compared by qemu-img, which takes a hole that is not said to be zero for empty.
            stand.run_tool("qemu-img", "convert", "-f", "raw", "-O", "raw", self.stand.uri(export),
                           self.stand.path("converted"))
            self.assert_same(self.stand.path("converted"), shadow)

    def test_the_map_where_nothing_changed(self):
        self.write_somewhere(20)
        self.stand.create("0")
        self.stand.create("1")
        self.check_map("0..1", set())

    def check_map(self, export, changed_chunks):
        """nbdinfo's own JSON: offsets, lengths and the flags of base:allocation."""
        extents = json.loads(stand.run_tool("nbdinfo", "--map", "--json", self.stand.uri(export)))
        at = 0
        said = set()
        for extent in extents:
            self.assertEqual(extent["offset"], at)
            self.assertFalse(extent["type"] & STATE_ZERO, extent)
            end = at + extent["length"]
            if not extent["type"] & STATE_HOLE:
                self.assertEqual(at % stand.CHUNK_BYTES, 0)
                said.update(range(at // stand.CHUNK_BYTES, -(-end // stand.CHUNK_BYTES)))
            at = end
        self.assertEqual(at, self.ORIGIN_BYTES)
        self.assertEqual(said, changed_chunks)


if __name__ == "__main__":
    stand.main()
