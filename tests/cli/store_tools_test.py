#!/usr/bin/env python3
"""Shows what `ddsnap dump` tells of a snapstore that a server has used, whole and damaged, and that
it changes nothing."""

import json
import signal
import unittest

from harness import VOLUME_BYTES, ServerTest

BLOCK_BYTES = 4096


class StoreTools(ServerTest):
    """A store with two snapshots, of which the first one's content is saved, and no server on it
    any more."""

    def setUp(self):
        super().setUp()
        self.succeed("create", "server", "0")
        self.succeed("create-cl", "--compare", "cl", "origin.img", "new.img")
        self.succeed("create-delta", "cl", "delta", "origin.img", "new.img")
        self.origin_before = (self.folder / "origin.img").read_bytes()
        self.succeed("apply-delta", "delta", "ddsnap:server")
        self.succeed("create", "server", "1")

    def stop(self, how=signal.SIGTERM):
        self.stop_server(how)
        self.before = (self.folder / "store.img").read_bytes()

    def flip(self, offset_bytes):
        with open(self.path("store.img"), "r+b") as store:
            store.seek(offset_bytes)
            byte = store.read(1)[0]
            store.seek(offset_bytes)
            store.write(bytes([byte ^ 0x10]))

    def dump(self, *options, status=0):
        ran = self.run_ddsnap("dump", *options, "store.img")
        self.assertEqual(ran.returncode, status, ran.stderr)
        return json.loads(ran.stdout)


class Dump(StoreTools):
    def test_tells_all_of_a_store_that_was_closed(self):
        self.stop()
        told = self.dump()
        self.assertEqual(told["damage"], [])
        self.assertEqual([one["sequence"] for one in told["superblocks"]],
                         [told["superblocks"][0]["sequence"]] * 2)
        self.assertEqual([one["tag"] for one in told["boundaries"]], ["0", "1"])
        self.assertEqual(told["manifest"]["origin_bytes"], VOLUME_BYTES)
        self.assertEqual(told["journal"], [])
        (run,), = told["boundaries"][0]["table"]
        self.assertNotIn("exceptions", run)
        (run,), = self.dump("--full")["boundaries"][0]["table"]
        self.assertEqual(len(run["exceptions"]), run["entries"])
        slots = told["superblocks"][0]["layout"]["slots_offset_bytes"]
        chunk_bytes = told["superblocks"][0]["layout"]["chunk_bytes"]
        for chunk, slot, _ in run["exceptions"]:
            was = self.origin_before[chunk * chunk_bytes:(chunk + 1) * chunk_bytes]
            at = slots + (slot or 0) * chunk_bytes
            saved = bytes(chunk_bytes) if slot is None else self.before[at:at + chunk_bytes]
            self.assertEqual(saved, was)
        self.assertEqual((self.folder / "store.img").read_bytes(), self.before)

    def test_tells_the_journal_of_a_killed_server(self):
        self.stop(signal.SIGKILL)
        told = self.dump()
        operations = [one["operation"] for record in told["journal"] if not record["is_seal"]
                      for one in record["operations"]]
        self.assertEqual(operations[0], "create")
        self.assertIn("copied out", operations)
        self.assertEqual((self.folder / "store.img").read_bytes(), self.before)

    def test_goes_on_behind_damage(self):
        self.stop()
        told = self.dump()
        tables = told["superblocks"][0]["layout"]["tables_offset_bytes"]
        (run,), = told["boundaries"][0]["table"]
        self.flip(tables + run["object_first_block"] * BLOCK_BYTES + 100)
        told = self.dump("--full", status=3)
        self.assertIn("table of 0", told["damage"][0])
        self.assertEqual([one["tag"] for one in told["boundaries"]], ["0", "1"])
        self.flip(BLOCK_BYTES + 40)
        told = self.dump(status=3)
        self.assertIn("error", told["superblocks"][0])
        self.assertEqual([one["tag"] for one in told["boundaries"]], ["0", "1"])
        block, _ = told["superblocks"][1]["manifest_extents"][0]
        self.flip(tables + block * BLOCK_BYTES + 100)
        self.assertIn("error", self.dump(status=3)["manifest"])

    def test_a_served_store_is_left_alone(self):
        self.check_error(self.run_ddsnap("dump", "store.img"), 5)


if __name__ == "__main__":
    unittest.main()
