#!/usr/bin/env python3
"""How fast volumes without tracking are looked at: compare, create-cl --compare, digest and create-cl
--digest over two images in the page cache, beside two 'cat >/dev/null' side by side over the same
images in the same run, in turns. 5 % of the second image differ, in extents of 4 to 64 KiB. For digests,
which read one image, the peer reads one.

usage: compare_bench.py BUILD        DDSNAP_BENCH_BYTES: size of an image (default 2 GiB)
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

DDSNAP = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "build") / "bin" / "ddsnap"
IMAGE_BYTES = int(os.environ.get("DDSNAP_BENCH_BYTES", 2 << 30))
CHANGED_SHARE = 0.05
ROUNDS = 5
GOAL = 0.9
SEED = 5


def make_images(folder):
    chaos = random.Random(SEED)
    block = chaos.randbytes(64 << 20)
    for name in ("old", "new"):
        with open(os.path.join(folder, name), "wb") as image:
            for i in range(0, IMAGE_BYTES, len(block)):
                image.write(i.to_bytes(8, "little") + block[8:])
    changed = 0
    with open(os.path.join(folder, "new"), "r+b") as image:
        while changed < IMAGE_BYTES * CHANGED_SHARE:
            length = chaos.randrange(1, 17) * 4096
            image.seek(chaos.randrange((IMAGE_BYTES - length) // 4096) * 4096)
            start = changed % 4096 + 1
            image.write(block[start:start + length])
            changed += length


def spent(folder, *commands):
    """Seconds that commands side by side take: by the clock, and of all processors."""
    start = time.perf_counter()
    running = [subprocess.Popen(words, cwd=folder, stdout=subprocess.DEVNULL) for words in commands]
    processors = 0
    for one in running:
        _, status, usage = os.wait4(one.pid, 0)
        one.returncode = os.waitstatus_to_exitcode(status)
        if one.returncode not in (0, 3):
            raise RuntimeError(f"{one.args}: exit status {one.returncode}")
        processors += usage.ru_utime + usage.ru_stime
    return time.perf_counter() - start, processors


def main():
    ddsnap = str(DDSNAP.resolve())
    folder = tempfile.mkdtemp(prefix="ddsnap-bench-", dir="/var/tmp")
    try:
        make_images(folder)
        both = [["cat", "old"], ["cat", "new"]]
        ours = {
            "compare": ([[ddsnap, "compare", "old", "new"]], both),
            "create-cl --compare": ([[ddsnap, "create-cl", "--compare", "cl", "old", "new"]], both),
            "digest": ([[ddsnap, "digest", "old", "digest"]], [["cat", "old"]]),
            "create-cl --digest": ([[ddsnap, "create-cl", "--digest", "digest", "cl", "new"]], [["cat", "new"]]),
        }
        times = {name: ([], []) for name in ours}
        for round_number in range(ROUNDS + 1):  # the first one warms up
            for name, commands in ours.items():
                for which, words in zip(times[name], commands):
                    which.append(spent(folder, *words))
                    if round_number == 0:
                        which.clear()
        report = Report("compare", f"two images of {IMAGE_BYTES / 2**30:.1f} GiB in the page cache, {CHANGED_SHARE:.0%} differ",
                        tools=("cat",))
        for name, (us, them) in times.items():
            peers = len(ours[name][1])
            read = IMAGE_BYTES * peers / 1e9
            by_clock, by_processor = ([[read / max(took[which], 1e-3) for took in side] for side in (us, them)] for which in (0, 1))
            report.compare(name, "GB/s", by_clock[0], f"{peers} x cat", by_clock[1], GOAL)
            report.compare(f"{name}, by processor time", "GB/s", by_processor[0], f"{peers} x cat", by_processor[1])
        report.close()
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
