#!/usr/bin/env python3
"""Shows which targets apply-delta refuses, untouched and with a clear word: a file under a loop
device, a mounted device, the file below one, a read-only device, one of the wrong size; and that
--force stands for "in use" alone. A tebibyte of zeros costs a sparse target neither space nor time.
Wants root and loop devices."""

import os
import pathlib
import subprocess

import stand

stand.need("losetup", "mkfs.ext4", mount=True)

VOLUME_BYTES = 8 << 20


class ApplyTarget(stand.StandTest):
    STORE_BYTES = 64 << 20

    def start(self):
        self.old = self.stand.make_file("old.img", VOLUME_BYTES)
        subprocess.run(["mkfs.ext4", "-q", self.old], check=True)
        content = bytearray(pathlib.Path(self.old).read_bytes())
        content[VOLUME_BYTES // 2:VOLUME_BYTES // 2 + 100_000] = bytes(range(250)) * 400
        self.new = self.stand.path("new.img")
        pathlib.Path(self.new).write_bytes(content)
        self.target = self.stand.path("target.img")
        pathlib.Path(self.target).write_bytes(pathlib.Path(self.old).read_bytes())
        self.stand.ddsnap("create-cl", "--compare", "cl", self.old, self.new)
        self.stand.ddsnap("create-delta", "cl", "delta", self.old, self.new)

    def loop(self, *options):
        device = subprocess.run(["losetup", "-f", "--show", *options, self.target], check=True,
                                stdout=subprocess.PIPE).stdout.decode().strip()
        self.addCleanup(subprocess.run, ["losetup", "-d", device], check=False)
        return device

    def refused(self, target, status, said):
        ran = self.stand.run("apply-delta", "delta", target)
        self.check_error(ran, status, said)
        self.assert_same(self.target, self.old)

    def test_a_file_under_a_loop_device(self):
        device = self.loop()
        self.refused(self.target, 5, os.path.basename(device))
        self.refused_dry_run()
        self.stand.ddsnap("apply-delta", "--force", "delta", self.target)
        self.assert_same(self.target, self.new)

    def refused_dry_run(self):
        self.check_error(self.stand.run("apply-delta", "--dry-run", "delta", self.target), 5, "in use")

    def test_a_loop_device_itself(self):
        device = self.loop()
        self.stand.ddsnap("apply-delta", "delta", device)
        subprocess.run(["sync", device], check=True)
        self.assert_same(device, self.new)

    def test_a_mounted_device(self):
        device = self.loop()
        place = self.stand.path("mnt")
        os.mkdir(place)
        subprocess.run(["mount", "-o", "ro,noload", device, place], check=True)
        self.addCleanup(subprocess.run, ["umount", place], check=False)
        self.refused(device, 5, "mounted")

    def test_a_read_only_device(self):
        device = self.loop("-r")
        ran = self.stand.run("apply-delta", "delta", device)
        self.check_error(ran, 1, device)
        self.assert_same(self.target, self.old)

    def test_a_target_of_another_size(self):
        for size in (VOLUME_BYTES - 4096, VOLUME_BYTES + 4096):
            path = self.stand.make_file("other.img", size)
            self.check_error(self.stand.run("apply-delta", "delta", path), 2, "bytes")

    def test_a_tebibyte_of_zeros(self):
        size = 1 << 40
        sparse = self.stand.make_file("sparse.img", size)
        with open(sparse, "r+b") as file:
            file.seek(size // 2)
            file.write(b"x" * 5000)
        self.stand.ddsnap("create-delta", "--full", "-c", "64K", "full", sparse)
        target = self.stand.make_file("sparse-target.img", size)
        self.stand.ddsnap("apply-delta", "full", target)
        self.assertLess(os.stat(target).st_blocks * 512, 1 << 20)
        with open(target, "rb") as file:
            file.seek(size // 2)
            self.assertEqual(file.read(5001), b"x" * 5000 + b"\0")
        # What is not zero where it should be is made so, and stays a hole.
        with open(target, "r+b") as file:
            file.seek(size // 4)
            file.write(b"y" * (1 << 20))
        self.check_error(self.stand.run("apply-delta", "full", target), 1)
        self.stand.ddsnap("apply-delta", "--force", "full", target)
        with open(target, "rb") as file:
            file.seek(size // 4)
            self.assertEqual(file.read(1 << 20), bytes(1 << 20))
        self.assertLess(os.stat(target).st_blocks * 512, 1 << 20)


if __name__ == "__main__":
    stand.main()
