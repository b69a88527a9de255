"""A product import for Shopify: pictures by the handle of their product and, if that is wanted, bound to its variants.

Source: https://help.shopify.com/en/manual/products/import-export/using-csv, stored copies of several years read 2026-11-22:
an import that overwrites needs Handle and Title, leaves columns alone that it does not have, and empties cells that it has
empty. Columns of variants need Option1 Name and Value beside them: without those, Shopify replaces all variants of the
product by a new one, and an option value that differs makes another variant.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from itertools import zip_longest
from typing import Any

import msgspec

from schemas.catalog import Row
from schemas.errors import Problem
from service.contract.choice import Choice
from service.contract.queries import ShopifyHeaders
from service.exports.cells import import_line
from service.exports.feeds.products import Naming, Product, ProductShelf, Shown, products_of
from service.exports.pictures import Pictures
from service.problems import ProblemError

SHOPIFY_IMAGES = 250
"""Media of a product. Secondary: https://craftshift.com/shopify-product-images-best-practices, a stored copy read
2026-11-21; Shopify's own page was not to be had."""
SHOPIFY_ALT_CHARS = 512
"""Not verified: no page that says so was found on 2026-11-21. Shorter texts do no harm."""

_OPTIONS = tuple((f"Option{place} Name", f"Option{place} Value") for place in (1, 2, 3))
_NEW_NAMES = {
    **{old: old.replace("Name", "name").replace("Value", "value") for pair in _OPTIONS for old in pair},
    "Variant SKU": "SKU",
    "Variant Image": "Variant image URL",
}
"""Columns of variants by their names before 2024; the others have kept theirs."""
_LINKED = tuple(f"Option{place} Linked To" for place in (1, 2, 3))


class ShopifyFeed:
    """The lines of an import.

    Args:
        columns: those of variants, by their names before 2024; none where pictures are not bound to variants.
    """

    def __init__(self, naming: Naming, headers: ShopifyHeaders, columns: tuple[str, ...] = ()) -> None:
        self.naming = naming
        self._columns = columns
        own = (*columns, "Variant Image") if columns else ()
        new = headers is ShopifyHeaders.NEW
        self._names = (*headers.names, *(_NEW_NAMES.get(name, name) if new else name for name in own))

    async def lines(self, pictures: Pictures, choice: Choice) -> AsyncIterator[bytes]:
        """A line for each picture; the first of a product also has its title, which Shopify wants for an update."""
        yield import_line(self._names)
        async for product in products_of(pictures, choice, self.naming, SHOPIFY_IMAGES):
            yield b"".join(self._lines_of(product))

    def _lines_of(self, product: Product) -> list[bytes]:
        """Pictures and variants side by side, from the first line of the product on: they need not belong together."""
        variants = [self._variant(product, row, note) for row, note in product.notes]
        pairs = zip_longest(enumerate(product.shown.values(), 1), variants)
        title = next(iter(product.shown.values())).title
        none = ("",) * (len(self._columns) + 1) if self._columns else ()
        return [
            import_line(
                (
                    "" if place else title,
                    product.name,
                    *_picture_cells(picture),
                    *(none if own is None else own),
                )
            )
            for place, (picture, own) in enumerate(pairs)
        ]

    def _variant(self, product: Product, row: int, note: bytes) -> tuple[str, ...]:
        """Its columns, and its picture: the first that was made for it, else the one that it has."""
        *cells, image = msgspec.msgpack.decode(note, type=list[str])
        return (*cells, product.first_of_row.get(row, image))


def _picture_cells(picture: tuple[int, Shown] | None) -> tuple[object, ...]:
    if picture is None:
        return ("", "", "")
    place, shown = picture
    return (shown.address, place, shown.title[:SHOPIFY_ALT_CHARS])


def shopify_handle(row: Row) -> str:
    """The handle of a row of a Shopify export; of other catalogs what comes closest."""
    return row.parent_id or row.key


async def shopify_feed(pictures: Pictures, headers: ShopifyHeaders, *, variants: bool) -> ShopifyFeed:
    """The feed of a batch; with `variants` goes without products of which a row does not name its options.

    Raises:
        ProblemError: pictures cannot be bound to the variants of this catalog.
    """
    if variants and pictures.manifest.catalog and pictures.manifest.catalog.where:
        raise _refused(
            "`where` has left rows of the catalog out, and a feed with variants needs all of a product"
        )
    shelf, columns = ProductShelf(), tuple[str, ...]()
    async for place, row in pictures.rows():
        if not variants:
            shelf.note(shopify_handle(row), place)
            continue
        columns = columns or _columns_of(row.raw)
        note = msgspec.msgpack.encode([_cell(row.raw, name) for name in (*columns, "Variant Image")])
        shelf.note(shopify_handle(row), place, note, is_whole=_has_options(row.raw))
    return ShopifyFeed(Naming(shelf, shopify_handle, shelf.broken), headers, columns)


def _columns_of(raw: Mapping[str, Any]) -> tuple[str, ...]:
    """The columns of variants that a catalog has. Options come first."""
    named = (*(name for pair in _OPTIONS for name in pair), *_LINKED, "Variant SKU")
    found = tuple(name for name in named if name in raw or _NEW_NAMES.get(name) in raw)
    if not {*_OPTIONS[0]} <= {*found}:
        raise _refused(
            "a feed with variants needs a catalog that is a Shopify export, with Option1 Name and Option1 Value"
        )
    return found


def _has_options(raw: Mapping[str, Any]) -> bool:
    """Whether a row has a value for each option that it names, and one option at least."""
    pairs = [(_cell(raw, name), _cell(raw, value)) for name, value in _OPTIONS]
    return all(pairs[0]) and all(bool(name) == bool(value) for name, value in pairs)


def _cell(raw: Mapping[str, Any], name: str) -> str:
    value = raw.get(name) or raw.get(_NEW_NAMES.get(name, name))
    return "" if value is None else str(value)


def _refused(detail: str) -> ProblemError:
    return ProblemError(
        "bad_request", f"{detail}.", problems=[Problem("/query/variants", "no_variants", detail)]
    )
