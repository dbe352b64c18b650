#!/usr/bin/env python3
"""Shows the verbs at work on real daemons and files: a store is written once and not overwritten
unasked, snapshots are made, listed, held and deleted with the promised output and exit status, and
the difference of two snapshots rebuilds the second one, all through the command line alone."""

import json
import os
import pathlib
import signal
import unittest

from harness import PATIENCE_S, STORE_BYTES, VOLUME_BYTES, CliTest, ServerTest, wait_until


class Stores(CliTest):
    def setUp(self):
        super().setUp()
        self.make_volume_pair()
        self.make_store_file()

    def test_a_store_is_not_overwritten_unasked(self):
        self.succeed("initialize", "store.img", "old.img")
        before = self.digest_of_folder()
        self.check_error(self.run_ddsnap("initialize", "store.img", "old.img"), 1, "-y")
        self.assertEqual(self.digest_of_folder(), before)
        self.succeed("initialize", "-y", "--dry-run", "store.img", "old.img")
        self.assertEqual(self.digest_of_folder(), before)
        self.succeed("initialize", "-y", "store.img", "old.img")
        self.assertNotEqual(self.digest_of_folder(), before)

    def test_each_role_needs_its_own_file(self):
        before = self.digest_of_folder()
        os.link(self.path("store.img"), self.path("other-name"))
        for words in (("store.img", "store.img"), ("store.img", "other-name"),
                      ("store.img", "old.img", "store.img"), ("store.img", "old.img", "old.img")):
            self.check_error(self.run_ddsnap("initialize", *words), 2)
        os.unlink(self.path("other-name"))
        self.assertEqual(self.digest_of_folder(), before)

    def test_a_store_that_is_too_small_is_refused(self):
        self.write("small.img", bytes(4096))
        self.check_error(self.run_ddsnap("initialize", "small.img", "old.img"), 2)

    def test_a_store_in_a_file_has_its_room_reserved(self):
        os.truncate(self.path("store.img"), 0)
        os.truncate(self.path("store.img"), STORE_BYTES)
        self.succeed("initialize", "store.img", "old.img")
        self.assertGreaterEqual(os.stat(self.path("store.img")).st_blocks * 512, STORE_BYTES)

    def test_metadata_on_a_third_file(self):
        self.write("meta.img", bytes(32 << 20))
        self.succeed("initialize", "-c", "4K", "-j", "2M", "store.img", "old.img", "meta.img")


