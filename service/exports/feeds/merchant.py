"""A supplemental feed for Google's Merchant Center."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial

from schemas.catalog import Row
from schemas.errors import Problem
from schemas.wording import first_few
from service.contract.choice import MAX_LISTED, Choice
from service.exports.cells import tab_line
from service.exports.feeds.products import Naming, ProductShelf, products_of
from service.exports.pictures import Pictures
from service.problems import ProblemError

MERCHANT_FURTHER = 10
"""Source: https://support.google.com/merchants/answer/6324370 (additional_image_link), a stored copy read 2026-11-21."""


async def merchant_naming(pictures: Pictures, column: str | None) -> Naming:
    """Rows by their ids. Those without one are counted: Merchant Center says nothing of ids that it does not know.

    Args:
        column: of the catalog, by its own name, which holds the id.
    Raises:
        ProblemError: no row has such a column.
    """
    shelf, without, is_known, columns = ProductShelf(), 0, column is None, tuple[str, ...]()
    async for place, row in pictures.rows():
        columns, is_known = columns or tuple(row.raw), is_known or column in row.raw
        if (name := merchant_id(row, column)) is not None:
            shelf.note(name, place)
        elif pictures.expansion.indexes_of_row(place):
            without += 1
    if not is_known:
        listed = f", but {first_few(columns, MAX_LISTED)}" if columns else ""
        detail = f"the catalog has no column '{column}'{listed}"
        raise ProblemError(
            "bad_request", f"{detail}.", problems=[Problem("/query/id", "unknown_column", detail)]
        )
    return Naming(shelf, partial(merchant_id, column=column), without)


def merchant_id(row: Row, column: str | None = None) -> str | None:
    """The id of a row: what `column` holds, else that of a Merchant feed, else its SKU. Never a key of our own making."""
    if column is None:
        return row.product_id or row.sku
    value = row.raw.get(column)
    return None if value is None else str(value).strip() or None


async def merchant_tsv(pictures: Pictures, choice: Choice, naming: Naming) -> AsyncIterator[bytes]:
    """A line for each id with pictures, the first as main picture, ten more beside it.

    Further addresses stand in one cell with commas between them; in an address a comma is `%2C`.
    """
    yield tab_line(("id", "image_link", "additional_image_link"))
    async for product in products_of(pictures, choice, naming, 1 + MERCHANT_FURTHER):
        main, *further = (shown.address for shown in product.shown.values())
        yield tab_line((product.name, main, ",".join(further)))
