"""The words of this package: limits, a record as its file has it, and a draft of its canonical row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from schemas.errors import ManifestError, Problem

SOURCE = "/catalog/source"
KEY = "/catalog/key"

Cells = dict[str, Any]
"""Values by the source's own column names: text or None in tables, any JSON value elsewhere."""


@dataclass(frozen=True, slots=True)
class CatalogLimits:
    """How much of a catalog is read. `max_depth` counts an object or element with its own level as 1."""

    max_bytes: int = 1 << 30
    max_rows: int = 1_000_000
    max_row_bytes: int = 262_144
    max_field_bytes: int = 65_536
    max_columns: int = 1_000
    max_depth: int = 5


@dataclass(frozen=True, slots=True)
class Record:
    """One row, line, object or item of a file. `number` is counted from 1; blank rows count too."""

    number: int
    cells: Cells


@dataclass(slots=True)
class Draft:
    """A row to be, without its key. `identity` is the key a dialect proposes of its own."""

    number: int
    fields: dict[str, Any]
    attrs: dict[str, Any]
    raw: Cells
    identity: str | None = None


class Source(Protocol):
    """A file that can be read record by record, as often as wanted."""

    @property
    def columns(self) -> tuple[str, ...]: ...

    def records(self) -> Iterator[Record | Problem]: ...


class Reader(Protocol):
    """A dialect at work on one source.

    `key_columns` are the columns of the dialect's own default key, best first; empty: it has none of its
    own, and the key is looked for among the columns.
    """

    @property
    def mapping(self) -> Mapping[str, tuple[str, ...]]: ...

    @property
    def key_columns(self) -> tuple[str, ...]: ...

    def drafts(self) -> Iterator[Draft | Problem]: ...


def text_of(value: object) -> str | None:
    """A value as text without outer spaces, a list as its items with commas; None when blank or an object."""
    match value:
        case str():
            return value.strip() or None
        case bool():
            return "true" if value else "false"
        case list() | tuple():
            return ", ".join(filter(None, map(text_of, value))) or None
        case None | dict():
            return None
        case _:
            return str(value)


def clean(value: Any) -> Any:
    """Text without outer spaces, None when blank; any other value as it is."""
    return value.strip() or None if isinstance(value, str) else value


def row_problem(number: int, code: str, detail: str, *, column: str | None = None) -> Problem:
    return Problem.at_row(number, code, detail, column=column)


def checked_fields(record: Record, limits: CatalogLimits) -> Record | Problem:
    """The record, if none of its fields is over the limit: a text, or the texts of a list or an object together."""
    fewest_chars = limits.max_field_bytes // 4  # no character takes more than 4 bytes
    for column, cell in record.cells.items():
        if cell is None or (isinstance(cell, str) and len(cell) <= fewest_chars):
            continue
        if _field_bytes(cell) > limits.max_field_bytes:
            detail = f"Row {record.number} has more than {limits.max_field_bytes:,} bytes in {column!r}: shorten it."
            return row_problem(record.number, "field_too_large", detail, column=column)
    return record


def _field_bytes(value: object) -> int:
    match value:
        case str():
            return size_bytes(value)
        case list() | tuple():
            return sum(map(_field_bytes, value))
        case dict():
            return sum(map(_field_bytes, value.values()))
        case _:
            return 0


def too_many_rows(limits: CatalogLimits) -> Problem:
    """The last problem of a source: nothing is read after it."""
    detail = f"The catalog has more than {limits.max_rows:,} rows: split it into several batches."
    return Problem(SOURCE, "too_many_rows", detail)


def refusal(code: str, detail: str, *, pointer: str = SOURCE) -> ManifestError:
    """The error for a catalog that cannot be read at all."""
    return ManifestError([Problem(pointer, code, detail)])


def size_bytes(text: str) -> int:
    """How long a text is in UTF-8."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
