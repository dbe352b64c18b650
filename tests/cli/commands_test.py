#!/usr/bin/env python3
"""Shows, for every verb through one shared list (commands.py): help is the golden text, a bad
option and wrong counts of words end with 2, missing objects with their status, unreadable, tiny,
random and cut files with one line on stderr and the right status; and that none of it writes
anything."""

import os
import subprocess
import unittest

from commands import ACTIONS, COMMANDS, VARIANTS
from harness import SOURCE, STORE_BYTES, CliTest

GOLDEN = SOURCE / "tests" / "golden" / "help.txt"


def fill(command, words):
    return [*command.verb.split(), *(word.format_map(words) for word in command.words)]


class HelpAndUsage(CliTest):
    def test_help_is_the_golden_text(self):
        calls = [["--help"], *([command.verb, "--help"] for command in COMMANDS),
                 *([*action.split(), "--help"] for action in ACTIONS)]
        text = ""
        for call in calls:
            text += "$ ddsnap " + " ".join(call) + "\n" + self.succeed(*call).decode() + "\n"
        if os.environ.get("DDSNAP_UPDATE_GOLDEN"):
            GOLDEN.write_text(text)
        self.maxDiff = None
        self.assertEqual(text, GOLDEN.read_text())

    def test_help_may_come_first(self):
        self.assertEqual(self.succeed("help"), self.succeed("--help"))
        for command in COMMANDS:
            self.assertEqual(self.succeed("help", command.verb), self.succeed(command.verb, "--help"))
        self.check_error(self.run_ddsnap("help", "no-such-verb"), 2)
        self.assertEqual(self.succeed("help", "help"), self.succeed("--help"))

    def test_every_verb_is_in_the_list(self):
        lines = self.succeed("--help").decode().split("Verbs:\n")[1].split("\n\n")[0]
        verbs = [line.split()[0] for line in lines.splitlines()]
        self.assertEqual(verbs, [command.verb for command in COMMANDS])

    def test_version(self):
        version = self.succeed("--version")
        self.assertRegex(version, rb"^ddsnap [0-9]+\.[0-9]+\.[0-9]+\n$")
        for command in COMMANDS:
            self.assertEqual(self.succeed(command.verb, "--version"), version)

    def test_bad_options_and_counts_of_words_end_with_2(self):
        self.check_error(self.run_ddsnap(), 2)
        self.check_error(self.run_ddsnap("no-such-verb"), 2)
        self.check_error(self.run_ddsnap("delta", "no-such-verb"), 2)
        for command in COMMANDS + VARIANTS:
            verb = command.verb.split()
            words = [word.strip("{}") for word in command.words]
            self.check_error(self.run_ddsnap(*verb, *words, "--no-such-option"), 2,
                             "--no-such-option")
            self.check_error(self.run_ddsnap(*verb), 2)
            self.check_error(self.run_ddsnap(*verb, *(["word"] * 9)), 4 if command.takes_many else 2)

    def test_bad_values_end_with_2(self):
        for call in (
                ["initialize", "-c", "3000", "a", "b"],
                ["initialize", "-c", "2K", "a", "b"],
                ["initialize", "-c", "2M", "a", "b"],
                ["initialize", "-j", "12X", "a", "b"],
                ["initialize", "-j", "99999999999T", "a", "b"],
                ["create-delta", "-r", "-x", "a", "b", "c", "d"],
                ["create-delta", "-g", "10", "a", "b", "c", "d"],
                ["create-delta", "--codec", "gzip", "a", "b", "c", "d"],
                ["priority", "s", "0", "128"],
                ["priority", "s", "0", "high"],
                ["usecount", "s", "0", "99999999999"],
                ["create", "s", "a/b"],
                ["create", "s", "now"],
                ["create", "s", "x" * 64],
                ["create", "s", ""],
                ["delete", "s", "two words"],
                ["create-cl", "s", "f", "now", "0"],
                ["detach", "--force", "s"],
                ["mount", "s"],
                ["attach", "s", "a/b"],
        ):
            self.check_error(self.run_ddsnap(*call), 2)

    def test_a_full_disk_under_stdout_is_told(self):
        for call in (["--help"], ["create", "--help"]):
            with open("/dev/full", "wb") as full:
                self.check_error(self.run_ddsnap(*call, stdout=full), 1)


