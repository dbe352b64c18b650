"""A volume with an ext4 full of files, whose files change: the same change as files, and as blocks of the volume.

Files keep their size and place, so that a change is known block by block without mounting anything. Threads: none.
"""

import os
import pathlib
import random
import re
import subprocess

BLOCK_BYTES = 4096
SMALL_BYTES = 16 << 10
LARGE_BYTES = 4 << 20
SEED = 2008


def content_of_usr(size_bytes):
    """Real content: programs, texts, pictures."""
    content = bytearray()
    for folder, folders, files in os.walk("/usr"):
        folders.sort()
        for name in sorted(files):
            path = os.path.join(folder, name)
            if len(content) < size_bytes and os.path.isfile(path) and not os.path.islink(path):
                content += pathlib.Path(path).read_bytes()[:8 << 20]
        if len(content) >= size_bytes:
            return bytes(content[:size_bytes])
    return bytes(content * (size_bytes // len(content) + 1))[:size_bytes]


class ChangedVolume:
    def __init__(self, folder, image_bytes, kind_bytes):
        """The tree FOLDER/tree and its image FOLDER/image; kind_bytes in small files and as much in large ones."""
        self.random = random.Random(SEED)
        self.tree = pathlib.Path(folder) / "tree"
        self.image = str(pathlib.Path(folder) / "image")
        self.pool = content_of_usr(128 << 20)
        self.files = {"small": self._make("small", SMALL_BYTES, kind_bytes // SMALL_BYTES),
                      "large": self._make("large", LARGE_BYTES, kind_bytes // LARGE_BYTES)}
        subprocess.run(["mkfs.ext4", "-q", "-F", "-b", str(BLOCK_BYTES), "-d", str(self.tree), self.image,
                        str(image_bytes // BLOCK_BYTES)], check=True, stdout=subprocess.DEVNULL)
        os.truncate(self.image, image_bytes)
        self.blocks = self._find_blocks()

    def _piece(self, size_bytes):
        at = self.random.randrange(len(self.pool) - size_bytes)
        piece = bytearray(self.pool[at:at + size_bytes])
        for block in range(0, len(piece), BLOCK_BYTES):
            piece[block] |= 1  # of zeros mkfs makes a hole
        return bytes(piece)

    def _make(self, kind, size_bytes, count):
        names = [f"{kind}/{number:06}" for number in range(count)]
        (self.tree / kind).mkdir(parents=True)
        for name in names:
            (self.tree / name).write_bytes(self._piece(size_bytes))
        return names

    def _find_blocks(self):
        names = [name for files in self.files.values() for name in files]
        out = subprocess.run(["debugfs", "-f", "-", self.image], input="".join(f"blocks {name}\n" for name in names).encode(),
                             check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout.decode()
        lines = [line for line in out.splitlines() if re.fullmatch(r"(\d+ *)+", line)]
        return {name: [int(word) for word in line.split()] for name, line in zip(names, lines, strict=True)}

    def change(self, kind, size_bytes):
        """Other content in so much of the files: in tree and image at once; the writes, as (offset, content)."""
        size_each = SMALL_BYTES if kind == "small" else LARGE_BYTES
        names = self.random.sample(self.files[kind], max(1, size_bytes // size_each))
        writes = []
        for name in names:
            content = self._piece(min(size_each, size_bytes))
            with open(self.tree / name, "r+b") as file:
                file.write(content)
            writes += [(block * BLOCK_BYTES, content[at * BLOCK_BYTES:(at + 1) * BLOCK_BYTES])
                       for at, block in enumerate(self.blocks[name][:len(content) // BLOCK_BYTES])]
        with open(self.image, "r+b") as image:
            for offset_bytes, content in writes:
                image.seek(offset_bytes)
                image.write(content)
        return sorted(writes)
