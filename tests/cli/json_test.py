#!/usr/bin/env python3
"""Shows that the page ddsnap-json(5) has each field that --json prints, and no other: of a server with snapshots, of a delta, a
changelist, a digest, a comparison, an apply and a check."""

import json
import re
import unittest

from harness import SOURCE, CliTest
from hosts import Host

PAGE = SOURCE / "ddsnap" / "manual" / "pages" / "ddsnap-json.5.md"


class Json(CliTest):
    def setUp(self):
        super().setUp()
        parts = re.split(r"^## ", PAGE.read_text(encoding="utf-8"), flags=re.M)
        self.page = {part.partition("\n")[0]: part for part in parts}

    def check(self, section, printed):
        printed = json.loads(printed)
        told = {name for names in re.findall(r"^((?:`\w+`(?:, )?)+) :: ", self.page[section], flags=re.M)
                for name in re.findall(r"\w+", names)}
        element = printed[0] if isinstance(printed, list) else printed
        self.assertEqual(told, set(element), section)
        for value in element.values():  # the fields of what is within, in words
            inner = value[0] if isinstance(value, list) and value else value
            if isinstance(inner, dict) and section != "STATUS":
                for name in inner:
                    self.assertTrue(f"`{name}`" in "".join(self.page.values()), (section, name))

    def test_every_field_is_told(self):
        host = Host(self, "host", 2 << 20, "[volume]\nserver = {folder}/server\n")
        host.succeed("create", "server", "0")
        self.check("SNAPSHOT", host.succeed("list", "--json", "server"))
        self.check("EVENT", host.succeed("events", "--once", "--json", "server").splitlines()[-1])
        self.check("STATUS", host.succeed("status", "--json", "server"))
        self.check("CHECK", host.succeed("check", "--json", "server"))

        self.make_volume_pair()
        self.succeed("create-cl", "--compare", "cl", "old.img", "new.img")
        self.check("DELTA", self.succeed("create-delta", "--json", "cl", "delta", "old.img", "new.img"))
        self.succeed("digest", "old.img", "digest")
        self.check("CHANGELIST", self.succeed("inspect", "--json", "cl"))
        self.check("DELTA", self.succeed("inspect", "--json", "delta"))
        self.check("DIGEST", self.succeed("inspect", "--json", "digest"))
        ran = self.run_ddsnap("compare", "--json", "old.img", "new.img")
        self.check("COMPARISON", ran.stdout)
        self.check("APPLY", self.succeed("apply-delta", "--json", "delta", "old.img"))


if __name__ == "__main__":
    unittest.main()
