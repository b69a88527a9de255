"""Shopify's product export, with the headers of before and since 2024.

Rows belong together by their handle, wherever they stand. The first carries the product; the others are
variants or further images. What the product says once holds for all its variants: blank cells inherit.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing

import msgspec

from schemas.errors import Problem
from workers.catalogs.columns import Aliases, plan_columns, snake, unique
from workers.catalogs.dialects.families import FamilyStore
from workers.catalogs.record import Cells, Draft, Record, Source, refusal, row_problem

MAX_IMAGES = 250
"""Of one product: ours, so that a file of one product's images is a problem rather than a load on memory."""

HEADERS: Aliases = (
    ("sku", ("variant_sku", "sku")),
    ("parent_id", ("handle", "url_handle")),
    ("title", ("title",)),
    ("description", ("body_html", "description")),
    ("brand", ("vendor",)),
    ("product_type", ("type",)),
    ("category_path", ("product_category", "google_shopping_google_product_category")),
    ("color", ("color_product_metafields_shopify_color_pattern",)),
    ("size", ("size_product_metafields_shopify_size",)),
    (
        "material",
        ("material_product_metafields_shopify_material", "fabric_product_metafields_shopify_fabric"),
    ),
    ("gtin", ("variant_barcode", "barcode")),
    ("price", ("variant_price", "price")),
)
_OPTION_FIELDS = {
    "color": "color",
    "colour": "color",
    "size": "size",
    "material": "material",
    "fabric": "material",
}

_OF_THE_VARIANT = re.compile(
    r"variant_.*|option\d_(value|linked_to)|(product_)?image_.*|sku|barcode|(compare_at_)?price(_.*)?|cost_per_item"
    r"|charge_tax|tax_code|unit_price_.*|inventory_.*|continue_selling_.*|weight_.*|requires_shipping|fulfillment_.*"
)
_MARKS_OF_A_VARIANT = re.compile(r"option\d_value|(variant_)?(sku|price|barcode)")


class _Product(msgspec.Struct):
    """What the rows of one handle say together. `images` are pairs of a position and a URL."""

    first_row: int = 0
    variants: int = 0
    common: dict[str, str] = {}
    images: list[tuple[int, str]] = []


