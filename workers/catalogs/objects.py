"""JSON objects: one per line (JSONL), or the elements of one array, cut out of the text as it streams."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

import orjson

from schemas.errors import ManifestError, Problem
from workers.catalogs.record import (
    SOURCE,
    CatalogLimits,
    Cells,
    Record,
    checked_fields,
    clean,
    row_problem,
    size_bytes,
    too_many_rows,
)
from workers.catalogs.sniff import is_json, open_text

_CHUNK_CHARS = 65_536
_PEEKED_ROWS = 100
_LONG_LIST = re.compile(
    r'^\s*\{(?:\s*"@context"\s*:\s*(?:"[^"\\]*"|\{[^{}]*\})\s*,|\s*"@?\w+"\s*:\s*"[^"\\]*"\s*,)*'
    r'\s*"(?:@graph|itemListElement)"\s*:\s*\['
)
"""A document that begins with its context and plain texts, and then has its list of nodes."""

_FRAMES = "the file must be one array, [{...}, {...}], or have one object a line, which is `dialect: jsonl`"

_MARKS = re.compile(r'["\\{}\[\],]')

Texts = Iterator[str | None]
"""The text of one object after another; None stands for one that was over the limit and skipped."""


@dataclass(frozen=True, slots=True)
class Objects:
    """A file of objects, cut into texts by `cut`."""

    path: Path
    encoding: str
    limits: CatalogLimits
    cut: Callable[[TextIO, int], Texts]
    columns: tuple[str, ...] = ()

    def records(self) -> Iterator[Record | Problem]:
        """The objects in order. Blank lines are left out but counted."""
        with open_text(self.path, self.encoding) as file:
            yield from self._read(file)

    def _read(self, file: TextIO) -> Iterator[Record | Problem]:
        number = 0
        try:
            for number, text in enumerate(self.cut(file, self.limits.max_row_bytes), start=1):
                if number > self.limits.max_rows:
                    yield too_many_rows(self.limits)
                    return
                if text is None or text.strip():
                    yield self._record(number, text)
        except _BrokenArrayError as error:
            yield Problem(SOURCE, "catalog_malformed", f"After row {number} the JSON array {error}.")

    def _record(self, number: int, text: str | None) -> Record | Problem:
        if text is None:
            return row_problem(
                number, "row_too_large", f"Row {number} is larger than {self.limits.max_row_bytes:,} bytes."
            )
        try:
            value = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            return row_problem(number, "row_malformed", f"Row {number} is not valid JSON: {error.msg}.")
        record = record_of(number, value, self.limits)
        if isinstance(record, Record) and (name := _name_twice(text, value)) is not None:
            return _twice(number, name)
        return record


def record_of(number: int, value: Any, limits: CatalogLimits) -> Record | Problem:
    """A record of a JSON value, if it is an object within the limits."""
    if not isinstance(value, dict):
        return row_problem(
            number, "row_not_an_object", f"Row {number} is not an object with columns by name."
        )
    if len(value) > limits.max_columns:
        detail = f"Row {number} has {len(value):,} columns; {limits.max_columns:,} are allowed."
        return row_problem(number, "too_many_columns", detail)
    if is_deeper(value, limits.max_depth):
        detail = f"Row {number} is nested deeper than {limits.max_depth} levels."
        return row_problem(number, "row_too_deep", detail)
    cells: Cells = {str(name).strip(): clean(cell) for name, cell in value.items()}
    if len(cells) < len(value):
        return _twice(number, _first_twice(str(name).strip() for name in value))
    return checked_fields(Record(number, cells), limits)


def _name_twice(text: str, value: Any) -> str | None:
    """A name that some object in the text has twice: parsers keep its last value in silence.

    Only a text that has other colons than its value is read again, slowly.
    """
    if "\\u003" not in text and text.count(":") == orjson.dumps(value).count(b":"):
        return None
    names = list[str]()

    def look(pairs: list[tuple[str, Any]]) -> None:
        found = [name for name, _ in pairs]
        if len(set(found)) < len(found):
            names.append(_first_twice(found))

    json.loads(text, object_pairs_hook=look, parse_int=str, parse_float=str)
    return next(iter(names), None)


def _first_twice(names: Iterable[str]) -> str:
    found = list(names)
    return next(name for place, name in enumerate(found) if name in found[:place])


def _twice(number: int, name: str) -> Problem:
    detail = f"Row {number} names {name!r} twice: keep one of them, or rename it."
    return row_problem(number, "column_duplicated", detail, column=name)


def is_deeper(value: Any, max_depth: int) -> bool:
    """Whether a JSON value has more levels of objects and lists than this."""
    if not isinstance(value, dict | list):
        return False
    if max_depth < 1:
        return True
    return any(
        is_deeper(item, max_depth - 1) for item in (value.values() if isinstance(value, dict) else value)
    )


def peek_columns(records: Iterator[Record | Problem]) -> tuple[str, ...]:
    """The columns of the first hundred rows, in order of appearance.

    Raises:
        ManifestError: There is no row at all, or not one good one among the first hundred.
    """
    columns: dict[str, None] = {}
    problems: list[Problem] = []
    for record in islice(records, _PEEKED_ROWS):
        if isinstance(record, Problem):
            problems.append(record)
        else:
            columns.update(dict.fromkeys(record.cells))
    if not columns:
        raise ManifestError(
            problems or [Problem(SOURCE, "catalog_empty", "The catalog is empty: it has no rows.")]
        )
    return tuple(columns)


def cut_lines(file: TextIO, max_bytes: int) -> Texts:
    """The lines of a file, each without its end."""
    while line := file.readline(max_bytes + 2):
        text: str | None = line.rstrip("\r\n")
        while not line.endswith(("\n", "\r")) and (more := file.readline(max_bytes)):
            text, line = None, more
        yield text if text is not None and size_bytes(text) <= max_bytes else None


def cut_array(file: TextIO, max_bytes: int) -> Texts:
    """The elements of the one array that a file holds.

    Only brackets, commas and strings are told apart here; whether an element is valid is for its parser.
    """
    scanner = _ArrayScanner(max_bytes)
    while chunk := file.read(_CHUNK_CHARS):
        yield from scanner.feed(chunk)
    scanner.finish()


def cut_nodes(file: TextIO, max_bytes: int) -> Texts:
    """The nodes of linked data: of an array, of a document's long list, one a line, or the one document there is."""
    head = file.read(_CHUNK_CHARS)
    file.seek(0)
    list_at = _LONG_LIST.search(head)
    if head.lstrip().startswith("["):
        yield from cut_array(file, max_bytes)
    elif list_at:
        file.read(list_at.end() - 1)
        scanner = _ArrayScanner(max_bytes)
        while not scanner.is_closed and (chunk := file.read(_CHUNK_CHARS)):
            yield from scanner.feed(chunk, rest_of_document=True)
        if not scanner.is_closed:
            scanner.finish()
    elif is_json(head.partition("\n")[0]):
        yield from cut_lines(file, max_bytes)
    else:
        text = file.read(max_bytes + 1)
        yield text if size_bytes(text) <= max_bytes else None


