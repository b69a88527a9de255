"""Which column means what: canonical fields by the names shops give them, everything else as an attribute."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from schemas.errors import Problem
from schemas.wording import first_few
from workers.catalogs.record import Draft, Record, Source, text_of

_COLUMNS_TOLD = 50
Aliases = tuple[tuple[str, tuple[str, ...]], ...]
"""Canonical field -> snake-cased column names, best first."""

PLAIN: Aliases = (
    ("product_id", ("product_id", "id", "item_id")),
    ("sku", ("sku", "variant_sku", "product_sku", "item_sku", "seller_sku", "article_number", "item_number")),
    ("parent_id", ("parent_id", "group_id", "item_group_id", "parent_sku", "parent")),
    ("title", ("title", "name", "product_name", "product_title")),
    ("description", ("description", "product_description", "long_description", "body_html", "body")),
    ("brand", ("brand", "brand_name", "vendor", "manufacturer")),
    ("product_type", ("product_type", "type")),
    (
        "category_path",
        ("category_path", "category", "categories", "product_category", "google_product_category"),
    ),
    ("color", ("color", "colour")),
    ("size", ("size",)),
    ("material", ("material", "fabric")),
    ("gtin", ("gtin", "gtin13", "gtin14", "ean", "ean13", "upc", "barcode", "isbn")),
    ("price", ("price", "regular_price", "variant_price")),
    ("url", ("url", "product_url", "link", "product_link", "permalink")),
    ("locale", ("locale", "language", "lang")),
)

_IMAGE_COLUMN = re.compile(
    r"(?P<role>main_|primary_|product_|additional_|extra_|other_|gallery_|lifestyle_)?"
    r"(?:image|photo|picture|img)s?(?:_(?:url|link|src|file)s?)?(?:_?(?P<place>\d+))?(?:_(?:url|link|src)s?)?"
)
_LATER_ROLES = ("additional_", "extra_", "other_", "gallery_", "lifestyle_")
_BETWEEN_IMAGES = re.compile(
    r"[|\n]|,(?=\s|https?://)|(?<![\s;])[\s;]+(?=[a-z][a-z0-9+.-]*://)", re.IGNORECASE
)
_IMAGE = re.compile(
    r"[a-z][a-z0-9+.-]*://\S+|[^|]*\.(?:avif|bmp|gif|heic|jpe?g|png|tiff?|webp)", re.IGNORECASE
)
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_NOT_WORD = re.compile(r"[\W_]+")


def snake(header: str) -> str:
    """`Fabric Care` and `fabricCare` -> `fabric_care`; `g:id` -> `id`."""
    return _NOT_WORD.sub("_", _CAMEL.sub("_", header.removeprefix("g:"))).strip("_").lower() or "column"


@dataclass(frozen=True, slots=True)
class ColumnPlan:
    """Where the fields and the attributes of a row come from."""

    fields: Mapping[str, tuple[str, ...]]
    attrs: Mapping[str, str]

    def draft(self, record: Record) -> Draft:
        cells = record.cells
        attrs = {name: cells.get(column) for name, column in self.attrs.items()}
        nested = attrs.get("attrs")
        if isinstance(nested, dict):
            del attrs["attrs"]
            attrs = {**nested, **attrs}
        fields: dict[str, Any] = {}
        for field, columns in self.fields.items():
            fields[field] = value = read_field(field, [cells.get(column) for column in columns])
            if not value:
                # What the field cannot hold, such as an object, stays an attribute.
                attrs.update((snake(column), cells[column]) for column in columns if cells.get(column))
        return Draft(record.number, fields, attrs, dict(cells))


@lru_cache(maxsize=64)
def plan_columns(
    columns: tuple[str, ...], aliases: Aliases = PLAIN, own: frozenset[str] = frozenset()
) -> ColumnPlan:
    """Sorts columns into canonical fields and attributes.

    The best-named column that is not blank gives a field its value; the other columns of the same field
    stay attributes too. Columns in `own` are read by the dialect itself and become neither.
    """
    by_name: dict[str, list[str]] = {}
    for column in columns:
        if column not in own:
            by_name.setdefault(snake(column), []).append(column)
    fields = {field: found for field, names in aliases if (found := _columns_named(names, by_name))}
    taken = {found[0] for found in fields.values()}
    if images := _image_columns(by_name):
        fields["image_urls"] = images
        taken.update(images)
    attrs: dict[str, str] = {}
    for name, same_named in by_name.items():
        for column in same_named:
            if column not in taken:
                attrs[_free_name(name, attrs)] = column
    return ColumnPlan(fields, attrs)


class PlainReader:
    """Tables and objects without a shop's dialect. Objects may differ in their columns from row to row."""

    key_columns: tuple[str, ...] = ()

    def __init__(self, source: Source, aliases: Aliases = PLAIN) -> None:
        self._source = source
        self._aliases = aliases
        self.mapping = plan_columns(source.columns, aliases).fields

    def drafts(self) -> Iterator[Draft | Problem]:
        for record in self._source.records():
            if isinstance(record, Problem):
                yield record
            else:
                yield plan_columns(tuple(record.cells), self._aliases).draft(record)


