"""Keys: the identity of a row, chosen once for a catalog and used by exactly one row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from schemas.catalog import CANONICAL_FIELDS, Row
from schemas.errors import Problem
from workers.catalogs.columns import columns_told, find_column
from workers.catalogs.record import KEY, Draft, refusal, row_problem, text_of

MAX_KEY_LENGTH = 200
_USUAL_FIELDS = ("sku", "product_id")
_USUAL_COLUMNS = ("key", "handle")


@dataclass(frozen=True, slots=True)
class KeyRule:
    """Where the key of a row comes from: a canonical field, a source column, or (neither) its dialect."""

    columns: tuple[str, ...]
    field: str | None = None
    column: str | None = None

    def key_of(self, draft: Draft) -> str | None:
        if self.field:
            return text_of(draft.fields.get(self.field))
        if self.column:
            return text_of(draft.raw.get(self.column))
        return draft.identity


def rule_for(
    key: str | None,
    columns: tuple[str, ...],
    mapping: Mapping[str, tuple[str, ...]],
    own: tuple[str, ...] = (),
) -> KeyRule:
    """Finds the key's place: what the manifest names, else the dialect's `own` columns, else the usual ones.

    Raises:
        ManifestError: No column or field has this name, or none of the usual ones is there.
    """
    if key is None:
        return KeyRule(own) if own else _usual_rule(columns, mapping)
    if column := find_column(key, columns):
        return KeyRule((column,), column=column)
    if key in mapping:
        return KeyRule(mapping[key], field=key)
    raise refusal("key_column_missing", f"There is no column {key!r}. {columns_told(columns)}", pointer=KEY)


def _usual_rule(columns: tuple[str, ...], mapping: Mapping[str, tuple[str, ...]]) -> KeyRule:
    for field in _USUAL_FIELDS:
        if field in mapping:
            return KeyRule(mapping[field], field=field)
    for name in _USUAL_COLUMNS:
        if column := find_column(name, columns):
            return KeyRule((column,), column=column)
    detail = "No column is a key of itself (sku, id, product_id, key, handle): name one as `key`."
    raise refusal("key_column_missing", f"{detail} {columns_told(columns)}", pointer=KEY)


class KeyRegister:
    """Turns drafts into rows, each key once. Remembers eight bytes of digest per key, not the keys."""

    def __init__(self, rule: KeyRule) -> None:
        self._rule = rule
        self._first_rows: dict[int, int] = {}

    def fields_of(self, draft: Draft) -> dict[str, Any]:
        """Everything a row will have, before its key is known to be good."""
        blank: dict[str, Any] = dict.fromkeys(CANONICAL_FIELDS)
        known = {
            "number": draft.number,
            "key": self._rule.key_of(draft),
            "attrs": draft.attrs,
            "raw": draft.raw,
        }
        return {**draft.attrs, **blank, **draft.fields, **known}

    def admit(self, draft: Draft) -> Row | Problem:
        key = self._rule.key_of(draft)
        if key is None:
            detail = f"Row {draft.number} has no key: fill in {' or '.join(map(repr, self._rule.columns))}."
            return self._problem(draft, "key_missing", detail)
        if len(key) > MAX_KEY_LENGTH:
            detail = f"The key of row {draft.number} has {len(key)} characters; {MAX_KEY_LENGTH} are allowed."
            return self._problem(draft, "key_too_long", detail)
        digest = int.from_bytes(blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")
        first = self._first_rows.setdefault(digest, draft.number)
        if first != draft.number:
            detail = f"Row {draft.number} has the key {key!r} of row {first}; keys must be unique."
            return self._problem(draft, "key_duplicated", detail)
        return Row(number=draft.number, key=key, attrs=draft.attrs, raw=draft.raw, **draft.fields)

    def _problem(self, draft: Draft, code: str, detail: str) -> Problem:
        return row_problem(draft.number, code, detail, column=next(iter(self._rule.columns), "key"))
