#!/usr/bin/env python3
"""Everything at once, for hours: writers, fio verify, snapshots made, read, written, deleted and given
up, deltas made and applied, and all daemons killed -9 at random, each byte compared.

The mixes: "ordinary" has a snapstore with room; "filling" has one so small that it fills again and
again and snapshots make room. A line with the tally each minute. The first wrong byte or unexpected
failure ends it with exit status 1, and leaves the volume, the copies and the logs where it says.
--pace 0.1 works one tenth of the time. DDSNAP_BUILD names the build (default: build).
"""

import argparse
import os
import pathlib
import random
import signal
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
import stand  # noqa: E402
from disturbances import Killer  # noqa: E402
from pace import Pace, Tally  # noqa: E402
from soak_fio import Fio  # noqa: E402
from soak_volume import SoakVolume  # noqa: E402

STORE_BYTES = {"ordinary": 256 << 20, "filling": 8 << 20}
MAX_LIVE = 6
TALLY_S = 60


class Soak:
    def __init__(self, options):
        self.options = options
        self.chaos = random.Random(options.seed)
        self.tally = Tally()
        self.pace = Pace(options.pace)
        self.volume = SoakVolume(self.chaos, options.seed, STORE_BYTES[options.mix],
                                 Pace(options.pace), self.tally)
        self.killer = Killer(self.volume.stand, random.Random(options.seed + 1),
                             self.volume.disturbances, options.kill_pause / options.pace, self.tally)
        self.fio = Fio(self.volume, options.seed, options.pace)
        actions = [(self.create, 6), (self.compare_one, 8), (self.delete_one, 3),
                   (self.write_to_one, 2), (self.check_a_delta, 3), (self.volume.check_origin, 1)]
        if options.mix == "filling":
            actions.append((self.volume.fill_with_a_pinned_snapshot, 1))
        self.actions, self.weights = zip(*actions)

    def run(self):
        self.volume.start()
        self.fio.start()
        self.killer.start()
        next_tally = time.monotonic() + TALLY_S
        end = time.monotonic() + self.options.seconds
        while time.monotonic() < end:
            if self.options.spoil_one_copy and self.volume.births:
                self.spoil_one_copy()
            self.chaos.choices(self.actions, self.weights)[0]()
            self.check_others()
            self.pace.rest()
            if time.monotonic() >= next_tally:
                self.say()
                next_tally += TALLY_S
        self.killer.stop()
        self.fio.stop()
        self.check_others()
        self.compare_all()
        self.volume.check_origin()
        for writer in self.volume.writers:
            writer.stop()
        self.check_others()

    def spoil_one_copy(self):
        with open(next(iter(self.volume.births.values())), "r+b") as copy:
            copy.write(b"spoilt")
        self.options.spoil_one_copy = False

    def check_others(self):
        self.volume.check_writers()
        for other in (self.killer, self.fio):
            if other.failure:
                raise other.failure
        since = self.volume.disturbances.count()
        ended = {name: process.poll() for name, process in list(self.volume.stand.processes.items())
                 if process.poll() is not None}
        if ended and not self.volume.disturbances.any_since(since):
            raise AssertionError(f"ended by themselves: {ended}")

    def say(self):
        writes = sum(writer.writes for writer in self.volume.writers)
        refused = sum(writer.refused for writer in self.volume.writers)
        print(f"{self.tally}, writes {writes:,}, refused {refused:,}, "
              f"live {len(self.volume.births)}", flush=True)

    # ---- actions on some snapshot ----

    def create(self):
        if len(self.volume.births) >= MAX_LIVE:
            self.delete_one()
        self.volume.create()

    def some_tag(self):
        return self.chaos.choice(sorted(self.volume.births)) if self.volume.births else None

    def compare_one(self):
        tag = self.some_tag()
        if tag:
            self.volume.compare(tag)

    def compare_all(self):
        for tag in list(self.volume.births):
            self.volume.compare(tag)

    def delete_one(self):
        tag = self.some_tag()
        if tag:
            self.compare_one()
        if tag in self.volume.births:
            self.volume.forget(tag)

    def write_to_one(self):
        tag = self.some_tag()
        if tag:
            self.volume.write_to(tag)

    def check_a_delta(self):
        tags = list(self.volume.births)
        if len(tags) >= 2:
            one, other = sorted(self.chaos.sample(range(len(tags)), 2))
            self.volume.check_delta(tags[one], tags[other])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", 1)[0])
    parser.add_argument("--seconds", type=float, default=4 * 3600)
    parser.add_argument("--mix", choices=sorted(STORE_BYTES), default="ordinary")
    parser.add_argument("--pace", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--kill-pause", type=float, default=3.0, help="seconds, at full pace")
    parser.add_argument("--spoil-one-copy", action="store_true",
                        help="change one byte of a snapshot's copy, to see that it is noticed")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends as ^C does
    stand.need("nbdkit", "nbdcopy", "fio")
    print(f"soak: mix {options.mix}, seed {options.seed}, {options.seconds:,.0f} s, pace "
          f"{options.pace}, kills every {options.kill_pause / options.pace:.0f} s", flush=True)
    soak = Soak(options)
    try:
        soak.run()
    except BaseException as error:  # whatever it is, what led to it is kept
        soak.say()
        folder = soak.volume.stand.keep()
        print(f"soak: FAILED, seed {options.seed}: {type(error).__name__}: {error}\n"
              f"soak: kept in {folder}", flush=True)
        if isinstance(error, (AssertionError, OSError)):
            sys.exit(1)
        raise
    soak.say()
    print("soak: done, no byte was wrong", flush=True)
    soak.volume.stand.close()


if __name__ == "__main__":
    main()
