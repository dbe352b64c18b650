#!/usr/bin/env python3
"""Shows `create --group`: one instant over two volumes. A writer writes a growing number to A, waits
for it, then to B: in no group is B ahead of A. A coordinator that dies holds nothing: with barriers
held, and between two commits. A server that does not answer costs the others no more than the
timeout, and where one volume cannot commit the others' snapshots are deleted again."""

import json
import os
import pathlib
import signal
import socket
import struct
import subprocess
import threading
import time
import unittest

import raw_client
import stand

stand.need("nbdkit", "nbdcopy")

GROUPS = 8


class Counter:
    """Writes 1, 2, 3... to A, then to B, each acknowledged before the next."""

    def __init__(self, a, b):
        self.clients = (a, b)
        self.written = 0
        self.failure = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        try:
            while not self._stopping.is_set():
                number = self.written + 1
                for client in self.clients:
                    client.write(0, struct.pack("<Q", number) * 64)
                self.written = number
        except Exception as error:  # pylint: disable=broad-except
            self.failure = error

    def wait_for_more(self, count=20):
        least = self.written + count
        stand.wait_until(lambda: self.failure or self.written >= least, "no writes")
        if self.failure:
            raise self.failure

    def stop(self):
        self._stopping.set()
        self._thread.join(stand.PATIENCE_S)


class FailingCommits:
    """In front of a server: passes everything on but commits, which it answers with an error."""

    def __init__(self, address, server):
        self._server = server
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(address)
        self._listener.listen()
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        while True:
            client, _ = self._listener.accept()
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        peer = raw_client.RawClient.__new__(raw_client.RawClient)
        peer.socket = client
        server = raw_client.RawClient(self._server)
        try:
            while True:
                header = peer._take(raw_client.HEADER_BYTES)  # pylint: disable=protected-access
                _, _, kind, body_bytes, _, request = struct.unpack("<IHHIIQ", header)
                body = peer._take(body_bytes)  # pylint: disable=protected-access
                if kind == raw_client.COMMIT_SNAPSHOT:
                    text = b"no commit today"
                    peer.send(raw_client.frame(raw_client.ERROR, struct.pack("<IIH", 7, 0, len(text)) +
                                               text, request))
                    continue
                server.send(header + body)
                kind, body = server.receive()
                peer.send(raw_client.frame(kind, body, request))
        except OSError:
            server.close()
            client.close()


