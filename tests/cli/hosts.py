"""Two and more hosts on one machine, for the tests of replication: each a folder with an origin, a snapstore, an agent and a
server, and the configuration of its volume. What is written upstream is written through an origin target (apply-delta), so no
nbdkit is needed; a model keeps what the volume must hold."""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import unittest

from harness import DDSNAP, PATIENCE_S, STORE_BYTES, wait_until

CHUNK_BYTES = 16 << 10


def at(hour, minute=0):
    """The tag of a job's snapshot at that hour of a month."""
    day = 1 + hour // 24
    return f"auto-2026{11 + day // 29:02}{1 + day % 28:02}T{hour % 24:02}{minute:02}00Z"


RECEIVES = {"take-snapshots": "no"}


def job_config(volume, keep_hourly, inbox=None, **targets):
    """The text of a volume's configuration. In it, {folder} stands for the folder of its host, {all} for that of all hosts."""
    sections = {"volume": {"server": "{folder}/server", "state": "{folder}/jobs", **volume}, "keep": {"hourly": keep_hourly},
                **({"inbox": {"folder": "{folder}/inbox", **inbox}} if inbox is not None else {}),
                **{f"target {label}": keys for label, keys in targets.items()}}
    return "".join(f"[{name}]\n" + "".join(f"{key} = {value}\n" for key, value in keys.items())
                   for name, keys in sections.items())


def session_with(host, server, ssh):
    """A target that a session by ssh brings up to date, whatever it holds."""
    return {"transport": "ssh", "host": host, "remote": server, "ssh": ssh, "program": DDSNAP, "resync": "yes"}


def check_copies(truth, tag, hosts):
    """That snapshot is the newest everywhere, and holds what `truth` does."""
    for host in hosts:
        host.test.assertEqual(host.newest(), tag, host.name)
        host.succeed("compare", truth, f"ddsnap:{host.server}#{tag}")


@contextlib.contextmanager
def small_file_system(folder, size):
    """The folder is a file system of its own meanwhile, soon full; skips the test where that cannot be."""
    if os.geteuid() != 0 or subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=" + size, "tmpfs", folder], check=False,
            stderr=subprocess.DEVNULL).returncode != 0:
        raise unittest.SkipTest("no file system can be mounted here")
    try:
        yield
    finally:
        # A process that has ended gives its files back a little later.
        wait_until(lambda: subprocess.run(["umount", folder], check=False,
                                          stderr=subprocess.DEVNULL).returncode == 0)


class Host:
    def __init__(self, test, name, volume_bytes, config, store_bytes=STORE_BYTES):
        self.test = test
        self.name = name
        self.folder = test.folder / name
        self.folder.mkdir()
        self.daemons = {}
        with open(self.path("origin.img"), "wb") as origin:
            origin.truncate(volume_bytes)
        with open(self.path("store.img"), "wb") as store:
            store.truncate(store_bytes)
        self.server = self.path("server")
        self.configure(config)
        self.succeed("initialize", "store.img", "origin.img")
        test.addCleanup(self.kill_all)
        self.start_all()

    def path(self, name):
        return str(self.folder / name)

    def configure(self, config):
        pathlib.Path(self.path("vol.conf")).write_text(
            config.format(folder=self.folder, all=self.test.folder), encoding="utf-8")

    # ---- the command line ----

    def environment(self):
        return {**os.environ, "DDSNAP_STATE_DIR": self.path("apply-state")}

    def run(self, *words, **more):
        return subprocess.run([DDSNAP, *words], cwd=self.folder, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False,
                              timeout=5 * PATIENCE_S, env=self.environment(), **more)

    def succeed(self, *words):
        ran = self.run(*words)
        self.test.assertEqual(ran.returncode, 0, (self.name, words, ran.stderr.decode()))
        return ran.stdout.decode()

    def begin(self, *words):
        """Not waited for, so that it can be killed."""
        return subprocess.Popen([DDSNAP, *words], cwd=self.folder, stdin=subprocess.DEVNULL,
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                env=self.environment())

    def job(self, verb, tag, *words):
        return (verb, "--config", ".", "--now", tag, "vol", *words)

    def newest(self):
        snapshots = json.loads(self.succeed("list", "--json", "server"))
        return snapshots[-1]["tag"] if snapshots else None

    # ---- daemons ----

    def start(self, name, *words, program=DDSNAP):
        with open(self.path(name + ".out"), "ab") as log:
            self.daemons[name] = subprocess.Popen(
                [program, *words], cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env=self.environment())

    def start_server(self):
        self.start("server", "server", "-f", "store.img", "origin.img", self.path("control"), self.server)
        wait_until(lambda: self.run("list", "server").returncode == 0)

    def start_all(self):
        self.start("agent", "agent", "-f", self.path("control"))
        self.start_server()

    def kill(self, name):
        daemon = self.daemons.pop(name, None)
        if daemon:
            daemon.send_signal(signal.SIGKILL)
            daemon.wait(PATIENCE_S)

    def kill_all(self):
        for name in list(self.daemons):
            self.kill(name)

    def reboot(self):
        """All daemons are gone at once; their sockets stay behind."""
        self.kill_all()
        self.start_all()


class Writer:
    """Changes the volume of a host, chunk by chunk, and knows what it must hold."""

    def __init__(self, host, volume_bytes, random):
        self.host = host
        self.random = random
        self.chunks = volume_bytes // CHUNK_BYTES
        self.image = bytearray(volume_bytes)

    def write(self, chunk_count):
        before = bytes(self.image)
        for _ in range(chunk_count):
            at = self.random.randrange(self.chunks) * CHUNK_BYTES
            content = bytes(CHUNK_BYTES)
            if self.random.random() < 0.8:
                content = self.random.randbytes(CHUNK_BYTES // 4) * 4
            self.image[at:at + CHUNK_BYTES] = content
        self._apply(before, bytes(self.image))

    def _apply(self, before, after):
        scratch = pathlib.Path(self.host.path("scratch"))
        scratch.mkdir(exist_ok=True)
        (scratch / "before").write_bytes(before)
        (scratch / "after").write_bytes(after)
        self.host.succeed("create-cl", "--compare", "scratch/cl", "scratch/before", "scratch/after")
        self.host.succeed("create-delta", "scratch/cl", "scratch/delta", "scratch/before", "scratch/after")
        # Busy for as long as a target that was killed is not proven gone.
        self.host.succeed("apply-delta", "--forget", "scratch/delta", "ddsnap:server")
        shutil.rmtree(scratch)


def write_as_stranger(host):
    """One chunk of a host's volume, by somebody who is no part of replication."""
    present = pathlib.Path(host.path("origin.img")).read_bytes()
    host.test.assertGreater(len(present), CHUNK_BYTES)
    changed = bytearray(present)
    changed[:CHUNK_BYTES] = b"stranger" * (CHUNK_BYTES // 8)
    writer = Writer(host, len(present), host.test.random)
    writer._apply(present, bytes(changed))