class BadObjects(CliTest):
    def setUp(self):
        super().setUp()
        self.make_delta()
        self.make_store_file()
        self.right = {
            "server": "server.sock", "control": "control.sock", "tag": "0",
            "delta": "delta", "changelist": "cl", "digest": "digest",
            "stream": "stream", "device": "old.img", "device2": "new.img",
            "target": "old.img", "out": "out", "store": "store.img"}
        self.before = self.digest_of_folder()

    def check_fails(self, command, words, status):
        ran = self.run_ddsnap(*fill(command, words))
        with self.subTest(call=ran.args):
            if status == 9 or command.verb.startswith("status"):
                self.assertNotEqual(ran.returncode, 0)
            self.check_error(ran, status)
            self.assertEqual(self.digest_of_folder(), self.before)

    def kinds_in(self, command, *kinds):
        return [kind for kind in kinds if "{" + kind + "}" in command.words]

    def test_missing_objects(self):
        for command in COMMANDS + VARIANTS:
            for kind in self.kinds_in(command, "server", "delta", "changelist", "digest", "stream", "device", "device2",
                                      "target", "store"):
                if command.verb == "server" and kind == "server":
                    continue  # makes it
                words = {**self.right, kind: "no/such/object"}
                self.check_fails(command, words, command.missing)

    def test_a_folder_where_a_file_should_be(self):
        for command in COMMANDS + VARIANTS:
            for kind in self.kinds_in(command, "delta", "changelist", "digest", "stream", "device", "device2",
                                      "target", "store"):
                self.check_fails(command, {**self.right, kind: "."}, (1, 2))

    @unittest.skipIf(os.geteuid() == 0, "root reads everything")
    def test_unreadable_files(self):
        os.chmod(self.path("delta"), 0)
        self.check_error(self.run_ddsnap("inspect", "delta"), 1)

    def test_damaged_deltas_and_changelists(self):
        for kind in ("delta", "changelist", "digest"):
            good = (self.folder / self.right[kind]).read_bytes()
            damaged = {
                "empty": b"",
                "one byte": good[:1],
                "random": self.random.randbytes(4096),
                "cut in half": good[:len(good) // 2],
                "last byte missing": good[:-1],
                "one byte more": good + b"\0",
                "one bit flipped": self.flip(good, len(good) // 3),
            }
            for name, content in damaged.items():
                self.write("bad", content)
                self.before = self.digest_of_folder()
                for command in COMMANDS + VARIANTS:
                    if self.kinds_in(command, kind):
                        with self.subTest(damage=name):
                            self.check_fails(command, {**self.right, kind: "bad"}, 3)

    def test_damaged_deltas_through_a_pipe(self):
        good = (self.folder / "delta").read_bytes()
        for content in (b"", good[:1], good[:-1], good + b"\0", self.random.randbytes(4096)):
            self.check_error(self.run_ddsnap("inspect", "-", stdin=content), 3)
            self.check_error(self.run_ddsnap("verify", "-", stdin=content), 3)

    def test_every_bit_flip_of_a_delta_is_found(self):
        good = (self.folder / "delta").read_bytes()
        for _ in range(60):
            self.write("bad", self.flip(good, self.random.randrange(len(good))))
            ran = self.run_ddsnap("verify", "bad")
            self.assertIn(ran.returncode, (1, 3), ran.stderr)

    def test_damaged_snapstores(self):
        for name, content in (("empty", b""), ("one byte", b"x"),
                              ("random", self.random.randbytes(4096)),
                              ("all zero", bytes(STORE_BYTES))):
            self.write("store.img", content)
            self.before = self.digest_of_folder()
            for command in COMMANDS:
                if command.verb in ("server", "check", "repair", "dump"):
                    with self.subTest(damage=name):
                        self.check_fails(command, self.right, (1, 2, 3))

    @staticmethod
    def flip(content, at):
        changed = bytearray(content)
        changed[at] ^= 0x10
        return bytes(changed)


class BadServers(CliTest):
    """A socket behind which no server of ours sits."""

    def listen(self, answer):
        """A server in a process of its own that gives everybody the same bytes and hangs up."""
        code = ("import socket,sys\n"
                "listener=socket.socket(socket.AF_UNIX)\n"
                "listener.bind('server.sock')\n"
                "listener.listen()\n"
                "print(flush=True)\n"
                "while True:\n"
                "    peer,_=listener.accept()\n"
                "    peer.recv(100)\n"
                f"    peer.sendall({answer!r})\n"
                "    peer.close()\n")
        server = subprocess.Popen(["python3", "-c", code], cwd=self.folder,
                                  stdout=subprocess.PIPE)
        self.addCleanup(server.stdout.close)
        self.addCleanup(server.wait)
        self.addCleanup(server.kill)
        server.stdout.readline()

    def commands(self):
        return [one for one in COMMANDS if "{server}" in one.words and one.verb != "server"]

    def check_all(self, status):
        words = {"server": "server.sock", "tag": "0", "out": "out"}
        for command in self.commands():
            self.check_error(self.run_ddsnap(*fill(command, words)), status)
            self.assertFalse((self.folder / "out").exists())

    def test_hanging_up(self):
        self.listen(b"")
        self.check_all(1)

    def test_garbage(self):
        self.listen(self.random.randbytes(4096))
        self.check_all(3)

    def test_half_a_header(self):
        self.listen(b"DDSN\1\0")
        self.check_all(1)

    def test_a_dead_server_s_socket_file(self):
        code = "import socket\nsocket.socket(socket.AF_UNIX).bind('server.sock')\n"
        subprocess.run(["python3", "-c", code], cwd=self.folder, check=True)
        self.check_all(1)


if __name__ == "__main__":
    unittest.main()
