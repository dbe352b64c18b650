"""Calls of ddsnap in a text, held against what --help says: a verb or an option that a document names is there."""

import re
import shlex
import subprocess

from harness import DDSNAP

# Also in pipes, in $( ), behind sudo or ssh, and as an export's or hook's word.
CALL = re.compile(r"(?:^|[|;&$('\"` ])ddsnap ((?:[^|;&)`\\\n]|\\\n)+)")


def help_of(*verb):
    ran = subprocess.run([DDSNAP, *verb, "--help"], stdout=subprocess.PIPE, check=False, text=True)
    return ran.stdout if ran.returncode == 0 else None


def options_of(help_text):
    """All spellings of all options."""
    listed = help_text.partition("Options:\n")[2]
    names = re.findall(r"^  (-[^ ]+)", listed, flags=re.M)
    return {option for name in names for option in name.split(",")}


class Calls:
    def __init__(self):
        self.options = {}

    def known(self, verb):
        if verb not in self.options:
            text = help_of(*verb.split())
            self.options[verb] = None if text is None else options_of(text)
        return self.options[verb]

    def complaints(self, text, verbs):
        """Of the calls in the text, those that the program would not know."""
        made = []
        for call in CALL.findall(text):
            call = call.replace("\\\n", " ")
            try:
                words = shlex.split(call, comments=True)
            except ValueError:
                words = call.split()
            if not words or words[0] in ("VERB", "...") or not re.fullmatch(r"[a-z][a-z-]*", words[0]):
                continue
            if words[0] == "volume" and len(words) > 1 and help_of(*words[:2]) is not None:
                words[:2] = [" ".join(words[:2])]  # an action is a verb of two words
            elif words[0] not in verbs:
                made.append(f"no verb: ddsnap {call}")
                continue
            for word in words[1:]:
                name = word.partition("=")[0]
                if re.fullmatch(r"--?[a-z][a-z-]*", name) and name not in self.known(words[0]):
                    made.append(f"no option {name}: ddsnap {call}")
        return made


def fenced_or_indented(markdown):
    """The code of a document: what must be right to the letter."""
    fenced = re.findall(r"^```\w*[^\n]*\n(.*?)^```", markdown, flags=re.M | re.S)
    indented = re.findall(r"(?:^    .*\n)+", markdown, flags=re.M)
    return "\n".join(fenced + indented)
