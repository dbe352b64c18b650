#!/usr/bin/env python3
"""What applying a delta costs, beside what its two halves cost alone, in one run.

apply-delta is set against the slower of `zstd -d` of the same content (same level, to /dev/null) and
`dd oflag=direct` of the same bytes to a file (fdatasync included), in turns; ratios are medians over
turns. apply-delta does more than both: it reads and hashes what the target holds before it writes
the first byte, and keeps a journal. What D1 and D3 leave is what these guarantees leave, out of
the same rounds: all is decoded, on all processors, before anything is written (D1), then written once, or,
of a difference, what changes is written twice (D3); reading the target, which is in the page cache, is free.
On a machine that others use, run it by `chrt -f 10`. Data: an image filled from /usr, half of it replaced in extents
of 4 to 256 KiB by other content of /usr (a package upgrade) or changed by 64 bytes a chunk (the page
updates of a database). In the full form, time and size beside those of rdiff (signature, delta, patch) and
qemu-img (an overlay, committed), where they are installed.

usage: delta_apply_bench.py BUILD [--full] [FOLDER [MIB [ROUNDS]]]      (without --full: 192 MiB, and not the table)
"""

import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import time

from report import Report

IS_FULL = "--full" in sys.argv
WORDS = [word for word in sys.argv if word != "--full"]
BUILD = WORDS[1] if len(WORDS) > 1 else "build"
DDSNAP = pathlib.Path(BUILD).resolve() / "bin" / "ddsnap"
SIZE_BYTES = (int(WORDS[3]) if len(WORDS) > 3 else 512 if IS_FULL else 192) << 20
ROUNDS = int(WORDS[4]) if len(WORDS) > 4 else 5
CHUNK = 16 << 10
BLOCK = 4 << 10
SEED = 5


def run(*words, **more):
    begin = time.monotonic()
    subprocess.run([str(word) for word in words], check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                   stderr=subprocess.PIPE, **more)
    return time.monotonic() - begin


def content_of_usr():
    for folder, folders, files in os.walk("/usr"):
        folders.sort()
        for name in sorted(files):
            path = os.path.join(folder, name)
            if os.path.isfile(path) and not os.path.islink(path):
                with open(path, "rb") as file:
                    yield file.read()


def fill(size_bytes):
    """Twice size_bytes of it: the old image, and what replaces parts of it."""
    content = bytearray()
    for piece in content_of_usr():
        content += piece
        if len(content) >= 2 * size_bytes:
            break
    while len(content) < 2 * size_bytes:
        content += content[:2 * size_bytes - len(content)]
    return content[:size_bytes], content[size_bytes:2 * size_bytes]


def upgraded(old, other, rng):
    new = bytearray(old)
    at = 0
    while at < len(new):
        size = rng.choice((4, 16, 64, 256)) << 10
        if rng.random() < 0.5:
            new[at:at + size] = other[at:at + size]
        at += size
    return bytes(new[:len(old)])


def updated(old, rng):
    new = bytearray(old)
    for at in range(0, len(new), CHUNK):
        if rng.random() < 0.5:
            place = at + rng.randrange(CHUNK - 64)
            new[place:place + 64] = rng.randbytes(64)
    return bytes(new)


def changed_content(old, new):
    return b"".join(new[at:at + CHUNK] for at in range(0, len(new), CHUNK) if old[at:at + CHUNK] != new[at:at + CHUNK])


