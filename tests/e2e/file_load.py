#!/usr/bin/env python3
"""Somebody who works with files: `file_load.py FOLDER SEED` writes, replaces and removes files there until it is killed or the
file system fails. check(FOLDER) says what is wrong with what it left: each file tells by its name what it holds."""

import os
import pathlib
import random
import sys
import threading

FILES = 24
MAX_BYTES = 48 << 10
PAUSE_S = 0.02  # between two files, so that others get a turn
PAUSE = threading.Event()  # never set


def content_of(name):
    chance = random.Random(name)
    length = chance.randrange(1, MAX_BYTES)
    return (chance.randbytes(length // 2) + name.encode() * length)[:length]


def check(folder):
    """Sentences; and how many files are right. `.new` ones were not finished."""
    wrong, right = [], 0
    for path in sorted(pathlib.Path(folder).glob("f*")):
        if path.suffix == ".new":
            continue
        if path.read_bytes() == content_of(path.name):
            right += 1
        else:
            wrong.append(f"{path.name}: {path.stat().st_size} bytes, and not its content")
    return wrong, right


def main():
    folder, seed = pathlib.Path(sys.argv[1]), int(sys.argv[2])
    chance = random.Random(seed)
    for number in range(1 << 60):
        slot = chance.randrange(FILES)
        if chance.randrange(4) > 0:
            name = f"f{slot:02}-{seed}-{number}"
            new = folder / (name + ".new")
            with open(new, "wb") as file:
                file.write(content_of(name))
                os.fsync(file.fileno())
            new.rename(folder / name)
        for old in folder.glob(f"f{slot:02}-*"):
            if not old.name.startswith(f"f{slot:02}-{seed}-{number}"):
                old.unlink()
        PAUSE.wait(PAUSE_S)


if __name__ == "__main__":
    try:
        main()
    except OSError as error:
        sys.exit(str(error))
