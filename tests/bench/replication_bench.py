#!/usr/bin/env python3
"""How long a change takes from upstream to downstream, durable and usable there, and how many bytes it takes on the way: so many
megabytes of small files (16 KiB) or of large ones get other content in an ext4 file system. As zumastor's replatbench did.

- ddsnap by files: create, create-cl, create-delta, rsync of the delta, apply-delta
- ddsnap by stream: create, send | receive
- rsync of the files; rsync of the image; rdiff (signature, delta, patch): with no snapshot, so what they copy must not change meanwhile
- qemu-nbd: the dirty bitmap of a qcow2 read over NBD, and those extents copied, by a loop of this program's

Both sides are on one disk, and no network slows anybody down: bytes tell what a slow one would do. They are those on the wire: both
directions as rsync counts them, all that went through the pipe, signature and delta, bitmap and extents. rsync is told
--no-whole-file, as between hosts, and -z. Time ends with what was written being durable. Each copy is compared afterwards.

usage: replication_bench.py BUILD [--full]      (512 MiB and 1 and 10 MB; --full: 10 GiB and 1, 10, 100 MB of either)
"""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

WORDS = [word for word in sys.argv if word != "--full"]
IS_FULL = "--full" in sys.argv
os.environ["DDSNAP_BUILD"] = WORDS[1] if len(WORDS) > 1 else "build"
os.environ.setdefault("TMPDIR", "/var/tmp")
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
from changed_volume import ChangedVolume  # noqa: E402
from nbd_client import NbdClient  # noqa: E402
from report import Report  # noqa: E402
from stand import DDSNAP, Stand, need, run_tool, same_content  # noqa: E402

IMAGE_BYTES = (10 << 30) if IS_FULL else 512 << 20
KIND_BYTES = (3 << 30) if IS_FULL else 128 << 20
CHANGES = [(size, kind) for size in (1, 10, 100) for kind in ("small", "large")] if IS_FULL else [(1, "small"), (10, "large")]
ROUNDS = 5


def rsync(*words):
    """Bytes on the wire, in both directions."""
    said = run_tool("rsync", "--stats", "--no-whole-file", "-z", *words).decode()
    return sum(int(number.replace(",", "")) for number in re.findall(r"Total bytes (?:sent|received): ([\d,]+)", said))


def sync(path):
    run_tool("sync", "-f", path)


class Ours:
    """The upstream volume, and two copies of it: one fed by files, one by a stream."""

    def __init__(self, stand, image):
        self.stand = stand
        self.copies = {name: stand.path(name + ".copy") for name in ("files", "stream")}
        for path in (stand.origin, *self.copies.values()):
            shutil.copyfile(image, path)
        os.mkdir(stand.path("inbox"))
        stand.start_all()
        self.newest = {name: f"{name}-0" for name in self.copies}
        for tag in self.newest.values():
            stand.create(tag)

    def write(self, writes):
        with self.stand.client() as client:
            for offset_bytes, content in writes:
                client.write(offset_bytes, content)
            client.flush()

    def snapshot(self, name):
        """Its last one's tag, and the new one's."""
        before = self.newest[name]
        self.newest[name] = f"{name}-{int(before.rsplit('-', 1)[1]) + 1}"
        self.stand.create(self.newest[name])
        return before, self.newest[name]

    def by_files(self):
        before, now = self.snapshot("files")
        changes, delta, inbox = (self.stand.path(name) for name in ("changes", "delta", "inbox"))
        server = f"ddsnap:{self.stand.server}#"
        self.stand.ddsnap("create-cl", self.stand.server, changes, before, now)
        self.stand.ddsnap("create-delta", changes, delta, server + before, server + now)
        sent = rsync("--remove-source-files", delta, inbox + "/")
        self.stand.ddsnap("apply-delta", inbox + "/delta", self.copies["files"])
        self.stand.ddsnap("delete", self.stand.server, before)
        os.unlink(changes)
        return sent

    def by_stream(self):
        before, now = self.snapshot("stream")
        words = (f"{DDSNAP} send {self.stand.server} {before} {now} | dd bs=1M iflag=fullblock | "
                 f"{DDSNAP} receive {self.copies['stream']}")
        ran = subprocess.run(["bash", "-o", "pipefail", "-c", words], check=True, stdin=subprocess.DEVNULL,
                             stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=self.stand.environment())
        self.stand.ddsnap("delete", self.stand.server, before)
        return int(re.search(r"(\d+) bytes", ran.stderr.decode()).group(1))


