#!/usr/bin/env python3
"""Shows that nothing that dies costs a client more than a pause: server, agent or both are killed
with -9 at random moments under load and started again, and no request fails, every snapshot stays
what it was, and the origin holds what was acknowledged. nbdkit ends within seconds on SIGTERM with
nobody left to ask, and is proven gone after a kill -9, so that `create` works at once (T3, T4, S8).

The load: writers with a region each, that know of each request what became of it."""

import random
import signal
import threading
import time

import stand
from nbd_client import FLAG_FUA

stand.need("nbdkit", "nbdcopy")

WRITERS = 3
REGION_BYTES = 8 << 20
BLOCK_BYTES = 512
KILLS = 10
MAX_PAUSE_BYTES = 3 << 20  # of load between two kills


class Load:
    """Writers that go on until they are told to stop; a failed request is kept in failures."""

    def __init__(self, volume):
        self._volume = volume
        self._stopping = threading.Event()
        self.models = [bytearray(REGION_BYTES) for _ in range(WRITERS)]
        self.written_bytes = [0] * WRITERS
        self.failures = []
        self._threads = [threading.Thread(target=self._write, args=(number,), daemon=True)
                         for number in range(WRITERS)]
        for thread in self._threads:
            thread.start()

    def _write(self, number):
        chaos = random.Random(stand.SEED * 10 + number)
        try:
            with self._volume.client() as client:
                while not self._stopping.is_set():
                    length = chaos.randrange(1, 97) * BLOCK_BYTES
                    at = chaos.randrange((REGION_BYTES - length) // BLOCK_BYTES) * BLOCK_BYTES
                    content = chaos.randbytes(length)
                    client.write(number * REGION_BYTES + at, content,
                                 FLAG_FUA if chaos.randrange(20) == 0 else 0)
                    self.models[number][at:at + length] = content
                    self.written_bytes[number] += length
        except Exception as error:  # pylint: disable=broad-except
            self.failures.append(error)

    def wait_for(self, more_bytes):
        goal = sum(self.written_bytes) + more_bytes
        stand.wait_until(lambda: self.failures or sum(self.written_bytes) >= goal,
                         "the writers do not go on")

    def stop(self):
        self._stopping.set()
        for thread in self._threads:
            thread.join(stand.PATIENCE_S)
            if thread.is_alive():
                raise TimeoutError("a writer hangs")


class Kills(stand.StandTest):
    ORIGIN_BYTES = WRITERS * REGION_BYTES
    STORE_BYTES = 512 << 20

    def setUp(self):
        super().setUp()
        self.chaos = random.Random(stand.SEED)

    def kill_under_load(self, names, kills):
        load = Load(self.stand)
        births = {}
        for number in range(kills):
            load.wait_for(self.chaos.randrange(MAX_PAUSE_BYTES))
            tag = str(number)
            self.stand.create(tag)
            births[tag] = self.stand.copy_out(tag, f"birth{tag}")
            load.wait_for(self.chaos.randrange(MAX_PAUSE_BYTES))
            for name in names:
                self.stand.kill(name)
            for name in names:
                getattr(self.stand, f"start_{name}")()
            self.assertEqual(load.failures, [])
        load.wait_for(MAX_PAUSE_BYTES)
        load.stop()
        self.assertEqual(load.failures, [])
        self.check(load, births)

    def check(self, load, births):
        for tag, birth in births.items():
            self.assert_same(self.stand.copy_out(tag, "copy"), birth)
        with self.stand.client() as client:
            for number, model in enumerate(load.models):
                self.assertEqual(client.read(number * REGION_BYTES, REGION_BYTES), bytes(model))

    def test_the_server_is_killed_under_load(self):
        self.kill_under_load(["server"], KILLS)

    def test_the_agent_is_killed_under_load(self):
        self.kill_under_load(["agent"], 4)

    def test_both_are_killed_under_load(self):
        self.kill_under_load(["agent", "server"], 3)

    def test_both_are_killed_under_load_and_the_server_is_back_first(self):
        self.kill_under_load(["server", "agent"], 3)

    def test_the_server_is_ended_politely_under_load(self):
        load = Load(self.stand)
        for number in range(3):
            load.wait_for(1 << 20)
            self.stand.create(str(number))
            self.assertEqual(self.stand.kill("server", signal.SIGTERM), 0)
            self.stand.start_server()
        load.wait_for(1 << 20)
        load.stop()
        self.check(load, {})

    def test_a_snapshot_that_is_open_survives_its_server(self):
        with self.stand.client() as origin:
            old = self.chaos.randbytes(1 << 20)
            origin.write(0, old)
            self.stand.create("0")
            with self.stand.client("0") as snapshot:
                for number in range(3):
                    self.stand.kill("server")
                    self.stand.start_server()
                    origin.write(number * 65536, self.chaos.randbytes(65536))
                    self.assertEqual(snapshot.read(0, len(old)), old)

    def test_nbdkit_ends_within_seconds_when_there_is_nobody_left(self):
        load = Load(self.stand)
        load.wait_for(1 << 20)
        self.stand.create("0")
        self.stand.kill("server")
        self.stand.kill("agent")
        # All writers come to stand, for want of grants: the volume is as good as new to them.
        stand.wait_until(lambda: is_still(load), "the writers go on without a server")
        begin = time.monotonic()
        self.stand.kill("nbdkit", signal.SIGTERM)
        self.assertLess(time.monotonic() - begin, 20)
        load.stop()
        self.assertEqual(len(load.failures), WRITERS)
        self.stand.start_all()
        self.stand.create("1")

    def test_a_killed_nbdkit_is_proven_gone(self):
        load = Load(self.stand)
        load.wait_for(1 << 20)
        self.stand.kill("nbdkit")
        load.stop()
        self.stand.create("0")
        targets = self.stand.status()["targets"]
        self.assertEqual([target for target in targets if target["present"]], [])
        birth = self.stand.start_nbdkit() and self.stand.copy_out("0", "birth")
        self.assert_same(birth, self.stand.origin)

    def test_a_stopped_nbdkit_is_not_taken_for_gone(self):
        with self.stand.client() as client:
            client.write(0, b"x" * 4096)
            self.stand.processes["nbdkit"].send_signal(signal.SIGSTOP)
            self.stand.kill("server")
            self.stand.start_server()
            ran = self.stand.run("create", self.stand.server, "0")
            self.check_error(ran, 5)
            self.stand.processes["nbdkit"].send_signal(signal.SIGCONT)
            self.stand.create("0")
            client.write(0, b"y" * 4096)
        with self.stand.client("0") as snapshot:
            self.assertEqual(snapshot.read(0, 4096), b"x" * 4096)


def is_still(load):
    before = list(load.written_bytes)
    stand.wait_briefly(0.5)
    return before == load.written_bytes


if __name__ == "__main__":
    stand.main()
