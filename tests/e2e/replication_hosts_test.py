#!/usr/bin/env python3
"""Shows a chain of replication over three hosts as network namespaces, with real sshd and rsync, of a file system that is written all the
time: hourly cycles of a given clock from A by files and by a session to B, and from there by a session to C, while things go wrong,
several at once: links are cut, slow, or break in the middle of a connection; whatever runs is killed with -9; hosts reboot; files in transit are
damaged; outbox and inbox are full; somebody writes to a copy. Afterwards it heals by itself, or says what a person must decide, who then
decides that; then all copies are equal to A's snapshot, and their file systems are clean and hold what was written.
DDSNAP_CYCLES makes it longer, DDSNAP_SEED chooses another. Needs root, FUSE, loop devices, ip, nsenter, sshd, ssh, rsync, nbdkit, nbdfuse."""

import concurrent.futures
import contextlib
import os
import pathlib
import random
import signal
import sys
import threading

import stand

os.environ.setdefault("DDSNAP_BUILD", str(stand.BUILD))
os.environ.setdefault("DDSNAP_SOURCE_DIR", str(stand.SOURCE))
sys.path.insert(0, str(stand.SOURCE / "tests" / "cli"))
from harness import CliTest  # noqa: E402
from hosts import (RECEIVES, Host, at, check_copies, job_config, session_with, small_file_system,  # noqa: E402
                   write_as_stranger)
from host_chain import HostChain, spaces_are_possible  # noqa: E402
from live_host import LiveHost, check_file_system  # noqa: E402

stand.need("ip", "sshd", "ssh", "ssh-keygen", "rsync", "nsenter", "nbdkit", "nbdfuse", "fusermount3", "mkfs.ext4", "e2fsck",
           "losetup", mount=True)

VOLUME_BYTES = 24 << 20
STORE_BYTES = 64 << 20
ROUNDS = int(os.environ.get("DDSNAP_CYCLES", "4"))
MOST_CYCLES = 12  # until all is well again
PAUSE = threading.Event()  # never set

UP = job_config(
    {"freeze": "{folder}/mnt"}, 3,
    files={"host": HostChain.address(1), "remote": "{all}/files/inbox", "ssh": "{all}/ssh0"},
    session={**session_with(HostChain.address(1), "{all}/middle/server", "{all}/ssh0"), "audit": 3})
MIDDLE = job_config(
    RECEIVES, 3, end={**session_with(HostChain.address(2), "{all}/end/server", "{all}/ssh1"), "audit": 3})
END = job_config(RECEIVES, 3)


def files_config(force_revert):
    return job_config(RECEIVES, 3, inbox={"force-revert": force_revert})


