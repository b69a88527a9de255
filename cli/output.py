"""What is written where: data to standard output, talk to standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any, TextIO

from schemas.errors import DarkroomError, ManifestError

Json = dict[str, Any]


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
    records: Iterable[Json], columns: Mapping[str, str], output: Output, *, none: str = ""
) -> None:
    """Many of a kind. `columns` is heading -> dotted path into a record; only tables leave anything out.

    Args:
        none: what a person is told in place of an empty table.
    """
    if output is Output.JSONL:
        for record in records:
            write(json.dumps(record, ensure_ascii=False))
    elif output is Output.JSON:
        write(json.dumps(list(records), ensure_ascii=False, indent=2))
    else:
        rows = [[cell(record, path) for path in columns.values()] for record in records]
        if rows or not none or not is_terminal(sys.stdout):
            _write_table(list(columns), rows)
        if none and not rows:
            say(none)


def write_record(record: Json, lines: Mapping[str, str], output: Output) -> None:
    """One thing. `lines` is label -> text, of one line or of several; only tables leave anything out."""
    if output is Output.TABLE:
        width = max(map(len, lines), default=0)
        for label, text in lines.items():
            for place, line in enumerate(text.splitlines() or [""]):
                write(f"{'' if place else label:<{width}}  {printable(line)}".rstrip())
    else:
        write(json.dumps(record, ensure_ascii=False, indent=2 if output is Output.JSON else None))


def cell(record: Json, path: str) -> str:
    """The value at a dotted path as text, a list with commas; empty where there is none."""
    value: Any = record
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    if isinstance(value, list):
        return printable(", ".join(map(str, value)))
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
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    filled = [place for place in range(len(headings)) if place == 0 or any(row[place] for row in rows)]
    table = Table(box=None, pad_edge=False)
    for place in filled:  # the first column names the thing, and is copied from here: it is never broken
        table.add_column(headings[place].upper(), overflow="fold", no_wrap=place == 0)
    for row in rows:
        table.add_row(*(Text(row[place]) for place in filled))
    Console().print(table)


def is_terminal(stream: TextIO) -> bool:
    return stream.isatty()
