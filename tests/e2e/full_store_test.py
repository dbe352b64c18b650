#!/usr/bin/env python3
"""Shows a snapstore that fills up under a mounted file system: ext4 over nbdfuse and a loop device is
written without an error from beginning to end while snapshots are given up, oldest first; what is
kept at priority 127 stays and is a clean file system with its old files; when nothing else may be
given up the writers get an error and the snapshot still stays. `status` warns before that."""

import os
import pathlib
import subprocess

import stand

stand.need("nbdkit", "nbdfuse", "fusermount3", "mkfs.ext4", "e2fsck", "mount", mount=True)

FILE_BYTES = 4 << 20


class FullStore(stand.StandTest):
    ORIGIN_BYTES = 64 << 20
    STORE_BYTES = 24 << 20

    def write_files(self, folder, first, count):
        """New content in files of fixed names; the first error, or None."""
        for number in range(first, first + count):
            try:
                with open(pathlib.Path(folder) / f"file{number % 10}", "wb") as file:
                    file.write(os.urandom(FILE_BYTES))
                    file.flush()
                    os.fsync(file.fileno())
            except OSError as error:
                return error
        return None

    def states(self):
        return {one["tag"]: one["state"] for one in self.stand.status()["snapshots"]}

    def mount_origin(self):
        disk = self.stand.attach("", "volume")
        stand.run_tool("mkfs.ext4", "-q", "-E", "nodiscard,lazy_itable_init=0", disk)
        return self.stand.mount(disk, "volume")

    def check_snapshot(self, tag, text):
        """The snapshot's file system replays its journal, is clean and holds the text."""
        copy = self.stand.copy_out(tag, f"copy-{tag}")
        ran = subprocess.run(["e2fsck", "-fy", copy], capture_output=True, check=False)
        self.assertIn(ran.returncode, (0, 1), ran.stdout)
        folder = self.stand.mount(copy, f"mounted-{tag}", "loop,ro")
        self.assertEqual((pathlib.Path(folder) / "note").read_text(), text)
        self.stand.unmount(f"mounted-{tag}")

    def test_writers_go_on_while_snapshots_are_given_up(self):
        folder = self.mount_origin()
        note = pathlib.Path(folder) / "note"
        self.assertIsNone(self.write_files(folder, 0, 10))
        for tag in range(4):
            note.write_text(f"before snapshot {tag}")
            os.sync()
            self.stand.create(str(tag))
            self.assertIsNone(self.write_files(folder, tag * 4, 4))
        states = self.states()
        self.assertEqual(states["0"], "dropped", states)
        live = [tag for tag, state in states.items() if state == "live"]
        self.assertEqual(live, list(states)[-len(live):], "an older one was kept before a younger")
        for tag in live:
            self.check_snapshot(tag, f"before snapshot {tag}")
        self.check_gone("0")
        self.stand.unmount("volume")

    def check_gone(self, tag):
        ran = subprocess.run(["nbdcopy", self.stand.uri(tag), self.stand.path("none")],
                             capture_output=True, check=False)
        self.assertNotEqual(ran.returncode, 0)
        ran = self.stand.run("status", "--state", tag, self.stand.server)
        self.assertEqual(ran.returncode, 2)

    def test_what_may_not_be_dropped_stays_and_writers_get_errors(self):
        folder = self.mount_origin()
        (pathlib.Path(folder) / "note").write_text("kept")
        self.assertIsNone(self.write_files(folder, 0, 10))
        os.sync()
        self.stand.create("keep")
        self.stand.ddsnap("priority", self.stand.server, "keep", "127")
        self.assertIsNone(self.write_files(folder, 0, 4))
        failure = self.write_files(folder, 4, 10)
        self.assertIsNotNone(failure)
        status = self.stand.status()
        self.assertEqual(self.states()["keep"], "live")
        self.assertTrue(any("snapstore's room" in one for one in status["warnings"]), status)
        self.check_snapshot("keep", "kept")


if __name__ == "__main__":
    stand.main()
