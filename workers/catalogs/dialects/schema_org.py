"""schema.org products as JSON-LD: one document, an array, a `@graph`, a list of items, or one object a line.

A ProductGroup is no row of its own when it has variants: it hands them what they do not say themselves. Its
variants stand in it, or anywhere in the file and name it, or are named by it. What is no product is left out.

Source: https://schema.org/Product, https://schema.org/ProductGroup and
https://developers.google.com/search/docs/appearance/structured-data/product-variants, 2026-11-21.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from itertools import islice
from typing import Any

import msgspec

from schemas.errors import ManifestError, Problem
from workers.catalogs.columns import read_field, snake, unique
from workers.catalogs.dialects.families import FamilyStore
from workers.catalogs.objects import record_of
from workers.catalogs.record import (
    SOURCE,
    CatalogLimits,
    Draft,
    Record,
    Source,
    row_problem,
    text_of,
    too_many_rows,
)

MAX_NODE_BYTES = 1 << 21
"""Of one node: a group holds its variants, so it may be larger than a row."""

MAX_NODE_DEPTH = 12
_MAX_WRAPPERS = 4
_PEEKED_PRODUCTS = 100

FIELDS: dict[str, tuple[str, ...]] = {
    "product_id": ("productID", "@id"),
    "sku": ("sku",),
    "parent_id": ("inProductGroupWithID", "isVariantOf"),
    "title": ("name",),
    "description": ("description",),
    "brand": ("brand",),
    "category_path": ("category",),
    "color": ("color",),
    "size": ("size",),
    "material": ("material",),
    "gtin": ("gtin", "gtin14", "gtin13", "gtin12", "gtin8"),
    "price": ("offers",),
    "url": ("url",),
    "image_urls": ("image",),
    "locale": ("inLanguage",),
}
"""Canonical field -> properties of a product, best first."""

_WRAPPERS = ("@graph", "mainEntity", "itemListElement", "item")
_PRODUCT = re.compile(r"(?:https?://schema\.org/|schema:)?(?:\w*Product|ProductModel|SomeProducts)")
_GROUP = re.compile(r"(?:https?://schema\.org/|schema:)?ProductGroup")
_OF_THE_GROUP = frozenset(
    {"@context", "@id", "@type", "hasVariant", "variesBy", "sku", "url", "productID", "offers"}
)
_OF_THE_GROUP |= frozenset({"gtin", "gtin8", "gtin12", "gtin13", "gtin14"})
_NAMES = ("name", "value", "@value", "productGroupID", "@id")
_URLS = ("contentUrl", "url", "@id")
_PRICES = ("price", "lowPrice", "priceSpecification")


class _Group(msgspec.Struct):
    """A product group by one of its names, or (`of`) the group that names a variant."""

    common: dict[str, Any] = {}
    variants: int = 0
    of: str | None = None


class SchemaOrgReader:
    """One row per product that is no group, and per group without variants. The file is read twice.

    Rows are counted in the order of the file: a group's variants one by one, other things not at all.
    """

    key_columns = ("sku", "productID", "@id", "url")

    def __init__(self, source: Source, limits: CatalogLimits) -> None:
        """`limits` are those of a row; `source` has them wide enough for a node."""
        self._source = source
        self._limits = limits
        self.mapping = {field: names for field, names in FIELDS.items() if {*names} & {*source.columns}}

    def drafts(self) -> Iterator[Draft | Problem]:
        with closing(FamilyStore(_Group)) as groups:
            self._gather(groups)
            number = 0
            for node in _nodes(self._source):
                if isinstance(node, Problem):
                    yield node
                    continue
                for product in self._products(node, groups):
                    number += 1
                    if number > self._limits.max_rows:
                        yield too_many_rows(self._limits)
                        return
                    yield self._draft(number, product)

    def _gather(self, groups: FamilyStore[_Group]) -> None:
        for node in _nodes(self._source):
            if isinstance(node, Problem):
                continue
            if _is(node, _GROUP):
                self._add_group(node, groups)
            elif name := _group_named_by(node):
                _count_variant(name, groups)

    def _add_group(self, node: dict[str, Any], groups: FamilyStore[_Group]) -> None:
        named = [variant["@id"] for variant in _variants(node) if _is_reference(variant)]
        common = {name: value for name, value in node.items() if name not in _OF_THE_GROUP}
        for name in _names_of(node):
            group = groups.get(name)
            group.common = common
            group.variants += len(named)
            groups.put(name, group)
        for variant in named:
            groups.put(f"of:{variant}", _Group(of=next(iter(_names_of(node)), None)))

    def _products(self, node: dict[str, Any], groups: FamilyStore[_Group]) -> Iterator[dict[str, Any]]:
        if not _is(node, _GROUP):
            name = _group_named_by(node) or groups.get(f"of:{node.get('@id')}").of
            yield {**groups.get(name).common, **node} if name else node
            return
        inner = [variant for variant in _variants(node) if not _is_reference(variant)]
        common = {name: value for name, value in node.items() if name not in _OF_THE_GROUP}
        for variant in inner:
            yield {**common, "isVariantOf": next(iter(_names_of(node)), None), **variant}
        if not inner and not any(groups.get(name).variants for name in _names_of(node)):
            yield node

    def _draft(self, number: int, product: dict[str, Any]) -> Draft | Problem:
        record = record_of(number, product, self._limits)
        if isinstance(record, Problem):
            return record
        if len(msgspec.json.encode(record.cells)) > self._limits.max_row_bytes:
            detail = f"Row {number} is larger than {self._limits.max_row_bytes:,} bytes."
            return row_problem(number, "row_too_large", detail)
        return _drafted(record)


def columns_of(source: Source) -> tuple[str, ...]:
    """The properties of the first hundred products, variants included.

    Raises:
        ManifestError: there is no product, and what is wrong where nothing could be read.
    """
    columns, problems = dict[str, None](), list[Problem]()
    for node in islice(_nodes(source), _PEEKED_PRODUCTS):
        if isinstance(node, Problem):
            problems.append(node)
        else:
            columns.update(dict.fromkeys((*node, *(name for variant in _variants(node) for name in variant))))
    if columns:
        return tuple(columns)
    detail = "The catalog has no schema.org Product in it."
    raise ManifestError(problems or [Problem(SOURCE, "catalog_empty", detail)])


def node_limits(limits: CatalogLimits) -> CatalogLimits:
    """How much of a node is read: a group holds its variants."""
    return replace(
        limits, max_row_bytes=MAX_NODE_BYTES, max_field_bytes=MAX_NODE_BYTES, max_depth=MAX_NODE_DEPTH
    )


def _nodes(source: Source) -> Iterator[dict[str, Any] | Problem]:
    for record in source.records():
        if isinstance(record, Problem):
            yield record
        else:
            yield from _unwrapped(record.cells, _MAX_WRAPPERS)


def _drafted(record: Record) -> Draft:
    cells = record.cells
    fields = {
        field: read_field(field, [_plain(field, cells[name]) for name in names if name in cells])
        for field, names in FIELDS.items()
    }
    fields["url"] = fields["url"] or text_of(_first(cells.get("offers"), ("url",)))
    taken = {name for names in FIELDS.values() for name in names} - {"offers"}
    attrs = {
        snake(name): value for name, value in cells.items() if name not in taken and not name.startswith("@")
    }
    for extra in _listed(cells.get("additionalProperty")):
        if isinstance(extra, dict) and (name := text_of(extra.get("name"))):
            attrs[snake(name)] = extra.get("value")
    identity = next((text for name in ("sku", "product_id", "url") if (text := text_of(fields[name]))), None)
    return Draft(record.number, fields, attrs, dict(cells), identity)


def _plain(field: str, value: Any) -> Any:
    """The value of a property as text, or as texts where there are several."""
    if field == "image_urls":
        return unique(url for item in _listed(value) if (url := text_of(_first(item, _URLS))))
    if field == "price":
        return _price(value)
    plain = [found for item in _listed(value) if (found := text_of(_first(item, _NAMES)))]
    return plain[0] if len(plain) == 1 else plain


def _price(offers: Any) -> str | None:
    """The first offer's price with its currency: `19.99 EUR`."""
    for offer in _listed(offers):
        found: Any = offer
        while isinstance(found, dict):
            inner = next((found[name] for name in _PRICES if found.get(name) is not None), None)
            inner = next(iter(_listed(inner)), None)
            if not isinstance(inner, dict):
                currency = text_of(found.get("priceCurrency")) or ""
                return f"{text_of(inner)} {currency}".strip() if text_of(inner) else None
            found = inner
    return None


