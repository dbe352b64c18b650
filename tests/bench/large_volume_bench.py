#!/usr/bin/env python3
"""What a small change of a large volume costs: sparse images of 1 TiB of which 0.01 % changed (--full: 0.1 %), and a
tenth of that, from comparing over the delta to applying and merging it. The time must follow the changes,
not the volume: the ratio of the two should be near ten, or less where starting a program is what counts.
Then a changelist of a million scattered chunks: to write, to read, its size.

usage: large_volume_bench.py BUILD [--full]
"""

import contextlib
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import time

from report import Report, measure

BUILD = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "build")
DDSNAP = BUILD / "bin" / "ddsnap"
VOLUME_BYTES = 1 << 40
CHUNK_BYTES = 16384
SHARES = (0.0001, 0.001) if "--full" in sys.argv else (0.00001, 0.0001)
ROUNDS = 5
SEED = 3


def make_image(path, chunks, chaos):
    content = chaos.randbytes(1 << 20) if chunks else b""
    with open(path, "wb") as image:
        image.truncate(VOLUME_BYTES)
        for i, chunk in enumerate(chunks):
            image.seek(chunk * CHUNK_BYTES)
            start = i % 1_000_000
            image.write(content[start:start + CHUNK_BYTES])
        os.fsync(image.fileno())


def make_volumes(folder, share):
    chaos = random.Random(SEED)
    count = int(VOLUME_BYTES * share / CHUNK_BYTES)
    chunks = sorted(chaos.sample(range(VOLUME_BYTES // CHUNK_BYTES), count))
    os.mkdir(folder)
    for name, some in (("v0", []), ("v1", chunks)):
        make_image(os.path.join(folder, name), some, chaos)
    return count


def one_round(folder):
    environment = {**os.environ, "DDSNAP_STATE_DIR": os.path.join(folder, "state")}
    make_image(os.path.join(folder, "target"), [], None)
    for name in ("cl", "delta", "back", "merged", "digest"):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(folder, name))

    def seconds(*words):
        start = time.perf_counter()
        subprocess.run([str(DDSNAP.resolve()), *words], cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL)
        return time.perf_counter() - start

    times = {
        "create-cl --compare": seconds("create-cl", "--compare", "cl", "v0", "v1"),
        "digest": seconds("digest", "v1", "digest"),
        "create-delta -r": seconds("create-delta", "-r", "--codec", "lz4", "cl", "delta", "v0", "v1"),
        "apply-delta": seconds("apply-delta", "--forget", "delta", "target"),
    }
    seconds("create-cl", "--compare", "cl", "v1", "v0")
    seconds("create-delta", "-r", "cl", "back", "v1", "v0")
    times["merge-delta"] = seconds("merge-delta", "delta", "back", "merged")
    return times


def main():
    folder = tempfile.mkdtemp(prefix="ddsnap-bench-", dir="/var/tmp")
    try:
        folders = [os.path.join(folder, str(share)) for share in SHARES]
        few, many = [make_volumes(where, share) for where, share in zip(folders, SHARES)]
        rounds = [[one_round(where) for where in folders] for _ in range(ROUNDS)]
        report = Report("large_volume", f"a volume of 1 TiB; {many:,} chunks of 16 KiB changed, beside {few:,}")
        for name in rounds[0][0]:
            report.compare(name, "s", [long[name] for _, long in rounds], "a tenth as many changes", [short[name] for short, _ in rounds],
                           10, more_is_better=False)
        measure(report, BUILD / "bench" / "changelist_measure")
        report.close()
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
