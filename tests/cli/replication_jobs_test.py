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

from harness import SEED, CliTest
from hosts import (RECEIVES, Host, Writer, at, check_copies, job_config, session_with, small_file_system,
                   write_as_stranger)

VOLUME_BYTES = 4 << 20
HOURS = int(os.environ.get("DDSNAP_HOURS", "6"))

def up_config(**target):
    volume = {"pre": "echo before >> {folder}/hooks", "post": "echo after >> {folder}/hooks"}
    return job_config(volume, "4\ndaily = 2", middle={"remote": "{all}/middle/inbox", "period": "1h", **target})


def middle_config(force_revert):
    return job_config(RECEIVES, 6, inbox={"archive": "{folder}/archive", "force-revert": force_revert},
                      end={**session_with("end", "{all}/end/server", "{all}/ssh"), "audit": 4})


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
        self.up = Host(self, "up", VOLUME_BYTES, up_config())
        self.middle = Host(self, "middle", VOLUME_BYTES, middle_config("no"))
        self.end = Host(self, "end", VOLUME_BYTES, job_config(RECEIVES, 30))
        self.hosts = [self.up, self.middle, self.end]
        self.inbox = self.middle.folder / "inbox"
        self.inbox.mkdir()
        self.writer = Writer(self.up, VOLUME_BYTES, self.random)
        self.hour = 0

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
        self.middle.configure(middle_config("yes"))
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

    def test_a_resync_is_told(self):
        """The end has nothing to begin with."""
        self.bring_only()
        said = self.middle.succeed(*self.middle.job("replicate", at(self.hour)))
        self.assertIn("end: all of it is compared by hash, since changes could not be sent: end: it holds no snapshot", said)
        self.assertIn(f"end: '{at(self.hour)}' is there", said)
        self.check_equal()

    # ---- deltas that wait, and chains that upstream begins anew ----

    def outbox(self):
        return sorted((self.up.folder / "jobs" / "middle" / "outbox").glob("*.delta"))

    def bring_nothing_more(self, why):
        self.hour += 1
        self.writer.write(10)
        self.up.succeed(*self.up.job("rotate", at(self.hour)))
        self.check_error(self.up.run(*self.up.job("replicate", at(self.hour))), 1, why)

    def test_a_backlog_is_bounded(self):
        # For longer, too, than the schedule keeps what the next delta starts from.
        for limit, most, hours in (({"backlog": 2}, 2, 6), ({"backlog-size": "1"}, 1, 1)):
            with self.subTest(limit=limit):
                self.up.configure(up_config(**limit))
                self.good_cycle()
                for _ in range(most):
                    self.bring_only()
                names = [one.name for one in self.outbox()]
                for _ in range(hours):
                    self.bring_nothing_more(f"{most} deltas of")
                    self.assertEqual([one.name for one in self.outbox()], names)
                    self.assertEqual([one.name for one in self.waiting()], names)
                self.up.reboot()
                self.middle.succeed(*self.middle.job("replicate", at(self.hour)))  # it is back
                self.assertEqual(self.waiting(), [])
                self.good_cycle()  # one delta makes up for all that
                self.check_equal()
                self.assertEqual(len(self.outbox()), 1)

    def lose_the_outbox(self):
        for one in self.outbox():
            one.unlink()

    def test_a_chain_that_was_overtaken_is_named_and_passed_by(self):
        self.good_cycle()
        self.bring_only()
        self.bring_only()
        old = self.waiting()
        self.lose_the_outbox()
        self.bring_only()
        self.bring_only()
        self.assertEqual(len(self.waiting()), 4)
        said = self.middle.succeed(*self.middle.job("replicate", at(self.hour)))
        for one in old:
            self.assertIn(f"{one.name}: deleted, ", said)
        self.assertEqual(self.waiting(), [])
        self.good_cycle()
        self.check_equal()

    def test_a_delta_from_where_the_copy_went_on_is_named_and_heals(self):
        self.good_cycle()
        told = (self.inbox / "acknowledged").read_bytes()
        self.bring_only()
        self.middle.succeed(*self.middle.job("replicate", at(self.hour)))
        (self.inbox / "acknowledged").write_bytes(told)  # the upstream hears nothing of that
        self.lose_the_outbox()
        self.bring_only()
        name = self.waiting()[0].name
        said = self.middle.run(*self.middle.job("replicate", at(self.hour)))
        self.check_error(said, 1, f"{name}: ")
        self.assertIn(b"went on from", said.stderr)
        self.cycle()  # the upstream hears of what was, and goes on from what is there
        self.assertEqual(self.waiting(), [])
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
        self.up.configure(up_config(perid="1h"))
        self.check_error(self.up.run("config", "check", "--config", "."), 2, "knows no 'perid'")


if __name__ == "__main__":
    if shutil.which("rsync") is None:
        print("skipped: not installed: rsync")
        sys.exit(77)
    unittest.main()
