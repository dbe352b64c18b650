#!/usr/bin/env python3
"""Shows that systemd finds nothing to complain of in the units as they are installed (no ordering cycle with the file systems of the
host among it), that the device's unit names that of /dev/mapper as systemd does, and that agent, server and page are as confined as
they were once found to be."""

import os
import pathlib
import shutil
import subprocess
import unittest

from harness import BUILD, DDSNAP, SOURCE, CliTest

UNITS = ("ddsnap-agent.service", "ddsnap-web.service", "ddsnap-server@.service", "ddsnap-device@.service", "ddsnap-rotate@.service",
         "ddsnap-replicate@.service")
# Exposure by `systemd-analyze security`, tenths: 0 is none, 100 all of it.
CONFINED = {"ddsnap-agent.service": 20, "ddsnap-server@.service": 38, "ddsnap-web.service": 18}
# Volume db-1, as `ddsnap volume create` names its units.
INSTANCE = "@db\\x2d1"


@unittest.skipUnless(shutil.which("systemd-analyze"), "systemd-analyze is not installed")
class Units(CliTest):
    def setUp(self):
        super().setUp()
        self.units = pathlib.Path(self.path("units"))
        self.units.mkdir()
        installed = BUILD / "systemd"
        prefix = next(line.partition("=")[2] for line in (BUILD / "CMakeCache.txt").read_text().splitlines()
                      if line.startswith("CMAKE_INSTALL_PREFIX:"))
        for unit in UNITS:
            text = (installed / unit).read_text().replace(f"{prefix}/bin/ddsnap", str(DDSNAP))
            (self.units / unit.replace("@", INSTANCE)).write_text(text)
        for timer in (SOURCE / "scripts" / "systemd").glob("*.timer"):
            shutil.copy(timer, self.units / timer.name.replace("@", INSTANCE))

    def analyze(self, *words):
        return subprocess.run(["systemd-analyze", *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
                              env={**os.environ, "SYSTEMD_UNIT_PATH": f"{self.units}:"}, text=True)

    def test_nothing_is_wrong_with_them(self):
        ran = self.analyze("verify", "--man=no", *map(str, sorted(self.units.glob("*"))))
        ours = [line for line in ran.stdout.splitlines() if "ddsnap" in line or "cycle" in line]
        self.assertEqual(ours, [])

    @unittest.skipUnless(shutil.which("systemd-escape"), "systemd-escape is not installed")
    def test_an_instance_is_what_systemd_makes_of_the_device(self):
        ran = subprocess.run(["systemd-escape", "--path", "--suffix=device", "/dev/mapper/db-1"], stdout=subprocess.PIPE,
                             check=True, text=True)
        device = (self.units / f"ddsnap-device{INSTANCE}.service").read_text()
        self.assertIn("\nRequiredBy=dev-mapper-%i.device\n", device)
        self.assertEqual(ran.stdout.strip(), f"dev-mapper-{INSTANCE[1:]}.device")

    def test_they_are_confined(self):
        for unit, threshold in CONFINED.items():
            path = self.units / unit.replace("@", INSTANCE)
            ran = self.analyze("security", "--offline=true", f"--threshold={threshold}", "--no-pager", str(path))
            self.assertEqual(ran.returncode, 0, ran.stdout[-400:])


if __name__ == "__main__":
    unittest.main(verbosity=2)
