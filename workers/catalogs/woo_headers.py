"""WooCommerce's headers in the languages of shops, and what shows its export where the language is another one.

The words are in `schemas/data/woocommerce_headers.toml`, with their source.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from itertools import islice

from schemas.errors import Problem
from schemas.model import Dated, data_file
from workers.catalogs.columns import snake
from workers.catalogs.record import Record

_LOOKED_AT_ROWS = 1_000
_NUMBER = re.compile(r"\d+")
_KINDS = frozenset({"simple", "variable", "variation", "grouped", "external", "virtual", "downloadable"})
_FAMILY = frozenset({"variable", "variation"})


class _Headers(Dated):
    """The headers of one language. `names`: English header in snake case -> what stands in files instead."""

    names: Mapping[str, tuple[str, ...]]


def languages() -> tuple[str, ...]:
    """Whose headers are known, beside English."""
    return tuple(_words())


def english_names(columns: Iterable[str]) -> dict[str, str]:
    """Column -> its name in an English export, in snake case; that of its own header where no language knows it.

    One language speaks for all columns: the one that knows the most of them.
    """
    own = {column: snake(column) for column in columns}
    found = (
        {column: _translated(name, words) for column, name in own.items()} for words in _words().values()
    )
    best = max(found, key=lambda names: sum(name is not None for name in names.values()))
    return {column: best[column] or name for column, name in own.items()}


def column_of_types(records: Iterable[Record | Problem]) -> str | None:
    """The column that holds nothing but types of products, with families among them; looked for near the beginning."""
    met: dict[str, set[str]] = {}
    others: set[str] = set()
    for column, cell in _cells(records):
        kinds = {kind.strip() for kind in str(cell).casefold().split(",")} if column not in others else set()
        if kinds <= _KINDS:
            met.setdefault(column, set()).update(kinds)
        else:
            others.add(column)
    return next((column for column, kinds in met.items() if column not in others and kinds & _FAMILY), None)


def _cells(records: Iterable[Record | Problem]) -> Iterator[tuple[str, object]]:
    for record in islice(records, _LOOKED_AT_ROWS):
        if isinstance(record, Record):
            yield from ((column, cell) for column, cell in record.cells.items() if cell)


def _translated(name: str, words: Mapping[str, str]) -> str | None:
    """With its number, if it has one."""
    english, number = words.get(_NUMBER.sub("#", name)), _NUMBER.search(name)
    return english.replace("#", number[0]) if english and number else english


@cache
def _words() -> dict[str, dict[str, str]]:
    """Language -> header in snake case -> English header in snake case."""
    entries = {name: _Headers(**entry) for name, entry in data_file("woocommerce_headers").items()}
    return {
        language: {_snake(word): english for english, words in entry.names.items() for word in words}
        for language, entry in entries.items()
    }


def _snake(word: str) -> str:
    """Snake case that leaves the place of a number."""
    return _NUMBER.sub("#", snake(word.replace("#", "1")))
