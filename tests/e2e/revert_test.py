#!/usr/bin/env python3
"""Shows `revert`: the origin becomes what it was at a snapshot, what it was just before is a snapshot,
and every other snapshot stays. Killed at several moments and run again it ends the same, with one
kept snapshot, which holds the state before the first of the runs. What somebody wrote after a revert
that was cut off is kept too. Refused: an origin in use, a snapstore without the room, what is no
snapshot."""

import json
import os
import pathlib
import random
import shutil
import signal
import subprocess

import stand

stand.need("nbdkit", "nbdcopy")

VOLUME_BYTES = 16 << 20
CHUNK = 16 << 10


class Revert(stand.StandTest):
    ORIGIN_BYTES = VOLUME_BYTES
    STORE_BYTES = 96 << 20

    def start(self):
        self.random = random.Random(stand.SEED)
        pathlib.Path(self.stand.origin).write_bytes(self.random.randbytes(VOLUME_BYTES))
        self.stand.start_agent()
        self.stand.start_server()
        self.states = {}
        for tag in ("a", "b", "c"):
            self.create(tag)
            self.write_some(64)

    def create(self, tag):
        self.stand.create(tag)
        self.states[tag] = pathlib.Path(self.stand.origin).read_bytes()

    def write_some(self, count):
        """Through an origin target: writes, zeros, parts of chunks."""
        self.stand.start_nbdkit()
        client = self.stand.client()
        for _ in range(count):
            at = self.random.randrange(VOLUME_BYTES // CHUNK) * CHUNK
            if self.random.random() < 0.2:
                client.write(at, bytes(CHUNK))
            else:
                client.write(at + 512 * self.random.randrange(8),
                             self.random.randbytes(512 * self.random.randrange(1, 20)))
        client.flush()
        client.close()
        self.stand.kill("nbdkit", signal.SIGTERM)

    def now(self):
        return pathlib.Path(self.stand.origin).read_bytes()

    def entries(self):
        listing = json.loads(self.stand.ddsnap("list", "--json", self.stand.server))
        return {one["tag"]: one for one in listing}

    def check_snapshots(self):
        """Every snapshot holds what it held, read by nbdcopy."""
        self.stand.start_nbdkit()
        for tag, content in self.states.items():
            copy = self.stand.copy_out(tag, "copy")
            self.assertEqual(pathlib.Path(copy).read_bytes(), content, f"snapshot {tag}")
            os.unlink(copy)
        self.stand.kill("nbdkit", signal.SIGTERM)

    def revert(self, *words):
        return self.stand.ddsnap("revert", *words[:-1], self.stand.server, words[-1])

    def test_there_and_back(self):
        before = self.now()
        self.revert("--dry-run", "b")
        self.assertEqual(self.now(), before)
        self.assertNotIn("before-revert-b", self.entries())
        self.revert("b")
        self.assertEqual(self.now(), self.states["b"])
        self.states["before-revert-b"] = before
        self.check_snapshots()
        self.assertEqual(self.entries()["before-revert-b"]["priority"], 0)
        # Again after other writes: another state is kept, under another name.
        self.write_some(20)
        self.states["before-revert-b-2"] = self.now()
        self.revert("b")
        self.assertEqual(self.now(), self.states["b"])
        self.states["mine"] = self.now()
        self.revert("--keep-as", "mine", "before-revert-b")
        self.assertEqual(self.now(), before)
        self.check_snapshots()
        self.check_error(self.stand.run("revert", "--keep-as", "mine", self.stand.server, "a"), 1,
                         "already exists")

    def kill_at(self, chunks):
        """A revert to `a`, killed once it has written so many chunks."""
        progress = self.stand.path("progress")
        process = subprocess.Popen(
            [stand.DDSNAP, "revert", "--memory", "8M", "--rate-limit", "3M", "--progress", progress,
             self.stand.server, "a"], cwd=self.stand.folder, env=self.stand.environment(),
            stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

        def is_there():
            if chunks is None:
                return "before-revert-a" in self.entries()
            try:
                done = int(pathlib.Path(progress).read_text().split()[1].split("/")[0])
            except (OSError, IndexError):
                done = 0
            return done >= chunks
        stand.wait_until(lambda: is_there() or process.poll() is not None, "the revert's progress")
        process.kill()
        process.wait()

    def test_killed_and_run_again(self):
        before = self.now()
        for chunks in (None, 1, 60):
            self.kill_at(chunks)
        ran = self.stand.run("revert", self.stand.server, "a")
        self.assertEqual(ran.returncode, 0, ran.stderr)
        self.assertIn(b"was cut off", ran.stderr)
        self.assertEqual(self.now(), self.states["a"])
        kept = [tag for tag in self.entries() if tag.startswith("before-revert")]
        self.assertEqual(kept, ["before-revert-a"])
        self.states["before-revert-a"] = before
        self.check_snapshots()

    def test_writes_after_a_killed_revert_are_kept(self):
        self.kill_at(60)
        stand.wait_until(lambda: self.stand.status()["targets_absent"] == 0, "the lost target")
        self.write_some(300)
        self.states["before-revert-a-2"] = self.now()
        self.revert("a")
        self.assertEqual(self.now(), self.states["a"])
        self.check_snapshots()
        self.assertEqual(self.entries()["before-revert-a"]["priority"], 0)

    def test_refused(self):
        before = self.now()
        self.check_error(self.stand.run("revert", self.stand.server, "none"), 4, "none")
        self.stand.ddsnap("create", "--bookmark", self.stand.server, "mark")
        self.check_error(self.stand.run("revert", self.stand.server, "mark"), 1, "no data")
        self.stand.start_nbdkit()
        client = self.stand.client()
        self.check_error(self.stand.run("revert", self.stand.server, "a"), 5, "nbdkit-")
        client.close()
        self.stand.kill("nbdkit", signal.SIGTERM)
        if os.geteuid() == 0 and os.path.exists("/dev/loop-control") and shutil.which("losetup"):
            loop = stand.run_tool("losetup", "-f", "--show", self.stand.origin).decode().strip()
            try:
                self.check_error(self.stand.run("revert", self.stand.server, "a"), 5, loop)
            finally:
                stand.run_tool("losetup", "-d", loop)
        self.assertEqual(self.now(), before)
        self.assertFalse([tag for tag in self.entries() if tag.startswith("before-revert")])


class NoRoom(stand.StandTest):
    ORIGIN_BYTES = 32 << 20
    STORE_BYTES = 32 << 20

    def start(self):
        chaos = random.Random(stand.SEED)
        pathlib.Path(self.stand.origin).write_bytes(chaos.randbytes(self.ORIGIN_BYTES))
        super().start()

    def test_nothing_is_begun_that_has_no_room(self):
        self.stand.create("a")
        client = self.stand.client()
        for at in range(0, 20 << 20, 1 << 20):  # more than half of the slots
            client.write(at, bytes([1 + at % 255]) * (1 << 20))
        client.flush()
        client.close()
        self.stand.kill("nbdkit", signal.SIGTERM)
        before = pathlib.Path(self.stand.origin).read_bytes()
        self.check_error(self.stand.run("revert", self.stand.server, "a"), 1, "chunks, ")
        self.assertEqual(pathlib.Path(self.stand.origin).read_bytes(), before)


if __name__ == "__main__":
    stand.main()
