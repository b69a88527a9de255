"""The feed for anything that is no shop of which we know: a line for each picture."""

from __future__ import annotations

from collections.abc import AsyncIterator

from service.contract.choice import Choice
from service.exports.cells import CHECK_COLUMNS, PERFORMER_COLUMN, check_cells, csv_line
from service.exports.feeds.addresses import addressed_by_row
from service.exports.pictures import Pictures

_ROW_FIELDS = ("row_key", "product_id", "sku", "parent_id", "title")
_PICTURE_FIELDS = ("size", "sample", "index", "key", "url", "sha256", *CHECK_COLUMNS, PERFORMER_COLUMN)


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