class Others:
    def __init__(self, stand, volume):
        self.stand = stand
        self.volume = volume
        self.copies = {name: stand.path(name + ".copy") for name in ("rsync", "rdiff", "qemu")}
        for path in self.copies.values():
            shutil.copyfile(volume.image, path)
        self.tree = stand.path("tree.copy")
        rsync("-a", f"{volume.tree}/", self.tree)

    def rsync_files(self):
        sent = rsync("-a", "--delete", f"{self.volume.tree}/", self.tree)
        sync(self.tree)
        return sent

    def rsync_image(self):
        sent = rsync("-I", "--inplace", self.volume.image, self.copies["rsync"])
        sync(self.copies["rsync"])
        return sent

    def rdiff(self):
        copy = self.copies["rdiff"]
        signature, delta, new = (self.stand.path("rdiff." + name) for name in ("signature", "delta", "new"))
        run_tool("rdiff", "signature", copy, signature)
        run_tool("rdiff", "delta", signature, self.volume.image, delta)
        run_tool("rdiff", "patch", copy, delta, new)
        os.replace(new, copy)
        sync(copy)
        sent = os.path.getsize(signature) + os.path.getsize(delta)
        os.unlink(signature)
        os.unlink(delta)
        return sent


class Bitmap:
    """A qcow2 upstream that notes in a bitmap of its own what is written."""

    PIECE_BYTES = 1 << 20

    def __init__(self, stand, image, copy):
        self.stand = stand
        self.copy = copy
        self.file = stand.path("upstream.qcow2")
        self.socket = stand.path("qemu.sock")
        run_tool("qemu-img", "convert", "-f", "raw", "-O", "qcow2", image, self.file)

    def serve(self, *words):
        pid = self.socket + ".pid"
        self.stand.start("qemu", ["qemu-nbd", "-t", "-f", "qcow2", "-k", self.socket, f"--pid-file={pid}", *words, self.file],
                         lambda: os.path.exists(pid))

    def stop(self):
        self.stand.kill("qemu", 15)
        os.unlink(self.socket + ".pid")

    def write(self, writes):
        run_tool("qemu-img", "bitmap", "--add", self.file, "changed")
        self.serve()
        with NbdClient(self.socket) as client:
            for offset_bytes, content in writes:
                client.write(offset_bytes, content)
            client.flush()
        self.stop()

    def replicate(self):
        self.serve("-r", "-B", "changed")
        extents = run_tool("nbdinfo", "--json", "--map=qemu:dirty-bitmap:changed", f"nbd+unix:///?socket={self.socket}")
        sent = len(extents)
        with NbdClient(self.socket) as client, open(self.copy, "r+b") as copy:
            for extent in json.loads(extents):
                if extent["type"] == 0:
                    continue
                for at in range(extent["offset"], extent["offset"] + extent["length"], self.PIECE_BYTES):
                    length = min(self.PIECE_BYTES, extent["offset"] + extent["length"] - at)
                    copy.seek(at)
                    copy.write(client.read(at, length))
                    sent += length
            copy.flush()
            os.fsync(copy.fileno())
        self.stop()
        run_tool("qemu-img", "bitmap", "--remove", self.file, "changed")
        return sent


def measure(volume, ours, others, bitmap, change):
    """Seconds and bytes of each round, by way."""
    size_mb, kind = change
    ways = {"ddsnap, stream": ours.by_stream, "ddsnap, files": ours.by_files, "rsync of the files": others.rsync_files,
            "rsync of the image": others.rsync_image, "rdiff of the image": others.rdiff, "qemu bitmap": bitmap.replicate}
    figures = {name: [] for name in ways}
    for _ in range(ROUNDS):
        writes = volume.change(kind, size_mb * 1_000_000 // 4096 * 4096)
        ours.write(writes)
        bitmap.write(writes)
        sync(volume.image)
        for name, replicate in ways.items():
            begin = time.monotonic()
            sent = replicate()
            figures[name].append((time.monotonic() - begin, sent))
        for copy in (*ours.copies.values(), *others.copies.values()):
            if not same_content(copy, volume.image):
                sys.exit(f"{copy} is not what is upstream")
    return figures


def tell(report, change, figures):
    size_mb, kind = change
    for way in ("ddsnap, stream", "ddsnap, files"):
        for name, theirs in figures.items():
            if name.startswith("ddsnap"):
                continue
            for part, unit in enumerate(("s", "bytes")):
                report.compare(f"{way}: {size_mb} MB of {kind} files, {'time' if part == 0 else 'sent'}", unit,
                               [one[part] for one in figures[way]], name, [one[part] for one in theirs], more_is_better=False)


def main():
    need("nbdkit", "rsync", "rdiff", "qemu-nbd", "qemu-img", "nbdinfo", "mkfs.ext4", "debugfs")
    report = Report("replication", f"a change of an ext4 of {IMAGE_BYTES >> 20} MiB, {2 * KIND_BYTES >> 20} MiB of files in it",
                    tools=("rsync", "rdiff", "qemu-nbd", "nbdinfo"))
    stand = Stand(IMAGE_BYTES, IMAGE_BYTES)
    try:
        volume = ChangedVolume(stand.folder, IMAGE_BYTES, KIND_BYTES)
        ours, others = Ours(stand, volume.image), Others(stand, volume)
        bitmap = Bitmap(stand, volume.image, others.copies["qemu"])
        for change in CHANGES:
            tell(report, change, measure(volume, ours, others, bitmap, change))
        report.close()
    finally:
        stand.close()


if __name__ == "__main__":
    main()
