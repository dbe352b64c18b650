#!/usr/bin/env python3
"""Shows that one hostile client delays no other (T7, ORIGINAL.md 7.2.9 and 7.2.10): while clients keep
half a message, ask and do not read, flood, send what is too long, come and go, connect ten thousand
times, are somebody else, or take all descriptors, others' questions, first writes, snapshot reads and
the agent's answers go on. What those took meanwhile is printed; that each is answered at all, and that
nothing is wrong afterwards, is what is tested."""

import multiprocessing
import os
import random
import resource
import subprocess
import sys
import threading
import time

import raw_client
import stand
from raw_client import RawClient

stand.need("nbdkit", "prlimit")

MEASURED_S = 1.5
LEAST = 20  # measurements of each kind
CROWD = 10_000
FEW_DESCRIPTORS = 64
NOBODY = 65534


class Bystanders:
    """Others, each in a thread that does one thing over and over and notes how long it took."""

    def __init__(self, volume, content, agent=True):
        self._volume = volume
        self._content = content
        self._stopping = threading.Event()
        self._next_chunk = 0
        self.took_ms = {"question": [], "first write": [], "snapshot read": []}
        self.failures = []
        doings = [self._questions, self._first_writes, self._snapshot_reads]
        if agent:
            self.took_ms["agent"] = []
            doings.append(self._agent_questions)
        self._threads = [threading.Thread(target=self._guard, args=(doing,), daemon=True)
                         for doing in doings]
        for thread in self._threads:
            thread.start()

    def measure(self):
        """What things took from now on, for a while."""
        for took in self.took_ms.values():
            took.clear()
        begin = time.monotonic()
        stand.wait_until(lambda: self.failures or (
            time.monotonic() > begin + MEASURED_S and
            all(len(took) >= LEAST for took in self.took_ms.values())), "others are not served")
        if self.failures:
            raise self.failures[0]
        return {what: sorted(took) for what, took in self.took_ms.items()}

    def stop(self):
        self._stopping.set()
        for thread in self._threads:
            thread.join(stand.PATIENCE_S)

    def _guard(self, doing):
        try:
            doing()
        except Exception as error:  # pylint: disable=broad-except
            self.failures.append(error)

    def _repeat(self, what, act):
        while not self._stopping.is_set():
            begin = time.monotonic()
            act()
            self.took_ms[what].append((time.monotonic() - begin) * 1000)
            stand.wait_briefly(0.002)

    def _questions(self):
        client = RawClient(self._volume.server)
        self._repeat("question", lambda: client.ask(raw_client.GET_STATUS))
        client.close()

    def _agent_questions(self):
        """Of a pair that nobody serves there is no answer; a wrong body has one at once."""
        def ask():
            client = RawClient(self._volume.control)
            kind, _ = client.ask(raw_client.FIND_SERVER, b"wrong")
            assert kind == raw_client.ERROR
            client.close()
        self._repeat("agent", ask)

    def _first_writes(self):
        with self._volume.client() as client:
            chunks = client.size_bytes // stand.CHUNK_BYTES

            def write():
                at = self._next_chunk % chunks * stand.CHUNK_BYTES
                self._next_chunk += 1
                client.write(at, b"written" * 73 + b"!")
            self._repeat("first write", write)

    def _snapshot_reads(self):
        chaos = random.Random(stand.SEED)
        with self._volume.client("first") as client:
            def read():
                at = chaos.randrange(len(self._content) // 4096) * 4096
                assert client.read(at, 4096) == self._content[at:at + 4096]
            self._repeat("snapshot read", read)


def in_words(took_ms):
    return "; ".join(f"{what} {took[len(took) // 2]:.1f} / {took[-1 - len(took) // 100]:.1f} / "
                     f"{took[-1]:.1f}" for what, took in took_ms.items())


def refused_over_and_over(addresses):
    """As nobody. Ends when it is answered."""
    os.setgid(NOBODY)
    os.setuid(NOBODY)
    while True:
        for address in addresses:
            client = RawClient(address)
            try:
                client.ask(raw_client.GET_STATUS)
                return
            except OSError:
                client.close()


class Hostility(stand.StandTest):
    ORIGIN_BYTES = 64 << 20
    STORE_BYTES = 256 << 20

    def start(self):
        self.content = random.Random(stand.SEED).randbytes(1 << 20)
        with open(self.stand.origin, "r+b") as origin:
            origin.write(self.content)
        self.stand.start_all()
        self.stand.create("first")

    def check_afterwards(self):
        with self.stand.client("first") as snapshot:
            self.assertEqual(snapshot.read(0, len(self.content)), self.content)
        with self.stand.client() as client:
            client.write(0, b"still writes" * 128)
        self.stand.create("last")

    def hostile(self, kind, address, count):
        process = subprocess.Popen(
            [sys.executable, str(stand.SOURCE / "tests" / "e2e" / "hostile_clients.py"), kind,
             address, str(count)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.assertEqual(process.stdout.readline(), b"ready\n", kind)
        return process

    def check_others(self, kind, count=1, addresses=None):
        others = Bystanders(self.stand, self.content)
        try:
            quiet = others.measure()
            for address in addresses or (self.stand.server,):
                process = self.hostile(kind, address, count)
                took = others.measure()
                self.assertIsNone(process.poll(), f"{kind} has ended by itself")
                process.kill()
                process.wait()
                print(f"\n{kind} at {os.path.basename(address)}; ms, median / 99% / worst\n"
                      f"  before: {in_words(quiet)}\n  during: {in_words(took)}", flush=True)
        finally:
            others.stop()
        self.assertEqual(others.failures, [])
        self.check_afterwards()

    def both(self):
        return self.stand.server, self.stand.control

    def test_half_a_message(self):
        self.check_others("half_open", 500, self.both())

    def test_answers_that_are_not_read(self):
        self.check_others("slow_readers", 50)

    def test_floods(self):
        self.check_others("flood", 8)

    def test_what_is_too_long(self):
        self.check_others("oversize", 1, self.both())

    def test_coming_and_going(self):
        self.check_others("come_and_go", 1, self.both())

    def test_targets_that_ask_for_everything(self):
        self.check_others("questions", 4)

    def test_targets_that_ask_for_everything_and_do_not_read(self):
        self.check_others("deaf_targets", 20)

    def test_ten_thousand_connections(self):
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard != resource.RLIM_INFINITY and hard < CROWD + 200:
            self.skipTest(f"at most {hard} open files are allowed here")
        self.check_others("crowd", CROWD, self.both())

    def test_somebody_else(self):
        if os.geteuid() != 0:
            self.skipTest("wants root, to be somebody else")
        os.chmod(self.stand.folder, 0o755)
        for address in self.both():
            os.chmod(address, 0o666)
        # Forked and not executed: nobody may read neither python nor this folder, perhaps.
        nobody = multiprocessing.get_context("fork").Process(
            target=refused_over_and_over, args=(self.both(),), daemon=True)
        nobody.start()
        self.addCleanup(nobody.kill)
        others = Bystanders(self.stand, self.content)
        try:
            took = others.measure()
            self.assertTrue(nobody.is_alive(), "nobody was let in, or could not connect")
            print(f"\nsomebody else; ms, median / 99% / worst\n  during: {in_words(took)}")
        finally:
            others.stop()
        nobody.kill()
        self.assertEqual(others.failures, [])
        self.check_afterwards()
        ran = subprocess.run([str(stand.DDSNAP), "list", self.stand.server], user=NOBODY,
                             group=NOBODY, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                             check=False, timeout=stand.PATIENCE_S)
        self.check_error(ran, ran.returncode or 1)

    def test_no_descriptors_left(self):
        """Those that have a connection keep it; new ones get in as soon as others have gone."""
        self.stand.kill("server")
        self.stand.start("server", ["prlimit", f"--nofile={FEW_DESCRIPTORS}:{FEW_DESCRIPTORS}",
                                    stand.DDSNAP, "server", "-f", self.stand.snapstore,
                                    self.stand.origin, self.stand.control, self.stand.server],
                         lambda: stand.is_listening(self.stand.server))
        others = Bystanders(self.stand, self.content)
        try:
            others.measure()
            process = self.hostile("crowd", self.stand.server, 2 * FEW_DESCRIPTORS)
            took = others.measure()
            print(f"\nno descriptors left; ms, median / 99% / worst\n  during: {in_words(took)}")
            process.kill()
            process.wait()
        finally:
            others.stop()
        self.assertEqual(others.failures, [])
        self.check_afterwards()


if __name__ == "__main__":
    stand.main()
