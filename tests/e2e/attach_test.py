#!/usr/bin/env python3
"""Shows attach, detach, mount and umount by the way of nbdkit, nbdfuse and a loop device: an origin
with a file system that is written, snapshots of it mounted read-only and for writing; each command
twice is as once; what is in use is not taken away; what a crash left (a process killed, a record
half written) is cleared away by the next call; and in the end nothing is left: no process, mount,
loop device or file."""

import os
import pathlib
import signal
import subprocess

import stand

stand.need("nbdkit", "nbdfuse", "losetup", "mkfs.ext4", "mkfs.xfs", "mount", mount=True)


class Attach(stand.StandTest):
    ORIGIN_BYTES = 320 << 20
    STORE_BYTES = 64 << 20

    def start(self):
        os.environ["DDSNAP_RUN_DIR"] = self.stand.path("run")
        self.stand.start_agent()
        self.stand.start_server()
        self.addCleanup(self.end_all)

    def end_all(self):
        for folder in ("volume", "snapshot", "third"):
            self.stand.run("umount", self.stand.path(folder))
        for tag in ([], ["0"], ["1"]):
            self.stand.run("detach", self.stand.server, *tag)

    def attach(self, *words):
        return self.stand.ddsnap("attach", *words).decode().strip()

    def folder(self, name):
        os.makedirs(self.stand.path(name), exist_ok=True)
        return self.stand.path(name)

    def assert_nothing_left(self):
        run = pathlib.Path(self.stand.path("run"))
        self.assertEqual([str(path) for path in run.rglob("*")], [])
        self.assertNotIn(str(run), pathlib.Path("/proc/self/mounts").read_text())
        self.assertNotIn(str(run), stand.run_tool("losetup", "-l").decode())
        processes = subprocess.run(["ps", "-eo", "args"], stdout=subprocess.PIPE, check=True).stdout
        self.assertNotIn(str(run), processes.decode())

    def with_file_system(self, *mkfs):
        device = self.attach("--write", self.stand.server)
        stand.run_tool(*mkfs, device)
        self.stand.ddsnap("detach", self.stand.server)

    def test_a_volume_s_life(self):
        server = self.stand.server
        device = self.attach("--write", server)
        self.assertEqual(self.attach("--write", server), device)
        self.check_error(self.stand.run("attach", server), 5, "for writing")
        stand.run_tool("mkfs.ext4", "-q", device)
        self.stand.ddsnap("detach", server)
        self.stand.ddsnap("detach", server)
        self.assert_nothing_left()

        volume = self.folder("volume")
        self.stand.ddsnap("mount", "--write", server, volume)
        pathlib.Path(volume, "file").write_text("one")
        self.stand.ddsnap("create", "--freeze", volume, server, "0")
        pathlib.Path(volume, "file").write_text("two")
        self.check_error(self.stand.run("mount", server, "0", volume), 5, "mounted there already")
        self.check_error(self.stand.run("detach", server), 5, "mounted")

        snapshot = self.folder("snapshot")
        self.stand.ddsnap("mount", server, "0", snapshot)
        self.assertEqual(pathlib.Path(snapshot, "file").read_text(), "one")
        with self.assertRaises(OSError):
            pathlib.Path(snapshot, "file").write_text("no")
        with open(pathlib.Path(snapshot, "file"), encoding="utf8"):
            self.assertNotEqual(self.stand.run("umount", snapshot).returncode, 0)
        self.stand.ddsnap("umount", snapshot)
        self.check_error(self.stand.run("umount", snapshot), 4, "nothing is mounted")

        self.stand.ddsnap("mount", "--write", server, "0", snapshot)
        pathlib.Path(snapshot, "file").write_text("mine")
        self.stand.ddsnap("umount", snapshot)
        self.assertEqual(pathlib.Path(volume, "file").read_text(), "two")
        self.stand.ddsnap("umount", volume)
        self.assert_nothing_left()
        self.assertEqual(self.stand.status()["targets_present"], 0)

    def test_xfs_snapshots_beside_their_origin(self):
        self.with_file_system("mkfs.xfs", "-q")
        server = self.stand.server
        self.stand.ddsnap("mount", "--write", server, self.folder("volume"))
        pathlib.Path(self.folder("volume"), "file").write_text("one")
        for tag in ("0", "1"):
            self.stand.ddsnap("create", "--freeze", self.folder("volume"), server, tag)
        self.stand.ddsnap("mount", server, "0", self.folder("snapshot"))
        self.stand.ddsnap("mount", "--write", server, "1", self.folder("third"))
        for name in ("snapshot", "third"):
            self.assertEqual(pathlib.Path(self.folder(name), "file").read_text(), "one")
            self.stand.ddsnap("umount", self.folder(name))
        self.stand.ddsnap("umount", self.folder("volume"))
        self.assert_nothing_left()

    def kill_parts(self, name):
        for path in pathlib.Path(self.stand.path("run")).glob(f"*/{name}"):
            os.kill(int(path.read_text()), signal.SIGKILL)

    def test_what_a_crash_left(self):
        server = self.stand.server
        for part in ("nbdfuse.pid", "nbdkit.pid"):
            self.attach(server)
            self.kill_parts(part)
            self.stand.ddsnap("detach", server)
            self.assert_nothing_left()
        self.attach(server)
        self.kill_parts("nbdfuse.pid")
        again = self.attach(server)  # clears away what is dead
        stand.run_tool("blockdev", "--getsize64", again)
        self.stand.kill("server")  # also without a server
        self.stand.ddsnap("detach", server)
        self.assert_nothing_left()
        self.stand.start_server()
        self.attach(server)
        for path in pathlib.Path(self.stand.path("run")).glob("*/attachment.json"):
            path.write_text("{")
        self.stand.ddsnap("detach", server)
        self.assert_nothing_left()

    def test_a_killed_attach(self):
        server = self.stand.server
        for _ in range(3):
            command = subprocess.Popen([stand.DDSNAP, "attach", server], env=self.stand.environment(),
                                       stdout=subprocess.DEVNULL)
            stand.wait_until(lambda: list(pathlib.Path(self.stand.path("run")).glob("*/nbdkit.pid")), "nbdkit")
            command.kill()
            command.wait()
            self.stand.ddsnap("detach", server)
            self.assert_nothing_left()

    def test_refused(self):
        server = self.stand.server
        self.check_error(self.stand.run("attach", server, "none"), 4, "no snapshot none")
        self.check_error(self.stand.run("attach", "--how", "best", server), 2, "--how")
        self.check_error(self.stand.run("mount", server, self.folder("volume")), 1, "no file system to mount")
        self.assert_nothing_left()


if __name__ == "__main__":
    stand.main()
