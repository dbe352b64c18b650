"""One volume for a test: folder, origin, snapstore, agent, server and nbdkit, all gone at the end.

Only unix sockets in the folder. Everything that waits has a deadline. A test file says first what
it needs, with need(); where that is missing it is skipped, with the reason (exit status 77).
"""

import atexit
import contextlib
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

from nbd_client import NbdClient

SOURCE = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("DDSNAP_BUILD", SOURCE / "build")).resolve()
DDSNAP = BUILD / "bin" / "ddsnap"
PLUGIN = BUILD / "lib" / "nbdkit-ddsnap-plugin.so"
SEED = int(os.environ.get("DDSNAP_SEED", "20060825"))
PATIENCE_S = 60
CHUNK_BYTES = 16 << 10

_PAUSE = threading.Event()  # never set


def need(*tools, mount=False):
    """Ends the test file as skipped where something is missing."""
    missing = [tool for tool in tools if shutil.which(tool) is None]
    if missing:
        _skip("not installed: " + ", ".join(missing))
    if not PLUGIN.exists():
        _skip(f"{PLUGIN} was not built")
    if mount:
        if os.geteuid() != 0:
            _skip("mounting wants root")
        for device in ("/dev/fuse", "/dev/loop-control"):
            try:
                os.close(os.open(device, os.O_RDWR))
            except OSError as error:
                _skip(str(error))


def _skip(reason):
    print("skipped:", reason)
    sys.exit(77)


