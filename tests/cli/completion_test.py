#!/usr/bin/env python3
"""Shows what the completions of bash, zsh and fish offer, in the shells themselves (zsh's with stand-ins for its own helpers): each
verb of --help, each option of a verb but those that stand there, values of options, words that a verb wants, names of volumes, tags of
the server that the line names, also behind ddsnap:SERVER#; and nothing, with nothing on stderr, where there is no server. A shell that is not
installed is skipped, and says so."""

import shutil
import subprocess
import unittest

from documented_calls import help_of, options_of
from harness import DDSNAP, PATIENCE_S, SOURCE, CliTest
from hosts import Host

COMPLETION = SOURCE / "scripts" / "completion"

BASH = """
set -u
. "$1"
COMP_LINE=$2 COMP_POINT=${#2} COMP_WORDBREAKS=$' \\t\\n"\\'><=;|&(:@' COMPREPLY=()
_ddsnap
printf '%s\\n' "${COMPREPLY[@]}"
"""
ZSH = """
_files() { [[ ${1:-} == -/ ]] && print -l $current*(N/) || print -l $current*(N) }
compadd() { print -rl -- ${(M)unfinished:#$current*} }
_describe() {
  for one in $found; do
    one=${one//\\\\:/$'\\1'} one=${one%%:*} one=${one//$'\\1'/:}
    [[ $one != "$current"* ]] || print -r -- $one
  done
}
words=(${(z)2}) ; [[ $2 == *' ' ]] && words+=('')
CURRENT=$#words
complete_now() { source $1 }
complete_now $1
"""


class Completion:
    """What every shell must offer: complete(line) returns the words."""

    def setUp(self):
        super().setUp()
        if not shutil.which(self.shell):
            self.skipTest(f"{self.shell} is not installed")

    def run_shell(self, *words):
        ran = subprocess.run(words, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, timeout=PATIENCE_S, check=False, text=True,
                             env={"PATH": f"{DDSNAP.parent}:/usr/bin:/bin:/usr/sbin:/sbin", "HOME": str(self.folder),
                                  "DDSNAP_CANDIDATES": str(COMPLETION / "candidates"),
                                  "DDSNAP_COMPLETION_PATIENCE": str(PATIENCE_S),
                                  "DDSNAP_CONFIG_DIR": self.path("host")})
        self.assertEqual(ran.stderr, "")
        return {line for line in ran.stdout.split("\n") if line}

    def test_verbs_options_values_tags(self):
        verbs = {line.split()[0] for line in help_of().split("Verbs:\n")[1].split("\n\n")[0].splitlines()}
        self.assertEqual(self.complete("ddsnap ") - {"--help", "--version"}, verbs)
        self.assertEqual(self.complete("ddsnap create-"), {verb for verb in verbs if verb.startswith("create-")})
        self.assertEqual(self.complete("ddsnap create-cl --"),
                         {option for option in options_of(help_of("create-cl")) if option.startswith("--")})
        self.assertEqual(self.complete("ddsnap status --json --js"), set())
        self.assertEqual(self.complete("ddsnap attach --how "), {"dm", "nbdfuse", "auto"})
        self.assertEqual(self.complete("ddsnap config c"), {"check"})
        self.assertIn("origin.img", self.complete("ddsnap digest or"))

    def test_tags_are_the_server_s(self):
        host = Host(self, "host", 2 << 20, "[volume]\nserver = {folder}/server\n[target far]\nremote = x\n")
        for tag in ("monday", "tuesday"):
            host.succeed("create", "server", tag)
        (self.folder / "s").symlink_to(host.server)
        self.assertEqual(self.complete("ddsnap delete s "), {"monday", "tuesday"})
        self.assertEqual(self.complete("ddsnap create-cl s file mo"), {"monday"})
        self.assertEqual(self.complete("ddsnap status --state tu"), set())  # no server is named yet
        self.assertEqual(self.tails("ddsnap compare ddsnap:s#m"), {"ddsnap:s#monday"})
        self.assertEqual(self.tails("ddsnap compare ddsnap:s"), {"ddsnap:s#"})
        self.assertEqual(self.complete("ddsnap create s m"), set())  # a new name
        self.assertIn("vol", self.complete("ddsnap status "))
        self.assertEqual(self.complete("ddsnap status --json v"), {"vol"})
        self.assertEqual(self.complete("ddsnap delete vol "), {"monday", "tuesday"})
        self.assertEqual(self.tails("ddsnap compare ddsnap:v"), {"ddsnap:vol#"})
        self.assertEqual(self.tails("ddsnap compare ddsnap:vol#m"), {"ddsnap:vol#monday"})
        self.assertEqual(self.complete("ddsnap replicate --config host "), {"vol"})
        self.assertEqual(self.complete("ddsnap replicate --config host vol "), {"far"})
        host.kill("server")
        self.assertEqual(self.complete("ddsnap delete s "), set())
        self.assertEqual(self.complete("ddsnap delete no/such "), set())

    def tails(self, line):
        return self.complete(line)

    def setUpFiles(self):
        self.write("origin.img", b"")


class Bash(Completion, CliTest):
    shell = "bash"

    def complete(self, line):
        self.setUpFiles()
        return self.run_shell("bash", "-c", BASH, "bash", str(COMPLETION / "ddsnap.bash"), line)

    def tails(self, line):
        # bash replaces what stands behind the colon.
        return {"ddsnap:" + word for word in self.complete(line)}


class Zsh(Completion, CliTest):
    shell = "zsh"

    def complete(self, line):
        self.setUpFiles()
        return self.run_shell("zsh", "-f", "-c", ZSH, "zsh", str(COMPLETION / "_ddsnap"), line)


class Fish(Completion, CliTest):
    shell = "fish"

    def complete(self, line):
        self.setUpFiles()
        lines = self.run_shell("fish", "--no-config", "-c", f"source {COMPLETION}/ddsnap.fish; complete -C '{line}'")
        return {entry.split("\t")[0] for entry in lines}


if __name__ == "__main__":
    unittest.main()
