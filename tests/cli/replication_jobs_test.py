#!/usr/bin/env python3
"""Shows that replication runs itself: a day of hourly cycles with a given clock, by files through an inbox and from there on to a
third host in a session through ssh, while things go wrong at random: jobs and servers are killed, hosts reboot, files are damaged, cut, lost,
doubled and late, the inbox's file system is full, somebody writes to the copy. Each next cycle succeeds, or names what a person must decide; at the end all
three volumes are compared. DDSNAP_HOURS makes the day longer, DDSNAP_SEED chooses another."""

import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import unittest

from harness import DDSNAP, SEED, CliTest
from hosts import Host, Writer, at, check_copies, small_file_system, write_as_stranger

VOLUME_BYTES = 4 << 20
HOURS = int(os.environ.get("DDSNAP_HOURS", "6"))

UP = """
[volume]
server = {folder}/server
state = {folder}/jobs
pre = echo before >> {folder}/hooks
post = echo after >> {folder}/hooks
[keep]
hourly = 4
daily = 2
[target middle]
remote = {all}/middle/inbox
period = 1h
"""
MIDDLE = """
[volume]
server = {folder}/server
state = {folder}/jobs
take-snapshots = no
[keep]
hourly = 6
[inbox]
folder = {folder}/inbox
archive = {folder}/archive
force-revert = {revert}
[target end]
transport = ssh
host = end
ssh = {all}/ssh
program = {ddsnap}
remote = {all}/end/server
resync = yes
audit = 4
"""
END = """
[volume]
server = {folder}/server
state = {folder}/jobs
take-snapshots = no
[keep]
hourly = 30
"""
# What stands for ssh: the same machine, the other host's environment.
SSH = """#!/bin/sh
shift
cd {all}/end && DDSNAP_STATE_DIR={all}/end/apply-state exec sh -c "$1"
"""


