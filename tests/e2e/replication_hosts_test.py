#!/usr/bin/env python3
"""Shows replication between two hosts as network namespaces, with a real sshd and rsync: hourly cycles of a given clock, by files
and by a session through ssh; the link is cut, the connection is killed in the middle, and afterwards the next cycle succeeds and
the copies are equal. DDSNAP_CYCLES makes it longer, DDSNAP_SEED chooses another. Needs root, ip, sshd, ssh, rsync."""

import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import unittest

import stand

os.environ.setdefault("DDSNAP_BUILD", str(stand.BUILD))
os.environ.setdefault("DDSNAP_SOURCE_DIR", str(stand.SOURCE))
sys.path.insert(0, str(stand.SOURCE / "tests" / "cli"))
from harness import DDSNAP, PATIENCE_S, CliTest, wait_until  # noqa: E402
from hosts import Host, Writer  # noqa: E402

VOLUME_BYTES = 4 << 20
CYCLES = int(os.environ.get("DDSNAP_CYCLES", "3"))
ADDRESS = "10.213.77.2"
NAME = f"dd{os.getpid() % 100000}"

UP = """
[volume]
server = {folder}/server
state = {folder}/jobs
[keep]
hourly = 3
[target files]
host = %s
remote = {all}/files/inbox
ssh = {all}/ssh
[target session]
transport = ssh
host = %s
remote = {all}/session/server
ssh = {all}/ssh
program = %s
resync = yes
audit = 3
""" % (ADDRESS, ADDRESS, DDSNAP)
FILES = """
[volume]
server = {folder}/server
state = {folder}/jobs
take-snapshots = no
[inbox]
folder = {folder}/inbox
"""
SSHD = """
Port 22
ListenAddress {address}
HostKey {all}/host_key
AuthorizedKeysFile {all}/user_key.pub
PidFile none
StrictModes no
UsePAM no
PermitRootLogin yes
SetEnv DDSNAP_STATE_DIR={all}/session/apply-state
"""
SSH = """#!/bin/sh
exec ip netns exec {name}a ssh -F none -i {all}/user_key -o BatchMode=yes -o StrictHostKeyChecking=no \\
  -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -o ConnectTimeout=3 -o ServerAliveInterval=1 "$@"
"""


def at(hour):
    return f"auto-202611{1 + hour // 24:02}T{hour % 24:02}0000Z"


def ip(*words):
    subprocess.run(["ip", *words], check=True, timeout=PATIENCE_S)


class Hosts(CliTest):
    def setUp(self):
        super().setUp()
        self.random = random.Random(stand.SEED)
        self.make_network()
        self.make_sshd()
        self.up = Host(self, "up", VOLUME_BYTES, UP)
        self.files = Host(self, "files", VOLUME_BYTES, FILES)
        self.session = Host(self, "session", VOLUME_BYTES, "[volume]\nserver = {folder}/server\n")
        (self.files.folder / "inbox").mkdir()
        self.writer = Writer(self.up, VOLUME_BYTES, self.random)
        self.hour = 0

    def make_network(self):
        for side in "ab":
            ip("netns", "add", NAME + side)
            self.addCleanup(ip, "netns", "delete", NAME + side)
        ip("-n", NAME + "a", "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", NAME + "b")
        for side, address in (("a", "10.213.77.1"), ("b", ADDRESS)):
            ip("-n", NAME + side, "address", "add", address + "/24", "dev", "eth0")
            ip("-n", NAME + side, "link", "set", "eth0", "up")

    def make_sshd(self):
        for key in ("host_key", "user_key"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.path(key)], check=True)
        pathlib.Path(self.path("sshd_config")).write_text(
            SSHD.format(address=ADDRESS, all=self.folder), encoding="utf-8")
        pathlib.Path(self.path("ssh")).write_text(SSH.format(name=NAME, all=self.folder), encoding="utf-8")
        os.chmod(self.path("ssh"), 0o755)
        os.chmod(self.folder, 0o755)
        os.makedirs("/run/sshd", mode=0o755, exist_ok=True)
        log = open(self.path("sshd.log"), "wb")
        self.addCleanup(log.close)
        sshd = subprocess.Popen(["ip", "netns", "exec", NAME + "b", "/usr/sbin/sshd", "-D", "-e", "-f",
                                 self.path("sshd_config")], stderr=log)
        self.addCleanup(sshd.wait, PATIENCE_S)
        self.addCleanup(sshd.kill)
        wait_until(lambda: subprocess.run([self.path("ssh"), ADDRESS, "true"], check=False, timeout=PATIENCE_S,
                                          stderr=subprocess.DEVNULL).returncode == 0)

    def write_and_replicate(self):
        self.hour += 1
        self.writer.write(30)
        return self.up.run(*self.up.job("replicate", at(self.hour)))

    def good_cycle(self):
        ran = self.write_and_replicate()
        self.assertEqual(ran.returncode, 0, ran.stderr)
        self.files.succeed(*self.files.job("replicate", at(self.hour)))
        image = self.up.folder / "image"
        image.write_bytes(self.writer.image)
        for host in (self.files, self.session):
            newest = json.loads(host.succeed("list", "--json", "server"))[-1]["tag"]
            self.assertEqual(newest, at(self.hour), host.name)
            host.succeed("compare", str(image), f"ddsnap:server#{newest}")

    def cut_the_link(self):
        ip("-n", NAME + "b", "link", "set", "eth0", "down")
        ran = self.write_and_replicate()
        ip("-n", NAME + "b", "link", "set", "eth0", "up")
        self.assertEqual(ran.returncode, 1, ran.stderr)
        state = json.loads((self.up.folder / "jobs" / "state.json").read_text())
        for label in ("files", "session"):
            self.assertNotEqual(state["targets"][label]["last_error"], "")

    def kill_the_job(self):
        self.hour += 1
        self.writer.write(60)
        job = self.up.begin(*self.up.job("replicate", at(self.hour)))
        try:
            job.wait(self.random.random())
        except subprocess.TimeoutExpired:
            job.kill()
        job.wait()

    def reboot_the_other_side(self):
        self.files.reboot()
        self.session.reboot()

    def test_cycles_over_a_real_network(self):
        self.good_cycle()
        troubles = [self.cut_the_link, self.kill_the_job, self.reboot_the_other_side]
        for number in range(CYCLES):
            trouble = troubles[number] if number < len(troubles) else self.random.choice(troubles)
            with self.subTest(hour=self.hour, trouble=trouble.__name__):
                trouble()
                # A target that was killed is proven gone within seconds; until then it is busy.
                wait_until(lambda: self.write_and_replicate().returncode == 0)
                self.files.run(*self.files.job("replicate", at(self.hour)))
                self.good_cycle()


if __name__ == "__main__":
    if os.geteuid() != 0:
        print("skipped: network namespaces want root")
        sys.exit(77)
    missing = [tool for tool in ("ip", "sshd", "ssh", "ssh-keygen", "rsync") if shutil.which(tool) is None]
    if missing:
        print("skipped: not installed:", ", ".join(missing))
        sys.exit(77)
    if subprocess.run(["ip", "netns", "add", NAME], check=False, stderr=subprocess.DEVNULL).returncode != 0:
        print("skipped: no network namespaces here")
        sys.exit(77)
    ip("netns", "delete", NAME)
    stand.main()
