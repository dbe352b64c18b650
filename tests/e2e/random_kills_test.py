#!/usr/bin/env python3
"""Shows that a kill -9 at any moment loses nothing: KILLS times (20 unless the environment says
otherwise) server, agent, nbdkit or several of them are killed at a random moment, in the middle of
writes and of a create, delete, read or write of a snapshot, and started again; after each, every
snapshot is compared byte by byte with its copy from its birth, and the origin with its writers.
Answers ORIGINAL.md 7.1.1, 7.1.2 and 7.2.11 by numbers."""

import os
import random
import sys
import threading
import unittest

import stand

sys.path.insert(0, str(stand.SOURCE / "tests" / "soak"))
from disturbances import Killer  # noqa: E402
from pace import Pace, Tally  # noqa: E402
from soak_volume import SoakVolume  # noqa: E402

KILLS = int(os.environ.get("KILLS", "20"))
REGION_BYTES = 1 << 20
STORE_BYTES = 64 << 20
MAX_LIVE = 4
LATEST_KILL_S = 0.15  # after the work began
ORIGIN_EVERY = 5  # kills
TELL_EVERY = 50  # kills

stand.need("nbdkit", "nbdcopy")


class RandomKills(unittest.TestCase):
    def setUp(self):
        self.chaos = random.Random(stand.SEED)
        self.tally = Tally()
        self.volume = SoakVolume(self.chaos, stand.SEED, STORE_BYTES, Pace(1), self.tally,
                                 region_bytes=REGION_BYTES, fio_bytes=0)
        self.killer = Killer(self.volume.stand, random.Random(stand.SEED + 1),
                             self.volume.disturbances, 0, self.tally)
        self.was_killed = threading.Event()
        self.failure = None

    def tearDown(self):
        if self.failure is None:
            self.volume.stand.close()
        else:
            print("kept in", self.volume.stand.keep())

    def test_every_snapshot_survives(self):
        self.volume.start()
        for number in range(1, KILLS + 1):
            self.was_killed.clear()
            step = threading.Thread(target=self.work_and_compare, args=(number,), daemon=True)
            step.start()
            stand.wait_briefly(self.chaos.uniform(0, LATEST_KILL_S))
            self.killer.kill(self.chaos.choice(Killer.WHOM))
            self.was_killed.set()
            while step.is_alive():
                self.killer.raise_a_fallen_nbdkit()
                step.join(0.02)
            if self.failure:
                raise self.failure
            if number % TELL_EVERY == 0:
                print(f"{number} kills: {self.tally}", flush=True)
        for writer in self.volume.writers:
            writer.stop()
        self.volume.check_writers()
        print(f"{KILLS} kills: {self.tally}, writes "
              f"{sum(writer.writes for writer in self.volume.writers):,}")

    def work_and_compare(self, number):
        try:
            self.work()
            self.was_killed.wait()
            for tag in list(self.volume.births):
                self.volume.compare(tag)
            if number % ORIGIN_EVERY == 0:
                self.volume.check_origin()
            self.volume.check_writers()
        except Exception as error:  # pylint: disable=broad-except
            self.failure = error

    def work(self):
        """Something to be killed in the middle of."""
        tags = list(self.volume.births)
        if not tags or (len(tags) < MAX_LIVE and self.chaos.randrange(2)):
            self.volume.create()
            return
        tag = tags[self.chaos.randrange(len(tags))]
        if len(tags) == MAX_LIVE or self.chaos.randrange(3) == 0:
            self.volume.delete(tag)
        elif self.chaos.randrange(2):
            self.volume.write_to(tag)
        else:
            self.volume.compare(tag)


if __name__ == "__main__":
    stand.main()
