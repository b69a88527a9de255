"""WooCommerce's product export: simple products, and variable products with their variations.

A variable product is no row of its own when it has variations: it hands its text, images and attributes
down to them. A variation names its parent as `id:12` or by SKU. Headers are those of the language that the shop's people
work in, the rest is the same in all of them.

The exporter puts an apostrophe before cells that a spreadsheet would take for formulas, and writes the line ends of
descriptions as the two letters `\\n`; as the importer does, both are undone before anything else is looked at.

Source: https://github.com/woocommerce/woocommerce/wiki/Product-CSV-Import-Schema, 2026-11-21; for what is undone,
`unescape_data` and `parse_description_field` of its importer, 2026-11-22.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import closing

import msgspec

from schemas.errors import Problem
from workers.catalogs.columns import Aliases, plan_columns, snake, split_path, unique
from workers.catalogs.dialects.families import FamilyStore
from workers.catalogs.record import Cells, Draft, Record, Source, refusal, row_problem
from workers.catalogs.woo_headers import english_names, languages

HEADERS: Aliases = (
    ("product_id", ("id",)),
    ("sku", ("sku",)),
    ("parent_id", ("parent",)),
    ("title", ("name",)),
    ("description", ("description", "short_description")),
    ("brand", ("brand", "brands")),
    ("category_path", ("categories",)),
    ("gtin", ("gtin_upc_ean_or_isbn", "gtin")),
    ("price", ("regular_price", "price")),
)
_ATTRIBUTE_FIELDS = {
    "color": "color",
    "colour": "color",
    "size": "size",
    "material": "material",
    "fabric": "material",
    "brand": "brand",
}
_OF_THE_VARIATION = re.compile(
    r"id|type|sku|gtin.*|parent|position|.*price.*|.*stock.*|images|attribute_\d+_.*|published|menu_order"
)
_ATTRIBUTE_COLUMN = re.compile(r"attribute_(\d+)_(name|value_s|value|visible|global|default)")
_ESCAPED = ("'=", "'+", "'-", "'@")
_DESCRIPTIONS = ("description", "short_description")
_LINE_END = re.compile(r"(\\?)\\n")
_COMMA = re.compile(r"(?<!\\),")


class _Parent(msgspec.Struct):
    """A variable product, by one of its names. `cells` is None until its row has been met."""

    cells: dict[str, str | None] | None = None
    variations: int = 0


class WooReader:
    """One row per simple product and per variation, in the order of the file. The file is read twice."""

    def __init__(self, source: Source) -> None:
        english = english_names(source.columns)
        named = {name: column for column, name in english.items()}
        if missing := [name for name in ("Type", "Name") if snake(name) not in named]:
            spoken = f"in English or as {', '.join(languages())} shops call it"
            raise refusal(
                "column_missing",
                f"A WooCommerce export has a column {missing[0]!r}, {spoken}; this has none.",
            )
        self._source = source
        self._descriptions = [named[name] for name in _DESCRIPTIONS if name in named]
        self._type = named["type"]
        self._id, self._sku, self._parent = named.get("id"), named.get("sku"), named.get("parent")
        self._images, self._categories = named.get("images"), named.get("categories")
        places = sorted({int(match[1]) for name in named if (match := _ATTRIBUTE_COLUMN.fullmatch(name))})
        pairs = [(f"attribute_{place}_name", f"attribute_{place}_value_s") for place in places]
        self._attributes = [
            (named[name], named[value]) for name, value in pairs if {name, value} <= named.keys()
        ]
        self._common = [column for name, column in named.items() if not _OF_THE_VARIATION.fullmatch(name)]
        own = {column for name, column in named.items() if _ATTRIBUTE_COLUMN.fullmatch(name)}
        images = (self._images,) if self._images else ()
        self._plan = plan_columns(source.columns, _headers_of(english), frozenset((*own, *images)))
        values = tuple(value for _, value in self._attributes)
        self.mapping = {**self._plan.fields, "image_urls": images}
        if values:
            found = {
                field: (*values, *self._plan.fields.get(field, ())) for field in _ATTRIBUTE_FIELDS.values()
            }
            self.mapping.update(found)
        self.key_columns = tuple(column for column in (self._sku, self._id) if column)

    def drafts(self) -> Iterator[Draft | Problem]:
        with closing(FamilyStore(_Parent)) as parents:
            self._gather(parents)
            for record in self._records():
                if isinstance(record, Problem):
                    yield record
                elif self._is(record, "variation"):
                    yield self._variation(record, parents)
                elif not any(parents.get(name).variations for name in self._names(record)):
                    yield self._draft(record, {})

    def _records(self) -> Iterator[Record | Problem]:
        """The records as the shop has them, without what its exporter did to their cells."""
        for record in self._source.records():
            if isinstance(record, Problem):
                yield record
                continue
            cells = {
                column: cell[1:] if cell and cell.startswith(_ESCAPED) else cell
                for column, cell in record.cells.items()
            }
            for column in self._descriptions:
                if cells[column]:
                    cells[column] = _LINE_END.sub(_line_end, cells[column])
            yield Record(record.number, cells)

    def _gather(self, parents: FamilyStore[_Parent]) -> None:
        for record in self._records():
            if isinstance(record, Problem):
                continue
            if self._is(record, "variation") and (name := self._parent_name(record.cells)):
                parent = parents.get(name)
                parent.variations += 1
                parents.put(name, parent)
            elif self._is(record, "variable"):
                for name in self._names(record):
                    parent = parents.get(name)
                    parent.cells = {column: cell for column, cell in record.cells.items() if cell}
                    parents.put(name, parent)

    def _is(self, record: Record, kind: str) -> bool:
        """Whether a type such as `variation, virtual` or `variable-subscription` is of this kind."""
        return kind in (record.cells[self._type] or "").casefold()

    def _names(self, record: Record) -> list[str]:
        """What variations can call a variable product."""
        if not self._is(record, "variable"):
            return []
        named = ((self._id, "id:"), (self._sku, "sku:"))
        return [prefix + record.cells[column] for column, prefix in named if column and record.cells[column]]

    def _parent_name(self, cells: Cells) -> str | None:
        parent = cells[self._parent] if self._parent else None
        return parent if not parent or parent.startswith("id:") else f"sku:{parent}"

    def _variation(self, record: Record, parents: FamilyStore[_Parent]) -> Draft | Problem:
        name = self._parent_name(record.cells)
        parent = parents.get(name).cells if name else None
        if parent is None:
            named = repr(name.removeprefix("sku:")) if name else "none"
            detail = f"Row {record.number} is a variation but its parent, {named}, is no variable product of this catalog."
            return row_problem(record.number, "parent_unknown", detail, column=self._parent or "Parent")
        return self._draft(record, parent)

    def _draft(self, record: Record, parent: Cells) -> Draft:
        cells = {**record.cells, **{c: record.cells[c] or parent.get(c) for c in self._common}}
        draft = self._plan.draft(Record(record.number, cells))
        fields = draft.fields
        if self._images:
            fields["image_urls"] = unique((*_parts(cells[self._images]), *_parts(parent.get(self._images))))
        if self._categories:
            fields["category_path"] = split_path(next(iter(_parts(cells[self._categories])), ""))
        if fields.get("parent_id"):
            fields["parent_id"] = fields["parent_id"].removeprefix("id:")
        for name, value in {**self._attributes_of(parent), **self._attributes_of(record.cells)}.items():
            if field := _ATTRIBUTE_FIELDS.get(snake(name)):
                fields[field] = value or fields.get(field)
            else:
                draft.attrs[snake(name)] = value
        draft.identity = fields.get("sku") or fields.get("product_id")
        return draft

    def _attributes_of(self, cells: Cells) -> dict[str, str | None]:
        pairs = ((cells.get(name), cells.get(value)) for name, value in self._attributes)
        return {name: value for name, value in pairs if name}


def _headers_of(english: Mapping[str, str]) -> Aliases:
    """The headers of the fields as a file of this language has them: see `english_names`."""
    return tuple(
        (field, tuple(snake(column) for name in names for column, said in english.items() if said == name))
        for field, names in HEADERS
    )


def _line_end(found: re.Match[str]) -> str:
    r"""`\n` is a line's end, and `\\n` the two letters."""
    return r"\n" if found[1] else "\n"


def _parts(cell: str | None) -> list[str]:
    r"""The values of a cell: commas part them, `\,` is a comma in a value."""
    return [part.strip().replace("\\,", ",") for part in _COMMA.split(cell or "") if part.strip()]
