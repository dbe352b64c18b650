#!/usr/bin/env python3
"""Shows `volume create`, `list`, `stop`, `start` and `remove` where there is no systemd: from two files to a mounted file system with
snapshots and back to the bare origin, which holds all that was written last; what is in use is not taken away; a create that fails
half-way (nbdfuse cannot start) leaves nothing; and in the end no process, device or file is left."""

import json
import os
import pathlib
import signal
import subprocess

import stand

stand.need("nbdkit", "nbdfuse", "losetup", "mkfs.ext4", "mount", mount=True)


class Volume(stand.StandTest):
    ORIGIN_BYTES = 64 << 20
    STORE_BYTES = 64 << 20

    def new_stand(self, **more):
        return super().new_stand(initialize=False, **more)

    def start(self):
        self.run_folder = pathlib.Path(self.stand.path("run"))
        self.config = self.stand.path("etc")
        os.environ["DDSNAP_RUN_DIR"] = str(self.run_folder)
        os.environ["DDSNAP_CONFIG_DIR"] = self.config
        self.addCleanup(self.end_all)
        self.mount_point = self.stand.path("mnt")
        os.makedirs(self.mount_point)

    def end_all(self):
        subprocess.run(["umount", self.mount_point], stderr=subprocess.DEVNULL, check=False)
        self.stand.run("volume", "remove", "--yes", "--config", self.config, "--fstab", "/dev/null", "vol-0")
        for pid in self.run_folder.glob("*.pid"):
            try:
                os.kill(int(pid.read_text()), signal.SIGTERM)
            except (OSError, ValueError):
                pass

    def volume(self, action, *words):
        return self.stand.ddsnap("volume", action, "--config", self.config, *words).decode()

    def create_words(self):
        return ["volume", "create", "--config", self.config, "--fstab", "/dev/null", "--origin", self.stand.origin,
                "--snapstore", self.stand.snapstore, "--how", "nbdfuse"]

    def listed(self):
        [row] = json.loads(self.volume("list", "--json"))
        return row

    def mount(self, device):
        stand.run_tool("mount", device, self.mount_point)

    def test_from_two_files_to_a_mounted_volume_and_back(self):
        told = self.stand.ddsnap(*self.create_words(), "vol-0").decode()
        row = self.listed()
        self.assertIn(f"mkfs.ext4 {row['device']}\n", told)  # the origin is empty
        self.assertIn("ddsnap create vol-0 monday\n", told)
        self.assertEqual((row["name"], row["state"], row["size_bytes"], row["snapshots"]),
                         ("vol-0", "up", self.ORIGIN_BYTES, 0))
        self.assertIn("vol-0", self.volume("list"))
        stand.run_tool("mkfs.ext4", "-q", row["device"])
        self.mount(row["device"])
        note = pathlib.Path(self.mount_point) / "note"
        note.write_text("first")
        self.stand.ddsnap("create", "--freeze", self.mount_point, "vol-0", "one")
        note.write_text("second")
        os.sync()

        for call in (["volume", "stop"], ["volume", "remove", "--yes", "--fstab", "/dev/null"]):
            self.check_error(self.stand.run(*call, "--config", self.config, "vol-0"), 5, "in use")
        stand.run_tool("umount", self.mount_point)
        self.check_error(self.stand.run("volume", "remove", "--config", self.config, "vol-0"), 1, "--yes")
        self.assertIn(b"would be lost", self.stand.ddsnap("volume", "remove", "--dry-run", "--config", self.config,
                                                          "--fstab", "/dev/null", "vol-0"))

        for _ in range(2):  # a second time is as once
            self.volume("stop", "vol-0")
        self.assertEqual(self.listed()["state"], "down")
        for _ in range(2):
            device = self.volume("start", "vol-0").strip()
        self.assertEqual((self.listed()["state"], self.listed()["snapshots"]), ("up", 1))
        self.mount(device)
        self.assertEqual(note.read_text(), "second")
        snapshot = self.stand.path("snapshot")
        os.makedirs(snapshot)
        self.stand.ddsnap("mount", "vol-0", "one", snapshot)
        self.assertEqual((pathlib.Path(snapshot) / "note").read_text(), "first")
        stand.run_tool("umount", self.mount_point)
        self.check_error(self.stand.run("volume", "remove", "--yes", "--config", self.config, "vol-0"), 5, "snapshot one")
        self.stand.ddsnap("umount", snapshot)

        self.volume("remove", "--yes", "--fstab", "/dev/null", "vol-0")
        self.assertEqual(json.loads(self.volume("list", "--json")), [])
        stand.run_tool("mount", "-o", "loop", self.stand.origin, self.mount_point)
        self.assertEqual(note.read_text(), "second")
        stand.run_tool("umount", self.mount_point)
        self.assertEqual(list(pathlib.Path(self.config).iterdir()), [])
        self.assertEqual([path.name for path in self.run_folder.glob("*") if not path.name.startswith("control")
                          and not path.name.endswith(".log")], [])

    def test_a_create_that_fails_half_way_leaves_nothing(self):
        tools = pathlib.Path(self.stand.path("tools"))
        tools.mkdir()
        (tools / "nbdfuse").write_text("#!/bin/sh\necho 'no fuse today' >&2\nexit 1\n")
        (tools / "nbdfuse").chmod(0o755)
        before = pathlib.Path(self.stand.origin).read_bytes()
        ran = subprocess.run([stand.DDSNAP, *self.create_words(), "vol-0"], stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, timeout=stand.PATIENCE_S, check=False,
                             env={**self.stand.environment(), "PATH": f"{tools}:{os.environ['PATH']}"})
        self.check_error(ran, 1, "no fuse today")
        self.assertEqual(list(pathlib.Path(self.config).iterdir()), [])
        self.assertFalse(stand.is_listening(self.run_folder / "vol-0.server"))
        self.assertEqual(pathlib.Path(self.stand.origin).read_bytes(), before)
        # Nothing has to be forced after that.
        self.stand.ddsnap(*self.create_words(), "vol-0")
        self.assertEqual(self.listed()["state"], "up")

    def test_what_holds_data_is_refused_and_told(self):
        stand.run_tool("mkfs.ext4", "-q", "-L", "photos", self.stand.snapstore)
        self.check_error(self.stand.run(*self.create_words(), "vol-0"), 1, "ext4 file system, label 'photos'")
        stand.run_tool("fsck.ext4", "-fn", self.stand.snapstore)
        self.check_error(self.stand.run(*self.create_words(), "bad/name"), 2, "no name for a volume")


if __name__ == "__main__":
    stand.main()
