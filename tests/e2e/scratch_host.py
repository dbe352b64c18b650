"""A host to try documents on: the root file system of this machine under an overlay, in mount, pid, network and uts namespaces of its
own, with ddsnap installed into /usr, disks /dev/vdb and /dev/vdc, and an sshd where asked for. Whatever a document's commands
do there is gone with it. Several hosts reach each other by name.

One shell runs all that is handed to it, in order, as a person's shell would; the first command that fails ends it. systemd does not run
there: `systemctl enable --now` and `start` are a stand-in that runs what the unit's ExecStart says.
"""

import contextlib
import os
import pathlib
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import stand

PATIENCE_S = 300
DISK_BYTES = {"vdb": 160 << 20, "vdc": 256 << 20}

SETUP = r"""
set -e
mount -t tmpfs scratch "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
root=$1/root
mount -t tmpfs tmpfs "$root/run" && mkdir -p "$root/run/sshd" "$root/run/lock" && chmod 1777 "$root/run/lock"
mkdir -p "$root/root" && mount -t tmpfs -o mode=0700 tmpfs "$root/root"
mount -t tmpfs -o mode=1777 tmpfs "$root/var/tmp"
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount -t tmpfs -o mode=0755 tmpfs "$root/dev"
for node in null zero full random urandom tty fuse loop-control; do
  [ ! -e /dev/$node ] || cp -a /dev/$node "$root/dev/"
done
for nr in $(seq 0 255); do mknod "$root/dev/loop$nr" b 7 "$nr"; done
mkdir "$root/dev/mapper" "$root/dev/shm" "$root/dev/pts" && chmod 1777 "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts" && ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd" && ln -s fd/0 "$root/dev/stdin" && ln -s fd/1 "$root/dev/stdout" && ln -s fd/2 "$root/dev/stderr"
rm -rf "$root/etc/ddsnap" "$root/var/lib/ddsnap" "$root/var/spool/ddsnap" "$root/disks"
mkdir "$root/disks"
hostname "$2"
ip link set lo up
# What runs in it stays until the host is closed, also when the shell ended.
exec chroot "$root" /bin/bash -c '/bin/bash "$0"; echo failed >&9; exec sleep infinity' "$3"
"""

# One block after the other: a name comes in, its number goes out when all of it went well.
SHELL = r"""
export HOME=/root USER=root PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8
cd /root
echo ready >&9
while read -r block <&8; do
  set -e -o pipefail
  . "$block"
  set +e
  echo done >&9
done
"""

SYSTEMCTL = r"""#!/bin/bash
# Stands in for systemd: starting a unit, or the service of a timer, runs what it says.
set -e
verb="" units=()
for word in "$@"; do case $word in -*) ;; *) if [ -z "$verb" ]; then verb=$word; else units+=("$word"); fi ;; esac; done
case $verb in enable | start) ;; *) exit 0 ;; esac
for unit in "${units[@]}"; do
  name=${unit%.*} instance=""
  case $name in *@*) instance=${name#*@} file=${name%%@*}@.service ;; *) file=$name.service ;; esac
  file=$(ls /usr/lib/systemd/system/"$file" /lib/systemd/system/"$file" 2>/dev/null | head -n 1)
  [ -n "$file" ] || { echo "Unit $unit not found." >&2; exit 5; }
  ! grep -q '^ConditionPathExists=/etc' "$file" || [ -e "/etc/ddsnap/$instance.conf" ]
  command=$(sed -n 's/^ExecStart=//p' "$file" | sed "s|%[iI]|$instance|g")
  /bin/sh -c "$command"
done
"""
SUDO = """#!/bin/sh
while :; do case $1 in -u) user=$2; shift 2 ;; -*) shift ;; *) break ;; esac; done
[ -z "${user:-}" ] || exec setpriv --reuid="$user" --regid="$user" --init-groups "$@"
exec "$@"
"""
SSHD = """Port 22
HostKey /root/host_key
AuthorizedKeysFile /root/.ssh/authorized_keys
PidFile none
StrictModes no
UsePAM no
PermitRootLogin yes
Subsystem sftp internal-sftp
AcceptEnv *
SetEnv PATH=/usr/sbin:/usr/bin:/sbin:/bin
"""
SSH = "Host *\nBatchMode yes\nStrictHostKeyChecking no\nUserKnownHostsFile /dev/null\nLogLevel ERROR\nConnectTimeout 60\n"


def need():
    stand.need("unshare", "nbdkit", "nbdfuse", "mkfs.ext4", "losetup", "setpriv", mount=True)
    with tempfile.TemporaryDirectory() as folder:
        ran = subprocess.run(["unshare", "-m", "sh", "-c", "mount -t tmpfs t \"$1\" && mkdir \"$1/u\" \"$1/w\" && mount -t overlay o "
                              "-o lowerdir=/,upperdir=$1/u,workdir=$1/w \"$1\"", "sh", folder],
                             stderr=subprocess.PIPE, check=False)
    if ran.returncode != 0:
        print("skipped: no overlay over / is to be had:", ran.stderr.decode().strip())
        sys.exit(77)


def run(*words):
    subprocess.run(list(map(str, words)), check=True, stdout=subprocess.DEVNULL, timeout=PATIENCE_S)


class Network:
    """One link between two hosts, a namespace each."""

    def __init__(self, names):
        self.addresses = {name: f"10.213.78.{nr}" for nr, name in enumerate(names, 1)}
        self.spaces = {name: f"dd{os.getpid() % 100000}{nr}" for nr, name in enumerate(names)}
        for space in self.spaces.values():
            run("ip", "netns", "add", space)
        if len(names) == 2:
            one, other = self.spaces.values()
            run("ip", "-n", one, "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", other)
            for name, space in self.spaces.items():
                run("ip", "-n", space, "address", "add", self.addresses[name] + "/24", "dev", "eth0")
                run("ip", "-n", space, "link", "set", "eth0", "up")

    def close(self):
        for space in self.spaces.values():
            subprocess.run(["ip", "netns", "delete", space], check=False)


