"""What the rows of one product say about each other, wherever they stand in the file.

A shop's export may scatter a product over its rows, and may be larger than memory. So a dialect with
families reads its file twice: once to gather what is common, once to give every row its share.
"""

from __future__ import annotations

import sqlite3
from typing import Generic, TypeVar

import msgspec

F = TypeVar("F", bound=msgspec.Struct)


class FamilyStore(Generic[F]):
    """Families by name, in a temporary database on disk that vanishes when it is closed.

    The family used last stays in memory: as a rule, rows of one family stand together.
    """

    def __init__(self, kind: type[F]) -> None:
        self._kind = kind
        self._decoder = msgspec.msgpack.Decoder(kind)
        self._name: str | None = None
        self._family = kind()
        self._is_changed = False
        # "" is a nameless file of SQLite's own. The rows may be read in turn by several threads, never at once.
        self._database = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute("PRAGMA synchronous = OFF")
        self._database.execute("CREATE TABLE family (name TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID")

    def get(self, name: str) -> F:
        """The family of this name; a blank one if there is none yet."""
        if name != self._name:
            self._save()
            found = self._database.execute("SELECT value FROM family WHERE name = ?", (name,)).fetchone()
            self._family = self._decoder.decode(found[0]) if found else self._kind()
            self._name = name
        return self._family

    def put(self, name: str, family: F) -> None:
        if name != self._name:
            self._save()
        self._name, self._family, self._is_changed = name, family, True

    def close(self) -> None:
        self._database.close()

    def _save(self) -> None:
        if self._is_changed:
            value = msgspec.msgpack.encode(self._family)
            self._database.execute("INSERT OR REPLACE INTO family VALUES (?, ?)", (self._name, value))
            self._is_changed = False
