#!/usr/bin/env python3
"""What create-delta costs and how small its deltas are, beside zstd, xdelta3 and plain reading of the
same bytes, in one run.

The data is an ext4 image of a real tree (/usr/bin and part of /usr/share), a database, a log and
incompressible media, before and after: files replaced by edited ones as a package upgrade does (the
new one written first, then the old one removed), random rows updated in SQLite, lines appended, media
replaced. Peers get the changed extents alone, in a file. All programs run in turns, from the page
cache, and write to files on the same file system; medians and their ratios are printed.

What is not compressed is measured over 1 GiB of incompressible content as a full delta: of less, starting
the programs would be most of it. On a machine that others use, run it by `chrt -f 10`: who else is there
waits, for the seconds that it takes. Differences, which take minutes, are measured in the full form only.

usage: delta_create_bench.py BUILD [--full] [ROUNDS]        XDELTA3=path where it is not installed
"""

import json
import os
import pathlib
import random
import re
import resource
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time

from report import Report

WORDS = [word for word in sys.argv if word != "--full"]
IS_FULL = "--full" in sys.argv
BUILD = pathlib.Path(WORDS[1] if len(WORDS) > 1 else "build")
DDSNAP = str((BUILD / "bin" / "ddsnap").resolve())
ROUNDS = int(WORDS[2]) if len(WORDS) > 2 else 5
XDELTA3 = os.environ.get("XDELTA3") or shutil.which("xdelta3")
IMAGE_BYTES = 1 << 30
TREE_BYTES = 560 << 20
UPGRADED_FILES = 500
MIB = 1 << 20


