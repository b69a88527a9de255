"""The pictures of a batch product by product, wherever in the catalog the rows of a product stand."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field

import msgspec

from schemas.catalog import Row
from service.contract.choice import Choice
from service.exports.feeds.addresses import addressed_by_row
from service.exports.pictures import Picture, Pictures

_EVERYTHING = 1 << 62


class Shown(msgspec.Struct, array_like=True):
    """A picture as a feed names it; `row` is its place in the catalog, from 0."""

    row: int
    stored_as: str
    address: str
    title: str


@dataclass(slots=True)
class Product:
    """What a shop knows by one name.

    Args:
        shown: its pictures by `stored_as`, in the order of the catalog; one that serves for several rows is in it once.
        first_of_row: the address of the first picture of each of its rows that has one.
        notes: what was noted of its rows, in their order.
    """

    name: str
    shown: dict[str, Shown] = field(default_factory=dict)
    first_of_row: dict[int, str] = field(default_factory=dict)
    notes: list[tuple[int, bytes]] = field(default_factory=list)


class ProductShelf:
    """Which rows a product has, and its pictures until the last of its rows was passed.

    All of it is in a nameless temporary database of SQLite's own, on disk, that vanishes when it is closed. Rows are noted
    before pictures are put. A product whose rows stand together waits for nobody.
    """

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.executescript(
            "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;"
            "CREATE TABLE product (name TEXT PRIMARY KEY, last INTEGER, whole INTEGER) WITHOUT ROWID;"
            "CREATE TABLE note (name TEXT, row INTEGER, value BLOB, PRIMARY KEY (name, row)) WITHOUT ROWID;"
            "CREATE TABLE picture (last INTEGER, place INTEGER, name TEXT, value BLOB, PRIMARY KEY (last, place))"
            " WITHOUT ROWID;"
        )
        self._put = 0

    def note(self, name: str, row: int, value: bytes | None = None, *, is_whole: bool = True) -> None:
        """The row belongs to the product of this name; `value` is found in its `notes`. Pictures of a product of which a row
        is not whole are not kept."""
        self._database.execute(
            "INSERT INTO product VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET last = excluded.last, "
            "whole = whole AND excluded.whole",
            (name, row, is_whole),
        )
        if value is not None:
            self._database.execute("INSERT INTO note VALUES (?, ?, ?)", (name, row, value))

    @property
    def broken(self) -> int:
        """How many products have a row that is not whole."""
        return int(self._database.execute("SELECT COUNT(*) FROM product WHERE NOT whole").fetchone()[0])

    def put(self, name: str, picture: Picture, address: str) -> None:
        shown = Shown(picture.cell.row, picture.stored_as, address, picture.row.title or "")
        self._put += 1
        self._database.execute(
            "INSERT INTO picture SELECT last, ?, name, ? FROM product WHERE name = ? AND whole",
            (self._put, msgspec.msgpack.encode(shown), name),
        )

    def take_before(self, row: int, most: int) -> Iterator[Product]:
        """Products of which no row is left from `row` on, each with its first `most` pictures. They are forgotten."""
        passed = "SELECT DISTINCT last, name FROM picture WHERE last < ? ORDER BY last"
        for last, name in self._database.execute(passed, (row,)).fetchall():
            yield self._product(name, last, most)
            self._database.execute("DELETE FROM picture WHERE last = ?", (last,))

    def _product(self, name: str, last: int, most: int) -> Product:
        product = Product(name)
        values = self._database.execute("SELECT value FROM picture WHERE last = ? ORDER BY place", (last,))
        for (value,) in values:
            shown = msgspec.msgpack.decode(value, type=Shown)
            if len(product.shown) < most:
                product.shown.setdefault(shown.stored_as, shown)
            if shown.stored_as in product.shown:
                product.first_of_row.setdefault(shown.row, shown.address)
        notes = "SELECT row, value FROM note WHERE name = ? ORDER BY row"
        product.notes = self._database.execute(notes, (name,)).fetchall()
        return product

    def close(self) -> None:
        self._database.close()


@dataclass(frozen=True, slots=True)
class Naming:
    """What a shop knows the rows of a batch by.

    Args:
        shelf: every row is noted on it.
        name_of: None for a row that the shop does not know.
        left_out: how many rows, or products, the feed goes without therefore.
    """

    shelf: ProductShelf
    name_of: Callable[[Row], str | None]
    left_out: int = 0


async def products_of(
    pictures: Pictures, choice: Choice, naming: Naming, most: int
) -> AsyncIterator[Product]:
    """Each product that has pictures, once, as soon as its last row is passed, with `most` of its pictures."""
    with closing(naming.shelf) as shelf:
        row = 0
        async for picture, address in addressed_by_row(pictures, choice):
            if picture.cell.row != row:
                row = picture.cell.row
                for product in shelf.take_before(row, most):
                    yield product
            if (name := naming.name_of(picture.row)) is not None:
                shelf.put(name, picture, address)
        for product in shelf.take_before(_EVERYTHING, most):
            yield product