class ShopifyReader:
    """One row per variant, in the order of the file. The file is read twice."""

    def __init__(self, source: Source) -> None:
        named = {snake(column): column for column in source.columns}
        handle = named.get("handle") or named.get("url_handle")
        if handle is None:
            raise refusal(
                "column_missing", "A Shopify export has a column 'Handle' or 'URL handle'; this has none."
            )
        self._source = source
        self._handle = handle
        self._sku = named.get("variant_sku") or named.get("sku")
        self._image = named.get("image_src") or named.get("product_image_url")
        self._position = named.get("image_position")
        self._variant_image = named.get("variant_image") or named.get("variant_image_url")
        self._options = [
            (named[f"option{place}_name"], named[f"option{place}_value"])
            for place in (1, 2, 3)
            if {f"option{place}_name", f"option{place}_value"} <= named.keys()
        ]
        self._marks = [column for name, column in named.items() if _MARKS_OF_A_VARIANT.fullmatch(name)]
        self._common = [column for name, column in named.items() if not _OF_THE_VARIANT.fullmatch(name)]
        images = tuple(column for column in (self._variant_image, self._image) if column)
        options = tuple(column for pair in self._options for column in pair)
        self._plan = plan_columns(source.columns, HEADERS, frozenset((*images, *options)))
        values = tuple(value for _, value in self._options)
        self.mapping = {**self._plan.fields, "image_urls": images}
        if values:
            found = {field: (*values, *self._plan.fields.get(field, ())) for field in _OPTION_FIELDS.values()}
            self.mapping.update(found)
        self.key_columns = (*((self._sku,) if self._sku else ()), handle, *values)

    def drafts(self) -> Iterator[Draft | Problem]:
        with closing(FamilyStore(_Product)) as products:
            every_sku = self._gather(products)
            for record in self._records():
                if isinstance(record, Problem):
                    yield record
                else:
                    yield from self._draft(record, products, every_sku=every_sku)

    def _records(self) -> Iterator[Record | Problem]:
        """The records; SKUs without the apostrophe that is put in front to have a spreadsheet keep their zeros."""
        for record in self._source.records():
            if not isinstance(record, Problem) and self._sku and (sku := record.cells[self._sku]):
                record.cells[self._sku] = sku.removeprefix("'") or None
            yield record

    def _gather(self, products: FamilyStore[_Product]) -> bool:
        """Reads all rows into their products; tells whether every variant has a SKU."""
        handles = with_variants = without_sku = 0
        for record in self._records():
            if isinstance(record, Problem) or not (handle := record.cells[self._handle]):
                continue
            product = products.get(handle)
            is_variant = self._has_marks(record.cells)
            handles += not product.first_row
            with_variants += is_variant and not product.variants
            without_sku += is_variant and not (self._sku and record.cells[self._sku])
            self._add(product, record, is_variant=is_variant)
            products.put(handle, product)
        return handles == with_variants and not without_sku

    def _add(self, product: _Product, record: Record, *, is_variant: bool) -> None:
        cells = record.cells
        product.first_row = product.first_row or record.number
        product.variants += is_variant
        for column in self._common:
            if cells[column] and column not in product.common:
                product.common[column] = cells[column]
        if len(product.images) <= MAX_IMAGES:
            position = _whole_number(cells[self._position]) if self._position else 0
            own = () if is_variant else (self._variant_image,)
            product.images += [
                (position, cells[column]) for column in (self._image, *own) if column and cells[column]
            ]

    def _draft(
        self, record: Record, products: FamilyStore[_Product], *, every_sku: bool
    ) -> Iterator[Draft | Problem]:
        handle = record.cells[self._handle]
        if not handle:
            detail = f"Row {record.number} has no handle: fill in {self._handle!r}."
            yield row_problem(record.number, "handle_missing", detail, column=self._handle)
            return
        product = products.get(handle)
        if len(product.images) > MAX_IMAGES and record.number == product.first_row:
            detail = f"The product {handle!r} has more than {MAX_IMAGES} images; the others are left out."
            yield row_problem(record.number, "too_many_images", detail, column=self._image)
        # A product without any marked row (only handle, title, image) is one variant: its first row.
        if self._has_marks(record.cells) or (not product.variants and record.number == product.first_row):
            yield self._variant(record, product, every_sku=every_sku)

    def _variant(self, record: Record, product: _Product, *, every_sku: bool) -> Draft:
        cells = {column: value or product.common.get(column) for column, value in record.cells.items()}
        draft = self._plan.draft(Record(record.number, cells))
        own = cells[self._variant_image] if self._variant_image else None
        shared = (url for _, url in sorted(product.images, key=lambda image: image[0])[:MAX_IMAGES])
        draft.fields["image_urls"] = unique(filter(None, (own, *shared)))
        values = self._set_options(draft, cells)
        if every_sku:
            draft.identity = draft.fields.get("sku")
        else:
            draft.identity = "--".join([str(cells[self._handle]), *(values if product.variants > 1 else ())])
        return draft

    def _set_options(self, draft: Draft, cells: Cells) -> list[str]:
        """Gives the options their fields or attributes, and returns the values in order."""
        values = []
        for name_column, value_column in self._options:
            name, value = cells[name_column], cells[value_column]
            if not name or not value or (name, value) == ("Title", "Default Title"):
                continue
            values.append(value)
            if field := _OPTION_FIELDS.get(snake(name)):
                draft.fields[field] = value
            else:
                draft.attrs[snake(name)] = value
        return values

    def _has_marks(self, cells: Cells) -> bool:
        return any(cells[column] for column in self._marks)


def _whole_number(text: str | None) -> int:
    """The position of an image; those without one come last, in the order of the file."""
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 10 else 1 << 30
