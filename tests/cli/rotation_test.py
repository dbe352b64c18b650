#!/usr/bin/env python3
"""Shows a volume's schedule at work: three days of hourly rotation leave what its rules say, what is held or was made by
hand stays, commands around a snapshot are run, and two rotations at once are one."""

import fcntl
import json
import os
import pathlib
import unittest

from harness import ServerTest

CONFIG = """
[volume]
server = {folder}/server
state = {folder}/state-of-vol0
pre = {pre}
post = echo after-$DDSNAP_VOLUME >> {folder}/hooks
[keep]
hourly = 3
daily = 2
"""


class Rotation(ServerTest):
    def setUp(self):
        super().setUp()
        self.configure(f"echo before-$DDSNAP_VOLUME >> {self.folder}/hooks")

    def configure(self, pre):
        self.write("vol0.conf", CONFIG.format(folder=self.folder, pre=pre).encode())

    def rotate(self, day, hour, *options):
        now = f"auto-202611{day:02}T{hour:02}0500Z"
        return self.succeed("rotate", "--config", ".", *options, "--now", now, "vol0").decode()

    def priorities(self):
        return {one["tag"]: one["priority"]
                for one in json.loads(self.succeed("list", "--json", "server"))}

    def test_three_days_leave_what_the_rules_say(self):
        self.succeed("create", "server", "by-hand")
        for day in (1, 2, 3):
            for hour in range(24):
                self.rotate(day, hour)
                self.assertEqual(self.rotate(day, hour), "")  # twice in an hour is once
        self.assertEqual(self.priorities(), {
            "by-hand": 0,
            "auto-20261102T230500Z": 20, "auto-20261103T210500Z": 10, "auto-20261103T220500Z": 10,
            "auto-20261103T230500Z": 20})
        said = self.rotate(4, 0, "--dry-run")
        self.assertIn("would take auto-20261104T000500Z", said)
        self.assertIn("would delete auto-20261103T210500Z: no rule keeps it", said)
        self.assertIn("would keep auto-20261103T230500Z: daily 2 of 2", said)
        self.assertEqual(len(self.priorities()), 5)

    def test_what_is_held_stays(self):
        self.rotate(1, 0)
        self.succeed("usecount", "server", "auto-20261101T000500Z", "1")
        for hour in range(1, 5):
            said = self.rotate(2, hour)
        self.assertIn("auto-20261101T000500Z", self.priorities())
        self.rotate(3, 0)
        said = self.rotate(4, 0)
        self.assertIn("keeps auto-20261101T000500Z: no rule keeps it, but it is in use", said)
        self.succeed("usecount", "server", "auto-20261101T000500Z", "-1")
        self.rotate(4, 1)
        self.assertNotIn("auto-20261101T000500Z", self.priorities())

    def test_commands_around_a_snapshot(self):
        self.rotate(1, 0)
        self.assertEqual(pathlib.Path(self.path("hooks")).read_text(), "before-vol0\nafter-vol0\n")
        self.configure("exit 7")
        ran = self.run_ddsnap("rotate", "--config", ".", "--now", "auto-20261101T010500Z", "vol0")
        self.assertEqual(ran.returncode, 1)
        self.assertIn(b"'exit 7' (pre): /bin/sh ended with 7", ran.stderr)
        self.assertEqual(list(self.priorities()), ["auto-20261101T000500Z"])

    def test_a_second_rotation_meanwhile_is_busy(self):
        self.rotate(1, 0)
        with open(self.path("state-of-vol0/rotate.lock"), "rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self.check_error(self.run_ddsnap("rotate", "--config", ".", "vol0"), 5, "another 'rotate'")

    def test_mistakes_are_named(self):
        self.check_error(self.run_ddsnap("rotate", "--config", ".", "vol1"), 4, "./vol1.conf")
        self.check_error(self.run_ddsnap("rotate", "--config", ".", "../vol0"), 2, "no name of a volume")
        self.write("vol2.conf", b"[volume]\nserver = server\nservr = server\n")
        self.check_error(self.run_ddsnap("rotate", "--config", ".", "vol2"), 2, "knows no 'servr'")
        self.write("vol3.conf", b"[volume]\nserver = server\n")
        self.check_error(self.run_ddsnap("rotate", "--config", ".", "vol3"), 2, "no rule")
        self.assertFalse(os.path.exists("/var/lib/ddsnap/vol3"))


if __name__ == "__main__":
    unittest.main()
