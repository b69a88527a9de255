"""Round trips: the pictures of a batch as files that shops import.

A product is known to its shop by what its row says: by its handle in Shopify, by its id in Google's Merchant Center.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from schemas.catalog import Row
from service.contract.choice import Choice
from service.contract.queries import ShopifyHeaders
from service.exports.addresses import addressed_by_row
from service.exports.cells import (
    CHECK_COLUMNS,
    PERFORMER_COLUMN,
    check_cells,
    csv_line,
    import_line,
    tab_line,
)
from service.exports.pictures import Pictures

SHOPIFY_IMAGES = 250
"""Media of a product. Secondary: https://craftshift.com/shopify-product-images-best-practices, a stored copy read
2026-11-21; Shopify's own page was not to be had."""
SHOPIFY_ALT_CHARS = 512
"""Not verified: no page that says so was found on 2026-11-21. Shorter texts do no harm."""
MERCHANT_FURTHER = 10
"""Source: https://support.google.com/merchants/answer/6324370 (additional_image_link), a stored copy read 2026-11-21."""

_ROW_FIELDS = ("row_key", "product_id", "sku", "parent_id", "title")
_PICTURE_FIELDS = ("size", "sample", "index", "key", "url", "sha256", *CHECK_COLUMNS, PERFORMER_COLUMN)


async def shopify_csv(pictures: Pictures, choice: Choice, headers: ShopifyHeaders) -> AsyncIterator[bytes]:
    """A line for each picture; the first of a product also has its title, which Shopify wants for an update.

    Rows of a handle that follow each other are one product; a picture that serves for several of them is named once.
    """
    yield import_line(headers.names)
    handle, stored = None, set[str]()
    async for picture, address in addressed_by_row(pictures, choice):
        if handle != shopify_handle(picture.row):
            handle, stored = shopify_handle(picture.row), set()
        if picture.stored_as in stored or len(stored) == SHOPIFY_IMAGES:
            continue
        title = (picture.row.title or "") if not stored else ""
        stored.add(picture.stored_as)
        alt = (picture.row.title or "")[:SHOPIFY_ALT_CHARS]
        yield import_line((title, handle, address, len(stored), alt))


def shopify_handle(row: Row) -> str:
    """The handle of a row of a Shopify export; of other catalogs what comes closest."""
    return row.parent_id or row.key


async def merchant_tsv(pictures: Pictures, choice: Choice) -> AsyncIterator[bytes]:
    """A supplemental feed: a line for each row with pictures, the first as main picture, ten more beside it.

    Further addresses stand in one cell with commas between them; in an address a comma is `%2C`.
    """
    yield tab_line(("id", "image_link", "additional_image_link"))
    last, addresses = None, dict[str, str]()
    async for picture, address in addressed_by_row(pictures, choice):
        if last is not None and last.cell.row != picture.cell.row:
            yield _merchant_line(last.row, addresses)
            addresses = {}
        last = picture
        if len(addresses) <= MERCHANT_FURTHER:
            addresses[picture.stored_as] = address
    if last is not None:
        yield _merchant_line(last.row, addresses)


def _merchant_line(row: Row, addresses: dict[str, str]) -> bytes:
    main, *further = addresses.values()
    return tab_line((merchant_id(row), main, ",".join(further)))


def merchant_id(row: Row) -> str:
    """The id of a row of a Merchant feed; of other catalogs what comes closest."""
    return row.product_id or row.sku or row.key


async def pictures_csv(pictures: Pictures, choice: Choice) -> AsyncIterator[bytes]:
    """A line for each picture, with what its row is known by; `variant.<axis>` for each axis of the manifest."""
    axes = tuple(pictures.manifest.variants)
    performer = pictures.manifest.disclosure.contains_synthetic_performer
    yield csv_line((*_ROW_FIELDS, "template", *(f"variant.{axis}" for axis in axes), *_PICTURE_FIELDS))
    async for picture, address in addressed_by_row(pictures, choice):
        row, cell = picture.row, picture.cell
        known_by = (row.key, row.product_id, row.sku, row.parent_id, row.title)
        made = (cell.size, cell.sample, picture.index, picture.key, address, picture.sha256)
        yield csv_line(
            (*known_by, cell.template, *cell.variant, *made, *check_cells(picture.checks), performer)
        )