def _first(value: Any, names: tuple[str, ...]) -> Any:
    """A text as it is; of an object its first property of these."""
    for item in _listed(value):
        if isinstance(item, dict):
            return next((item[name] for name in names if text_of(item.get(name))), None)
        return item
    return None


def _unwrapped(node: Any, levels: int) -> Iterator[dict[str, Any]]:
    """The products in a document, a list of items, or a page about a product."""
    if isinstance(node, list):
        for item in node:
            yield from _unwrapped(item, levels)
    elif isinstance(node, dict) and (_is(node, _GROUP) or _is(node, _PRODUCT)):
        yield node
    elif isinstance(node, dict) and levels:
        for name in _WRAPPERS:
            yield from _unwrapped(node.get(name), levels - 1)


def _is(node: dict[str, Any], kind: re.Pattern[str]) -> bool:
    return any(isinstance(name, str) and kind.fullmatch(name) for name in _listed(node.get("@type")))


def _variants(group: dict[str, Any]) -> list[dict[str, Any]]:
    return [variant for variant in _listed(group.get("hasVariant")) if isinstance(variant, dict)]


def _is_reference(node: dict[str, Any]) -> bool:
    """Whether a node only names another one, and by something we can find it by."""
    return isinstance(node.get("@id"), str) and not {*node} - {"@id", "@type", "url"}


def _names_of(group: dict[str, Any]) -> list[str]:
    return [
        name for name in (group.get("@id"), group.get("productGroupID")) if isinstance(name, str) and name
    ]


def _group_named_by(node: dict[str, Any]) -> str | None:
    of = node.get("isVariantOf")
    named = (*_names_of(of), None) if isinstance(of, dict) else (of, None)
    found = named[0] or node.get("inProductGroupWithID")
    return found if isinstance(found, str) else None


def _count_variant(name: str, groups: FamilyStore[_Group]) -> None:
    group = groups.get(name)
    group.variants += 1
    groups.put(name, group)


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]
