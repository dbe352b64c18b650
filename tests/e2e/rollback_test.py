#!/usr/bin/env python3
"""Shows a downstream volume with a server of its own: apply-delta --snapshot keeps the state before
as a snapshot, once, also when the apply is killed and run again; rollback gives the origin back what
it held there, whether the apply was finished or killed half-way, and the delta may come again."""

import os
import pathlib
import random
import signal
import subprocess

import stand

stand.need("nbdkit", "nbdcopy")

VOLUME_BYTES = 16 << 20


class Rollback(stand.StandTest):
    ORIGIN_BYTES = VOLUME_BYTES
    STORE_BYTES = 96 << 20

    def start(self):
        chaos = random.Random(stand.SEED)
        old = bytearray(chaos.randbytes(VOLUME_BYTES))
        new = bytearray(old)
        for at in range(0, VOLUME_BYTES, 64 << 10):
            size = 100 if chaos.random() < 0.5 else 32 << 10
            new[at:at + size] = chaos.randbytes(size)
        new[1 << 20:2 << 20] = bytes(1 << 20)
        pathlib.Path(self.stand.origin).write_bytes(old)
        self.old = self.stand.path("old")
        self.new = self.stand.path("new")
        pathlib.Path(self.old).write_bytes(old)
        pathlib.Path(self.new).write_bytes(new)
        self.stand.ddsnap("create-cl", "--compare", "cl", self.old, self.new)
        self.stand.ddsnap("create-delta", "-b", "cl", "delta", self.old, self.new)
        self.stand.start_agent()
        self.stand.start_server()
        self.volume = f"ddsnap:{self.stand.server}"

    def origin_is(self, path):
        self.assert_same(self.stand.origin, path)

    def tags(self):
        return self.stand.ddsnap("list", self.stand.server).decode()

    def test_rollback_of_an_apply(self):
        self.stand.ddsnap("apply-delta", "--snapshot", "before", "delta", self.volume)
        self.origin_is(self.new)
        self.assertIn("before", self.tags())
        self.stand.ddsnap("rollback", "--dry-run", self.stand.server, "before")
        self.origin_is(self.new)
        self.stand.ddsnap("rollback", self.stand.server, "before")
        self.origin_is(self.old)
        self.stand.ddsnap("apply-delta", "delta", self.volume)
        self.origin_is(self.new)
        self.stand.ddsnap("rollback", self.stand.server, "before")
        self.origin_is(self.old)

    def kill_half_way(self):
        progress = self.stand.path("progress")
        process = subprocess.Popen(
            [stand.DDSNAP, "apply-delta", "--snapshot", "before", "--memory", "8M", "--rate-limit", "8M",
             "--progress", progress, "delta", self.volume], cwd=self.stand.folder, env=self.stand.environment(),
            stdin=subprocess.DEVNULL)
        stand.wait_until(lambda: os.path.exists(progress) or process.poll() is not None, "the first window")
        process.send_signal(signal.SIGKILL)
        process.wait()

    def test_rollback_of_a_killed_apply(self):
        self.kill_half_way()
        self.stand.ddsnap("rollback", "--force", self.stand.server, "before")
        self.origin_is(self.old)
        self.stand.ddsnap("apply-delta", "delta", self.volume)
        self.origin_is(self.new)

    def test_a_killed_apply_goes_on_and_its_snapshot_is_one(self):
        self.kill_half_way()
        self.stand.ddsnap("apply-delta", "--snapshot", "before", "delta", self.volume)
        self.origin_is(self.new)
        self.assertEqual(self.tags().count("before"), 1)
        self.stand.ddsnap("rollback", "--force", self.stand.server, "before")
        self.origin_is(self.old)

    def test_an_origin_in_use_is_not_rolled_back(self):
        self.stand.ddsnap("create", self.stand.server, "s")
        self.stand.start_nbdkit()
        client = self.stand.client()
        self.addCleanup(client.close)
        self.check_error(self.stand.run("rollback", self.stand.server, "s"), 5)


if __name__ == "__main__":
    stand.main()