def read_field(field: str, values: Iterable[Any]) -> str | tuple[str, ...] | None:
    """The value of a canonical field from the cells of its columns, best first."""
    if field == "image_urls":
        return unique(url for value in values for url in _images_in(value))
    if field == "category_path":
        return next((path for value in values if (path := _path_in(value))), ())
    texts = (text for value in values if (text := text_of(value)))
    if field == "gtin":  # shops put an apostrophe in front, to have a spreadsheet keep its zeros
        texts = (digits for text in texts if (digits := text.removeprefix("'")))
    return next(texts, None)


def split_images(cell: str) -> tuple[str, ...]:
    """The images of one cell: several only if every part looks like a URL or an image's file name."""
    parts = [part for piece in _BETWEEN_IMAGES.split(cell) if (part := piece.strip())]
    return tuple(parts) if all(_IMAGE.fullmatch(part) for part in parts) else (cell.strip(),)


def split_path(cell: str) -> tuple[str, ...]:
    """`Clothing > Shirts` -> its steps, widest first."""
    return tuple(step for piece in cell.split(">") if (step := piece.strip()))


def unique(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))


def find_column(name: str, columns: Iterable[str]) -> str | None:
    """The column of this name: as it is written, else in any case."""
    columns = tuple(columns)
    if name in columns:
        return name
    return next((column for column in columns if column.casefold() == name.strip().casefold()), None)


def _columns_named(names: tuple[str, ...], by_name: Mapping[str, list[str]]) -> tuple[str, ...]:
    return tuple(column for name in names for column in by_name.get(name, ()))


def _image_columns(by_name: Mapping[str, list[str]]) -> tuple[str, ...]:
    """The columns of images: main ones first, then by their number."""
    ranked: list[tuple[int, int, str]] = []
    for name, found in by_name.items():
        if match := _IMAGE_COLUMN.fullmatch(name):
            role = _LATER_ROLES.index(match["role"]) + 1 if match["role"] in _LATER_ROLES else 0
            ranked += [(role, int(match["place"] or 0), column) for column in found]
    return tuple(column for _, _, column in sorted(ranked, key=lambda image: image[:2]))


def _free_name(name: str, taken: Mapping[str, str]) -> str:
    place = 2
    free = name
    while free in taken:
        free, place = f"{name}_{place}", place + 1
    return free


def _images_in(value: Any) -> tuple[str, ...]:
    """Images of a cell: text, a list of texts, or objects that name a URL."""
    match value:
        case list() | tuple():
            return tuple(url for item in value for url in _images_in(item))
        case {"src": str(url)} | {"url": str(url)} | {"href": str(url)}:
            return (url.strip(),) if url.strip() else ()
        case str() if value.strip():
            return split_images(value)
        case _:
            return ()


def _path_in(value: Any) -> tuple[str, ...]:
    """The steps of one category: of a text, of a list of steps, or of the first of a list of paths.

    A bare number is an entry of somebody's taxonomy and no path.
    """
    values = value if isinstance(value, list | tuple) else (value,)
    steps = [text for item in values if (text := text_of(item)) and not text.isdigit()]
    if len(steps) == 1 or any(">" in step for step in steps):
        return split_path(steps[0])
    return tuple(steps)


def columns_told(columns: Sequence[str]) -> str:
    """A sentence that names the columns that there are."""
    return f"The columns are: {first_few(columns, _COLUMNS_TOLD)}."
