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

import raw_client
import stand
from bystanders import Bystanders, in_words
from raw_client import RawClient

stand.need("nbdkit", "prlimit")

CROWD = 10_000
FEW_DESCRIPTORS = 64
NOBODY = 65534


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