class Replication(CliTest):
    def setUp(self):
        super().setUp()
        self.random = random.Random(int(os.environ.get("DDSNAP_SEED", SEED)))
        pathlib.Path(self.path("ssh")).write_text(SSH.format(all=self.folder), encoding="utf-8")
        os.chmod(self.path("ssh"), 0o755)
        self.up = Host(self, "up", VOLUME_BYTES, UP)
        self.middle = Host(self, "middle", VOLUME_BYTES, self.middle_config("no"))
        self.end = Host(self, "end", VOLUME_BYTES, END)
        self.hosts = [self.up, self.middle, self.end]
        self.inbox = self.middle.folder / "inbox"
        self.inbox.mkdir()
        self.writer = Writer(self.up, VOLUME_BYTES, self.random)
        self.hour = 0

    @staticmethod
    def middle_config(revert):
        return MIDDLE.replace("{revert}", revert).replace("{ddsnap}", str(DDSNAP))

    # ---- one hour ----

    def jobs(self):
        tag = at(self.hour)
        return [(self.up, self.up.job("rotate", tag)), (self.up, self.up.job("replicate", tag)),
                (self.middle, self.middle.job("replicate", tag)),
                (self.middle, self.middle.job("rotate", tag)), (self.end, self.end.job("rotate", tag))]

    def cycle(self):
        """An hour passes. What each job said that failed."""
        self.hour += 1
        self.writer.write(self.random.randrange(1, 30))
        said = []
        for host, words in self.jobs():
            ran = host.run(*words)
            if ran.returncode != 0:
                said.append(f"{host.name}: {ran.stderr.decode()}")
                # What ssh and the program behind it say may stand before it.
                self.assertEqual(ran.stderr.count(b"ddsnap: vol: "), 1, ran.stderr)
        return said

    def good_cycle(self):
        self.assertEqual(self.cycle(), [])

    def check_equal(self):
        """The newest snapshot is everywhere, and it is what was written."""
        image = self.up.folder / "image"
        image.write_bytes(self.writer.image)
        check_copies(str(image), at(self.hour), self.hosts)

    def waiting(self):
        return sorted(self.inbox.glob("*.delta"))

    def bring_only(self):
        """The upstream runs, the downstream does not: a file waits in the inbox."""
        self.hour += 1
        self.writer.write(10)
        self.up.succeed(*self.up.job("rotate", at(self.hour)))
        self.up.succeed(*self.up.job("replicate", at(self.hour)))

    # ---- a day ----

    def test_a_day_without_trouble(self):
        for _ in range(6):
            self.good_cycle()
            self.check_equal()
        self.assertEqual(len(json.loads(self.up.succeed("list", "--json", "server"))), 4)
        self.assertEqual(len(list((self.middle.folder / "archive").iterdir())), 6)
        self.assertLessEqual(len(os.listdir(self.up.folder / "jobs" / "middle" / "outbox")), 1)
        self.assertEqual(pathlib.Path(self.up.path("hooks")).read_text().count("before\nafter\n"), 6)
        state = json.loads((self.up.folder / "jobs" / "state.json").read_text())
        self.assertEqual(state["targets"]["middle"]["last_error"], "")
        # Run twice within the hour, nothing is done.
        self.assertEqual(self.up.succeed(*self.up.job("replicate", at(self.hour, 2))), "")

    def test_a_day_with_trouble(self):
        troubles = [self.kill_a_job, self.kill_a_server, self.reboot_a_host, self.damage_a_file,
                    self.cut_a_file, self.lose_a_file, self.double_a_file, self.late_downstream,
                    self.two_at_once, self.a_foreign_file, self.lose_the_acknowledgement]
        self.good_cycle()
        happened = []
        for _ in range(HOURS):
            trouble = self.random.choice(troubles)
            happened.append(trouble.__name__)
            with self.subTest(hour=self.hour, happened=happened):
                trouble()
                # What went wrong may be told by the first cycle after it, and is mended by the third.
                self.cycle()
                self.cycle()
                self.good_cycle()
                self.check_equal()
        print(f"seed {os.environ.get('DDSNAP_SEED', SEED)}: {HOURS} troubles, {self.hour} cycles:",
              ", ".join(f"{name} {happened.count(name)}" for name in sorted(set(happened))))

    def kill_a_job(self):
        self.hour += 1
        self.writer.write(60)
        for host, words in self.jobs():
            job = host.begin(*words)
            try:
                job.wait(self.random.random() * 0.12)
            except subprocess.TimeoutExpired:
                job.kill()
            job.wait()

    def kill_a_server(self):
        host = self.random.choice(self.hosts)
        self.hour += 1
        job_host, words = self.random.choice(self.jobs()[1:3])
        job = job_host.begin(*words)
        host.kill("server")
        host.start_server()
        job.wait()

    def reboot_a_host(self):
        self.random.choice(self.hosts).reboot()

    def damage_a_file(self):
        self.bring_only()
        victim = self.waiting()[-1]  # the others may have been applied, and not acknowledged yet
        content = bytearray(victim.read_bytes())
        content[self.random.randrange(len(content))] ^= 0x40
        victim.write_bytes(content)
        said = self.middle.run(*self.middle.job("replicate", at(self.hour)))
        self.assertEqual(said.returncode, 1, said.stderr)
        self.assertIn(b"put aside into bad/", said.stderr)

    def cut_a_file(self):
        self.bring_only()
        victim = self.waiting()[-1]  # the others may have been applied, and not acknowledged yet
        os.truncate(victim, self.random.randrange(victim.stat().st_size))
        said = self.middle.run(*self.middle.job("replicate", at(self.hour)))
        self.assertEqual(said.returncode, 1, said.stderr)

    def lose_a_file(self):
        self.bring_only()
        self.bring_only()
        self.waiting()[-2].unlink()
        said = self.middle.run(*self.middle.job("replicate", at(self.hour)))
        self.assertEqual(said.returncode, 1, said.stderr)
        self.assertIn(b"which is not here", said.stderr)

    def double_a_file(self):
        self.bring_only()
        one = self.waiting()[0]
        number = int(one.name.split("-")[0])
        (self.inbox / f"{number + 3:08}{one.name[8:]}").write_bytes(one.read_bytes())
        self.middle.succeed(*self.middle.job("replicate", at(self.hour)))
        self.assertEqual(self.waiting(), [])

    def late_downstream(self):
        for _ in range(self.random.randrange(2, 5)):
            self.bring_only()
        # Their numbers say one order, and they come in another.
        files = self.waiting()
        names = [one.name for one in files]
        numbers = [name[:8] for name in names]
        self.random.shuffle(numbers)
        for one, number, name in zip(files, numbers, names):
            one.rename(self.inbox / ("." + number + name[8:]))
        for one in self.inbox.glob(".0*"):
            one.rename(self.inbox / one.name[1:])

    def two_at_once(self):
        self.hour += 1
        self.writer.write(60)
        words = self.up.job("replicate", at(self.hour))
        both = [self.up.begin(*words) for _ in range(2)]
        self.assertIn(sorted(job.wait() for job in both), ([0, 0], [0, 5]))

    def a_foreign_file(self):
        (self.inbox / "readme").write_text("not a delta")
        said = self.middle.run(*self.middle.job("replicate", at(self.hour)))
        self.assertEqual(said.returncode, 1, said.stderr)
        self.assertIn(b"inbox/readme: is no delta", said.stderr)
        (self.inbox / "readme").unlink()

    def lose_the_acknowledgement(self):
        (self.inbox / "acknowledged").unlink(missing_ok=True)

    # ---- what a person must decide, and what needs more ----

    def test_a_stranger_is_named_until_somebody_decides(self):
        self.good_cycle()
        write_as_stranger(self.middle)
        for _ in range(2):
            said = "".join(self.cycle())
            self.assertIn("somebody else wrote here since", said)
            self.assertIn("--force-revert", said)
        self.middle.configure(self.middle_config("yes"))
        self.cycle()  # the upstream still hears of what was
        self.good_cycle()
        self.check_equal()

    def test_no_common_snapshot_is_named(self):
        self.good_cycle()
        for one in json.loads(self.middle.succeed("list", "--json", "server")):
            self.middle.succeed("delete", "server", one["tag"])
        self.middle.succeed("create", "server", "another")
        said = "".join(self.cycle() + self.cycle())
        self.assertIn("no snapshot is left that both sides hold", said)

    def test_a_full_inbox(self):
        self.good_cycle()
        with small_file_system(self.inbox, "64k"):
            self.writer.write(100)
            said = "".join(self.cycle())
        self.assertIn("No space left", said)
        self.cycle()
        self.good_cycle()
        self.check_equal()

    def test_a_full_outbox(self):
        self.good_cycle()
        outbox = self.up.folder / "jobs" / "middle" / "outbox"
        with small_file_system(outbox, "64k"):
            self.writer.write(100)
            said = "".join(self.cycle())
            self.assertEqual(list(outbox.iterdir()), [])
        self.assertIn("No space left", said)
        self.good_cycle()
        self.check_equal()

    def test_a_base_that_nobody_keeps_becomes_a_bookmark(self):
        self.good_cycle()
        for hour in range(1, 8):  # the target is away
            self.up.succeed(*self.up.job("rotate", at(self.hour + hour)))
            self.writer.write(5)
        states = [one["state"] for one in json.loads(self.up.succeed("list", "--json", "server"))]
        self.assertEqual(states.count("bookmark"), 1, states)
        self.hour += 8
        self.good_cycle()
        self.check_equal()

    def test_the_configuration_is_checked(self):
        self.assertEqual(self.up.succeed("config", "check", "--config", "."), "vol: in order\n")
        self.up.configure(UP.replace("period", "perid"))
        self.check_error(self.up.run("config", "check", "--config", "."), 2, "knows no 'perid'")


if __name__ == "__main__":
    if shutil.which("rsync") is None:
        print("skipped: not installed: rsync")
        sys.exit(77)
    unittest.main()
