"""Spaces between a quote and a delimiter, which RFC 4180 does not know and people's files have: taken out of a row."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache
from typing import NamedTuple

_INSIDE = re.compile(r'[^"]*(?:""[^"]*)*')
"""Of a cell in quotes: up to the quote that closes it, or to the line's end."""


class _Marks(NamedTuple):
    """What is looked for in a line, with its delimiter."""

    suspect: re.Pattern[str]
    wrapped: re.Pattern[str]
    closing: re.Pattern[str]
    rest: re.Pattern[str]


@cache
def _marks(delimiter: str) -> _Marks:
    sign, end = re.escape(delimiter), rf"(?={re.escape(delimiter)}|[\r\n]|$)"
    return _Marks(
        suspect=re.compile(rf'(?:^|{sign}) +"|" +{end}'),
        wrapped=re.compile(rf' +("[^"\r\n]*(?:""[^"\r\n]*)*") *{end}'),
        closing=re.compile(rf'" *{end}'),
        rest=re.compile(rf"[^{sign}]*{sign}?"),
    )


def may_be_spaced(lines: Iterable[str], delimiter: str) -> bool:
    """Whether there is a space beside a quote where a cell may begin or end."""
    return any('"' in line and _marks(delimiter).suspect.search(line) for line in lines)


def without_spaces(lines: Iterable[str], delimiter: str) -> Iterator[str]:
    """The lines of a row, with no space behind a quote that closes a cell, nor before one that opens it and is closed on
    the same line. Elsewhere a quote behind a space is a letter."""
    is_open = False
    for line in lines:
        parts = list[str]()
        place = 0
        while place < len(line):
            taken, place, is_open = _next(line, place, is_open, _marks(delimiter))
            parts.append(taken)
        yield "".join(parts)


def _next(line: str, place: int, is_open: bool, marks: _Marks) -> tuple[str, int, bool]:
    """What is taken of a line from here on, up to where, and whether a cell in quotes is open there. A place outside
    quotes is where a cell begins."""
    if not is_open and line[place] == '"':
        return '"', place + 1, True
    taken = ""
    if is_open:
        inside = _INSIDE.match(line, place)
        assert inside is not None, "it matches nothing as well"
        if inside.end() == len(line):
            return inside[0], len(line), True
        closing = marks.closing.match(line, inside.end())
        taken, place = f'{inside[0]}"', closing.end() if closing else inside.end() + 1
    elif wrapped := marks.wrapped.match(line, place):
        taken, place = wrapped[1], wrapped.end()
    rest = marks.rest.match(line, place)
    assert rest is not None, "it matches nothing as well"
    return taken + rest[0], rest.end(), False