class _BrokenArrayError(Exception):
    """The frame around the elements is broken; what follows cannot be told apart."""


class _ArrayScanner:
    """Cuts at the commas of depth 1 that are outside strings, chunk by chunk."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._depth = 0
        self._in_string = False
        self._after_backslash = False
        self._parts: list[str] = []
        self._taken_bytes = 0
        self._elements = 0
        self._is_closed = False

    @property
    def is_closed(self) -> bool:
        return self._is_closed

    def feed(self, chunk: str, *, rest_of_document: bool = False) -> Texts:
        """The elements that end in this chunk. `rest_of_document`: what follows the array is somebody else's."""
        start = 0
        for mark, at in self._marks(chunk):
            if self._is_border(mark):
                self._take(chunk[start:at])
                start = at + 1
                yield from self._cut(mark)
                if rest_of_document and self._is_closed:
                    return
        self._take(chunk[start:])

    def finish(self) -> None:
        if not self._is_closed:
            raise _BrokenArrayError("ends without its closing bracket")
        if self._taken_bytes:
            raise _BrokenArrayError("is followed by something else")

    def _marks(self, chunk: str) -> Iterator[tuple[str, int]]:
        """The brackets and commas outside strings."""
        escaped_at = 0 if self._after_backslash else -1
        for match in _MARKS.finditer(chunk):
            mark, at = match[0], match.start()
            if at == escaped_at:
                continue
            if mark == '"':
                self._in_string = not self._in_string
            elif mark == "\\" and self._in_string:
                escaped_at = at + 1
            elif not self._in_string and mark != "\\":
                yield mark, at
        self._after_backslash = escaped_at == len(chunk)

    def _is_border(self, mark: str) -> bool:
        if mark == ",":
            return self._depth == 1
        self._depth += 1 if mark in "[{" else -1
        return self._depth == (1 if mark in "[{" else 0)

    def _cut(self, mark: str) -> Texts:
        text = self._taken()
        if mark in "[{":
            if mark == "{" or text != "" or self._is_closed:
                raise _BrokenArrayError(f"does not stand alone: {_FRAMES}")
            return
        self._is_closed = mark != ","
        if text == "" and (mark == "," or self._elements):
            raise _BrokenArrayError("has a comma too many")
        if text != "":
            self._elements += 1
            yield text

    def _take(self, text: str) -> None:
        if not self._parts and not self._taken_bytes:
            text = text.lstrip()
        self._taken_bytes += size_bytes(text)
        if self._taken_bytes > self._max_bytes:
            self._parts.clear()
        elif text:
            self._parts.append(text)

    def _taken(self) -> str | None:
        """The text since the last border; None if it was over the limit."""
        text = "".join(self._parts).rstrip() if self._taken_bytes <= self._max_bytes else None
        self._parts.clear()
        self._taken_bytes = 0
        return text
