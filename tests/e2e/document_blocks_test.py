#!/usr/bin/env python3
"""Shows that what the documents tell to type works: every shell block of HOWTO.md and README.md, in its order, as root on hosts that
are this machine under an overlay (scratch_host.py): the volumes are real, mounted by nbdkit, nbdfuse and loop devices, the machines talk
by a real sshd over a link of their own, PostgreSQL is Debian's. Stand-ins: systemctl (runs what the unit would) and mysql.

A comment before a block says where it runs: "<!-- run: HOST -->" holds until the next one; "<!-- lost: HOST -->" ends that host, and a new
one comes in its place; "<!-- tested by: NAME -->" names the test that runs the next block, which has to be there. What ends with a
failure shows the log of that host.
"""

import os
import pathlib
import re
import subprocess
import tempfile
import unittest

import scratch_host
import stand

os.environ["PATH"] += ":/usr/sbin:/sbin"  # sshd
scratch_host.need()
stand.need("ip", "ssh", "sshd", "rsync", "jq", "openssl", "e2fsck")

UPSTREAM = "upstream.example.org"
BACKUP = "backup.example.org"
HOWTO = stand.SOURCE / "ddsnap" / "manual" / "HOWTO.md"
README = stand.SOURCE / "README.md"
PART = re.compile(r"^<!-- (?P<word>[a-z ]+): (?P<value>.*?) -->$|^```(?P<kind>\w*)\n(?P<text>.*?)^```$", re.M | re.S)

# Says when the lock is held, as the client does, and ends when its input does.
MYSQL = """#!/bin/bash
while read -r line; do case $line in 'system '*) ${line#system } ;; esac; done
"""
# What the second half of the README takes for granted: volumes vol0 on both hosts, with snapshots 0 and 1 on the first.
PRELUDE = """
ddsnap initialize /dev/vdc /dev/vdb
mkdir -p /run/ddsnap
ddsnap agent /run/ddsnap/control
ddsnap server /dev/vdc /dev/vdb /run/ddsnap/control /run/ddsnap/vol0.server
"""
SNAPSHOTS = """
device=$(ddsnap attach --write /run/ddsnap/vol0.server)
mkfs.ext4 -q "$device"
ddsnap create /run/ddsnap/vol0.server 0
head -c 1M /dev/urandom | dd of="$device" conv=fsync status=none
ddsnap detach /run/ddsnap/vol0.server
ddsnap create /run/ddsnap/vol0.server 1
"""


def postgresql():
    return pathlib.Path("/usr/lib/postgresql/15/bin/initdb").exists()


class Documents(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.installed = tempfile.TemporaryDirectory(prefix="ddsnap-installed-")
        cls.addClassCleanup(cls.installed.cleanup)
        subprocess.run(["cmake", "--install", str(stand.BUILD), "--prefix", cls.installed.name], check=True,
                       stdout=subprocess.DEVNULL)

    def setUp(self):
        self.hosts = {}
        self.network = scratch_host.Network([UPSTREAM, BACKUP])
        self.addCleanup(self.network.close)
        self.addCleanup(self.close_hosts)
        self.keys = {}

    def close_hosts(self):
        for host in self.hosts.values():
            host.close()

    def host(self, name):
        if name not in self.hosts:
            self.hosts[name] = scratch_host.ScratchHost(name, self.network, self.installed.name)
            self.hosts[name].add_program("mysql", MYSQL)
        return self.hosts[name]

    def introduce(self):
        """Both may ssh to each other, as after ssh-copy-id."""
        keys = {name: self.host(name).make_key() for name in (UPSTREAM, BACKUP)}
        for name, host in self.hosts.items():
            host.start_sshd("".join(keys.values()))

    def lose(self, name):
        self.hosts.pop(name).close()
        self.introduce()

    def run_document(self, path):
        where = None
        tested_by = None
        for part in PART.finditer(path.read_text(encoding="utf-8")):
            if part["word"] == "run":
                where = part["value"]
            elif part["word"] == "lost":
                self.lose(part["value"])
            elif part["word"] == "tested by":
                tested_by = part["value"]
                self.assertTrue(list((stand.SOURCE / "tests").rglob(tested_by + ".*")) or (stand.SOURCE / tested_by).exists(),
                                tested_by)
            elif part["kind"] == "sh" and tested_by:
                tested_by = None
            elif part["kind"] == "sh":
                self.host(where).run(part["text"])

    def test_howto(self):
        if not postgresql():
            self.skipTest("PostgreSQL 15 is not installed")
        self.introduce()
        self.run_document(HOWTO)

    def test_readme(self):
        self.introduce()
        for name in (UPSTREAM, BACKUP):
            self.host(name).run(PRELUDE)
        self.host(UPSTREAM).run(SNAPSHOTS)
        self.configure_as_told(README.read_text(encoding="utf-8"))
        self.host(UPSTREAM).run(f"mkdir source; cd source; ln -s {stand.BUILD} build")
        self.run_document(README)

    def configure_as_told(self, text):
        """The README shows both configurations side by side."""
        rows = re.search(r"(?m)^    (# /etc/ddsnap/vol0.conf.*\n(?:    .*\n)+)", text)[1].splitlines()
        middle = rows[0].index("# on the")
        rows = [row.removeprefix("    ") for row in rows[1:]]
        for name, half in ((UPSTREAM, slice(0, middle)), (BACKUP, slice(middle, None))):
            config = "\n".join(row[half].rstrip() for row in rows if row[half].strip())
            self.host(name).run("mkdir -p /etc/ddsnap /var/spool/ddsnap/vol0\n"
                                f"cat > /etc/ddsnap/vol0.conf <<'END'\n{config}\nEND\nddsnap config check vol0")

    def test_all_code_of_the_howto_is_run(self):
        """No block that is not marked as shell, and none that is only indented."""
        text = HOWTO.read_text(encoding="utf-8")
        self.assertNotRegex(PART.sub("", text), r"(?m)^    \S")
        self.assertEqual({part["kind"] for part in PART.finditer(text) if part["text"]}, {"sh"})


if __name__ == "__main__":
    stand.main()
