#!/usr/bin/env python3
"""Shows that bad input costs its sender one clear line and the right exit status, and nobody anything
else: wrong devices, sizes and versions, roles given twice, a store in use, tags taken and unknown, a
full disk, hostile bytes and half messages on both sockets, and 10,000 connections. After each, the
volume serves as before and the snapshot made at the beginning is what it was."""

import os
import random
import resource
import signal
import socket
import struct
import subprocess

import stand

stand.need("nbdkit", "nbdcopy")

FLOOD = 10_000
MAGIC = 0x4e534444
VERSION_OFFSETS = (4096 + 8, 32768 + 8)  # of both superblocks, SNAPSTORE.md


def is_connected(one, address):
    """Connects without waiting; False while the listener's queue is full."""
    try:
        one.connect(address)
    except BlockingIOError:
        return False
    return True


class BadInput(stand.StandTest):
    def start(self):
        self.content = random.Random(stand.SEED).randbytes(1 << 20)
        with open(self.stand.origin, "r+b") as origin:
            origin.write(self.content)
        self.stand.start_all()
        self.stand.create("first")
        with self.stand.client() as client:
            client.write(0, b"new" * 1024 * 512)

    def tearDown(self):
        with self.stand.client("first") as snapshot:
            self.assertEqual(snapshot.read(0, len(self.content)), self.content)
        with self.stand.client() as client:
            self.assertEqual(client.read(0, 512), (b"new" * 512)[:512])
            client.write(2 << 20, b"still writes" * 128)
        self.stand.create("last")

    def fails(self, status, *words, said="", **more):
        ran = self.stand.run(*words, **more)
        self.check_error(ran, status, said)
        return ran

    def stopped(self):
        """A store of its own that no server runs."""
        return self.new_stand()

    def serve(self, volume, snapstore=None, origin=None, socket_name="server"):
        return volume.run("server", "-f", "-l", volume.path("server.log"),
                          snapstore or volume.snapstore, origin or volume.origin, volume.control,
                          volume.path(socket_name))

    def test_the_wrong_origin(self):
        volume = self.stopped()
        other = volume.make_file("other.img", self.ORIGIN_BYTES - (1 << 20))
        ran = self.serve(volume, origin=other)
        self.check_error(ran, ran.returncode or 1)
        ran = self.serve(volume, snapstore=volume.origin, origin=volume.snapstore)
        self.check_error(ran, ran.returncode or 1)

    def test_a_device_that_is_none(self):
        volume = self.stopped()
        for path, status in ((volume.path("missing"), 4), (str(volume.folder), None),
                             ("/dev/null", None), ("/dev/tty-that-is-not", 4)):
            for ran in (self.serve(volume, snapstore=path), self.serve(volume, origin=path),
                        volume.run("initialize", path, volume.origin),
                        volume.run("initialize", volume.snapstore, path)):
                self.check_error(ran, status or ran.returncode or 1)

    def test_a_snapstore_that_is_too_small(self):
        volume = self.stopped()
        for size in (0, 512, 65536):
            small = volume.make_file("small.img", size)
            self.check_error(volume.run("initialize", small, volume.origin), 2, "too small")

    def test_a_snapstore_that_is_not_initialised_or_cut_short(self):
        volume = self.stopped()
        empty = volume.make_file("empty.img", self.STORE_BYTES)
        self.check_error(self.serve(volume, snapstore=empty), 1, "initialize")
        os.truncate(volume.snapstore, self.STORE_BYTES // 2)
        ran = self.serve(volume)
        self.check_error(ran, ran.returncode or 1)

    def test_a_snapstore_of_another_version(self):
        volume = self.stopped()
        with open(volume.snapstore, "r+b") as file:
            for offset in VERSION_OFFSETS:
                file.seek(offset)
                version = struct.unpack("<I", file.read(4))[0]
                self.assertIn(version, range(1, 100))
                file.seek(offset)
                file.write(struct.pack("<I", version + 1))
        self.check_error(self.serve(volume), 1, "version")

    def test_one_file_in_two_roles(self):
        volume = self.stopped()
        os.link(volume.snapstore, volume.path("link"))
        for pair in ((volume.snapstore, volume.snapstore), (volume.snapstore, volume.path("link"))):
            self.check_error(volume.run("initialize", "-y", *pair), 2, "same")
            ran = self.serve(volume, *pair)
            self.check_error(ran, ran.returncode or 1)

    def test_a_snapstore_in_use(self):
        self.fails(5, "initialize", "-y", self.stand.snapstore, self.stand.origin)
        self.fails(5, "server", "-f", self.stand.snapstore, self.stand.origin, self.stand.control,
                   self.stand.path("other-server"))
        self.assertFalse(os.path.exists(self.stand.path("other-server")))
        volume = self.stopped()
        # Another store's server may not have this origin, nor this socket.
        ran = self.serve(volume, origin=self.stand.origin)
        self.check_error(ran, ran.returncode or 1)
        ran = volume.run("server", "-f", "-l", volume.path("server.log"), volume.snapstore,
                         volume.origin, volume.control, self.stand.server)
        self.check_error(ran, 5)
        self.fails(5, "agent", "-f", "-l", self.stand.path("other.log"), self.stand.control)

    def test_tags(self):
        self.fails(1, "create", self.stand.server, "first", said="first")
        for words in (["delete", self.stand.server, "none"],
                      ["priority", self.stand.server, "none", "5"],
                      ["usecount", self.stand.server, "none", "1"],
                      ["status", self.stand.server, "none"],
                      ["create-cl", self.stand.server, "cl", "none", "first"],
                      ["create-cl", self.stand.server, "cl", "first", "none"],
                      ["create-delta", "--full", "full", f"ddsnap:{self.stand.server}#none"]):
            self.fails(4, *words, said="none")
        for tag in ("", "now", "a/b", "a..b", "x" * 64, "two words", "\n"):
            self.fails(2, "create", self.stand.server, tag)

    def test_changelists_backwards(self):
        self.stand.create("second")
        ran = self.stand.run("create-cl", self.stand.server, "cl", "second", "first")
        self.check_error(ran, ran.returncode or 1)
        self.assertFalse(os.path.exists(self.stand.path("cl")))

    def test_a_full_disk(self):
        """By the limit on the size of files, which needs no root."""
        def limit():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (256 << 10, 256 << 10))
        self.stand.ddsnap("create-delta", "--full", "full", f"ddsnap:{self.stand.server}#first")
        ran = self.stand.run("create-delta", "--full", "limited",
                             f"ddsnap:{self.stand.server}#first", preexec_fn=limit)
        self.check_error(ran, 1)
        self.assertFalse(os.path.exists(self.stand.path("limited")))
        target = self.stand.make_file("target", self.ORIGIN_BYTES)
        self.check_error(self.stand.run("apply-delta", "full", target, preexec_fn=limit), 1)
        self.stand.ddsnap("apply-delta", "full", target)
        self.assert_same(target, self.stand.copy_out("first", "copy"))
        volume = self.new_stand(initialize=False)
        ran = volume.run("initialize", volume.snapstore, volume.origin, preexec_fn=limit)
        self.check_error(ran, 1)

    def test_a_full_file_system(self):
        if os.geteuid() != 0:
            self.skipTest("wants root, to mount a small tmpfs")
        small = self.stand.mount("tmpfs", "small", "size=256k", "tmpfs")
        self.fails(1, "create-delta", "--full", small + "/full",
                   f"ddsnap:{self.stand.server}#first")
        self.assertEqual(os.listdir(small), [])
        volume = self.new_stand(initialize=False)
        with open(small + "/snapstore", "wb") as file:
            file.truncate(self.STORE_BYTES)
        self.check_error(volume.run("initialize", small + "/snapstore", volume.origin), 1)

    def test_a_full_disk_under_stdout(self):
        for words in (["list", self.stand.server], ["status", self.stand.server],
                      ["create-cl", self.stand.server, "-", "first", "now"]):
            with open("/dev/full", "wb") as full:
                self.check_error(self.stand.run(*words, stdout=full), 1)

    def test_half_messages_and_noise(self):
        chaos = random.Random(stand.SEED)
        header = struct.pack("<IHHIIQ", MAGIC, 1, 68, 0, 0, 1)
        pieces = [b"", header[:1], header[:-1], struct.pack("<IHHIIQ", MAGIC, 1, 64, 65512, 0, 1),
                  struct.pack("<IHHIIQ", MAGIC, 1, 64, 0xffffffff, 0, 1),
                  struct.pack("<IHHIIQ", MAGIC, 2, 68, 0, 0, 1), header[:12] + b"\1" * 12,
                  struct.pack("<IHHIIQ", MAGIC, 1, 9999, 0, 0, 1),
                  struct.pack("<IHHIIQ", MAGIC, 1, 16, 4, 0, 1) + b"\xff" * 4]
        pieces += [chaos.randbytes(chaos.randrange(1, 3000)) for _ in range(100)]
        held = []
        for address in (self.stand.server, self.stand.control):
            for piece in pieces:
                one = socket.socket(socket.AF_UNIX)
                one.connect(address)
                with_hangup = chaos.randrange(2)
                try:
                    one.sendall(piece)
                except OSError:
                    pass
                if with_hangup:
                    one.close()
                else:
                    held.append(one)
        self.stand.create("among-noise")
        for one in held:
            one.close()

    def test_ten_thousand_connections(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = FLOOD + 200
        if hard != resource.RLIM_INFINITY and hard < wanted:
            self.skipTest(f"at most {hard} open files are allowed here")
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        for address in (self.stand.server, self.stand.control):
            flood = [socket.socket(socket.AF_UNIX) for _ in range(FLOOD)]
            for one in flood:
                one.setblocking(False)
                stand.wait_until(lambda one=one: is_connected(one, address), "no connection")
            self.assertEqual(len(self.stand.status()["snapshots"]), 1)
            with self.stand.client("first") as snapshot:
                self.assertEqual(snapshot.read(0, 4096), self.content[:4096])
            for one in flood:
                one.close()

    def test_other_users_are_refused(self):
        if os.geteuid() != 0:
            self.skipTest("wants root, to be somebody else")
        os.chmod(self.stand.folder, 0o755)
        for address in (self.stand.server, self.stand.control):
            self.assertEqual(os.stat(address).st_mode & 0o777, 0o600)
        os.chmod(self.stand.server, 0o666)
        ran = subprocess.run([str(stand.DDSNAP), "list", self.stand.server], user=65534, group=65534,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False,
                             timeout=stand.PATIENCE_S)
        self.check_error(ran, ran.returncode or 1)


if __name__ == "__main__":
    stand.main()
