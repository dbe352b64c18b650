#!/usr/bin/env python3
"""Random 4K writes over NBD to a volume with 1 and with 8 snapshots, each place for the first time since the newest one and then
again: ddsnap's plugin in nbdkit, qcow2 with internal and with external snapshots in qemu-nbd, and, as what no snapshots cost,
nbdkit's file plugin. All buffered, none of a size but its default, 64 in flight, in turns on one disk.

"Flushed" writes are followed by a flush each 64, as a database's are. Without, qcow2 leaves old content and metadata in caches, where
a power cut takes them; ddsnap flushes what it copies out whether it is asked to or not (S1), so of first writes this is the
comparison of like with like.

Each measurement ends after so many writes or so much time, for some need minutes; repeated writes go to places that were written.

usage: nbd_peers_bench.py BUILD [--full]      (without --full: shorter, and not flushed repeated ones)
"""

import os
import pathlib
import shutil
import subprocess
import sys

WORDS = [word for word in sys.argv if word != "--full"]
IS_FULL = "--full" in sys.argv
os.environ["DDSNAP_BUILD"] = WORDS[1] if len(WORDS) > 1 else "build"
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
from fio import over_nbd  # noqa: E402
from report import Report  # noqa: E402
from stand import Stand, need, run_tool  # noqa: E402

VOLUME_BYTES = 512 << 20
STORE_BYTES = 2 << 30
ROUNDS = 5
WRITES = 40_000 if IS_FULL else 10_000
RUN_S = 10 if IS_FULL else 1
BETWEEN_BYTES = 1 << 20  # written between two of the older snapshots
COUNTS = (1, 8)


def write_at_random(socket, seed, *options, total_bytes=WRITES * 4096):
    """Writes a second, and how many; the same seed writes the same places."""
    job = over_nbd(socket, "--rw=randwrite", "--bs=4k", "--iodepth=64", f"--size={VOLUME_BYTES}", f"--io_size={total_bytes}",
                   f"--randseed={seed}", f"--runtime={RUN_S}", *options)
    return job["write"]["iops"], job["write"]["total_ios"]


class Ours:
    """One stand; snapshots come and go, oldest first."""

    def __init__(self, image, count):
        self.stand = Stand(VOLUME_BYTES, STORE_BYTES)
        self.tags = []
        self.made = 0
        shutil.copyfile(image, self.stand.origin)
        self.stand.start_agent()
        self.stand.start_server()
        self.stand.start_nbdkit("-t", "64")
        self.socket = self.stand.nbd
        for number in range(count):
            self.snapshot()
            write_at_random(self.socket, number, total_bytes=BETWEEN_BYTES)

    def snapshot(self):
        self.tags.append(f"s{self.made}")
        self.made += 1
        self.stand.create(self.tags[-1])

    def renew(self):
        """The newest snapshot goes, and a new one comes."""
        self.stand.ddsnap("delete", self.stand.server, self.tags.pop())
        self.snapshot()

    def close(self):
        self.stand.close()


class Qemu:
    """qemu-nbd with one qcow2 at a time, in a folder of its own."""

    def __init__(self, stand, name):
        self.stand = stand
        self.name = name
        self.socket = stand.path(name + ".sock")

    def file(self, number):
        return self.stand.path(f"{self.name}-{number}.qcow2")

    def serve(self, path):
        self.stop()
        pid = self.socket + ".pid"
        self.stand.start(self.name, ["qemu-nbd", "-t", "-f", "qcow2", "-e", "4", "-k", self.socket, f"--pid-file={pid}", path],
                         lambda: os.path.exists(pid) and os.path.exists(self.socket))

    def stop(self):
        process = self.stand.processes.get(self.name)
        if process is not None:
            self.stand.kill(self.name, 15)
            for left in (self.socket, self.socket + ".pid"):
                if os.path.exists(left):
                    os.unlink(left)

    def close(self):
        self.stop()


