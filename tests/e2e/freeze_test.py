#!/usr/bin/env python3
"""Shows `create --freeze` on a mounted ext4 over nbdfuse and a loop device: the snapshot's file system
is clean and holds what nobody had synced; kill -9 of the command while the file system is frozen, or
a command that is stopped past its timeout, leaves it thawed and no snapshot behind. Refused: what
cannot be frozen, and a server whose own files lie there."""

import fcntl
import os
import pathlib
import signal
import struct
import subprocess
import tempfile

import raw_client
import stand

stand.need("nbdkit", "nbdfuse", "fusermount3", "mkfs.ext4", "e2fsck", "dumpe2fs", "mount", "losetup", mount=True)

FITHAW = 0xc0045878


def thaw_says(folder):
    """What a thaw by hand says: it fails where nothing is frozen."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.ioctl(handle, FITHAW, struct.pack("i", 0))
        return "was frozen"
    except OSError:
        return "was not"
    finally:
        os.close(handle)


class Freeze(stand.StandTest):
    ORIGIN_BYTES = 64 << 20
    STORE_BYTES = 128 << 20

    def start(self):
        super().start()
        self.disk = self.stand.attach("", "volume")
        stand.run_tool("mkfs.ext4", "-q", self.disk)
        self.folder = self.stand.mount(self.disk, "volume")

    def tags(self):
        return self.stand.ddsnap("list", self.stand.server).decode()

    def assert_thawed(self):
        """Somebody who writes gets through."""
        stand.run_tool("sh", "-c", f"echo more > {self.folder}/more && sync {self.folder}/more")
        self.assertEqual(thaw_says(self.folder), "was not")

    def test_a_clean_file_system(self):
        for number in range(20):
            pathlib.Path(self.folder, f"file{number}").write_bytes(bytes([number]) * 100_000)
        self.stand.ddsnap("create", "--freeze", self.folder, self.stand.server, "clean")
        self.assert_thawed()
        copy = self.stand.copy_out("clean", "copy")
        stand.run_tool("e2fsck", "-fn", copy)
        self.assertNotIn(b"needs_recovery", stand.run_tool("dumpe2fs", "-h", copy))
        folder = self.stand.mount(copy, "copied", "loop,ro,noload")
        for number in range(20):
            self.assertEqual(pathlib.Path(folder, f"file{number}").read_bytes(), bytes([number]) * 100_000)
        self.stand.unmount("copied")

    def hold_frozen(self, timeout_s):
        """The command waiting for a target that does not stop its writes, and someone who writes
        and is held by the freeze."""
        self.mute = raw_client.RawClient(self.stand.server)
        self.addCleanup(self.mute.close)
        self.mute.send(raw_client.origin_hello("mute"))
        self.assertEqual(self.mute.receive()[0], raw_client.HELLO_OK)
        command = subprocess.Popen(
            [stand.DDSNAP, "create", "--freeze", self.folder, "--timeout", str(timeout_s), self.stand.server,
             "held"], stderr=subprocess.PIPE)
        self.assertEqual(self.mute.receive()[0], raw_client.BARRIER)  # it comes after the freeze
        writer = subprocess.Popen(["touch", self.folder + "/held"])
        stand.wait_until(lambda: pathlib.Path(f"/proc/{writer.pid}/stat").read_text().split()[2] == "D",
                         "the writer is not held")
        return command, writer

    def end(self, writer):
        self.assertEqual(writer.wait(stand.PATIENCE_S), 0)
        self.assertEqual(self.mute.receive()[0], raw_client.RELEASE)
        self.mute.send(raw_client.frame(raw_client.DETACH))
        self.mute.receive()
        self.assert_thawed()
        self.assertNotIn("held", self.tags())
        self.stand.ddsnap("create", "--freeze", self.folder, self.stand.server, "after")

    def test_killed_while_frozen(self):
        command, writer = self.hold_frozen(30)
        command.kill()
        command.wait()
        self.end(writer)

    def test_stopped_past_its_timeout(self):
        command, writer = self.hold_frozen(2)
        command.send_signal(signal.SIGSTOP)
        self.assertEqual(writer.wait(stand.PATIENCE_S), 0)  # while it is stopped
        command.send_signal(signal.SIGCONT)
        _, text = command.communicate(timeout=stand.PATIENCE_S)
        self.assertIn(command.returncode, (1, 5), text)
        self.end(writer)

    def test_refused(self):
        server = self.stand.server
        self.check_error(self.stand.run("create", "--freeze", "/proc", server, "x"), 1, "cannot freeze /proc")
        self.check_error(self.stand.run("create", "--freeze", "no/such", server, "x"), 4)
        self.check_error(self.stand.run("create", "--freeze", self.stand.origin, server, "x"), 1)
        self.check_error(self.stand.run("create", "--freeze", self.folder, "--freeze", self.folder, server, "x"),
                         2, "one file system")
        stand.run_tool("fsfreeze", "-f", self.folder)
        self.check_error(self.stand.run("create", "--freeze", self.folder, server, "x"), 5, "frozen already")
        self.assertEqual(thaw_says(self.folder), "was frozen")
        self.assertNotIn("x", self.tags().split())

    def test_a_server_s_own_files_are_not_frozen(self):
        tempfile.tempdir, before = self.folder, tempfile.tempdir
        try:
            other = stand.Stand(origin_bytes=1 << 20, store_bytes=16 << 20)
        finally:
            tempfile.tempdir = before
        other.start_agent()
        other.start_server()
        try:
            self.check_error(self.stand.run("create", "--freeze", self.folder, other.server, "x"), 2,
                             "the snapstore")
        finally:
            other.close()
        self.assert_thawed()


if __name__ == "__main__":
    stand.main()