class ScratchHost:
    def __init__(self, name, network, installed):
        self.name = name
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ddsnap-scratch-"))
        self.inbox = self.folder / "in"
        self.inbox.mkdir()
        self.log = self.folder / "log"
        (self.inbox / "shell").write_text(SHELL)
        (self.inbox / "setup").write_text(SETUP)
        (self.folder / "space").mkdir()
        down, self.down = os.pipe()
        self.up, up = os.pipe()
        self.blocks = 0
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                ["ip", "netns", "exec", network.spaces[name], "unshare", "--mount", "--uts", "--pid", "--fork", "--kill-child",
                 "bash", "-c", f"exec 18<&{down} 19>&{up}; exec 8<&18 9>&19; . {self.inbox}/setup", "bash",
                 self.folder / "space", name, self.inbox / "shell"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=(down, up))
        os.close(down)
        os.close(up)
        try:
            self.await_answer("it does not come up")
            self.install(installed)
            self.make_disks()
            self.make_network(network)
        except BaseException:
            self.close()
            raise

    def install(self, installed):
        self.run(f"cp -a {installed}/* /usr/; mkdir -p /usr/local/bin; ln -sf /usr/bin/ddsnap /usr/local/bin/ddsnap\n"
                 "plugins=$(nbdkit --dump-config | sed -n s/^plugindir=//p); cp /usr/lib/nbdkit/plugins/* $plugins/")
        self.add_program("systemctl", SYSTEMCTL)
        self.add_program("sudo", SUDO)

    def add_program(self, name, text):
        self.run(f"rm -f /usr/bin/{name}; cat > /usr/bin/{name} <<'PROGRAM_ENDS'\n{text}PROGRAM_ENDS\nchmod 755 /usr/bin/{name}")

    def make_disks(self):
        self.run("\n".join(f"truncate -s {size} /disks/{name}; ln -s /disks/{name} /dev/{name}"
                           for name, size in DISK_BYTES.items()))

    def make_network(self, network):
        hosts = "".join(f"{address} {name}\n" for name, address in network.addresses.items())
        self.run(f"cat > /etc/hosts <<'END'\n127.0.0.1 localhost\n{hosts}END\n"
                 f"mkdir -p -m 700 /root/.ssh; cat > /root/.ssh/config <<'END'\n{SSH}END")

    def start_sshd(self, keys):
        """Root may come with these keys, as after ssh-copy-id."""
        self.run(f"cat > /root/.ssh/authorized_keys <<'END'\n{keys}END\n"
                 f"cat > /root/sshd_config <<'END'\n{SSHD}END\n"
                 "if [ ! -e /root/host_key ]; then\n"
                 "ssh-keygen -q -t ed25519 -N '' -f /root/host_key\n"
                 "/usr/sbin/sshd -f /root/sshd_config -E /root/sshd.log\nfi")

    def make_key(self):
        self.run("[ -e /root/.ssh/id_ed25519 ] || ssh-keygen -q -t ed25519 -N '' -f /root/.ssh/id_ed25519; cp /root/.ssh/id_ed25519.pub /run/key")
        return self.take("key")

    def take(self, name):
        """A small file of the host's /run."""
        root = pathlib.Path(f"/proc/{self.first_pid()}/root")
        return (root / "run" / name).read_text()

    def first_pid(self):
        """The first of its namespace, as this side sees it: the only child of unshare."""
        pid = self.process.pid
        children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return children[0]

    def run(self, text):
        """A block of commands; raises with the end of the log where one fails."""
        self.blocks += 1
        block = pathlib.Path(f"/proc/{self.first_pid()}/root/run/block{self.blocks}")
        block.write_text(text + "\n")
        os.write(self.down, f"/run/{block.name}\n".encode())
        self.await_answer(text)

    def await_answer(self, what):
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            if select.select([self.up], [], [], 1)[0]:
                if os.read(self.up, 100) in (b"ready\n", b"done\n"):
                    return
                break
            if self.process.poll() is not None:
                break
        raise AssertionError(f"{self.name}: {what}\n--- log:\n{self.log.read_text(errors='replace')[-3000:]}")

    def close(self):
        if self.process.poll() is None:
            with contextlib.suppress(OSError, IndexError):
                self.detach_loops()
        for descriptor in (self.down, self.up):
            os.close(descriptor)
        if self.process.poll() is None:
            with contextlib.suppress(OSError, IndexError):
                os.kill(int(self.first_pid()), signal.SIGKILL)  # the first of its pid namespace: all others end with it
        self.process.wait(PATIENCE_S)
        shutil.rmtree(self.folder, ignore_errors=True)

    def detach_loops(self):
        """Loop devices outlive their namespace: those that are mounted in this one, or lie on a FUSE mount of it."""
        mounts = [line.split() for line in
                  pathlib.Path(f"/proc/{self.first_pid()}/mountinfo").read_text().splitlines()]
        ours = {mount[-2] for mount in mounts if mount[-2].startswith("/dev/loop")}
        fuse = {mount[2] for mount in mounts if mount[-3].startswith("fuse")}
        listed = subprocess.run(["losetup", "-nO", "NAME,BACK-MAJ:MIN"], stdout=subprocess.PIPE, check=True, text=True).stdout
        ours |= {words[0] for words in map(str.split, listed.splitlines()) if words[-1] in fuse}
        for loop in ours:  # one that is still mounted goes when the namespace does
            subprocess.run(["losetup", "-d", loop], check=False)
