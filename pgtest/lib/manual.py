# SPDX-License-Identifier: PostgreSQL
"""Documents whose SQL is run: the fenced blocks of a page, what psql prints for them, and whether that is what the
page says.

A block that begins with ```sql is fed to psql, all blocks of a page to one psql, in the page's order. The ```text
block right after it is what psql prints, errors and notices included; without one it must print nothing.
```` ```sql not run: REASON ```` is shown and not run. Two things may differ from run to run:

* the id of an instance or a node: one id of the page stands for one id of the run, on the whole page, and the one of
  the run must exist in `df.instances` or `df.nodes`;
* a time in whole seconds: the one of the run must be a time at which the page ran, an hour more or less.
"""
import datetime
import difflib
import os
import re
import subprocess
import time

FENCE = re.compile(r"^```(.*)$")
PLAIN = ("text", "ini", "sh", "json")
TOKEN = re.compile(r"\b[0-9a-f]{8}\b|\b\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d\+00(?::00)?(?![\d:])")
MARK = "~~~ end of block %d ~~~"
LIMIT_SECONDS = 240


class Block:
    """One ```sql block: its text, the output that the page shows, and where both are."""

    def __init__(self, line, text):
        self.line, self.text = line, text
        self.expected, self.after = "", None     # `after`: where its output block is, as a slice of lines


class Page:
    def __init__(self, path):
        self.path, self.name = path, os.path.basename(path).replace(".md", "")
        with open(path) as file:
            self.lines = file.read().split("\n")
        self.blocks, self.left_out, self.mistakes = [], [], []
        self._parse()

    def _parse(self):
        opened, last = None, None
        for number, line in enumerate(self.lines):
            fence = FENCE.match(line)
            if opened is None and fence:
                opened = (number, fence.group(1).strip())
                continue
            if opened is None:
                if line.strip():
                    last = None     # prose ends the place of an output
                continue
            if line == "```":
                last = self._block(opened[1], opened[0], number, last)
                opened = None
        if opened is not None:
            self.mistakes.append("line %d: the block is not closed" % (opened[0] + 1))

    def _block(self, info, first, end, last):
        text = "\n".join(self.lines[first + 1:end])
        if info == "sql":
            if not re.search(r";\s*$|\\[a-z]+[^\n]*$", text):
                self.mistakes.append("line %d: the last statement does not end" % (first + 1))
            self.blocks.append(Block(first + 1, text))
            return self.blocks[-1]
        if info.startswith("sql not run:") and info[len("sql not run:"):].strip():
            self.left_out.append((first + 1, info))
        elif info == "text" and last is not None:
            last.expected, last.after = text, (first, end)
        elif info not in PLAIN:
            self.mistakes.append("line %d: what is a block of %r?" % (first + 1, info))
        return None

    def sql(self):
        return "\n".join(b.text for b in self.blocks)

    def run(self, program, arguments, environment):
        """What psql printed for each block; one that was not reached has None."""
        script = "".join("%s\n\\echo\n\\echo %s\n" % (b.text, MARK % n) for n, b in enumerate(self.blocks))
        try:
            done = subprocess.run([program, "-X", "-q", "-P", "footer=off", *arguments], input=script, text=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment,
                                  timeout=LIMIT_SECONDS).stdout
        except subprocess.TimeoutExpired as error:
            done = (error.stdout or b"").decode(errors="replace") + "\n(psql did not end)"
        printed = []
        for number in range(len(self.blocks)):
            before, found, done = done.partition("\n" + MARK % number + "\n")
            if not found:
                return printed + [before] + [None] * (len(self.blocks) - number - 1)
            printed.append(before)
        return printed


def plain(text):
    """The lines of an output, without blanks at line ends, and without empty lines at both ends."""
    return "\n".join(line.rstrip() for line in text.split("\n")).strip("\n").split("\n")


class Matching:
    """Decides, for one page, whether lines agree."""

    def __init__(self, ids, begin, end):
        hour = datetime.timedelta(hours=1)
        self.ids, self.begin, self.end = set(ids), begin - hour, end + hour
        self.of_run, self.of_page = {}, {}

    def agree(self, page, run):
        """Whether two lines say the same; what their ids stand for is kept only if they do."""
        if TOKEN.split(page) != TOKEN.split(run):
            return False
        pairs = list(zip(TOKEN.findall(page), TOKEN.findall(run)))
        of_run, of_page = dict(self.of_run), dict(self.of_page)
        for left, right in pairs:
            if len(left) != len(right):
                return False
            if len(left) == 8:
                if left != right and right not in self.ids:
                    return False
                if of_run.setdefault(left, right) != right or of_page.setdefault(right, left) != left:
                    return False
            elif left != right and (left[10] != right[10] or not self.is_now(right)):
                return False
        self.of_run, self.of_page = of_run, of_page
        return True

    def is_now(self, text):
        try:
            moment = datetime.datetime.fromisoformat(text[:19])
        except ValueError:
            return False
        return self.begin <= moment <= self.end

    def merge(self, page, run):
        """The lines that were printed; where the page agrees, as the page has them."""
        if len(page) == len(run):
            return [left if self.agree(left, right) else right for left, right in zip(page, run)]
        return run


def check(page, program, arguments, environment, ids, results):
    """Run `page`; the differences as a diff, or "". `ids` are the ids there are after the run. What was printed, in
    the page's form, is written to the directory `results`."""
    begin = datetime.datetime.fromtimestamp(time.time(), datetime.timezone.utc).replace(tzinfo=None)
    printed = page.run(program, arguments, environment)
    end = datetime.datetime.fromtimestamp(time.time(), datetime.timezone.utc).replace(tzinfo=None)
    matching = Matching(ids(), begin, end)
    lines, offset = list(page.lines), 0
    for block, output in zip(page.blocks, printed):
        merged = matching.merge(plain(block.expected), plain("(not reached)" if output is None else output))
        last = block.line + block.text.count("\n") + 1      # the line of the closing fence, counted from 0
        if merged != plain(block.expected):
            fresh = ["```text", *merged, "```"] if merged != [""] else []
            first, after = (block.after[0], block.after[1] + 1) if block.after else (last + 1, last + 1)
            lines[first + offset:after + offset] = fresh
            offset += len(fresh) - (after - first)
    os.makedirs(results, exist_ok=True)
    result = os.path.join(results, page.name + ".md")
    with open(result, "w") as file:
        file.write("\n".join(lines))
    return "\n".join(difflib.unified_diff(page.lines, lines, page.path, result, n=3, lineterm=""))
