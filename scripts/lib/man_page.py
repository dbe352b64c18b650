"""Manual pages in man(7) from the Markdown of this tree: headings, paragraphs, lists, indented or
fenced code, tables, `code`, **bold**, *italic*, and "term :: what it is" for definitions."""

import re

RELEASED = "2026-11-20"  # told in every page
SHORT = 26  # letters of a cell that is not worth filling
LITERAL = {"\\": "\\e", "-": "\\-", "'": "\\(aq", "`": "\\(ga", "^": "\\(ha", "~": "\\(ti"}
PROSE = {"\\": "\\e", "^": "\\(ha", "~": "\\(ti", "`": "\\(ga", "—": "\\(em", "∩": "AND", "→": "\\(->",
         "≤": "<=", "×": "x"}


def literal(text):
    """As it is typed or printed."""
    return protect("".join(LITERAL.get(c, c) for c in text))


def protect(line):
    """A line must not begin with what roff takes for a request."""
    return "\\&" + line if line[:1] in (".", "'") else line


def prose(text):
    """A paragraph's words, with bold and italic."""
    parts = re.split(r"(`[^`]+`|\*\*[^*]+\*\*|(?<![\w*])\*[^*\s][^*]*\*(?![\w*]))", text)
    made = ""
    for part in parts:
        if len(part) > 2 and part[0] == part[-1] == "`":
            made += "\\fB" + literal(part[1:-1]).removeprefix("\\&") + "\\fR"
        elif part.startswith("**") and len(part) > 4:
            made += "\\fB" + prose(part[2:-2]).removeprefix("\\&") + "\\fR"
        elif len(part) > 2 and part[0] == part[-1] == "*":
            made += "\\fI" + prose(part[1:-1]).removeprefix("\\&") + "\\fR"
        else:
            part = re.sub(r"\[([^\]]+)\]\([^)]+\)", r"\1", part)
            made += "".join(PROSE.get(c, c) for c in part).replace("--", "\\-\\-")
    return protect(made)


def title(name, section, version):
    return f'.TH {literal(name.upper())} {section} {RELEASED} "ddsnap {version}" "ddsnap manual"\n.ad l\n.nh\n'


def code(lines):
    lines = list(lines)
    while lines and not lines[-1].strip():
        lines.pop()
    return [".PP", ".RS 4", ".EX", *(literal(line) or "\\&" for line in lines), ".EE", ".RE"]


def cell_of(text):
    """A short one keeps its width; a longer one is filled."""
    return prose(text) if len(text) <= SHORT else f"T{{\n{prose(text)}\nT}}"


def table(rows):
    cells = [[cell.strip().replace("\0", "|") for cell in row.strip().strip("|").replace("\\|", "\0").split("|")]
             for row in rows]
    columns = max(map(len, cells))
    for row in cells:
        row += [""] * (columns - len(row))
    # Columns with something to fill share what the others leave.
    filled = [any(len(row[at]) > SHORT for row in cells) for at in range(columns)]
    made = [".TS", "nokeep;", " ".join(["lb"] * columns), " ".join("lx" if it else "l" for it in filled) + "."]
    for row in cells:
        made += ["\t".join(map(cell_of, row))]
    return [".PP", *made, ".TE"]


class Body:
    """The blocks of a Markdown text, in order."""

    def __init__(self, text, depth=2):
        self.lines = text.splitlines()
        self.depth = depth  # of the headings that become sections
        self.made = []

    def roff(self):
        at = 0
        while at < len(self.lines):
            at = self.block(at)
        return "\n".join(self.made) + "\n"

    def run_of(self, at, belongs):
        end = at
        while end < len(self.lines) and belongs(self.lines[end]):
            end += 1
        return self.lines[at:end], end

    def block(self, at):
        line = self.lines[at]
        if not line.strip() or line.startswith("<!--"):
            return at + 1
        if line.startswith("```"):
            lines, end = self.run_of(at + 1, lambda one: not one.startswith("```"))
            self.made += code(lines)
            return end + 1
        if line.startswith("    "):
            lines, end = self.run_of(at, lambda one: one.startswith("    ") or not one.strip())
            self.made += code(one[4:] for one in lines)
            return end
        if line.startswith("#"):
            level, heading = re.match(r"(#+) (.*)", line).groups()
            heading = re.sub(r"^[0-9.]+ ", "", heading).replace("`", "")
            is_section = len(level) <= self.depth
            self.made += [".SH " + literal(heading.upper()) if is_section else ".SS " + literal(heading)]
            return at + 1
        if line.startswith("|"):
            rows, end = self.run_of(at, lambda one: one.startswith("|"))
            self.made += table(row for row in rows if not re.fullmatch(r"[|\s:-]+", row))
            return end
        return self.words(at)

    def words(self, at):
        """A paragraph, an item of a list or a definition: up to the next line that begins something."""
        def goes_on(one):
            return one.strip() and not re.match(r"(#|\||```|    | *[-*] |\d+\. |\S.* :: )", one)
        rest, end = self.run_of(at + 1, lambda one: goes_on(one) or re.match(r"  [^\s*-]", one))
        text = " ".join([self.lines[at].strip(), *(one.strip() for one in rest)])
        item = re.match(r"([-*]|\d+\.) (.*)", text)
        if item:
            mark = "\\(bu" if item[1] in "-*" else item[1]
            inner = self.lines[at][:1] == " "  # an item of an item
            self.made += [*[".RS 4"] * inner, f".IP {mark} 4", prose(item[2]), *[".RE"] * inner]
        elif " :: " in text:
            term, what = text.split(" :: ", 1)
            self.made += [".TP", prose(term), prose(what)]
        else:
            self.made += [".PP", prose(text)]
        return end
