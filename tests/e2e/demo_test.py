#!/usr/bin/env python3
"""Shows that the demo succeeds in both of its modes, and that it leaves nothing behind: no file, no
process, no mount, no loop device; neither at its end nor when it is interrupted anywhere."""

import os
import pathlib
import random
import signal
import subprocess
import tempfile
import unittest

import stand

stand.need("nbdkit", "nbdcopy", "nbdfuse", "qemu-io", "jq", "debugfs", "mke2fs", "e2fsck")

INTERRUPTIONS = 3
LINES = 20  # of output, before the last of which it is interrupted
DEMO_PATIENCE_S = 400


def traces_of(folder):
    """What is left that names the folder: mounts, loop devices, processes, files."""
    traces = [line for line in pathlib.Path("/proc/mounts").read_text().splitlines()
              if folder in line]
    for backing in pathlib.Path("/sys/block").glob("loop*/loop/backing_file"):
        try:
            if folder in backing.read_text():
                traces.append(str(backing))
        except OSError:
            pass  # just now detached
    for command in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if folder.encode() in command.read_bytes():
                traces.append(command.read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            pass  # just now ended
    return traces + [str(path) for path in pathlib.Path(folder).iterdir()]


class Demo(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="ddsnap-demo-test-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def start(self, *words):
        return subprocess.Popen(
            [str(stand.SOURCE / "scripts" / "demo"), *words], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            env={**os.environ, "TMPDIR": self.folder, "DDSNAP_BUILD": str(stand.BUILD)})

    def check_run(self, *words):
        with self.start(*words) as demo:
            output, _ = demo.communicate(timeout=DEMO_PATIENCE_S)
        self.assertEqual(demo.returncode, 0, output)
        self.assertIn("downstream = snapshot 1, byte for byte", output)
        self.assertEqual(output.count(" ok\n"), 5, output)
        self.assertEqual(traces_of(self.folder), [])

    def test_as_it_is(self):
        self.check_run()

    def test_without_mounts(self):
        self.check_run("--nbd")

    def test_an_interrupted_demo_leaves_nothing_behind(self):
        chaos = random.Random(stand.SEED)
        for _ in range(INTERRUPTIONS):
            lines = chaos.randrange(1, LINES)
            with self.subTest(lines=lines), self.start() as demo:
                for _ in range(lines):
                    demo.stdout.readline()
                os.killpg(demo.pid, signal.SIGINT)  # as a terminal does
                output, _ = demo.communicate(timeout=DEMO_PATIENCE_S)
                self.assertEqual(demo.returncode, 130, output)
                self.assertEqual(traces_of(self.folder), [])


if __name__ == "__main__":
    stand.main()
