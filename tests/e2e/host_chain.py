"""Hosts in a row as network namespaces, a link between neighbours, an sshd in all but the first: for tests of replication.
Links are cut, slowed down (tc's token bucket where the kernel has it, else link_proxy.py), and broken in the middle of a
connection. Wants root."""

import os
import pathlib
import signal
import subprocess

import stand
from harness import PATIENCE_S, wait_until

SSHD = """
ListenAddress 0.0.0.0
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/user_key.pub
PidFile none
StrictModes no
UsePAM no
PermitRootLogin yes
SetEnv DDSNAP_STATE_DIR={state} SHLVL=1
"""
SSH = """#!/bin/sh
[ ! -e {control} ] || set -- -o 'ProxyCommand={proxy} {control} %h %p' "$@"
exec nsenter --net=/run/netns/{space} ssh -F none -i {folder}/user_key -o BatchMode=yes -o StrictHostKeyChecking=no \\
  -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -o ConnectTimeout=3 -o ServerAliveInterval=1 "$@"
"""
UNLIMITED = 1 << 40


def ip(*words):
    subprocess.run(["ip", *words], check=True, timeout=PATIENCE_S)


def inside(space):
    """What runs a command in that network, and in nothing else of its own: `ip netns exec` would make a mount namespace, too. An sshd
    started while an inbox's file system is full would keep that one mounted, and write into it, after it was unmounted here;
    and whatever other tests have mounted just then could not go away."""
    return ["nsenter", f"--net=/run/netns/{space}"]


def spaces_are_possible():
    name = f"dd{os.getpid() % 100000}"
    if subprocess.run(["ip", "netns", "add", name], check=False, stderr=subprocess.DEVNULL).returncode != 0:
        return False
    ip("netns", "delete", name)
    return True


class HostChain:
    """`states`: of each host but the first the folder for what ddsnap remembers there."""

    def __init__(self, test, folder, states):
        self.folder = folder
        self.spaces = [f"dd{os.getpid() % 100000}{letter}" for letter in "abcdefgh"[:len(states) + 1]]
        self.sshds = {}
        self._states = states
        os.chmod(folder, 0o755)
        os.makedirs("/run/sshd", mode=0o755, exist_ok=True)
        for key in ("host_key", "user_key"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / key], check=True)
        for space in self.spaces:
            ip("netns", "add", space)
            test.addCleanup(ip, "netns", "delete", space)
            test.addCleanup(self.kill_all_in, space)
        for link in range(len(states)):
            self._join(link)
            self.start_sshd(link + 1)

    # ---- links: number N joins host N and the next ----

    @staticmethod
    def address(host):
        """As the host before it calls it."""
        return f"10.213.{76 + host}.2"

    def _join(self, link):
        here, there = self.spaces[link], self.spaces[link + 1]
        ip("-n", here, "link", "add", "next", "type", "veth", "peer", "name", "before", "netns", there)
        for space, device, number in ((here, "next", 1), (there, "before", 2)):
            ip("-n", space, "address", "add", f"10.213.{77 + link}.{number}/24", "dev", device)
            ip("-n", space, "link", "set", device, "up")
        ssh = self.folder / f"ssh{link}"
        ssh.write_text(SSH.format(folder=self.folder, space=here, control=self.folder / f"link{link}",
                                  proxy=stand.SOURCE / "tests/e2e/link_proxy.py"), encoding="utf-8")
        os.chmod(ssh, 0o755)

    def set_up(self, link, is_up, side=0):
        space, device = (self.spaces[link], "next") if side == 0 else (self.spaces[link + 1], "before")
        ip("-n", space, "link", "set", device, "up" if is_up else "down")

    def slow_down(self, link, bytes_per_s):
        ran = subprocess.run([*inside(self.spaces[link]), "tc", "qdisc", "replace", "dev", "next", "root", "tbf",
                              "rate", f"{8 * bytes_per_s}bit", "burst", "32k", "latency", "1s"], check=False,
                             stderr=subprocess.DEVNULL, timeout=PATIENCE_S)
        if ran.returncode != 0:
            self.pass_by_proxy(link, bytes_per_s)

    def pass_by_proxy(self, link, bytes_per_s=UNLIMITED, cut_after=UNLIMITED):
        (self.folder / f"link{link}").write_text(f"{bytes_per_s} {cut_after}", encoding="ascii")

    def restore(self, link):
        (self.folder / f"link{link}").unlink(missing_ok=True)
        subprocess.run([*inside(self.spaces[link]), "tc", "qdisc", "delete", "dev", "next", "root"],
                       check=False, stderr=subprocess.DEVNULL, timeout=PATIENCE_S)
        for side in (0, 1):
            self.set_up(link, True, side)

    # ---- hosts ----

    # SHLVL keeps the login's bash from what stands in ~/.bashrc, which is not ours to kill in its middle.
    def start_sshd(self, host):
        config = self.folder / f"sshd{host}.conf"
        config.write_text(SSHD.format(folder=self.folder, state=self._states[host - 1]), encoding="utf-8")
        told = self.folder / f"sshd{host}.log"
        with open(told, "wb") as log:
            self.sshds[host] = subprocess.Popen(
                [*inside(self.spaces[host]), "/usr/sbin/sshd", "-D", "-e", "-f", config], stderr=log)
        # Its links may be down just now.
        wait_until(lambda: b"Server listening on" in told.read_bytes())

    def reboot(self, host):
        """Whatever came in by ssh is gone at once, and sshd is another one."""
        self.kill_all_in(self.spaces[host])
        if host in self.sshds:
            self.sshds.pop(host).wait(PATIENCE_S)
            self.start_sshd(host)

    def kill_all_in(self, space):
        told = subprocess.run(["ip", "netns", "pids", space], stdout=subprocess.PIPE, check=True, timeout=PATIENCE_S)
        for pid in told.stdout.split():
            try:
                os.kill(int(pid), signal.SIGKILL)
            except ProcessLookupError:
                pass
        for sshd in self.sshds.values():
            sshd.poll()
