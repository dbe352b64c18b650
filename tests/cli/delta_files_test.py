#!/usr/bin/env python3
"""Shows the delta verbs on plain files, with no server: every mode and codec rebuilds the newer
image bit for bit, through files and pipes; what does not belong on a target is refused with the
target untouched; inspect and verify tell the truth, also as JSON."""

import fcntl
import json
import os
import struct
import unittest

from harness import VOLUME_BYTES, CliTest

OWNERSHIP_OFFSET = 1 << 62  # ddsnap/io/ownership_lock.h


class DeltaFiles(CliTest):
    def setUp(self):
        super().setUp()
        self.make_delta()
        self.old = (self.folder / "old.img").read_bytes()
        self.new = (self.folder / "new.img").read_bytes()

    def check_rebuilds(self, delta, name, **more):
        self.write(name, self.old)
        self.succeed("apply-delta", delta, name, **more)
        self.assertEqual((self.folder / name).read_bytes(), self.new)

    def test_every_mode_and_codec_rebuilds_the_newer_image(self):
        codecs = (["-g", "0"], ["-g", "6"], ["--codec", "zstd:9"], ["--codec", "lz4"],
                  ["--codec", "none"], [])
        for mode in ("-r", "-x", "-b"):
            for number, codec in enumerate(codecs):
                with self.subTest(mode=mode, codec=codec):
                    self.succeed("create-delta", mode, *codec, "cl", "d", "old.img", "new.img")
                    self.check_rebuilds("d", f"target{mode}{number}.img")

    def test_through_pipes(self):
        delta = self.succeed("create-delta", "cl", "-", "old.img", "new.img")
        self.assertEqual(json.loads(self.succeed("inspect", "--json", "-", stdin=delta))["type"],
                         "delta")
        self.succeed("verify", "-", stdin=delta)
        self.check_rebuilds("-", "target.img", stdin=delta)
        changelist = self.succeed("create-cl", "--compare", "-", "old.img", "new.img")
        self.assertEqual(changelist, (self.folder / "cl").read_bytes())
        again = self.succeed("create-delta", "-r", "-", "-", "old.img", "new.img", stdin=changelist)
        self.check_rebuilds("-", "target2.img", stdin=again)

    def test_in_reverse_it_leads_back(self):
        self.succeed("create-delta", "--reverse", "cl", "back", "old.img", "new.img")
        self.write("target.img", self.new)
        self.succeed("apply-delta", "back", "target.img")
        self.assertEqual((self.folder / "target.img").read_bytes(), self.old)

    def test_it_tells_what_it_made_and_how_far_it_is(self):
        told = json.loads(self.succeed("create-delta", "--json", "--progress", "progress", "--threads", "1", "--memory", "8M",
                                       "--rate-limit", "1G", "cl", "d", "old.img", "new.img"))
        found = json.loads(self.succeed("inspect", "--json", "d"))
        self.assertEqual({**told, "undecoded_frames": 0}, {**found, "undecoded_frames": 0})
        tag, done, address = (self.folder / "progress").read_text().split()
        self.assertEqual([tag, done], ["-", f"{told['chunks']}/{told['chunks']}"])
        self.assertLessEqual(int(address), VOLUME_BYTES)
        self.check_error(self.run_ddsnap("create-delta", "--json", "cl", "-", "old.img", "new.img"), 2)

    def test_inspect_and_verify_count_the_same_chunks(self):
        chunk = 16384
        differing = sum(self.old[at:at + chunk] != self.new[at:at + chunk]
                        for at in range(0, VOLUME_BYTES, chunk))
        changelist = json.loads(self.succeed("inspect", "--json", "cl"))
        self.assertEqual([changelist["chunks"], changelist["chunk_bytes"]], [differing, chunk])
        delta = json.loads(self.succeed("inspect", "--json", "delta"))
        self.assertEqual(delta["chunks"], differing)
        self.assertEqual(delta["stream_bytes"], os.stat(self.path("delta")).st_size)
        fit = json.loads(self.succeed("verify", "--json", "delta", "old.img"))["device"]
        self.assertEqual(fit["before"]["chunks"], differing)
        self.assertIn(f"{differing} chunks", self.succeed("inspect", "delta").decode())
        self.assertIn("whole", self.succeed("verify", "delta").decode())
        done = json.loads(self.succeed("verify", "--json", "delta", "new.img"))["device"]
        self.assertEqual(done["after"]["chunks"], differing)

    def test_a_foreign_target_is_refused_untouched(self):
        foreign = bytearray(self.old)
        foreign[100_500] ^= 1
        self.write("foreign.img", foreign)
        before = self.digest_of_folder()
        self.assertEqual(self.run_ddsnap("verify", "delta", "foreign.img").returncode, 1)
        for force in ([], ["--force"]):
            self.check_error(self.run_ddsnap("apply-delta", *force, "delta", "foreign.img"), 1,
                             "chunk")
        self.write("short.img", self.old[:-512])
        before = {**before, **{"short.img": self.digest_of_folder()["short.img"]}}
        self.check_error(self.run_ddsnap("apply-delta", "delta", "short.img"), 2)
        after = {name: digest for name, digest in self.digest_of_folder().items()
                 if not name.startswith("state/")}
        self.assertEqual(after, before)

    def test_a_dry_run_writes_nothing(self):
        before = self.digest_of_folder()
        self.succeed("apply-delta", "--dry-run", "delta", "old.img")
        self.assertEqual(self.digest_of_folder(), before)

    def test_applying_twice_changes_nothing(self):
        self.check_rebuilds("delta", "target.img")
        before = self.digest_of_folder()
        ran = self.run_ddsnap("apply-delta", "delta", "target.img")
        self.assertEqual(ran.returncode, 0)
        self.assertIn(b"already applied", ran.stderr)
        self.assertEqual(self.digest_of_folder()["target.img"], before["target.img"])

    def test_a_target_that_somebody_owns_is_busy(self):
        self.write("target.img", self.old)
        with open(self.path("target.img"), "rb+") as owner:
            lock = struct.pack("hhqqi", fcntl.F_WRLCK, os.SEEK_SET, OWNERSHIP_OFFSET, 1, 0)
            fcntl.fcntl(owner, fcntl.F_OFD_SETLK, lock)
            self.check_error(self.run_ddsnap("apply-delta", "delta", "target.img"), 5, "target.img")
        self.assertEqual((self.folder / "target.img").read_bytes(), self.old)
        self.check_rebuilds("delta", "target.img")

    def test_a_full_delta_wants_an_empty_target(self):
        self.succeed("create-delta", "--full", "-c", "64K", "full", "new.img")
        self.write("dirty.img", self.old)
        self.check_error(self.run_ddsnap("apply-delta", "full", "dirty.img"), 1, "--force")
        self.assertEqual((self.folder / "dirty.img").read_bytes(), self.old)
        self.write("empty.img", bytes(VOLUME_BYTES))
        for name, force in (("empty.img", []), ("dirty.img", ["--force"])):
            self.succeed("apply-delta", *force, "full", name)
            self.assertEqual((self.folder / name).read_bytes(), self.new)

    def test_a_volume_that_grew_and_one_that_shrank(self):
        grown = self.new + self.random.randbytes(100_000 // 512 * 512)
        self.write("grown.img", grown)
        for old, new, size in (("old.img", "grown.img", len(grown)),
                               ("grown.img", "old.img", len(grown))):
            self.succeed("create-cl", "--compare", "cl2", old, new)
            self.succeed("create-delta", "cl2", "delta2", old, new)
            target = "target-" + old
            self.write(target, (self.folder / old).read_bytes())
            os.truncate(self.path(target), size)
            self.succeed("apply-delta", "delta2", target)
            wanted = (self.folder / new).read_bytes()
            self.assertEqual((self.folder / target).read_bytes()[:len(wanted)], wanted)

    def test_a_full_disk_under_the_output(self):
        for call in (["inspect", "delta"], ["inspect", "--json", "delta"], ["verify", "delta"],
                     ["create-delta", "cl", "-", "old.img", "new.img"],
                     ["create-cl", "--compare", "-", "old.img", "new.img"]):
            with open("/dev/full", "wb") as full:
                self.check_error(self.run_ddsnap(*call, stdout=full), 1)

    def test_devices_that_are_none(self):
        for name in ("ddsnap:", "ddsnap:no/such/socket", "nbd+unix:///?socket=no/such/socket"):
            ran = self.run_ddsnap("create-delta", "--full", "out", name)
            self.check_error(ran, (1, 2, 4))
            self.assertFalse((self.folder / "out").exists())


if __name__ == "__main__":
    unittest.main()
