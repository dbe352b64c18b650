#!/usr/bin/env python3
"""Shows what `ddsnap dump`, `check` and `repair` tell of a snapstore that a server has used, whole
and damaged, that the first two change nothing, and that the third makes it one that is served
again."""

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
                         [told["superblocks"][0]["sequence"]] * 3)
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
        self.flip(told["superblocks"][1]["offset_bytes"] + 40)
        told = self.dump(status=3)
        self.assertEqual([one["tag"] for one in told["boundaries"]], ["0", "1"])
        first, second = told["superblocks"][2]["manifest_extents"]
        self.flip(tables + first[0][0] * BLOCK_BYTES + 100)
        self.assertEqual([one["tag"] for one in self.dump(status=3)["boundaries"]], ["0", "1"])
        self.flip(tables + second[0][0] * BLOCK_BYTES + 100)
        self.assertIn("error", self.dump(status=3)["manifest"])

    def test_a_served_store_is_left_alone(self):
        self.check_error(self.run_ddsnap("dump", "store.img"), 5)


class CheckAndRepair(StoreTools):
    def setUp(self):
        super().setUp()
        self.stop()
        told = self.dump("--full")
        self.layout = told["superblocks"][0]["layout"]
        (self.run_of_0,), = told["boundaries"][0]["table"]

    def store_bytes(self):
        return (self.folder / "store.img").read_bytes()

    def check(self, status):
        ran = self.run_ddsnap("check", "--json", "store.img", "origin.img")
        self.assertEqual(ran.returncode, status, ran.stderr)
        return json.loads(ran.stdout)

    def hurt(self, told):
        return {one["tag"]: one["hurt_ranges"] for one in told["snapshots"]}

    def damage_a_slot(self):
        """Of the first chunk of snapshot 0 that has one. The range that it hurts."""
        chunk, slot, _ = next(one for one in self.run_of_0["exceptions"] if one[1] is not None)
        chunk_bytes = self.layout["chunk_bytes"]
        self.flip(self.layout["slots_offset_bytes"] + slot * chunk_bytes + 5)
        return [chunk * chunk_bytes, chunk_bytes]

    def damage_the_table(self):
        self.flip(self.layout["tables_offset_bytes"] +
                  self.run_of_0["object_first_block"] * BLOCK_BYTES + 100)

    def read_snapshot(self, tag):
        """What a snapshot reads, by a full delta of it."""
        self.succeed("create-delta", "--full", "full", f"ddsnap:server#{tag}")
        self.write("copy.img", bytes(VOLUME_BYTES))
        self.succeed("apply-delta", "full", "copy.img")
        return (self.folder / "copy.img").read_bytes()

    def test_a_whole_store_is_clean(self):
        told = self.check(0)
        self.assertTrue(told["is_clean"])
        self.assertEqual(told["slots_checked"],
                         sum(one[1] is not None for one in self.run_of_0["exceptions"]))
        self.assertEqual(self.hurt(told), {"0": [], "1": []})
        self.assertIn(b"2 of 2 snapshots whole", self.succeed("check", "store.img"))
        self.assertIn(b"2 of 2 snapshots whole", self.succeed("repair", "store.img", "origin.img"))
        self.assertEqual(self.store_bytes(), self.before)

    def test_a_damaged_slot_hurts_who_reads_it_and_nobody_else(self):
        hurt = self.damage_a_slot()
        damaged = self.store_bytes()
        told = self.check(3)
        self.assertEqual(self.hurt(told), {"0": [hurt], "1": []})
        text = self.run_ddsnap("check", "store.img", "origin.img")
        self.assertEqual(text.returncode, 3)
        self.assertIn(b"snapshot 0: 16.0 KiB of 2.00 MiB cannot be read", text.stdout)
        dry = self.run_ddsnap("repair", "--dry-run", "store.img", "origin.img")
        self.assertEqual((dry.returncode, dry.stdout), (3, text.stdout))
        self.assertEqual(self.store_bytes(), damaged)

        self.assertIn(b"repaired", self.succeed("repair", "store.img", "origin.img"))
        told = self.check(3)
        self.assertEqual((told["findings"], self.hurt(told)), ([], {"0": [hurt], "1": []}))
        self.start_server()
        self.assertEqual(self.read_snapshot("1"), (self.folder / "new.img").read_bytes())
        self.check_error(self.run_ddsnap("create-delta", "--full", "bad", "ddsnap:server#0"),
                         (1, 3))

    def test_a_running_server_checks_itself(self):
        self.start_server()
        self.assertIn(b"2 of 2 snapshots whole", self.succeed("check", "server"))
        hurt = self.damage_a_slot()
        ran = self.run_ddsnap("check", "--json", "--rate-limit", "1G", "server")
        self.assertEqual(ran.returncode, 3, ran.stderr)
        self.assertEqual(self.hurt(json.loads(ran.stdout)), {"0": [hurt], "1": []})
        self.check_error(self.run_ddsnap("check", "server", "origin.img"), 2, "alone")

    def test_a_damaged_table_keeps_the_server_from_starting_until_it_is_repaired(self):
        self.damage_the_table()
        self.check_error(self.run_ddsnap("server", "-f", "store.img", "origin.img", "control",
                                         "server2"), 3, "ddsnap repair")
        told = self.check(3)
        self.assertIn("table of 0", told["findings"][0])
        self.assertEqual(self.hurt(told)["1"], [])
        self.succeed("repair", "store.img", "origin.img")
        self.start_server()
        self.assertEqual(self.read_snapshot("1"), (self.folder / "new.img").read_bytes())

    def test_hurt_snapshots_are_dropped_when_asked(self):
        self.damage_the_table()
        ran = self.succeed("repair", "--drop-hurt", "store.img", "origin.img")
        self.assertIn(b"snapshot 0 is given up", ran)
        self.assertEqual(self.hurt(self.check(0)), {"1": []})
        self.start_server()
        listed = json.loads(self.succeed("list", "--json", "server"))
        self.assertEqual([(one["tag"], one["state"]) for one in listed],
                         [("0", "dropped"), ("1", "live")])

    def test_an_overwritten_beginning_is_repaired(self):
        with open(self.path("store.img"), "r+b") as store:
            store.write(bytes(self.layout["tables_offset_bytes"]))
        self.check_error(self.run_ddsnap("server", "-f", "store.img", "origin.img", "control",
                                         "server2"), 1, "ddsnap check")
        self.check_error(self.run_ddsnap("initialize", "store.img", "origin.img"), 1, "-y")
        self.assertEqual(self.hurt(self.check(3)), {"0": [], "1": []})
        self.assertIn(b"repaired", self.succeed("repair", "store.img", "origin.img"))
        self.check(0)
        self.start_server()
        self.assertEqual(self.read_snapshot("0"), self.origin_before)
        self.assertEqual(self.read_snapshot("1"), (self.folder / "new.img").read_bytes())

    def test_what_is_beyond_repair_is_said(self):
        told = self.dump()
        for extents in told["superblocks"][0]["manifest_extents"]:
            self.flip(self.layout["tables_offset_bytes"] + extents[0][0] * BLOCK_BYTES + 100)
        damaged = self.store_bytes()
        for verb in ("check", "repair"):
            self.check_error(self.run_ddsnap(verb, "store.img", "origin.img"), 3, "block")
        self.assertEqual(self.store_bytes(), damaged)

    def test_a_served_store_is_not_repaired(self):
        self.start_server()
        for words in (("repair", "store.img", "origin.img"), ("check", "store.img", "origin.img")):
            self.check_error(self.run_ddsnap(*words), 5)


if __name__ == "__main__":
    unittest.main()
