"""A host of tests/cli/hosts.py whose volume carries a mounted ext4 (nbdkit, nbdfuse, a loop device) that is written all the
time. Its files tell what they must hold, in every snapshot. Wants root."""

import os
import pathlib
import shutil
import subprocess
import sys

import file_load
import stand
from harness import PATIENCE_S, wait_until
from hosts import Host


class LiveHost(Host):
    def __init__(self, test, name, volume_bytes, config, store_bytes, seed):
        self.seed = seed
        self.lives = 0
        super().__init__(test, name, volume_bytes, config, store_bytes)
        stand.run_tool("mkfs.ext4", "-q", self.disk)
        self._mount()

    def start_all(self):
        super().start_all()
        self._attach()
        if self.lives > 1:
            self._mount()

    def _attach(self):
        self.lives += 1
        nbd, pid = self.path(f"nbd{self.lives}"), self.path(f"nbdkit{self.lives}.pid")
        self.start("nbdkit", "-f", "-U", nbd, "-P", pid, str(stand.PLUGIN), f"snapstore={self.path('store.img')}",
                   f"origin={self.path('origin.img')}", f"control={self.path('control')}", program="nbdkit")
        wait_until(lambda: os.path.exists(pid))
        folder = self.path(f"disk{self.lives}")
        os.mkdir(folder)
        self.disk = folder + "/nbd"
        self.start("nbdfuse", self.disk, f"nbd+unix:///?socket={nbd}", program="nbdfuse")
        wait_until(lambda: os.path.exists(self.disk))

    def _mount(self):
        self.mount_point = pathlib.Path(self.path("mnt"))
        self.mount_point.mkdir(exist_ok=True)
        stand.run_tool("mount", "-o", "loop", self.disk, self.mount_point)
        self.start("load", str(stand.SOURCE / "tests/e2e/file_load.py"), str(self.mount_point),
                   str(self.seed * 1000 + self.lives), program=sys.executable)

    def kill_all(self):
        """As a power cut has it: what is mounted is gone with what it stood on."""
        if "load" in self.daemons:
            self.daemons["load"].kill()  # it may be waiting for the file system, until that is gone
        for name in ("nbdfuse", "nbdkit"):
            self.kill(name)
        subprocess.run(["umount", "-l", self.path("mnt")], check=False, stderr=subprocess.DEVNULL, timeout=PATIENCE_S)
        for left in pathlib.Path(self.folder).glob("disk*"):
            subprocess.run(["fusermount3", "-uz", left], check=False, stderr=subprocess.DEVNULL, timeout=PATIENCE_S)
        super().kill_all()


def check_file_system(host, scratch):
    """What a host's origin holds now: a clean file system, each file of it right. How many there are."""
    copy, folder = scratch / "copy.img", scratch / "copied"
    shutil.copyfile(host.path("origin.img"), copy)
    stand.run_tool("e2fsck", "-fn", copy)
    folder.mkdir(exist_ok=True)
    stand.run_tool("mount", "-o", "loop,ro,noload", copy, folder)
    try:
        wrong, right = file_load.check(folder)
    finally:
        wait_until(lambda: subprocess.run(["umount", folder], check=False,
                                          stderr=subprocess.DEVNULL).returncode == 0)
    host.test.assertEqual(wrong, [], host.name)
    return right
