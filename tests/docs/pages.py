"""Pages as their readers use them: blocks of commands, in the order in which they stand."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.house.tree import ROOT, files

PAGES = [
    *sorted(ROOT.glob("*.md")),
    *files("*.md", under="docs"),
    *files("*.md", under="examples"),
    *files("*.md", under="deploy"),
]
LANGUAGES = {"sh", "yaml", "json", "text", "arrows"}
"""What a block may be; commands stand in `sh` alone."""
NEED = re.compile(r"^# needs (.+)$")

ASKED = re.compile(r"(?:darkroom (?:plan|ls|show|doctor)|ask) .*[^\\]$")
"""A line by itself, which only asks: where a page says it again it is not typed again."""


@dataclass(frozen=True)
class Block:
    """What stands between two fences.

    Args:
        line: number of its first line on the page, from 1.
        language: the first word behind the fence.
        text: its lines.
    """

    page: Path
    line: int
    language: str
    text: str

    @property
    def needs(self) -> str | None:
        """What it says in its first line that it needs and the tests do not have; None: it is run."""
        found = NEED.match(self.text.partition("\n")[0])
        return found[1] if found else None

    @property
    def commands(self) -> list[str]:
        """Its commands, one a line, without comments and what goes on on further lines."""
        joined = re.sub(r"\\\n\s*", "", self.text)
        lines = [re.sub(r"(^|\s+)#.*$", "", line).strip() for line in joined.splitlines()]
        return [line for line in lines if line]


def blocks(page: Path) -> Iterator[Block]:
    """Every fenced block of a page."""
    text = page.read_text()
    for found in re.finditer(r"^```(\w*).*\n((?:.*\n)*?)^```$", text, re.MULTILINE):
        yield Block(page, text.count("\n", 0, found.start()) + 2, found[1], found[2])


def shell(page: Path) -> list[Block]:
    """Its blocks of commands."""
    return [block for block in blocks(page) if block.language == "sh"]


def inline(page: Path) -> list[str]:
    """What stands between backticks in a sentence, a line break as a blank."""
    prose = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    return [" ".join(text.split()) for text in re.findall(r"`([^`]+)`", prose)]


def script(page: Path, preamble: str) -> str:
    """One shell script of a page: each line is where it is on the page, so that numbers of lines are those of the page.

    Args:
        preamble: what comes first, on line 1, where a page has its heading.
    """
    lines = [""] * (page.read_text().count("\n") + 1)
    lines[0] = preamble
    typed: set[str] = set()
    for number, line in _typed(page):
        lines[number - 1] = "" if line in typed else line
        if ASKED.match(line):
            typed.add(line)
    return "\n".join(lines) + "\n"


def _typed(page: Path) -> Iterator[tuple[int, str]]:
    """Numbers and texts of the lines that are run."""
    for block in shell(page):
        if block.needs is None:
            yield from enumerate(block.text.splitlines(), block.line)
