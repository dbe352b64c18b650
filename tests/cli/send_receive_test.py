#!/usr/bin/env python3
"""Shows `ddsnap send | ddsnap receive` between two volumes: a chain of snapshots comes over by uuid and tag, byte for byte; what
came before is known; a stream cut anywhere goes on when it is sent again; from a bookmark; into a bare device; volumes that
grow; and what does not belong is refused with one line."""

import json
import os
import pathlib
import subprocess
import unittest

from harness import DDSNAP, PATIENCE_S, CliTest
from hosts import Host, Writer, write_as_stranger

VOLUME_BYTES = 4 << 20
CONFIG = "[volume]\nserver = {folder}/server\n"


class SendReceive(CliTest):
    def setUp(self):
        super().setUp()
        self.up = Host(self, "up", VOLUME_BYTES, CONFIG)
        self.down = Host(self, "down", VOLUME_BYTES, CONFIG)
        self.writer = Writer(self.up, VOLUME_BYTES, self.random)

    def snapshot(self, tag, chunks=40):
        self.writer.write(chunks)
        self.up.succeed("create", "server", tag)
        return bytes(self.writer.image)

    def stream(self, *tags):
        return self.up.run("send", "server", *tags)

    def receive(self, stream, *options, into="server"):
        return subprocess.run([DDSNAP, "receive", *options, into], cwd=self.down.folder, input=stream,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False,
                              timeout=PATIENCE_S, env=self.down.environment())

    def send(self, *tags):
        """By a real pipe."""
        sender = subprocess.Popen([DDSNAP, "send", "server", *tags], cwd=self.up.folder,
                                  stdout=subprocess.PIPE, env=self.up.environment())
        receiver = subprocess.run([DDSNAP, "receive", "server"], cwd=self.down.folder, check=False,
                                  stdin=sender.stdout, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                  timeout=PATIENCE_S, env=self.down.environment())
        sender.stdout.close()
        self.assertEqual(sender.wait(PATIENCE_S), 0)
        self.assertEqual(receiver.returncode, 0, receiver.stderr)
        return receiver.stderr.decode()

    def check_holds(self, tag, image):
        pathlib.Path(self.down.path("image")).write_bytes(image)
        self.down.succeed("compare", "image", f"ddsnap:server#{tag}")

    def uuids(self, host):
        return {one["tag"]: one["uuid"] for one in json.loads(host.succeed("list", "--json", "server"))}

    def test_a_chain_comes_over_and_a_repeated_stream_is_known(self):
        images = {tag: self.snapshot(tag) for tag in ("0", "1", "2")}
        self.send("0")
        self.send("0", "1")
        self.send("1", "2")
        self.assertIn("'2' was received before", self.send("1", "2"))
        for tag, image in images.items():
            self.check_holds(tag, image)
        self.assertEqual(self.uuids(self.up), self.uuids(self.down))

    def test_a_cut_stream_goes_on(self):
        self.snapshot("0")
        self.send("0")
        image = self.snapshot("1", 120)
        stream = self.stream("0", "1").stdout
        self.assertEqual(stream, self.stream("0", "1").stdout)  # the same delta each time
        for _ in range(6):
            cut = self.random.randrange(len(stream))
            self.check_error(self.receive(stream[:cut]), 3)
        self.assertEqual(self.receive(stream).returncode, 0)
        self.check_holds("1", image)

    def test_from_a_bookmark(self):
        self.snapshot("0")
        self.send("0")
        image = self.snapshot("1")
        self.up.succeed("delete", "--bookmark", "server", "0")
        self.send("0", "1")
        self.check_holds("1", image)

    def test_a_bare_device(self):
        first = self.snapshot("0")
        second = self.snapshot("1")
        pathlib.Path(self.down.path("bare.img")).write_bytes(bytes(VOLUME_BYTES))
        self.assertEqual(self.receive(self.stream("0").stdout, into="bare.img").returncode, 0)
        self.assertEqual(pathlib.Path(self.down.path("bare.img")).read_bytes(), first)
        self.assertEqual(self.receive(self.stream("0", "1").stdout, into="bare.img").returncode, 0)
        self.assertEqual(pathlib.Path(self.down.path("bare.img")).read_bytes(), second)

    def test_what_does_not_belong_is_refused(self):
        self.snapshot("0")
        self.snapshot("1")
        image = self.snapshot("2")
        self.send("0")
        self.check_error(self.receive(self.stream("1", "2").stdout), 1, "does not hold snapshot '1'")
        write_as_stranger(self.down)
        refused = self.receive(self.stream("0", "2").stdout)
        self.check_error(refused, 1, "somebody else wrote here since '0'")
        self.assertEqual(self.receive(self.stream("0", "2").stdout, "--force-revert").returncode, 0)
        self.check_holds("2", image)
        self.check_error(self.receive(b"garbage" * 100), 3)
        self.check_error(self.stream("7"), 4, "no snapshot '7'")

    def test_another_name_over_there(self):
        self.snapshot("0")
        self.assertEqual(self.receive(self.stream("0").stdout, "--snapshot", "copy").returncode, 0)
        self.assertIn("copy", self.uuids(self.down))
        self.snapshot("1")
        self.assertEqual(self.receive(self.stream("0", "1").stdout, "--snapshot").returncode, 0)
        self.assertEqual(self.uuids(self.down)["1"], self.uuids(self.up)["1"])
        pathlib.Path(self.down.path("bare.img")).write_bytes(bytes(VOLUME_BYTES))
        for tag in ((), ("tag",)):
            self.check_error(self.receive(self.stream("0").stdout, "--snapshot", *tag, into="bare.img"), 2,
                             "no snapshot to take")

    def resize(self, host, size_bytes):
        os.truncate(host.path("origin.img"), size_bytes)
        host.succeed("resize", "--origin", "server")

    def transmit(self, *words):
        command = f"DDSNAP_STATE_DIR={self.down.path('apply-state')} {DDSNAP} listen --stdio v={self.down.server} 2>/dev/null"
        return self.up.run("transmit", "--command", command, "server", *words)

    def test_a_volume_that_grew(self):
        """Its copy has to grow first; then all goes on as before, by streams and by sessions."""
        self.snapshot("0")
        self.send("0")
        self.resize(self.up, VOLUME_BYTES + (1 << 20))
        self.up.succeed("create", "server", "1")
        told = f"has {VOLUME_BYTES:,} bytes, but '1' has {VOLUME_BYTES + (1 << 20):,}; enlarge the origin here"
        self.check_error(self.receive(self.stream("0", "1").stdout), 2, told)
        self.check_error(self.transmit("1"), 2, told)
        self.resize(self.down, VOLUME_BYTES + (1 << 20))
        self.send("0", "1")
        for host in (self.up, self.down):
            self.resize(host, VOLUME_BYTES + (2 << 20))
        self.up.succeed("create", "server", "2")
        self.assertEqual(self.transmit("2").returncode, 0)
        for tag in ("1", "2"):
            self.up.succeed("compare", f"ddsnap:server#{tag}", f"ddsnap:{self.down.server}#{tag}")

    def test_a_copy_that_is_larger_is_refused(self):
        """A volume does not shrink, nor does its copy."""
        self.snapshot("0")
        self.send("0")
        self.snapshot("1")
        self.resize(self.down, VOLUME_BYTES + (1 << 20))
        before = pathlib.Path(self.down.path("origin.img")).read_bytes()
        for ran in (self.receive(self.stream("0", "1").stdout), self.transmit("1"), self.transmit("--resync", "1")):
            self.check_error(ran, 2, "a volume does not shrink")
        self.assertEqual(pathlib.Path(self.down.path("origin.img")).read_bytes(), before)


if __name__ == "__main__":
    unittest.main()
