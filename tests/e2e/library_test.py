#!/usr/bin/env python3
"""Shows what `make install` brings for programs of others: the example compiles against the installed tree alone, by what pkg-config says,
and finds by the library what the command line finds; its delta is one that the command line applies; no installed header includes one that
is not; versions agree. And the Python example understands --json. The tree has the manual pages and completions, too."""

import os
import pathlib
import re
import shutil
import subprocess
import tempfile

import stand

stand.need("pkg-config", "cmake", "c++")


class Library(stand.StandTest):
    def setUp(self):
        super().setUp()
        if not (stand.BUILD / "lib" / "libddsnap.a").exists():
            self.skipTest("the library was not built (ninja ddsnap_development)")
        self.prefix = pathlib.Path(tempfile.mkdtemp(prefix="ddsnap-prefix-"))
        self.addCleanup(shutil.rmtree, self.prefix)
        for component in ([], ["--component", "development"]):
            stand.run_tool("cmake", "--install", stand.BUILD, "--prefix", self.prefix, *component)

    def flags(self, *asked):
        told = stand.run_tool("pkg-config", *asked, "ddsnap",
                              env={**os.environ, "PKG_CONFIG_PATH": str(self.prefix / "lib" / "pkgconfig")})
        return told.decode().split()

    def write_volume(self):
        """Two snapshots, and three chunks that differ."""
        before = bytes(self.ORIGIN_BYTES)
        after = bytearray(before)
        for chunk in (3, 4, 100):
            after[chunk * stand.CHUNK_BYTES] = 1
        self.stand.create("0")
        for name, content in (("before", before), ("after", after)):
            pathlib.Path(self.stand.path(name)).write_bytes(content)
        self.stand.kill("nbdkit")
        self.stand.ddsnap("create-cl", "--compare", "cl", "before", "after")
        self.stand.ddsnap("create-delta", "cl", "delta", "before", "after")
        self.stand.ddsnap("apply-delta", "--forget", "delta", f"ddsnap:{self.stand.server}")
        self.stand.create("1")

    def test_the_examples(self):
        self.write_volume()
        program = self.stand.path("changed_chunks")
        stand.run_tool("c++", "-O0", "-Wall", "-Wextra", "-Werror",
                       self.prefix / "share/doc/ddsnap/examples/changed_chunks.cc",
                       *self.flags("--cflags", "--libs"), "-o", program)
        told = stand.run_tool(program, self.stand.server, "0", "1", self.stand.path("made"), env=self.stand.environment())
        self.assertEqual(told.decode().split(), [str(3 * stand.CHUNK_BYTES), str(2 * stand.CHUNK_BYTES),
                                                 str(100 * stand.CHUNK_BYTES), str(stand.CHUNK_BYTES)])
        self.stand.ddsnap("apply-delta", "made", "before")
        self.assert_same(self.stand.path("before"), self.stand.path("after"))
        ran = subprocess.run([program, self.stand.server, "0", "9"], stderr=subprocess.PIPE, check=False)
        self.assertEqual(ran.returncode, 4, ran.stderr)

        example = self.prefix / "share/doc/ddsnap/examples/snapshots.py"
        environment = {**self.stand.environment(), "PATH": f"{stand.DDSNAP.parent}:{os.environ['PATH']}"}
        told = stand.run_tool(example, self.stand.server, env=environment)
        self.assertIn(b"2 snapshots, newest 1, 0.0 h old", told)
        ran = subprocess.run([example, "no/such"], stderr=subprocess.PIPE, env=environment, check=False)
        self.assertEqual(ran.returncode, 4)

    def test_versions_agree(self):
        version = self.stand.ddsnap("--version").decode().split()[1]
        self.assertRegex(version, r"^\d+\.\d+\.\d+$")
        self.assertEqual(self.flags("--modversion"), [version])
        self.assertIn(f'"{version}"', (self.prefix / "include/ddsnap/version.h").read_text())

    def test_headers_stand_for_themselves(self):
        """No header includes one that is not installed."""
        include = self.prefix / "include"
        headers = sorted(include.rglob("*.h"))
        self.assertGreater(len(headers), 100)
        for header in headers:
            for name in re.findall(r'^#include ["<](ddsnap/[^">]+)', header.read_text(), flags=re.M):
                self.assertTrue((include / name).exists(), (header, name))

    def test_what_else_is_installed(self):
        for name in ("bin/ddsnap", "bin/ddsnapd", "lib/ddsnap/candidates", "share/man/man8/ddsnap-create.8",
                     "share/man/man8/ddsnapd.8", "share/man/man5/ddsnap.conf.5", "share/bash-completion/completions/ddsnap",
                     "share/zsh/vendor-completions/_ddsnap", "share/fish/vendor_completions.d/ddsnap.fish",
                     "share/doc/ddsnap/HOWTO.md"):
            self.assertTrue((self.prefix / name).exists(), name)
        completion = self.prefix / "share/bash-completion/completions/ddsnap"
        found = stand.run_tool("bash", "-c", f". {completion}; COMP_LINE='{self.prefix}/bin/ddsnap li' COMP_POINT=999; "
                               "_ddsnap; echo ${COMPREPLY[*]}")
        self.assertEqual(found.decode().split(), ["list", "listen"])


if __name__ == "__main__":
    stand.main()