class Bench:
    def __init__(self, report, title, folder, old, new):
        self.report = report
        self.title = title
        self.folder = folder
        self.old, self.new = old, new
        content = changed_content(old, new)
        self.content_bytes = len(content)
        for name, data in (("old", old), ("new", new), ("content", content)):
            (folder / name).write_bytes(data)
        os.environ["DDSNAP_STATE_DIR"] = str(folder / "state")
        run(DDSNAP, "create-cl", "--compare", self.at("cl"), self.at("old"), self.at("new"))

    def at(self, name):
        return self.folder / name

    def fresh_target(self):
        shutil.copyfile(self.at("old"), self.at("target"))
        run("sync", self.at("target"))

    def rates(self, seconds):
        return [self.content_bytes / one / 1e6 for one in seconds]

    def apply(self, delta):
        self.fresh_target()
        shutil.rmtree(self.at("state"), ignore_errors=True)
        seconds = run(DDSNAP, "apply-delta", delta, self.at("target"))
        if self.at("target").read_bytes() != self.new:
            sys.exit("the target is not the new image")
        return seconds

    def against_parts(self, mode, level):
        delta, packed = self.at("delta"), self.at("content.zst")
        run(DDSNAP, "create-delta", mode, "--codec", f"zstd:{level}", self.at("cl"), delta, self.at("old"), self.at("new"))
        run("zstd", f"-{level}", "-qf", self.at("content"), "-o", packed)
        ours, zstd, dd = [], [], []
        for _ in range(ROUNDS):
            zstd.append(run("zstd", "-dqf", packed, "-o", "/dev/null"))
            dd.append(run("dd", f"if={self.at('content')}", f"of={self.at('scratch')}", "bs=1M", "oflag=direct", "conv=fdatasync"))
            os.unlink(self.at("scratch"))
            ours.append(self.apply(delta))
        slower = self.rates(max(a, b) for a, b in zip(zstd, dd))
        self.report.compare(f"{self.title}: apply-delta {mode} zstd:{level}", "MB/s", self.rates(ours),
                            "the slower of zstd -d and dd direct", slower, 0.80)
        writes = 1 if mode == "-r" else 2 * self.changed_part()
        floor = self.rates(max(a / os.cpu_count(), writes * b) for a, b in zip(zstd, dd))
        self.report.compare(f"{self.title}: what D1 and D3 leave of it, {mode} zstd:{level}", "MB/s", floor,
                            "the slower of zstd -d and dd direct", slower)

    def changed_part(self):
        """Of the content of changed chunks, the part that is in changed blocks of 4 KiB."""
        blocks = sum(self.old[at:at + BLOCK] != self.new[at:at + BLOCK] for at in range(0, len(self.new), BLOCK))
        return blocks * BLOCK / self.content_bytes

    def table(self):
        """Ours beside what others take to make, to carry and to apply, in turns."""
        takers = {"ddsnap -r": lambda: self.take_ddsnap("-r"), "ddsnap -x": lambda: self.take_ddsnap("-x"),
                  "ddsnap -b": lambda: self.take_ddsnap("-b")}
        if shutil.which("rdiff"):
            takers["rdiff"] = self.take_rdiff
        if shutil.which("qemu-img"):
            takers["qemu-img overlay"] = lambda: self.take_qemu([])
            takers["qemu-img overlay -c"] = lambda: self.take_qemu(["-c"])
        took = {name: [] for name in takers}
        for _ in range(ROUNDS):
            for name, take in takers.items():
                took[name].append(take())
        for part, (what, unit) in enumerate((("make", "s"), ("size", "MB"), ("apply", "s"))):
            ours = [one[part] for one in took["ddsnap -b"]]
            for name, figures in took.items():
                if name != "ddsnap -b":
                    self.report.compare(f"{self.title}: {what} -b", unit, ours, name, [one[part] for one in figures], more_is_better=False)

    def take_ddsnap(self, mode):
        make = run(DDSNAP, "create-delta", mode, self.at("cl"), self.at("delta"), self.at("old"), self.at("new"))
        return make, os.stat(self.at("delta")).st_size / 1e6, self.apply(self.at("delta"))

    def take_rdiff(self):
        make = run("rdiff", "signature", self.at("old"), self.at("sig"))
        make += run("rdiff", "delta", self.at("sig"), self.at("new"), self.at("rdelta"))
        apply = run("rdiff", "patch", self.at("old"), self.at("rdelta"), self.at("patched"))
        size = os.stat(self.at("rdelta")).st_size + os.stat(self.at("sig")).st_size
        for name in ("sig", "rdelta", "patched"):
            os.unlink(self.at(name))
        return make, size / 1e6, apply

    def take_qemu(self, options):
        self.fresh_target()
        overlay = self.at("overlay.qcow2")
        make = run("qemu-img", "convert", *options, "-f", "raw", "-O", "qcow2", "-B", self.at("target"), "-F", "raw",
                   self.at("new"), overlay)
        size = os.stat(overlay).st_size
        apply = run("qemu-img", "commit", "-q", overlay) + run("sync", self.at("target"))
        if self.at("target").read_bytes() != self.new:
            sys.exit("qemu-img: the target is not the new image")
        os.unlink(overlay)
        return make, size / 1e6, apply


def main():
    rng = random.Random(SEED)
    old, other = fill(SIZE_BYTES)
    report = Report("delta_apply", f"deltas of {SIZE_BYTES >> 20} MiB, half of it changed", tools=("zstd", "dd", "rdiff", "qemu-img"))
    with tempfile.TemporaryDirectory(dir=WORDS[2] if len(WORDS) > 2 else None) as name:
        for title, new in (("package upgrade", upgraded(old, other, rng)), ("page updates", updated(old, rng))):
            bench = Bench(report, title, pathlib.Path(name), bytes(old), new)
            bench.against_parts("-r", 1)
            bench.against_parts("-r", 3)
            bench.against_parts("-x", 3)
            if IS_FULL:
                bench.table()
    report.close()


if __name__ == "__main__":
    main()