class Chain(CliTest):
    def setUp(self):
        super().setUp()
        self.random = random.Random(stand.SEED)
        # One for the whole test: some daemons end with the thread that started them.
        self.thread = concurrent.futures.ThreadPoolExecutor(1)
        self.addCleanup(self.thread.shutdown)
        self.chain = HostChain(self, self.folder, [self.folder / "middle/apply-state", self.folder / "end/apply-state"])
        self.files, self.middle, self.end = (
            Host(self, name, VOLUME_BYTES, config, STORE_BYTES)
            for name, config in (("files", files_config("no")), ("middle", MIDDLE), ("end", END)))
        self.inbox = self.files.folder / "inbox"
        self.inbox.mkdir()
        self.up = LiveHost(self, "up", VOLUME_BYTES, UP, STORE_BYTES, stand.SEED)
        self.copies = [self.files, self.middle, self.end]
        self.hosts = {0: [self.up], 1: [self.files, self.middle], 2: [self.end]}
        self.hour = 0
        self.cycles = 0
        self.after_sending = []

    # ---- one hour ----

    def cycle(self):
        """What each job said that failed."""
        self.hour += 1
        self.cycles += 1
        said = []
        for host, verb in ((self.up, "rotate"), (self.up, "replicate"), (self.files, "replicate"), (self.middle, "replicate"),
                           (self.files, "rotate"), (self.middle, "rotate"), (self.end, "rotate")):
            ran = host.run(*host.job(verb, at(self.hour)))
            if ran.returncode != 0:
                said.append(f"{host.name} {verb}: {ran.returncode}: {ran.stderr.decode()}")
                if ran.returncode > 0:  # else it was killed
                    self.assertIn(b"ddsnap: ", ran.stderr)
            if (host, verb) == (self.up, "replicate"):
                for act in self.after_sending:
                    act()
        return said

    def recover(self, happened):
        """Nothing goes wrong any more: a few cycles later all is well."""
        for _ in range(MOST_CYCLES):
            self.revive()  # one that was killed may end a moment later
            said = self.cycle()
            if not said:
                break
            if any("--force-revert" in one for one in said):  # what a person must decide
                self.files.configure(files_config("yes"))
        else:
            self.fail(f"{happened}: it does not heal: {said}")
        self.files.configure(files_config("no"))
        check_copies(f"ddsnap:{self.up.server}#{at(self.hour)}", at(self.hour), self.copies)

    # ---- troubles: from entering to leaving ----

    def a_link(self):
        return self.random.randrange(2)

    @contextlib.contextmanager
    def link_cut(self):
        link = self.a_link()
        self.chain.set_up(link, False, self.random.randrange(2))
        yield
        self.chain.restore(link)

    @contextlib.contextmanager
    def link_slow(self):
        link = self.a_link()
        self.chain.slow_down(link, self.random.randrange(200, 2000) << 10)
        yield
        self.chain.restore(link)

    @contextlib.contextmanager
    def link_breaks(self):
        link = self.a_link()
        self.chain.pass_by_proxy(link, 4 << 20, cut_after=self.random.randrange(2 << 10, 400 << 10))
        yield
        self.chain.restore(link)

    @contextlib.contextmanager
    def _meanwhile(self, act):
        """At some moment of the cycle, in a thread."""
        delay_s = self.random.random() * 3

        def later():
            PAUSE.wait(delay_s)
            act()
        acted = self.thread.submit(later)
        yield
        acted.result()

    def something_killed(self):
        choice = self.random.random()

        def kill():
            processes = sorted(self.processes())
            if processes:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(processes[int(choice * len(processes))], signal.SIGKILL)
        return self._meanwhile(kill)

    def processes(self):
        """Jobs, what they started, and the daemons; not what the file system stands on, nor sshd itself."""
        spared = {os.getpid()} | {sshd.pid for sshd in self.chain.sshds.values()}
        spared |= {self.up.daemons[name].pid for name in ("nbdkit", "nbdfuse", "load") if name in self.up.daemons}
        for folder in pathlib.Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                words = (folder / "cmdline").read_bytes()
                is_ours = str(self.folder).encode() in words or os.readlink(folder / "cwd").startswith(str(self.folder))
                if is_ours and int(folder.name) not in spared:
                    yield int(folder.name)

    def reboot(self):
        which = self.random.randrange(3)

        def act():
            self.chain.reboot(which)
            for host in self.hosts[which]:
                host.reboot()
        return self._meanwhile(act)

    @contextlib.contextmanager
    def file_damaged(self):
        chance = self.random.random()

        def damage():
            for victim in sorted(self.inbox.glob("*.delta"))[:1]:
                content = bytearray(victim.read_bytes())
                if content:
                    content[int(chance * len(content))] ^= 0x20
                victim.write_bytes(content if chance < 0.7 else content[:int(chance * len(content))])
        self.after_sending.append(damage)
        yield
        self.after_sending.remove(damage)

    @contextlib.contextmanager
    def outbox_full(self):
        with small_file_system(self.up.folder / "jobs/files/outbox", "128k"):
            yield

    @contextlib.contextmanager
    def inbox_full(self):
        with small_file_system(self.inbox, "128k"):
            yield

    @contextlib.contextmanager
    def stranger(self):
        write_as_stranger(self.random.choice(self.copies))
        yield

    # ---- days ----

    def revive(self):
        """Who fell is started again, as by systemd."""
        for host in [self.up, *self.copies]:
            for name, daemon in list(host.daemons.items()):
                if daemon.poll() is None or name == "load":
                    continue
                if name in ("nbdkit", "nbdfuse"):
                    host.reboot()
                    break
                host.kill(name)
                if name == "server":
                    host.start_server()
                else:
                    host.start("agent", "agent", "-f", host.path("control"))

    def test_days_of_trouble(self):
        self.recover("nothing")
        troubles = [self.stranger, self.link_cut, self.link_slow, self.link_breaks, self.something_killed, self.reboot,
                    self.file_damaged, self.outbox_full, self.inbox_full]
        tally = {trouble.__name__: 0 for trouble in troubles}
        waiting = []
        for number in range(ROUNDS):
            if len(waiting) < 3:  # all of them come, in ever other company
                waiting += self.random.sample(troubles, len(troubles))
            chosen = {waiting.pop() for _ in range(3)}
            if number % 2 == 0:
                chosen.add(self.something_killed)
            happened = sorted((one.__name__ for one in chosen), key=lambda name: name != "stranger")
            with self.subTest(round=number, happened=happened), contextlib.ExitStack() as stack:
                for name in happened:
                    tally[name] += 1
                    stack.enter_context(getattr(self, name)())
                self.cycle()
                stack.close()
                self.recover(happened)
        files = [check_file_system(host, self.folder) for host in self.copies]
        self.assertEqual(files, files[:1] * 3)
        self.assertGreater(files[0], 0)
        print(f"seed {stand.SEED}: {ROUNDS} rounds, {self.cycles} cycles, {files[0]} files:",
              ", ".join(f"{name} {count}" for name, count in tally.items()), flush=True)


if __name__ == "__main__":
    if not spaces_are_possible():
        print("skipped: no network namespaces here")
        sys.exit(77)
    stand.main()
