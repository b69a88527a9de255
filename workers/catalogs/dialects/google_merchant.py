"""Google Merchant feeds: tables by attribute name, and RSS or Atom with the `g:` namespace."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO
from xml.etree.ElementTree import Element, ParseError

import orjson
from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import iterparse

from schemas.errors import Problem
from workers.catalogs.columns import Aliases
from workers.catalogs.objects import record_of
from workers.catalogs.record import SOURCE, CatalogLimits, Record, row_problem, too_many_rows

GOOGLE_NAMESPACE = "{http://base.google.com/ns/1.0}"

ATTRIBUTES: Aliases = (
    ("product_id", ("id",)),
    ("parent_id", ("item_group_id",)),
    ("title", ("title",)),
    ("description", ("description", "summary", "content")),
    ("brand", ("brand",)),
    ("product_type", ("product_type",)),
    ("category_path", ("google_product_category", "product_type")),
    ("color", ("color",)),
    ("size", ("size",)),
    ("material", ("material",)),
    ("gtin", ("gtin",)),
    ("price", ("price",)),
    ("url", ("link",)),
    ("locale", ("content_language",)),
)

REPEATABLE = frozenset(
    {"additional_image_link", "lifestyle_image_link", "product_type", "product_highlight", "product_detail"}
    | {"promotion_id", "shipping", "carrier_shipping", "tax", "size_type", "certification", "ads_labels"}
    | {"included_destination", "excluded_destination", "shopping_ads_excluded_country", "loyalty_program"}
    | {"free_shipping_threshold"}
)
"""Attributes that hold a list, so that a table may have a column for each of its values.

Source: https://developers.google.com/merchant/api/reference/rest/products_v1/ProductAttributes, checked 2026-11-21.
"""


@dataclass(frozen=True, slots=True)
class XmlFeed:
    """A feed whose items (RSS) or entries (Atom) are read one at a time.

    Columns are named without their namespace; where an element stands with and without `g:`, Google's wins.
    """

    path: Path
    limits: CatalogLimits
    columns: tuple[str, ...] = ()

    def records(self) -> Iterator[Record | Problem]:
        with self.path.open("rb") as file:
            yield from self._read(_MeteredFile(file, self.limits.max_row_bytes))

    def _read(self, file: _MeteredFile) -> Iterator[Record | Problem]:
        number = 0
        try:
            for number, item in enumerate(_items(file), start=1):
                if number > self.limits.max_rows:
                    yield too_many_rows(self.limits)
                    return
                yield self._record(number, item)
        except ParseError as error:
            yield Problem(SOURCE, "catalog_malformed", f"After row {number} the XML cannot be read: {error}.")
        except DefusedXmlException:
            detail = (
                "The XML declares a document type or entities, which are refused: remove the declaration."
            )
            yield Problem(SOURCE, "xml_forbidden", detail)
        except _ItemTooLargeError:
            detail = f"{self._too_large(number + 1)} Nothing after it was read."
            yield row_problem(number + 1, "row_too_large", detail)

    def _record(self, number: int, item: Element) -> Record | Problem:
        cells = _cells(item, self.limits.max_depth)
        if len(orjson.dumps(cells)) > self.limits.max_row_bytes:
            return row_problem(number, "row_too_large", self._too_large(number))
        return record_of(number, cells, self.limits)

    def _too_large(self, number: int) -> str:
        return f"Row {number} is larger than {self.limits.max_row_bytes:,} bytes."


class _ItemTooLargeError(Exception):
    """More has been read since the last item ended than one item may take."""


class _MeteredFile:
    """A file that refuses to be read on when one item does not end: the parser holds all of it in memory."""

    def __init__(self, file: BinaryIO, max_item_bytes: int) -> None:
        self._file = file
        self._max_item_bytes = max_item_bytes
        self._taken_bytes = 0

    def item_ended(self) -> None:
        self._taken_bytes = 0

    def read(self, size_bytes: int = -1, /) -> bytes:
        if self._taken_bytes > self._max_item_bytes:
            raise _ItemTooLargeError
        chunk = self._file.read(size_bytes)
        self._taken_bytes += len(chunk)
        return chunk


def _items(file: _MeteredFile) -> Iterator[Element]:
    open_elements: list[Element] = []
    for event, element in iterparse(file, events=("start", "end"), forbid_dtd=True):
        if event == "start":
            open_elements.append(element)
            continue
        open_elements.pop()
        if _local(element.tag) in ("item", "entry"):
            file.item_ended()
            yield element
            element.clear()
            if open_elements:
                open_elements[-1].remove(element)


def _cells(element: Element, levels: int) -> dict[str, Any]:
    """The children by name: a list where one repeats, an object where one has children of its own.

    Below `levels` only empty objects are left, for whoever measures the depth. Of Atom's links the first one to the
    product's page is left: others lead to the entry itself, to editing it, or to another format.
    """
    by_tag: dict[str, list[Any]] = {}
    for child in element if levels > 0 else ():
        if _is_atom_link(child) and (child.get("rel", "alternate") != "alternate" or child.tag in by_tag):
            continue
        value = (
            _cells(child, levels - 1)
            if len(child)
            else (child.text or child.get("href") or "").strip() or None
        )
        by_tag.setdefault(child.tag, []).append(value)
    ordered = sorted(by_tag, key=lambda tag: tag.startswith(GOOGLE_NAMESPACE))
    return {_local(tag): by_tag[tag][0] if len(by_tag[tag]) == 1 else by_tag[tag] for tag in ordered}


def _is_atom_link(element: Element) -> bool:
    return _local(element.tag) == "link" and element.get("href") is not None


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]