class QemuExternal(Qemu):
    """A chain of files: each snapshot is an overlay over the one before."""

    def __init__(self, stand, image, count):
        super().__init__(stand, f"external-{count}")
        self.count = count
        self.image = stand.path(f"{self.name}.raw")
        shutil.copyfile(image, self.image)
        for number in range(count):
            self.overlay(number)
            if number + 1 < count:
                self.serve(self.file(number))
                write_at_random(self.socket, number, total_bytes=BETWEEN_BYTES)
        self.serve(self.file(count - 1))

    def overlay(self, number):
        below, kind = (self.image, "raw") if number == 0 else (self.file(number - 1), "qcow2")
        run_tool("qemu-img", "create", "-q", "-f", "qcow2", "-b", below, "-F", kind, self.file(number))

    def renew(self):
        self.stop()
        os.unlink(self.file(self.count - 1))
        self.overlay(self.count - 1)
        self.serve(self.file(self.count - 1))


class QemuInternal(Qemu):
    """One file, whose clusters snapshots share."""

    def __init__(self, stand, image, count):
        super().__init__(stand, f"internal-{count}")
        self.count = count
        run_tool("qemu-img", "convert", "-f", "raw", "-O", "qcow2", image, self.file(0))
        for number in range(count):
            self.stop()
            run_tool("qemu-img", "snapshot", "-c", f"s{number}", self.file(0))
            self.serve(self.file(0))
            write_at_random(self.socket, number, total_bytes=BETWEEN_BYTES)

    def renew(self):
        self.stop()
        newest = f"s{self.count - 1}"
        run_tool("qemu-img", "snapshot", "-d", newest, self.file(0))
        run_tool("qemu-img", "snapshot", "-c", newest, self.file(0))
        self.serve(self.file(0))


class Plain:
    def __init__(self, stand, image):
        self.socket = stand.path("file-nbd")
        self.file = stand.path("plain.raw")
        shutil.copyfile(image, self.file)
        pid = stand.path("file.pid")
        stand.start("file-nbdkit", ["nbdkit", "-f", "-t", "64", "-U", self.socket, "-P", pid, "file", self.file],
                    lambda: os.path.exists(pid))

    def renew(self):
        pass

    def close(self):
        pass


def tests():
    """What is measured, by name: fio's options, and whether the places are new."""
    flushed = ("--fsync=64",)
    yield "first writes, flushed", flushed, True
    yield "repeated writes", (), False
    yield "first writes", (), True
    if IS_FULL:
        yield "repeated writes, flushed", flushed, False


def measure(systems):
    """Writes a second of each round, by system and test."""
    figures = {name: {} for name in systems}
    written = {}  # last, by system
    for round_number in range(ROUNDS):
        for what, options, is_fresh in tests():
            for name, system in systems.items():
                if is_fresh:
                    system.renew()
                total_bytes = 4096 * (WRITES if is_fresh else written[name])
                rate, count = write_at_random(system.socket, 1000 + round_number, *options, total_bytes=total_bytes)
                if is_fresh:
                    written[name] = count
                figures[name].setdefault(what, []).append(rate)
    return figures


def main():
    need("fio", "nbdkit", "qemu-nbd", "qemu-img")
    report = Report("nbd_peers", f"random 4K writes to {VOLUME_BYTES >> 20} MiB over NBD, 64 in flight, {WRITES:,} each time",
                    tools=("fio", "nbdkit", "qemu-nbd"))
    stand = Stand(1 << 20, 16 << 20)
    try:
        image = stand.path("image")
        subprocess.run(["dd", "if=/dev/urandom", f"of={image}", "bs=1M", f"count={VOLUME_BYTES >> 20}", "status=none"], check=True)
        plain = Plain(stand, image)
        for count in COUNTS:
            systems = {"ddsnap": Ours(image, count), "no snapshots: nbdkit's file plugin": plain,
                       "qcow2, external": QemuExternal(stand, image, count), "qcow2, internal": QemuInternal(stand, image, count)}
            try:
                figures = measure(systems)
            finally:
                for system in systems.values():
                    system.close()
            for name, theirs in figures.items():
                for what, rates in theirs.items():
                    if name != "ddsnap":
                        report.compare(f"{what}, {count} snapshot{'s' if count > 1 else ''}", "1/s", figures["ddsnap"][what], name, rates)
        report.close()
    finally:
        stand.close()


if __name__ == "__main__":
    main()
