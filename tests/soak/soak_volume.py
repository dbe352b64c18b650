"""A volume under soak: its writers, its snapshots with a copy of each from its birth, and what is
done to them. Each action insists: what a kill spoiled is done again, everything else is a failure.

Layout    of the origin: a region a writer, then fio's, then a short last chunk.
Threads   actions are called from one; writers, fio and the killer have their own.
Errors    WrongBytes for content that is wrong; AssertionError, TimeoutError and OSError otherwise.
"""

import contextlib
import os
import pathlib
import shutil
import time

import stand
from nbd_client import NbdError
from disturbances import Disturbances
from stamped_writer import StampedWriter, WrongBytes, first_difference

WRITERS = 2
SHORT_CHUNK_BYTES = 3 * 512
DELTA_MODES = (["-r"], ["-x"], ["-b"], [], ["-r", "--codec", "lz4"], ["-r", "--codec", "none"])
LIVE, MISSING, GIVEN_UP = 0, 1, 2  # exit statuses of `status --state`


class Again(AssertionError):
    """Refused for now; to be asked again."""


class SoakVolume:
    def __init__(self, chaos, seed, store_bytes, pace, tally, region_bytes=4 << 20,
                 fio_bytes=8 << 20):
        self.fio_at_bytes = WRITERS * region_bytes
        self.fio_bytes = fio_bytes
        self.origin_bytes = self.fio_at_bytes + fio_bytes + SHORT_CHUNK_BYTES
        self.stand = stand.Stand(self.origin_bytes, store_bytes)
        self.chaos = chaos
        self.tally = tally
        self.disturbances = Disturbances()
        self.births = {}  # tag: path
        self._made = 0
        self.writers = [StampedWriter(self.stand, seed * 10 + number, number * region_bytes,
                                      region_bytes, pace, self.disturbances)
                        for number in range(WRITERS)]

    def start(self):
        self.stand.start_all()
        for writer in self.writers:
            writer.start()

    def check_writers(self):
        for writer in self.writers:
            if writer.failure:
                raise writer.failure

    def insist(self, action, is_moot=lambda: False, give_up_s=600):
        """None where it failed and has become moot."""
        deadline = time.monotonic() + give_up_s
        while True:
            since = self.disturbances.count()
            try:
                return action()
            except WrongBytes:
                raise
            except Again:
                if time.monotonic() > deadline:
                    raise
            except (AssertionError, OSError, TimeoutError):
                if is_moot():
                    return None
                if not self.disturbances.any_since(since) or time.monotonic() > deadline:
                    raise
                stand.wait_briefly(0.1)

    def state(self, tag):
        def ask():
            ran = self.stand.run("status", "--state", tag, self.stand.server)
            if ran.returncode not in (LIVE, MISSING, GIVEN_UP):
                raise AssertionError(f"state of {tag}: {ran.returncode}: {ran.stderr.decode()}")
            return ran.returncode
        return self.insist(ask)

    def is_given_up(self, tag):
        """Whether it made room; then it is forgotten, and its copy with it."""
        if self.state(tag) != GIVEN_UP:
            return False
        os.unlink(self.births.pop(tag))
        self.tally.add("given up")
        return True

    def read(self, export, name, is_moot=lambda: False):
        def copy():
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.stand.path(name))
            return self.stand.copy_out(export, name)
        path = self.insist(copy, is_moot)
        if path:
            self.tally.add("MiB read", os.path.getsize(path) / (1 << 20))
        return path

    def read_live(self, tag, name):
        """None when the snapshot was given up, before or meanwhile."""
        return self.read(tag, name, lambda: self.is_given_up(tag))

    # ---- actions ----

    def create(self, *more):
        """A snapshot; its copy must be an instant of each writer."""
        self._made += 1
        tag = f"s{self._made}"
        before = [writer.begin_snapshot() for writer in self.writers]
        self.insist(lambda: self._create_once(tag, more))
        entries = [writer.end_snapshot() for writer in self.writers]
        self.births[tag] = self.stand.path(f"birth-{tag}")
        pathlib.Path(self.births[tag]).touch()
        self.tally.add("created")
        copy = self.read_live(tag, "copy")
        if copy is None:
            return None
        os.rename(copy, self.births[tag])
        image = pathlib.Path(self.births[tag]).read_bytes()
        for writer, old, made in zip(self.writers, before, entries):
            writer.check_snapshot(old, made, image, tag)
        return tag

    def _create_once(self, tag, more):
        ran = self.stand.run("create", *more, self.stand.server, tag)
        if ran.returncode == 0 or self.state(tag) != MISSING:
            return
        # A target is between two connections; or the next write will clear old bookmarks away.
        is_cramped = b"no room left for metadata" in ran.stderr
        if ran.returncode == 5 or is_cramped:
            if is_cramped:
                self.tally.add("creates refused")
            stand.wait_briefly(0.5)
            raise Again(f"create {tag}: {ran.stderr.decode()}")
        raise AssertionError(f"create {tag}: {ran.returncode}: {ran.stderr.decode()}")

    def delete(self, tag):
        def once():
            ran = self.stand.run("delete", self.stand.server, tag)
            if ran.returncode == 5:  # a reader that was killed is not yet known to be gone
                stand.wait_briefly(0.1)
                once()
            elif ran.returncode != 0 and self.state(tag) != MISSING:
                raise AssertionError(f"delete {tag}: {ran.returncode}: {ran.stderr.decode()}")
        self.insist(once)
        os.unlink(self.births.pop(tag))
        self.tally.add("deleted")

    def compare(self, tag):
        copy = self.read_live(tag, "copy")
        if copy is None:
            return
        if not stand.same_content(copy, self.births[tag]):
            found = pathlib.Path(copy).read_bytes()
            wanted = pathlib.Path(self.births[tag]).read_bytes()
            raise WrongBytes(f"snapshot {tag}: {first_difference(found, wanted)}")
        self.tally.add("compared")

    def write_to(self, tag):
        """A snapshot is written; its copy changes with it. No room leaves old or new."""
        count = self.chaos.randrange(1, 64)
        at = self.chaos.randrange(self.origin_bytes // 512 - count) * 512
        content = self.chaos.randbytes(count * 512)

        def write():
            with self.stand.client(tag) as client:
                try:
                    client.write(at, content)
                except NbdError:
                    if self.state(tag) != GIVEN_UP and not self.is_tight():
                        raise
                    self.tally.add("snapshot writes refused")
                return client.read(at, len(content))
        found = self.insist(write, lambda: self.is_given_up(tag))
        if found is None:
            return
        with open(self.births[tag], "r+b") as birth:
            birth.seek(at)
            old = birth.read(len(content))
            for sector in range(0, len(content), 512):
                if found[sector:sector + 512] not in (content[sector:sector + 512],
                                                      old[sector:sector + 512]):
                    raise WrongBytes(f"written snapshot {tag}: byte {at + sector}")
            birth.seek(at)
            birth.write(found)
        self.tally.add("snapshot writes")

    def is_tight(self):
        """Whether a private write may be told that there is no room."""
        status = self.insist(self.stand.status)
        return status["slots_free"] < status["slots_total"] // 8

    def check_delta(self, older, newer):
        """Made, verified, applied to the older one's copy, and compared with the newer one's."""
        target = self.stand.path("downstream")

        def make():
            self.stand.ddsnap("create-cl", self.stand.server, "cl", older, newer)
            self.stand.ddsnap("create-delta", *self.chaos.choice(DELTA_MODES), "cl", "delta",
                              f"ddsnap:{self.stand.server}#{older}",
                              f"ddsnap:{self.stand.server}#{newer}")
            return True
        if not self.insist(make, lambda: self.is_given_up(older) or self.is_given_up(newer)):
            return
        self.stand.ddsnap("verify", "delta")
        shutil.copyfile(self.births[older], target)
        self.stand.ddsnap("apply-delta", "delta", target)
        if not stand.same_content(target, self.births[newer]):
            raise WrongBytes(f"delta {older} to {newer}: the target is not {newer}")
        for name in (target, self.stand.path("delta"), self.stand.path("cl")):
            os.unlink(name)
        shutil.rmtree(self.stand.path("state"), ignore_errors=True)
        self.tally.add("deltas")

    def check_origin(self):
        """With the writers held: what they wrote, through the target and in the origin itself."""
        for writer in self.writers:
            writer.hold()
        try:
            self.check_writers()
            for path in (self.read("", "copy"), self.stand.origin):
                image = pathlib.Path(path).read_bytes()
                for writer in self.writers:
                    writer.check_held(image, os.path.basename(path))
        finally:
            for writer in self.writers:
                writer.release()
        self.tally.add("origin compared")

    def fill_with_a_pinned_snapshot(self):
        """Nothing may be given up, so writers are refused until it may; what is pinned stays."""
        for tag in list(self.births):
            self.forget(tag)
        self.disturbances.set_refusing(True)
        self.disturbances.begin()
        try:
            tag = self.create("--priority", "127")
            before = [writer.refused for writer in self.writers]
            stand.wait_until(lambda: before != [writer.refused for writer in self.writers] or
                             any(writer.failure for writer in self.writers),
                             "nobody is refused", 10 * stand.PATIENCE_S)
            self.check_writers()
            self.compare(tag)
            if tag not in self.births:
                raise AssertionError(f"{tag} was given up at priority 127")
            self.insist(lambda: self.stand.ddsnap("priority", self.stand.server, tag, "0"))
            for writer in self.writers:
                writer.hold()
                writer.release()
        finally:
            self.disturbances.end()
            self.disturbances.set_refusing(False)
        self.tally.add("pinned")

    def forget(self, tag):
        if not self.is_given_up(tag):
            self.delete(tag)
