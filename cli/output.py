"""What is written where: data to standard output, talk to standard error."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any, TextIO

from schemas.errors import DarkroomError, ManifestError

Json = dict[str, Any]
Columns = Mapping[str, str | Callable[[Json], str]]
"""Heading -> dotted path into a record, or what makes a text of it."""


class Output(StrEnum):
    """How data is written."""

    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"


class CheckResult(StrEnum):
    """What the checks of a picture came to at worst."""

    PASS = "pass"  # noqa: S105 - no password
    WARN = "warn"
    FAIL = "fail"


class LeftOut(StrEnum):
    """Which pictures a feed goes without: those whose checks came to this, or worse."""

    WARN = "warn"
    FAIL = "fail"


class Export(StrEnum):
    """What can be made of a batch as a file."""

    JSONL = "jsonl"
    CSV = "csv"
    ZIP = "zip"
    ZIP_WITH_RECEIPTS = "zip-with-receipts"
    CONTACT_SHEET = "contact-sheet"
    SHOPIFY = "shopify"
    SHOPIFY_OLD = "shopify-old"
    MERCHANT = "merchant"
    FEED_CSV = "feed-csv"


def say(text: str) -> None:
    """A sentence for the person at the terminal."""
    print(printable(text), file=sys.stderr, flush=True)


def write(text: str) -> None:
    """A line of data."""
    print(text, flush=True)


def complain(error: DarkroomError) -> None:
    """Why it did not work: problems one per line as `pointer: detail`, else a sentence."""
    if not isinstance(error, ManifestError):
        say(error.detail)
        return
    for problem in error.problems:
        say(str(problem))
    if error.truncated:
        say("There are more problems than are listed here.")


def write_records(
    records: Iterable[Json], columns: Columns, output: Output, *, none: str = "", shown: Columns | None = None
) -> None:
    """Many of a kind. Only tables leave anything out.

    Args:
        columns: what a program reads, one line a record with tabs.
        none: what a person is told in place of an empty table.
        shown: what a person sees on a terminal, the most important first; None: `columns`.
    """
    if output is Output.JSONL:
        for record in records:
            write(json.dumps(record, ensure_ascii=False))
    elif output is Output.JSON:
        write(json.dumps(list(records), ensure_ascii=False, indent=2))
    else:
        chosen = (shown or columns) if is_terminal(sys.stdout) else columns
        rows = [[cell(record, look) for look in chosen.values()] for record in records]
        if rows or not none or not is_terminal(sys.stdout):
            _write_table(list(chosen), rows)
        if none and not rows:
            say(none)


def write_record(record: Json, lines: Mapping[str, str], output: Output) -> None:
    """One thing. `lines` is label -> text, of one line or of several; only tables leave anything out."""
    if output is not Output.TABLE:
        write(json.dumps(record, ensure_ascii=False, indent=2 if output is Output.JSON else None))
        return
    width = max(map(len, lines), default=0)
    for label, text in lines.items():
        for place, line in enumerate(_fitting(text, width + 2)):
            write(f"{'' if place else label:<{width}}  {printable(line)}".rstrip())


def _fitting(text: str, indent: int) -> list[str]:
    """On a terminal its lines are broken where that ends, but for those that are indented themselves."""
    lines = text.splitlines() or [""]
    if not is_terminal(sys.stdout):
        return lines
    from cli.tables import folded

    room = _columns() - indent
    return [part for line in lines for part in ([line] if line[:1] == " " else folded(line, room))]


def cell(record: Json, look: str | Callable[[Json], str]) -> str:
    """The text of a column: what `look` makes of the record, or the value at that dotted path; empty where there is none.
    A list has commas; of a mapping, such as a variant, the values have hyphens."""
    if callable(look):
        return printable(look(record))
    value: Any = record
    for name in look.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    if isinstance(value, list):
        return printable(", ".join(map(str, value)))
    if isinstance(value, dict):
        return printable("-".join(map(str, value.values())))
    return "" if value is None else printable(str(value))


def printable(text: str) -> str:
    """Without control characters, which could move the cursor or colour the terminal; new lines stay."""
    return "".join(character if character.isprintable() or character == "\n" else " " for character in text)


def counted(number: int, noun: str) -> str:
    """`1 picture`, `2 pictures`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _write_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Aligned on a terminal; elsewhere one line per row with tabs, for other programs."""
    if not is_terminal(sys.stdout):
        for row in (headings, *rows):
            write("\t".join(text.replace("\n", " ") for text in row))
        return
    from cli.tables import table_lines

    for line in table_lines(headings, rows, _columns()):
        write(line)


def _columns() -> int:
    """Of the terminal; COLUMNS says another number."""
    return shutil.get_terminal_size().columns


def is_terminal(stream: TextIO) -> bool:
    return stream.isatty()