class Session(ServerTest):
    def list_json(self):
        return json.loads(self.succeed("list", "--json", "server"))

    def state(self, tag):
        ran = self.run_ddsnap("status", "--state", tag, "server")
        self.assertEqual(ran.stdout, b"")
        return ran.returncode

    def test_create_list_and_status(self):
        self.assertEqual(self.succeed("status", "--list", "server"), b"\n")
        self.assertEqual(self.succeed("status", "--last", "server"), b"")
        self.assertEqual(self.succeed("create", "server", "0"), b"")
        self.succeed("create-snap", "--priority", "-5", "server", "nightly-7")
        self.check_error(self.run_ddsnap("create", "server", "0"), 1, "0")
        self.assertEqual(self.succeed("status", "--list", "server"), b"0 nightly-7\n")
        self.assertEqual(self.succeed("status", "--last", "server"), b"nightly-7\n")
        sectors = f"{VOLUME_BYTES // 512}\n".encode()
        self.assertEqual(self.succeed("status", "--size", "server"), sectors)
        self.assertEqual(self.succeed("status", "--size", "server", "0"), sectors)
        self.check_error(self.run_ddsnap("status", "--size", "server", "9"), 4)
        self.check_error(self.run_ddsnap("status", "server", "9"), 4)

        first, second = self.list_json()
        self.assertEqual([first["tag"], first["state"], first["priority"]], ["0", "live", 0])
        self.assertEqual([second["tag"], second["priority"]], ["nightly-7", -5])
        self.assertEqual(first["size_bytes"], VOLUME_BYTES)
        text = self.succeed("list", "server").decode().splitlines()
        self.assertEqual([line.split()[0] for line in text], ["TAG", "0", "nightly-7"])
        self.assertIn(b"chunks free", self.succeed("status", "-v", "server"))
        status = json.loads(self.succeed("status", "--json", "server"))
        self.assertEqual(status["origin_bytes"], VOLUME_BYTES)
        self.assertEqual([one["tag"] for one in status["snapshots"]], ["0", "nightly-7"])
        self.assertEqual(status["targets"], [])

    def test_state_has_the_original_s_exit_statuses(self):
        self.succeed("create", "server", "0")
        self.succeed("create", "--bookmark", "server", "mark")
        self.assertEqual(self.state("0"), 0)
        self.assertEqual(self.state("no-such"), 1)
        self.assertEqual(self.state("mark"), 2)
        ran = self.run_ddsnap("status", "--state", self.path("server"), "0")
        self.assertEqual(ran.returncode, 0, ran.stderr)

    def test_priority_use_count_and_delete(self):
        self.succeed("create", "server", "0")
        self.succeed("create", "server", "1")
        self.assertEqual(self.succeed("priority", "server", "0", "-128"), b"-128\n")
        self.assertEqual(self.list_json()[0]["priority"], -128)
        self.check_error(self.run_ddsnap("priority", "server", "9", "1"), 4)
        self.assertEqual(self.succeed("usecount", "server", "0", "+2"), b"2\n")
        self.check_error(self.run_ddsnap("delete", "server", "0"), 5)
        self.check_error(self.run_ddsnap("delete", "--dry-run", "server", "0"), 5)
        self.assertEqual(self.succeed("usecount", "server", "0", "-2"), b"0\n")
        self.assertIn(b"would delete live 0", self.succeed("delete", "--dry-run", "server", "0"))
        self.check_error(self.run_ddsnap("delete", "--dry-run", "server", "9"), 4)
        self.assertEqual(self.succeed("usecount", "server", "0"), b"0\n")
        self.check_error(self.run_ddsnap("usecount", "server", "0", "-1"), (1, 2))
        self.assertEqual(self.succeed("delete", "--bookmark", "server", "0"), b"")
        self.assertEqual(self.list_json()[0]["state"], "bookmark")
        self.succeed("delete", "server", "0")
        self.check_error(self.run_ddsnap("delete", "server", "0"), 4)
        self.assertEqual(self.succeed("status", "--list", "server"), b"1\n")

    def test_what_is_in_use_is_refused(self):
        self.check_error(self.run_ddsnap("initialize", "-y", "store.img", "origin.img"), 5)
        self.check_error(self.run_ddsnap("server", "store.img", "origin.img", "control",
                                         "another"), 5)
        self.check_error(self.run_ddsnap("agent", "control"), 5)
        self.check_error(self.run_ddsnap("detach", "--force", "server", "nobody"), 4)

    def test_a_killed_server_s_snapshots_and_socket_are_taken_over(self):
        self.succeed("create", "server", "0")
        self.server.send_signal(signal.SIGKILL)
        self.server.wait(PATIENCE_S)
        self.check_error(self.run_ddsnap("list", "server"), 1)
        self.server = self.start("server", "-f", "store.img", "origin.img", "control", "server")
        wait_until(lambda: self.run_ddsnap("list", "server").returncode == 0)
        self.assertEqual([one["tag"] for one in self.list_json()], ["0"])

    def test_the_difference_of_two_snapshots_rebuilds_the_second(self):
        origin_before = (self.folder / "origin.img").read_bytes()
        wanted = (self.folder / "new.img").read_bytes()
        self.succeed("create", "server", "0")
        # The volume is written through its target: by applying what leads to new.img.
        self.succeed("create-cl", "--compare", "cl", "origin.img", "new.img")
        self.succeed("create-delta", "-x", "cl", "delta", "origin.img", "new.img")
        self.succeed("apply-delta", "delta", "ddsnap:server")
        self.succeed("create", "server", "1")
        self.assertEqual((self.folder / "origin.img").read_bytes(), wanted)

        self.succeed("create-cl", "server", "cl01", "0", "1")
        self.succeed("create-cl", "server", "cl-now", "0", "now")
        self.check_error(self.run_ddsnap("create-cl", "server", "bad", "0", "9"), 4)
        for mode in ("-r", "-x", "-b"):
            self.succeed("create-delta", mode, "cl01", "delta01", "ddsnap:server#0",
                         "ddsnap:server#1")
            downstream = "downstream" + mode
            self.write(downstream, origin_before)
            self.succeed("verify", "delta01", downstream)
            self.succeed("apply-delta", "delta01", downstream)
            self.assertEqual((self.folder / downstream).read_bytes(), wanted, mode)
            again = self.run_ddsnap("apply-delta", "delta01", downstream)
            self.assertEqual(again.returncode, 0)
            self.assertIn(b"already applied", again.stderr)
        self.check_error(self.run_ddsnap("create-delta", "cl01", "bad", "ddsnap:server#1",
                                         "ddsnap:server#0"), (1, 2, 3))
        self.assertFalse((self.folder / "bad").exists())
        # Snapshot 0 is what the volume was.
        self.succeed("create-delta", "--full", "full0", "ddsnap:server#0")
        self.write("copy.img", bytes(VOLUME_BYTES))
        self.succeed("apply-delta", "full0", "copy.img")
        self.assertEqual((self.folder / "copy.img").read_bytes(), origin_before)


class Daemons(CliTest):
    def test_they_detach_when_ready_and_stop_when_asked(self):
        self.make_volume_pair()
        self.make_store_file()
        self.succeed("initialize", "store.img", "old.img")
        pidfiles = []
        for name, words in (("agent", ("control",)),
                            ("server", ("store.img", "old.img", "control", "server"))):
            pidfile = pathlib.Path(self.path(name + ".pid"))
            self.succeed(name, "-l", name + ".log", "-p", str(pidfile), *words)
            pid = int(pidfile.read_text())
            self.addCleanup(self.kill, pid)
            pidfiles.append((pid, pidfile))
        # Ready when the command returned: no waiting here.
        self.succeed("create", "server", "0")
        for pid, pidfile in reversed(pidfiles):
            os.kill(pid, signal.SIGTERM)
            wait_until(lambda pid=pid: not self.is_running(pid))
        self.check_error(self.run_ddsnap("list", "server"), 4)

    @staticmethod
    def is_running(pid):
        try:
            return pathlib.Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
        except FileNotFoundError:
            return False

    def kill(self, pid):
        if self.is_running(pid):
            os.kill(pid, signal.SIGKILL)

    def test_a_daemon_that_cannot_start_says_so_by_its_exit_status(self):
        self.make_volume_pair()
        self.make_store_file()
        for words in (("server", "store.img", "old.img", "control", "server"),
                      ("agent", "no/such/folder/control")):
            ran = self.run_ddsnap(*words)
            self.check_error(ran, (1, 2, 4))


if __name__ == "__main__":
    unittest.main()