def main():
    """unittest.main() that prints its seed and, told to end, still cleans up."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the one exception unittest lets by
    print(f"seed {SEED} (DDSNAP_SEED chooses another)", flush=True)
    unittest.main(verbosity=2)


def wait_until(holds, what, patience_s=PATIENCE_S):
    deadline = time.monotonic() + patience_s
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError(what)
        _PAUSE.wait(0.01)  # between two looks


def wait_briefly(seconds):
    """For tests that something does not happen."""
    _PAUSE.wait(seconds)


def is_listening(path):
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
            return True
        except OSError:
            return False


def same_content(one, other):
    return subprocess.run(["cmp", str(one), str(other)], check=False).returncode == 0


class Stand:
    """The daemons stand for themselves: start_x() returns when x serves, kill_x() when it is gone."""

    def __init__(self, origin_bytes=32 << 20, store_bytes=96 << 20, initialize=True, name="volume"):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ddsnap-e2e-"))
        atexit.register(self.close)
        self.processes = {}
        self._undo = []
        self.origin = self.make_file(f"{name}.img", origin_bytes)
        self.snapstore = self.make_file(f"{name}-snapstore.img", store_bytes)
        self.control = self.path("control")
        self.server = self.path("server")
        self.nbd = self.path("nbd")
        if initialize:
            self.ddsnap("initialize", self.snapstore, self.origin)

    def close(self):
        self._end()
        shutil.rmtree(self.folder, ignore_errors=True)

    def keep(self):
        """As close(), but what is in the folder stays, as evidence; returns the folder."""
        self._end()
        return self.folder

    def _end(self):
        atexit.unregister(self.close)
        for undo in reversed(self._undo):
            subprocess.run(undo, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._undo.clear()
        for name in ("nbdkit", "server", "agent"):
            self.kill(name)
        for name in list(self.processes):
            self.kill(name)

    def path(self, name):
        return str(self.folder / name)

    def make_file(self, name, size_bytes):
        with open(self.path(name), "wb") as file:
            file.truncate(size_bytes)
        return self.path(name)

    # ---- the command line ----

    def run(self, *words, **more):
        """ddsnap with these words; the caller looks at how it went."""
        more.setdefault("stdin", subprocess.DEVNULL)
        more.setdefault("stdout", subprocess.PIPE)
        more.setdefault("timeout", 2 * PATIENCE_S)
        return subprocess.run([str(DDSNAP), *map(str, words)], stderr=subprocess.PIPE, check=False,
                              cwd=self.folder, env=self.environment(), **more)

    def environment(self):
        return {**os.environ, "DDSNAP_STATE_DIR": self.path("state")}

    def ddsnap(self, *words, **more):
        """As run(), and it must succeed; its output."""
        ran = self.run(*words, **more)
        if ran.returncode != 0:
            raise AssertionError(f"ddsnap {words}: status {ran.returncode}: {ran.stderr.decode()}")
        return ran.stdout

    def create(self, tag):
        """A snapshot; "busy" is asked again, as a target may be between two connections."""
        def is_created():
            ran = self.run("create", self.server, tag)
            if ran.returncode not in (0, 5):
                raise AssertionError(f"create {tag}: {ran.returncode}: {ran.stderr.decode()}")
            return ran.returncode == 0
        wait_until(is_created, f"create {tag} stays busy")

    def status(self):
        return json.loads(self.ddsnap("status", "--json", self.server))

    # ---- daemons ----

    def start(self, name, words, is_ready):
        with open(self.path(name + ".log"), "ab") as log:
            process = subprocess.Popen(list(map(str, words)), stdin=subprocess.DEVNULL, stdout=log,
                                       stderr=log, cwd=self.folder, env=self.environment(),
                                       start_new_session=True)
        self.processes[name] = process

        def is_up():
            if process.poll() is not None:
                raise AssertionError(f"{name} ended with {process.returncode}: {self.log(name)}")
            return is_ready()
        wait_until(is_up, f"{name} does not come up")
        return process

    def log(self, name):
        return pathlib.Path(self.path(name + ".log")).read_text(errors="replace")[-2000:]

    def start_agent(self):
        return self.start("agent", [DDSNAP, "agent", "-f", self.control],
                          lambda: is_listening(self.control))

    def start_server(self):
        return self.start("server", [DDSNAP, "server", "-f", self.snapstore, self.origin,
                                     self.control, self.server],
                          lambda: is_listening(self.server))

    def start_nbdkit(self, *more):
        for leftover in (self.nbd, self.path("nbdkit.pid")):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(leftover)
        return self.start("nbdkit", [
            "nbdkit", "-f", "-t", "16", "-U", self.nbd, "-P", self.path("nbdkit.pid"), PLUGIN,
            f"snapstore={self.snapstore}", f"origin={self.origin}", f"control={self.control}",
            *more], lambda: os.path.exists(self.path("nbdkit.pid")))

    def start_all(self):
        self.start_agent()
        self.start_server()
        self.start_nbdkit()
        return self

    def kill(self, name, how=signal.SIGKILL):
        process = self.processes.pop(name, None)
        if process is None:
            return None
        if process.poll() is None:
            process.send_signal(how)
        return process.wait(PATIENCE_S)

    # ---- NBD ----

    def uri(self, export=""):
        return f"nbd+unix:///{export}?socket={self.nbd}"

    def client(self, export=""):
        return NbdClient(self.nbd, export)

    def copy_out(self, export, name):
        """The export's content in a file of the folder."""
        path = self.path(name)
        run_tool("nbdcopy", self.uri(export), path)
        return path

    # ---- mounting ----

    def attach(self, export, name):
        """The export as a disk (nbdfuse): the path of its one file."""
        folder = self.path(f"{name}.disk")
        os.mkdir(folder)
        self._undo.append(["fusermount3", "-uz", folder])
        disk = folder + "/nbd"
        self.start(f"nbdfuse-{name}", ["nbdfuse", disk, self.uri(export)],
                   lambda: os.path.exists(disk))
        return disk

    def mount(self, image, name, options="loop", kind="auto"):
        folder = self.path(name)
        os.makedirs(folder, exist_ok=True)
        self._undo.append(["umount", "-l", folder])
        run_tool("mount", "-t", kind, "-o", options, image, folder)
        return folder

    def unmount(self, name):
        run_tool("umount", self.path(name))


def run_tool(*words, **more):
    """A tool that must succeed; its output."""
    more.setdefault("timeout", 5 * PATIENCE_S)
    ran = subprocess.run(list(map(str, words)), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                         check=False, **more)
    if ran.returncode != 0:
        raise AssertionError(f"{words}: status {ran.returncode}: {ran.stderr.decode()[-2000:]}")
    return ran.stdout


class StandTest(unittest.TestCase):
    """A test with a running volume in self.stand."""

    ORIGIN_BYTES = 32 << 20
    STORE_BYTES = 96 << 20

    def setUp(self):
        self.stand = self.new_stand()
        self.start()

    def start(self):
        self.stand.start_all()

    def new_stand(self, **more):
        more = {"origin_bytes": self.ORIGIN_BYTES, "store_bytes": self.STORE_BYTES, **more}
        stand = Stand(**more)
        self.addCleanup(stand.close)
        return stand

    def assert_same(self, one, other):
        self.assertTrue(same_content(one, other), f"{one} and {other} differ")

    def check_error(self, ran, status, said=""):
        """One line on stderr that says what, and this exit status."""
        text = ran.stderr.decode()
        self.assertEqual(ran.returncode, status, (ran.args, text))
        self.assertRegex(text, r"\Addsnap: [^\n]+\n\Z")
        self.assertIn(said, text)
