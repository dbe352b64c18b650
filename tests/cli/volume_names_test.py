#!/usr/bin/env python3
"""Shows that a configured volume's name does wherever a server does, in every verb of the shared list (commands.py), as SERVER and
in ddsnap:SERVER#TAG, by the default folder of configurations and by --config; what a slash is for; and what is said of a name that
means nothing or whose configuration is wrong."""

import os
import unittest

from commands import COMMANDS, VARIANTS
from harness import CliTest, ServerTest

NOWHERE = "/no/such/folder/place.server"
# What opens devices of volumes too; the others write snapstores, or serve.
DEVICE_VERBS = {"digest", "compare", "verify", "apply-delta", "create-cl", "create-delta", "merge-delta", "export",
                "delta create", "delta apply"}


class NamesOfVolumes:
    def configure(self, name, server):
        (self.folder / "etc").mkdir(exist_ok=True)
        (self.folder / "etc" / f"{name}.conf").write_text(f"[volume]\nserver = {server}\n")

    def setUp(self):
        super().setUp()
        os.environ["DDSNAP_CONFIG_DIR"] = self.path("etc")
        self.addCleanup(os.environ.pop, "DDSNAP_CONFIG_DIR")


class EveryVerb(NamesOfVolumes, CliTest):
    def setUp(self):
        super().setUp()
        self.make_delta()
        self.make_store_file()
        self.configure("db-1", NOWHERE)
        self.right = {
            "server": "db-1", "control": "control.sock", "tag": "0", "delta": "delta", "changelist": "cl",
            "digest": "digest", "stream": "stream", "device": "old.img", "device2": "new.img", "target": "old.img",
            "out": "out", "store": "store.img"}

    def check_led_there(self, command, words):
        call = [*command.verb.split(), *(word.format_map(words) for word in command.words)]
        ran = self.run_ddsnap(*call)
        with self.subTest(call=call):
            self.check_error(ran, command.missing, NOWHERE)

    def test_a_name_is_a_server(self):
        tried = set()
        for command in COMMANDS + VARIANTS:
            if "{server}" in command.words and command.verb != "server":  # that makes the socket
                self.check_led_there(command, self.right)
                tried.add(command.verb)
        self.assertGreater(len(tried), 20)

    def test_a_name_is_a_device(self):
        tried = set()
        for command in COMMANDS + VARIANTS:
            for kind in ("device", "device2", "target"):
                if command.verb in DEVICE_VERBS and "{" + kind + "}" in command.words:
                    self.check_led_there(command, {**self.right, kind: "ddsnap:db-1"})
                    self.check_led_there(command, {**self.right, kind: "ddsnap:db-1#0"})
                    tried.add(command.verb)
        self.assertEqual(tried, DEVICE_VERBS)

    def test_config_says_where_names_are_looked_for(self):
        os.environ["DDSNAP_CONFIG_DIR"] = self.path("elsewhere")
        self.check_error(self.run_ddsnap("status", "db-1"), 4, "neither a volume of this host nor")
        for verb in ("status", "metrics", "web"):
            self.check_error(self.run_ddsnap(verb, "--config", "etc", "db-1"), 4, NOWHERE)

    def test_a_wrong_configuration_is_told(self):
        (self.folder / "etc" / "bad.conf").write_text("[volume]\nserver = x\nno-such-key = 1\n")
        for call in (["status", "bad"], ["create", "bad", "0"], ["digest", "ddsnap:bad", "out"], ["check", "bad"]):
            self.check_error(self.run_ddsnap(*call), 2, "no-such-key")

    def test_with_a_slash_it_is_a_path(self):
        self.check_error(self.run_ddsnap("status", "./db-1"), 4, "./db-1: no server answers there")
        self.check_error(self.run_ddsnap("status", "@db-1"), 4, "@db-1: no server answers there")


class WithServer(NamesOfVolumes, ServerTest):
    def test_a_day_with_a_name(self):
        self.configure("db-1", self.path("server"))
        self.succeed("create", "db-1", "monday")
        self.succeed("create", "--group", "db-1", "tuesday")
        self.assertEqual(self.succeed("status", "--list", "db-1"), b"monday tuesday\n")
        self.succeed("create-cl", "db-1", "cl", "monday", "tuesday")
        self.succeed("compare", "ddsnap:db-1#monday", "origin.img")
        self.succeed("delete", "db-1", "tuesday")
        self.succeed("check", "db-1")
        self.assertIn(b'ddsnap_up{volume="db-1"} 1\n', self.succeed("metrics", "db-1"))
        # What is configured nowhere may lie right here.
        self.assertEqual(self.succeed("status", "--last", "server"), b"monday\n")
        self.configure("server", NOWHERE)
        self.check_error(self.run_ddsnap("status", "--last", "server"), 4, NOWHERE)
        self.assertEqual(self.succeed("status", "--last", "./server"), b"monday\n")


if __name__ == "__main__":
    unittest.main()