class Group(unittest.TestCase):
    def setUp(self):
        self.stands = [stand.Stand(origin_bytes=4 << 20, store_bytes=48 << 20) for _ in range(2)]
        for one in self.stands:
            self.addCleanup(one.close)
            one.start_all()
        self.servers = [one.server for one in self.stands]
        self.clients = [one.client() for one in self.stands]
        for client in self.clients:
            self.addCleanup(client.close)
        self.counter = None
        self.addCleanup(lambda: self.counter and self.counter.stop())

    def start_counter(self):
        self.counter = Counter(*self.clients)
        self.counter.wait_for_more()

    def create(self, tag, *options, servers=None):
        return self.stands[0].run("create", "--group", *options, *(servers or self.servers), tag)

    def check_error(self, ran, status, said):
        text = ran.stderr.decode()
        self.assertEqual(ran.returncode, status, text)
        self.assertRegex(text, r"\Addsnap: [^\n]+\n\Z")
        self.assertIn(said, text)

    def numbers_in(self, tag):
        numbers = []
        for one in self.stands:
            with one.client(tag) as client:
                numbers.append(struct.unpack("<Q", client.read(0, 512)[:8])[0])
        return numbers

    def entries(self, which):
        one = self.stands[which]
        return {entry["tag"]: entry for entry in json.loads(one.ddsnap("list", "--json", one.server))}

    def test_b_is_never_ahead_of_a(self):
        self.start_counter()
        for number in range(GROUPS):
            servers = self.servers if number % 2 else self.servers[::-1]
            ran = self.create(f"g{number}", servers=servers)
            self.assertEqual(ran.returncode, 0, ran.stderr)
            self.counter.wait_for_more()
        for number in range(GROUPS):
            a, b = self.numbers_in(f"g{number}")
            self.assertIn(a - b, (0, 1), f"group {number}")
        self.assertNotEqual(self.entries(0)["g0"]["uuid"], self.entries(1)["g0"]["uuid"])

    def test_two_groups_at_once_in_opposite_order(self):
        self.start_counter()
        runs = [subprocess.Popen([stand.DDSNAP, "create", "--group", *servers, tag], stderr=subprocess.PIPE)
                for tag, servers in (("one", self.servers), ("two", self.servers[::-1]))]
        for run in runs:
            _, text = run.communicate(timeout=stand.PATIENCE_S)
            self.assertEqual(run.returncode, 0, text)
        self.counter.wait_for_more()

    def test_a_coordinator_that_dies_holds_nothing(self):
        self.start_counter()
        # Both held; then it is gone.
        held = [raw_client.RawClient(server) for server in self.servers]
        for one in held:
            one.send(raw_client.prepare_snapshot(os.urandom(16), "dead", 30_000))
            self.assertEqual(one.receive()[0], raw_client.OK)
        for one in held:
            one.close()
        self.counter.wait_for_more()
        self.assertNotIn("dead", self.entries(0))
        self.assertNotIn("dead", self.entries(1))
        # One committed; then it is gone.
        uuids = [os.urandom(16) for _ in range(2)]
        held = [raw_client.RawClient(server) for server in self.servers]
        for one, uuid in zip(held, uuids):
            one.send(raw_client.prepare_snapshot(uuid, "half", 30_000))
            self.assertEqual(one.receive()[0], raw_client.OK)
        self.assertEqual(held[0].ask(raw_client.COMMIT_SNAPSHOT, uuids[0])[0], raw_client.OK)
        for one in held:
            one.close()
        self.counter.wait_for_more()
        self.assertIn("half", self.entries(0))
        self.assertNotIn("half", self.entries(1))
        self.check_error(self.create("half"), 1, "half already exists")
        self.assertNotIn("half", self.entries(1))

    def test_a_killed_command_holds_nothing(self):
        """Killed while the second server does not answer, so while the first one may be held."""
        self.start_counter()
        server = self.stands[1].processes["server"]
        server.send_signal(signal.SIGSTOP)
        command = subprocess.Popen([stand.DDSNAP, "create", "--group", "--timeout", "30", *self.servers, "k"])
        stand.wait_until(lambda: pathlib.Path(f"/proc/{command.pid}/wchan").exists(), "the command")
        stand.wait_briefly(0.3)
        command.kill()
        command.wait()
        server.send_signal(signal.SIGCONT)
        self.counter.wait_for_more()
        self.assertNotIn("k", self.entries(0))
        self.assertNotIn("k", self.entries(1))

    def test_a_server_that_does_not_answer_costs_no_more_than_the_timeout(self):
        self.start_counter()
        client = self.stands[0].client()
        raw = raw_client.RawClient(self.servers[1])
        raw.send(raw_client.origin_hello("mute"))
        self.assertEqual(raw.receive()[0], raw_client.HELLO_OK)
        before = time.monotonic()
        self.check_error(self.create("never", "--timeout", "2"), 5, "mute")
        client.write(4096, b"x" * 4096)
        self.assertLess(time.monotonic() - before, stand.PATIENCE_S)
        self.assertNotIn("never", self.entries(0))
        self.assertNotIn("never", self.entries(1))
        self.assertEqual(raw.receive()[0], raw_client.BARRIER)
        self.assertEqual(raw.receive()[0], raw_client.RELEASE)
        raw.send(raw_client.frame(raw_client.DETACH))
        raw.receive()
        raw.close()
        client.close()
        self.counter.wait_for_more()

    def test_a_commit_that_fails_takes_the_others_back(self):
        self.start_counter()
        address = self.stands[1].path("failing")
        FailingCommits(address, self.servers[1])
        ran = self.create("broken", servers=[self.servers[0], address])
        self.check_error(ran, 1, "no commit today")
        self.assertIn("no volume has it", ran.stderr.decode())
        self.assertNotIn("broken", self.entries(0))
        self.assertNotIn("broken", self.entries(1))
        self.counter.wait_for_more()

    def test_usage(self):
        self.check_error(self.create("x", servers=[self.servers[0]] * 2), 2, "one volume")
        self.check_error(self.stands[0].run("create", *self.servers, "x"), 2, "--group")
        self.check_error(self.stands[0].run("create", "--timeout", "3", self.servers[0], "x"), 2, "--timeout")


if __name__ == "__main__":
    stand.main()
