#!/usr/bin/env python3
"""What a small change of a large volume costs: sparse images of 1 TiB of which 0.1 % changed, and a
tenth of that, from comparing over the delta to applying and merging it. The time must follow the changes,
not the volume: the ratio of the two should be near ten, or less where starting a program is what counts.

usage: large_volume_bench.py BUILD
"""

import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import time

DDSNAP = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "build") / "bin" / "ddsnap"
VOLUME_BYTES = 1 << 40
CHUNK_BYTES = 16384
SHARES = (0.0001, 0.001)
SEED = 3


def make_image(path, chunks, chaos):
    content = chaos.randbytes(1 << 20)
    with open(path, "wb") as image:
        image.truncate(VOLUME_BYTES)
        for i, chunk in enumerate(chunks):
            image.seek(chunk * CHUNK_BYTES)
            start = i % 1_000_000
            image.write(content[start:start + CHUNK_BYTES])
        os.fsync(image.fileno())


def one_share(folder, share):
    chaos = random.Random(SEED)
    count = int(VOLUME_BYTES * share / CHUNK_BYTES)
    chunks = sorted(chaos.sample(range(VOLUME_BYTES // CHUNK_BYTES), count))
    for name, some in (("v0", []), ("v1", chunks), ("target", [])):
        make_image(os.path.join(folder, name), some, chaos)
    environment = {**os.environ, "DDSNAP_STATE_DIR": os.path.join(folder, "state")}

    def seconds(*words):
        start = time.perf_counter()
        subprocess.run([str(DDSNAP.resolve()), *words], cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL)
        return time.perf_counter() - start

    times = {
        "create-cl --compare": seconds("create-cl", "--compare", "cl", "v0", "v1"),
        "digest": seconds("digest", "v1", "digest"),
        "create-delta -r": seconds("create-delta", "-r", "--codec", "lz4", "cl", "delta", "v0", "v1"),
        "apply-delta": seconds("apply-delta", "delta", "target"),
    }
    seconds("create-cl", "--compare", "cl", "v1", "v0")
    seconds("create-delta", "-r", "cl", "back", "v1", "v0")
    times["merge-delta"] = seconds("merge-delta", "delta", "back", "merged")
    return count, times


def main():
    folder = tempfile.mkdtemp(prefix="ddsnap-bench-", dir="/var/tmp")
    try:
        results = []
        for share in SHARES:
            results.append(one_share(folder, share))
        (few, short), (many, long) = results
        print(f"a volume of 1 TiB; {few:,} and {many:,} chunks of 16 KiB changed; load {os.getloadavg()[0]:.1f}")
        for name, seconds in long.items():
            print(f"{name:20} {short[name]:8.2f} s {seconds:8.2f} s   ratio {seconds / short[name]:5.1f}   "
                  f"{many * CHUNK_BYTES / seconds / 1e6:6.0f} MB of changes/s")
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
