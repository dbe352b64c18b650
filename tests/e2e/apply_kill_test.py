#!/usr/bin/env python3
"""Shows apply-delta under real kills: it is killed (SIGKILL) each time its journal names another
window, until there is none left, and run again every time; the target ends as the newer image, bit
for bit. The same with --save-undo, ended by the undo instead. Ctrl-C ends an apply with exit status
130, and a rerun finishes. Windows are made small (--memory), the apply slow (--rate-limit)."""

import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import unittest

DDSNAP = pathlib.Path(os.environ["DDSNAP_BUILD"]) / "bin" / "ddsnap"
SEED = 20061120
PATIENCE_S = 120
VOLUME_BYTES = 24 << 20
# Of content: with 8 MiB of memory a window is 1 MiB.
SLOW = ("--memory", "8M", "--rate-limit", "12M")
PAUSE = threading.Event()  # never set


def wait_until(holds):
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError
        PAUSE.wait(0.002)


class ApplyKill(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ddsnap-kill-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.random = random.Random(SEED)
        self.old, self.new = self.make_images()
        (self.folder / "old.img").write_bytes(self.old)
        (self.folder / "new.img").write_bytes(self.new)
        (self.folder / "target.img").write_bytes(self.old)
        self.ddsnap("create-cl", "--compare", "cl", "old.img", "new.img")
        self.ddsnap("create-delta", "-b", "cl", "delta", "old.img", "new.img")

    # Half of the chunks changed: some a little, so that they are differences, some wholly.
    def make_images(self):
        old = bytearray(self.random.randbytes(VOLUME_BYTES))
        new = bytearray(old)
        for at in range(0, VOLUME_BYTES, 32 << 10):
            size = 100 if self.random.random() < 0.5 else 16 << 10
            new[at:at + size] = self.random.randbytes(size)
        return bytes(old), bytes(new)

    def command(self, *words):
        return dict(args=[DDSNAP, *words], cwd=self.folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE, env={**os.environ, "DDSNAP_STATE_DIR": str(self.folder / "state")})

    def ddsnap(self, *words, status=0):
        ran = subprocess.run(**self.command(*words), timeout=PATIENCE_S, check=False)
        self.assertEqual(ran.returncode, status, (words, ran.stderr))
        return ran

    def record(self):
        try:
            return [(entry.name, entry.stat().st_ino) for entry in os.scandir(self.folder / "state")
                    if ".tmp" not in entry.name]
        except FileNotFoundError:
            return []

    def run_until_next_window(self, *words, send=signal.SIGKILL):
        """Whether it ended by itself."""
        before = self.record()
        process = subprocess.Popen(**self.command("apply-delta", *SLOW, *words))
        wait_until(lambda: process.poll() is not None or self.record() != before)
        process.send_signal(send)
        out, err = process.communicate(timeout=PATIENCE_S)
        if process.returncode not in (0, -signal.SIGKILL, 130):
            self.fail((process.returncode, out, err))
        return process.returncode

    def target(self):
        return (self.folder / "target.img").read_bytes()

    def test_killed_at_every_window(self):
        kills = 0
        while self.run_until_next_window("delta", "target.img") != 0:
            kills += 1
        self.assertGreater(kills, 3)
        self.assertEqual(self.target(), self.new)
        self.assertEqual(len(os.listdir(self.folder / "state")), 1)  # nothing is left behind by kills
        again = self.ddsnap("apply-delta", "delta", "target.img")
        self.assertIn(b"already applied", again.stderr)

    def test_a_rerun_says_how_much_was_done(self):
        for _ in range(4):
            self.run_until_next_window("delta", "target.img")
        fit = json.loads(self.ddsnap("verify", "--json", "delta", "target.img").stdout)["device"]
        self.assertTrue(fit["is_interrupted"])
        self.assertEqual(fit["fit"], "partly applied")
        self.assertEqual(fit["foreign"]["chunks"], 0)
        report = json.loads(self.ddsnap("apply-delta", "--json", "delta", "target.img").stdout)
        self.assertTrue(report["was_resumed"])
        self.assertGreater(report["chunks_done_before"], 0)
        self.assertEqual(report["chunks_done_before"] + report["chunks_written"] + report["chunks_zeroed"],
                         report["chunks"])
        self.assertEqual(self.target(), self.new)

    def test_killed_and_undone(self):
        for _ in range(3):
            self.run_until_next_window("--save-undo", "undo", "delta", "target.img")
        self.assertNotEqual(self.target(), self.old)
        shutil.copyfile(self.folder / "undo", self.folder / "undo2")
        self.ddsnap("apply-delta", "delta", "target.img", status=2)  # the undo is not to be lost
        # The way back is cut too.
        self.run_until_next_window("undo", "target.img")
        self.ddsnap("apply-delta", "undo2", "target.img")
        self.assertEqual(self.target(), self.old)
        os.unlink(self.folder / "undo")
        while self.run_until_next_window("--save-undo", "undo", "delta", "target.img") != 0:
            pass
        self.assertEqual(self.target(), self.new)
        self.ddsnap("apply-delta", "undo", "target.img")
        self.assertEqual(self.target(), self.old)

    def test_ctrl_c(self):
        progress = self.folder / "progress"
        status = self.run_until_next_window("--progress", str(progress), "delta", "target.img", send=signal.SIGINT)
        self.assertEqual(status, 130)
        self.ddsnap("apply-delta", "--progress", str(progress), "delta", "target.img")
        self.assertEqual(self.target(), self.new)
        done, total = progress.read_text().split()[1].split("/")
        self.assertEqual(done, total)

    def test_ctrl_c_while_waiting_for_a_pipe(self):
        reader, writer = os.pipe()
        process = subprocess.Popen(**{**self.command("apply-delta", "-", "target.img"), "stdin": reader})
        os.write(writer, (self.folder / "delta").read_bytes()[:1000])
        status_path = f"/proc/{process.pid}/status"
        wait_until(lambda: "SigBlk:\t0000000000000000" not in pathlib.Path(status_path).read_text())
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=PATIENCE_S)
        os.close(reader)
        os.close(writer)
        self.assertEqual(process.returncode, 130)
        self.assertEqual(self.target(), self.old)


if __name__ == "__main__":
    unittest.main()
