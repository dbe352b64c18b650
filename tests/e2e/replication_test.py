#!/usr/bin/env python3
"""Shows the order of the original README, on files: initialize, agent, server, create 0, change,
create-snap 1, create-cl, create-delta, apply-delta downstream, and every byte compared. For both
ways to begin downstream (a copy of snapshot 0; zeros and a full delta), all modes and codecs,
downstream volumes that are a file, an NBD export and a ddsnap volume of their own, and pipes."""

import json
import os
import pathlib
import random
import subprocess

import stand

stand.need("nbdkit", "nbdcopy")

VOLUME_BYTES = (24 << 20) + 3 * 512  # the last chunk is a short one
PIECE_BYTES = 64 << 10


class Replication(stand.StandTest):
    ORIGIN_BYTES = VOLUME_BYTES
    STORE_BYTES = 96 << 20

    targets = 0

    def start(self):
        chaos = random.Random(stand.SEED)
        with open(self.stand.origin, "r+b") as origin:  # what was there before ddsnap came
            for at in range(0, VOLUME_BYTES - PIECE_BYTES, 3 * PIECE_BYTES):
                origin.seek(at)
                origin.write(chaos.randbytes(PIECE_BYTES // 2) + b"text " * (PIECE_BYTES // 10))
        self.stand.start_all()
        self.stand.ddsnap("create", self.stand.server, "0")
        self.client = self.stand.client()
        self.addCleanup(self.client.close)
        self.change(chaos)
        self.stand.ddsnap("create-snap", self.stand.server, "1")
        self.snapshot0 = self.stand.copy_out("0", "snapshot0")
        self.snapshot1 = self.stand.copy_out("1", "snapshot1")
        self.change(chaos)  # what comes later is of no account
        self.stand.ddsnap("create-cl", self.stand.server, "changelist0-1", "0", "1")
        self.pair = [f"ddsnap:{self.stand.server}#{tag}" for tag in ("0", "1")]

    def change(self, chaos):
        for _ in range(60):
            length = chaos.randrange(1, 60) * 512
            at = chaos.randrange((VOLUME_BYTES - length) // 512) * 512
            kind = chaos.randrange(4)
            if kind == 0:
                self.client.write_zeroes(at, length)
            elif kind == 1:  # a little of what is there: what differences are good for
                old = bytearray(self.client.read(at, length))
                old[100:110] = b"0123456789"
                self.client.write(at, bytes(old))
            else:
                self.client.write(at, chaos.randbytes(length))
        self.client.write(VOLUME_BYTES - 512, chaos.randbytes(512))

    def delta(self, *how):
        self.stand.ddsnap("create-delta", *how, "changelist0-1", "delta0-1", *self.pair)
        self.stand.ddsnap("verify", "delta0-1")
        return self.stand.path("delta0-1")

    def downstream_file(self):
        """The original's second way to begin: a copy, by dd. Each is a new file: what was applied
        to one is remembered with it."""
        self.targets += 1
        path = self.stand.path(f"downstream{self.targets}")
        subprocess.run(["dd", f"if={self.snapshot0}", f"of={path}", "bs=1M", "status=none"],
                       check=True)
        return path

    def downstream_volume(self):
        volume = self.new_stand(origin_bytes=VOLUME_BYTES)
        return volume.start_all()

    def test_every_mode_and_codec(self):
        for how in (["-r"], ["-x"], ["-b"], [], ["-g", "0"], ["-g", "9"], ["-r", "-g", "1"],
                    ["-r", "--codec", "lz4"], ["--codec", "none"], ["-b", "--codec", "zstd:19"]):
            with self.subTest(how=how):
                target = self.downstream_file()
                delta = self.delta(*how)
                self.stand.ddsnap("apply-delta", delta, target)
                self.assert_same(target, self.snapshot1)
                ran = self.stand.run("apply-delta", delta, target)
                self.assertEqual(ran.returncode, 0)
                self.assertIn(b"already applied", ran.stderr)
                self.assert_same(target, self.snapshot1)

    def test_zeros_and_a_full_delta_to_begin_with(self):
        for device in (f"ddsnap:{self.stand.server}#0", self.stand.uri("0"), self.snapshot0):
            self.targets += 1
            target = self.stand.make_file(f"downstream{self.targets}", VOLUME_BYTES)
            self.stand.ddsnap("create-delta", "--full", "full0", device)
            self.stand.ddsnap("apply-delta", "full0", target)
            self.assert_same(target, self.snapshot0)
            self.stand.ddsnap("apply-delta", self.delta(), target)
            self.assert_same(target, self.snapshot1)

    def test_a_full_delta_goes_over_nothing_unasked(self):
        target = self.stand.make_file("downstream", VOLUME_BYTES)
        with open(target, "r+b") as file:
            file.seek(VOLUME_BYTES - 512)
            file.write(b"dear data" * 20)
        before = pathlib.Path(target).read_bytes()
        self.stand.ddsnap("create-delta", "--full", "full0", self.pair[0])
        self.check_error(self.stand.run("apply-delta", "full0", target), 1)
        self.assertEqual(pathlib.Path(target).read_bytes(), before)
        self.stand.ddsnap("apply-delta", "--force", "full0", target)
        self.assert_same(target, self.snapshot0)

    def test_devices_may_be_exports(self):
        self.pair = [self.stand.uri("0"), self.stand.uri("1")]
        target = self.downstream_file()
        self.stand.ddsnap("apply-delta", self.delta("-r"), target)
        self.assert_same(target, self.snapshot1)

    def test_devices_that_are_other_snapshots_are_refused(self):
        for pair in (self.pair[::-1], [self.pair[0]] * 2,
                     [self.stand.uri("1"), self.stand.uri("0")]):
            ran = self.stand.run("create-delta", "changelist0-1", "wrong", *pair)
            self.check_error(ran, ran.returncode or 1)
            self.assertFalse(os.path.exists(self.stand.path("wrong")))

    def test_devices_that_are_no_snapshots_are_marked_as_unproven(self):
        for pair, proven in ((self.pair, True), ([self.snapshot0, self.snapshot1], False)):
            self.stand.ddsnap("create-delta", "changelist0-1", "delta", *pair)
            facts = json.loads(self.stand.ddsnap("inspect", "--json", "delta"))
            self.assertEqual(facts["to_is_proven"], proven, pair)

    def test_the_live_origin_is_no_snapshot(self):
        for origin in (f"ddsnap:{self.stand.server}", self.stand.uri("")):
            ran = self.stand.run("create-delta", "changelist0-1", "wrong", self.pair[0], origin)
            self.check_error(ran, 2)
            self.assertFalse(os.path.exists(self.stand.path("wrong")))

    def test_downstream_with_an_agent_and_a_server_of_its_own(self):
        delta = self.delta("-r")
        self.stand.ddsnap("create-delta", "--full", "full0", self.pair[0])
        for name in ("nbd", "ddsnap"):
            with self.subTest(name=name):
                down = self.downstream_volume()
                device = down.uri() if name == "nbd" else f"ddsnap:{down.server}"
                down.ddsnap("apply-delta", self.stand.path("full0"), device)
                down.create("from-0")
                down.ddsnap("apply-delta", delta, device)
                down.create("from-1")
                self.assert_same(down.copy_out("", "copy"), self.snapshot1)
                self.assert_same(down.copy_out("from-0", "copy"), self.snapshot0)
                self.assert_same(down.copy_out("from-1", "copy"), self.snapshot1)
                # And on from there, a second hop.
                down.ddsnap("create-cl", down.server, "cl", "from-0", "from-1")
                down.ddsnap("create-delta", "cl", "delta", f"ddsnap:{down.server}#from-0",
                            f"ddsnap:{down.server}#from-1")
                target = self.downstream_file()
                down.ddsnap("apply-delta", "delta", target)
                self.assert_same(target, self.snapshot1)
                down.close()

    def test_the_raw_origin_of_a_running_server_is_refused(self):
        down = self.downstream_volume()
        ran = down.run("apply-delta", self.delta(), down.origin)
        self.check_error(ran, 5)

    def test_through_pipes(self):
        """create-cl | create-delta | apply-delta, as over ssh."""
        target = self.downstream_file()
        program = str(stand.DDSNAP)
        pipeline = (f"{program} create-cl {self.stand.server} - 0 1 | "
                    f"{program} create-delta -b - - '{self.pair[0]}' '{self.pair[1]}' | "
                    f"{program} apply-delta - {target}")
        subprocess.run(["bash", "-o", "pipefail", "-c", pipeline], check=True,
                       env=self.stand.environment(), timeout=stand.PATIENCE_S)
        self.assert_same(target, self.snapshot1)

    def test_the_wrong_base_is_refused_and_stays(self):
        delta = self.delta("-r")
        target = self.stand.copy_out("1", "downstream")
        with open(target, "r+b") as file:
            file.write(b"not what it was")
        before = pathlib.Path(target).read_bytes()
        ran = self.stand.run("apply-delta", delta, target)
        if ran.returncode == 0:  # the first chunk is not in the delta
            self.assertIn(b"already applied", ran.stderr)
        self.assertEqual(pathlib.Path(target).read_bytes(), before)
        zeros = self.stand.make_file("zeros", VOLUME_BYTES)
        self.check_error(self.stand.run("apply-delta", delta, zeros), 1)
        self.assert_same(zeros, self.stand.make_file("more-zeros", VOLUME_BYTES))


if __name__ == "__main__":
    stand.main()
