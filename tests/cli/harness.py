"""Runs the built ddsnap in a folder of its own that is gone afterwards, and makes what it reads."""

import hashlib
import os
import pathlib
import random
import shutil
import subprocess
import tempfile
import threading
import time
import unittest

BUILD = pathlib.Path(os.environ["DDSNAP_BUILD"])
SOURCE = pathlib.Path(os.environ["DDSNAP_SOURCE_DIR"])
DDSNAP = BUILD / "bin" / "ddsnap"
SEED = 20060825
PATIENCE_S = 60

VOLUME_BYTES = 2 << 20
STORE_BYTES = 64 << 20

PAUSE = threading.Event()  # never set


def wait_until(holds):
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError
        PAUSE.wait(0.01)  # between two looks


class CliTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ddsnap-cli-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.random = random.Random(SEED)

    def path(self, name):
        return str(self.folder / name)

    def write(self, name, content):
        (self.folder / name).write_bytes(content)
        return self.path(name)

    def run_ddsnap(self, *words, stdin=None, stdout=subprocess.PIPE):
        return subprocess.run(
            [DDSNAP, *words], stdout=stdout, stderr=subprocess.PIPE,
            **({"stdin": subprocess.DEVNULL} if stdin is None else {"input": stdin}),
            cwd=self.folder, timeout=PATIENCE_S, check=False,
            env={**os.environ, "DDSNAP_STATE_DIR": self.path("state")})

    def succeed(self, *words, **more):
        ran = self.run_ddsnap(*words, **more)
        self.assertEqual(ran.returncode, 0, (words, ran.stderr))
        return ran.stdout

    def check_error(self, ran, status, said=""):
        """One line on stderr, nothing on stdout, this exit status."""
        text = ran.stderr.decode()
        statuses = status if isinstance(status, tuple) else (status,)
        self.assertIn(ran.returncode, statuses, (ran.args, text))
        self.assertTrue(text.startswith("ddsnap: "), (ran.args, text))
        self.assertEqual(text.count("\n"), 1, (ran.args, text))
        self.assertTrue(text.endswith("\n"), (ran.args, text))
        self.assertIn(said, text)
        if ran.stdout is not None:
            self.assertEqual(ran.stdout, b"", ran.args)

    def make_volume_pair(self):
        """Two images that differ in a few places: noise, zeros over data, data over zeros."""
        old = bytearray(self.random.randbytes(VOLUME_BYTES // 2) + bytes(VOLUME_BYTES // 2))
        new = bytearray(old)
        new[100_000:101_000] = self.random.randbytes(1000)
        new[200_000:300_000] = bytes(100_000)
        new[-70_000:-60_000] = self.random.randbytes(10_000)
        return self.write("old.img", old), self.write("new.img", new)

    def make_delta(self):
        """old.img, new.img, their changelist `cl`, the delta `delta` between them, a `digest`,
        and the delta as a `stream` of Ceph's."""
        self.make_volume_pair()
        self.succeed("create-cl", "--compare", "cl", "old.img", "new.img")
        self.succeed("create-delta", "cl", "delta", "old.img", "new.img")
        self.succeed("digest", "old.img", "digest")
        self.succeed("export", "--format", "rbd-diff-v1", "--from-name", "a", "--base", "old.img",
                     "delta", "stream")

    def digest_of_folder(self):
        """What lies in the folder, so that a test can say that nothing was written. Of the large
        files the time of the last write instead of the content."""
        def digest(path):
            facts = path.stat()
            if facts.st_size > 2 * VOLUME_BYTES:
                return facts.st_size, facts.st_mtime_ns
            return hashlib.sha256(path.read_bytes()).hexdigest()
        return {path.relative_to(self.folder).as_posix(): digest(path)
                for path in sorted(self.folder.rglob("*")) if path.is_file()}

    def make_store_file(self, name="store.img"):
        with open(self.path(name), "wb") as store:
            store.truncate(STORE_BYTES)
        return self.path(name)


class ServerTest(CliTest):
    """An agent and a server in the foreground, over origin.img, with new.img to write into it."""

    def setUp(self):
        super().setUp()
        self.make_volume_pair()
        self.make_store_file()
        os.rename(self.path("old.img"), self.path("origin.img"))
        self.succeed("initialize", "store.img", "origin.img")
        self.start("agent", "-f", "control")
        self.start_server()

    def start_server(self):
        self.server = self.start("server", "-f", "store.img", "origin.img", "control", "server")
        wait_until(lambda: self.run_ddsnap("list", "server").returncode == 0)

    def stop_server(self, signal_number):
        self.server.send_signal(signal_number)
        self.server.wait(PATIENCE_S)

    def start(self, *words):
        log = open(self.path("-".join(words[:1]) + ".out"), "wb")
        self.addCleanup(log.close)
        daemon = subprocess.Popen([DDSNAP, *words], cwd=self.folder, stdin=subprocess.DEVNULL,
                                  stdout=log, stderr=log)
        self.addCleanup(daemon.wait, PATIENCE_S)
        self.addCleanup(daemon.kill)
        return daemon