class Bench:
    def __init__(self, report, folder):
        self.report = report
        self.folder = pathlib.Path(folder)
        self.random = random.Random(2008)

    def path(self, name):
        return str(self.folder / name)

    # ---- data ----

    def make_images(self):
        tree = self.folder / "tree"
        tree.mkdir()
        self.copy_tree(tree)
        self.make_database(tree / "rows.db", self.folder / "rows-after.db")
        (tree / "log").write_bytes(self.log_lines(40 * MIB) + bytes(24 * MIB))
        (tree / "media").write_bytes(self.random.randbytes(48 * MIB))
        old, new = self.path("old.img"), self.path("new.img")
        subprocess.run(["mkfs.ext4", "-q", "-F", "-b", "4096", "-d", str(tree), old, str(IMAGE_BYTES // 4096)],
                       check=True, stdout=subprocess.DEVNULL)
        shutil.copyfile(old, new)
        self.edit(tree, old, new)
        shutil.rmtree(tree)

    def copy_tree(self, tree):
        left = TREE_BYTES
        self.files = []
        for root in ("/usr/bin", "/usr/share"):
            for path in sorted(pathlib.Path(root).rglob("*")):
                if not path.is_file() or path.is_symlink() or not 4096 < path.stat().st_size < 32 * MIB:
                    continue
                name = str(path).strip("/").replace("/", "_")
                if not re.fullmatch(r"[\w.+-]{1,200}", name) or left < path.stat().st_size:
                    continue
                left -= path.stat().st_size
                shutil.copyfile(path, tree / name)
                self.files.append(name)

    def make_database(self, before, after):
        with sqlite3.connect(before) as db:
            db.execute("create table t (id integer primary key, name text, mail text, balance real, note text)")
            rows = ((f"name {self.random.randrange(10**9)}", f"u{self.random.randrange(10**7)}@example.org",
                     self.random.random(), " ".join(self.words(12))) for _ in range(320_000))
            db.executemany("insert into t (name, mail, balance, note) values (?, ?, ?, ?)", rows)
        db.close()
        shutil.copyfile(before, after)
        with sqlite3.connect(after) as db:
            for _ in range(6000):
                db.execute("update t set balance = ?, name = ? where id = ?",
                           (self.random.random(), f"name {self.random.randrange(10**9)}", self.random.randrange(320_000)))
        db.close()

    def words(self, count):
        vocabulary = ("order", "customer", "shipped", "pending", "invoice", "return", "address", "payment", "urgent", "note")
        return self.random.choices(vocabulary, k=count)

    def log_lines(self, size):
        out, second = [], 0
        while size > 0:
            second += self.random.randrange(4)
            line = (f"Nov 20 {second // 3600 % 24:02}:{second // 60 % 60:02}:{second % 60:02} host daemon[{self.random.randrange(9999)}]: "
                    f"{' '.join(self.words(5))} id={self.random.randrange(10**8)}\n").encode()
            out.append(line[:size])
            size -= len(line)
        return b"".join(out)

    def upgraded(self, content):
        """The file as a newer build: some bytes inserted, removed or changed every few kilobytes."""
        pieces, at = [], 0
        while at < len(content):
            step = self.random.randrange(500, 6000)
            piece = bytearray(content[at:at + step])
            for _ in range(len(piece) // 400):
                piece[self.random.randrange(len(piece))] = self.random.randrange(256)
            pieces.append(bytes(piece))
            if self.random.random() < 0.2:
                pieces.append(self.random.randbytes(self.random.randrange(1, 40)))
            at += step + (self.random.randrange(1, 30) if self.random.random() < 0.1 else 0)
        return b"".join(pieces)

    def edit(self, tree, old, new):
        script = []
        for name in self.random.sample(self.files, min(UPGRADED_FILES, len(self.files))):
            (self.folder / (name + ".new")).write_bytes(self.upgraded((tree / name).read_bytes()))
            script += [f"write {self.path(name + '.new')} {name}.new", f"rm {name}"]
        blocks = {name: self.blocks_of(old, name) for name in ("rows.db", "log", "media")}
        subprocess.run(["debugfs", "-w", "-f", "-", new], input="\n".join(script).encode(), check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for name in os.listdir(self.folder):
            if name.endswith(".new"):
                os.unlink(self.path(name))
        log = (tree / "log").read_bytes()
        after = {"rows.db": (self.folder / "rows-after.db").read_bytes(),
                 "log": log[:40 * MIB] + self.log_lines(16 * MIB) + bytes(8 * MIB),
                 "media": self.random.randbytes(24 * MIB) + (tree / "media").read_bytes()[24 * MIB:]}
        with open(new, "r+b") as image:
            for name, content in after.items():
                before = (tree / name).read_bytes()
                for index, block in enumerate(blocks[name]):
                    piece = content[index * 4096:(index + 1) * 4096]
                    if piece and piece != before[index * 4096:(index + 1) * 4096]:
                        image.seek(block * 4096)
                        image.write(piece)

    def blocks_of(self, image, name):
        out = subprocess.run(["debugfs", "-R", f"blocks {name}", image], check=True, stdout=subprocess.PIPE,
                             stderr=subprocess.DEVNULL).stdout
        return [int(word) for word in out.split()]

    def take_extents(self):
        """The changed chunks of both images, which is what the peers get."""
        subprocess.run([DDSNAP, "create-cl", "--compare", self.path("cl"), self.path("old.img"), self.path("new.img")], check=True)
        facts = json.loads(subprocess.run([DDSNAP, "inspect", "--json", self.path("cl")], check=True,
                                          stdout=subprocess.PIPE).stdout)
        chunk = facts["chunk_bytes"]
        for side in ("old", "new"):
            with open(self.path(side + ".img"), "rb") as image, open(self.path(side + ".extents"), "wb") as out:
                for extent in facts["ranges"]:
                    image.seek(extent["first"] * chunk)
                    out.write(image.read(extent["count"] * chunk))
        self.changed_bytes = facts["chunks"] * chunk
        self.report.figure("changed", "MiB", [self.changed_bytes / MIB])

    # ---- measuring ----

    def timed(self, call):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        start = time.monotonic()
        subprocess.run(call, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wall = time.monotonic() - start
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return wall, cpu

    def in_turns(self, calls, rounds=ROUNDS):
        """What each round took, wall and processor seconds, of each call; after one that does not count."""
        times = {name: [] for name in calls}
        for round_number in range(rounds + (1 if rounds > 1 else 0)):
            for name, call in calls.items():
                if os.path.exists(self.path("out." + name)):
                    os.unlink(self.path("out." + name))
                figures = self.timed(call)
                if round_number > 0 or rounds == 1:
                    times[name].append(figures)
        return times

    def create(self, name, *options):
        return [DDSNAP, "create-delta", *options, self.path("cl"), self.path("out." + name), self.path("old.img"), self.path("new.img")]

    def compare(self, what, ours, peer, theirs, goal=None):
        """By the clock, where the goal is, and by processor time."""
        for which, how in enumerate(("", ", by processor time")):
            rates = [[self.changed_bytes / MIB / max(took[which], 1e-3) for took in side] for side in (ours, theirs)]
            self.report.compare(what + how, "MiB/s", rates[0], peer, rates[1], None if which else goal)

    def size(self, name):
        return os.path.getsize(self.path("out." + name))

    def raw_speed(self):
        new = self.path("new.extents")
        for level in (1, 3):
            zstd = f"zstd-{level}-T2"
            ours = f"ddsnap-zstd-{level}"
            packed = self.path("out." + zstd)
            calls = {zstd: ["sh", "-c", f"zstd -{level} -T2 -q -f {new} -o {packed} && sync {packed}"],  # durable, as ours
                     ours: self.create(ours, "-r", "--codec", f"zstd:{level}")}
            got = self.in_turns(calls)
            self.compare(f"create-delta -r zstd:{level}", got[ours], f"zstd -{level} -T2", got[zstd], 0.90 if level == 1 else None)
            self.report.compare(f"its size, -r zstd:{level}", "bytes", [self.size(ours)], f"zstd -{level} -T2", [self.size(zstd)],
                                more_is_better=False)
        self.uncompressed()

    def uncompressed(self):
        chaos = self.path("chaos")
        with open(chaos, "wb") as out:
            for _ in range(64):
                out.write(self.random.randbytes(16 * MIB))
        self.changed_bytes = 1 << 30
        full = [DDSNAP, "create-delta", "--full", "--codec", "none"]
        calls = {"read": ["dd", "if=" + chaos, "of=/dev/null", "bs=1M"],
                 "ddsnap-none-null": [*full, "/dev/null", chaos],
                 "copy": ["dd", "if=" + chaos, "of=" + self.path("out.copy"), "bs=1M", "conv=fdatasync"],
                 "ddsnap-none": [*full, self.path("out.ddsnap-none"), chaos]}
        got = self.in_turns(calls)
        self.compare("create-delta --codec none, to nowhere", got["ddsnap-none-null"], "dd of=/dev/null", got["read"], 0.80)
        self.compare("create-delta --codec none, to a durable file", got["ddsnap-none"], "dd conv=fdatasync", got["copy"])
        floor = pathlib.Path(BUILD) / "bench" / "hash_floor_measure"
        if floor.exists():
            read, _, _, all_three = map(float, subprocess.run([floor, chaos], check=True, stdout=subprocess.PIPE).stdout.split())
            self.report.compare("reading with the three hashes of a delta, all that it must do", "ns a byte of a processor", [all_three],
                                "reading alone", [read], more_is_better=False)
        os.unlink(chaos)

    def difference(self):
        old, new = self.path("old.extents"), self.path("new.extents")
        calls = {}
        for level in (3, 9):
            calls[f"patch-from-{level}"] = ["zstd", f"-{level}", "-q", "-f", "--long=31", f"--patch-from={old}", new, "-o",
                                            self.path(f"out.patch-from-{level}")]
            calls[f"x-{level}"] = self.create(f"x-{level}", "-x", "--codec", f"zstd:{level}")
            calls[f"b-{level}"] = self.create(f"b-{level}", "-b", "--codec", f"zstd:{level}")
            calls[f"x-{level}-long"] = self.create(f"x-{level}-long", "-x", *LONG, "--codec", f"zstd:{level}")
            calls[f"b-{level}-long"] = self.create(f"b-{level}-long", "-b", *LONG, "--codec", f"zstd:{level}")
        if XDELTA3:
            calls["xdelta3-9"] = [XDELTA3, "-9", "-e", "-f", "-s", old, new, self.path("out.xdelta3-9")]
        got = self.in_turns(calls, rounds=max(1, ROUNDS // 2))
        for level in (3, 9):
            for name in [n for n in calls if n.startswith((f"x-{level}", f"b-{level}"))]:
                self.report.compare(f"size of create-delta -{name}", "bytes", [self.size(name)], f"zstd -{level} --patch-from",
                                    [self.size(f"patch-from-{level}")], 1.02, more_is_better=False)
                if XDELTA3:
                    self.report.compare(f"size of create-delta -{name}", "bytes", [self.size(name)], "xdelta3 -9", [self.size("xdelta3-9")],
                                        1.00, more_is_better=False)
                    self.compare(f"create-delta -{name}", got[name], "xdelta3 -9", got["xdelta3-9"], 5)


LONG = ["--long", "128M", "--memory", "640M"]


def main():
    for tool in ("mkfs.ext4", "debugfs", "zstd", "dd"):
        if shutil.which(tool) is None:
            sys.exit(f"needs {tool}")
    with tempfile.TemporaryDirectory(prefix="ddsnap-bench-") as folder:
        report = Report("delta_create", f"deltas of {IMAGE_BYTES >> 20} MiB of ext4", tools=("zstd", "dd", "xdelta3"))
        bench = Bench(report, folder)
        bench.make_images()
        bench.take_extents()
        changed_bytes = bench.changed_bytes
        bench.raw_speed()
        bench.changed_bytes = changed_bytes
        if IS_FULL:
            bench.difference()
        report.close()


if __name__ == "__main__":
    main()
