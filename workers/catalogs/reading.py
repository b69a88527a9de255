"""The front door: a catalog file, or the inline rows of a manifest, as canonical rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from schemas.catalog import Row
from schemas.errors import Problem
from workers.catalogs import sniff
from workers.catalogs.columns import PlainReader
from workers.catalogs.dialects.google_merchant import ATTRIBUTES, XmlFeed
from workers.catalogs.dialects.schema_org import SchemaOrgReader, columns_of, node_limits
from workers.catalogs.dialects.shopify import ShopifyReader
from workers.catalogs.dialects.woocommerce import WooReader
from workers.catalogs.keys import KeyRegister, KeyRule, rule_for
from workers.catalogs.mapped import Fields, MappedReader, settled
from workers.catalogs.objects import (
    Objects,
    cut_array,
    cut_lines,
    cut_nodes,
    peek_columns,
    record_of,
)
from workers.catalogs.record import (
    CatalogLimits,
    Reader,
    Record,
    Source,
    refusal,
)
from workers.catalogs.tables import Table, open_table
from workers.catalogs.woo_headers import column_of_types

__all__ = ["Catalog", "CatalogLimits", "open_catalog", "rows_of"]

_READERS: Mapping[str, Callable[[Source], Reader]] = {
    "shopify": ShopifyReader,
    "woocommerce": WooReader,
    "google_merchant": partial(PlainReader, aliases=ATTRIBUTES),
}


Wants = Callable[[Mapping[str, Any]], bool | Problem]


@dataclass(frozen=True, slots=True)
class Catalog:
    """A catalog that can be read.

    `dialect` is the one found; `mapping` says which source columns each canonical field and the key come
    from, best first (for the plan); `columns` are the source's own (of objects and XML: those of the first
    hundred rows); `advice` is what to look at, where the file may have been taken for something that it is not.
    """

    dialect: str
    mapping: Mapping[str, tuple[str, ...]]
    columns: tuple[str, ...]
    _reader: Reader
    _rule: KeyRule
    advice: str | None = None

    def rows(self, wants: Wants | None = None) -> Iterator[Row | Problem]:
        """Reads the file from its beginning: every row that is wanted, or what is wrong with it, in order.

        Blocking; may be advanced from different threads, one at a time.

        Args:
            wants: whether a row with these fields is wanted, or what is wrong with asking; None: all are. What is
                not wanted needs no key.
        """
        register = KeyRegister(self._rule)
        for draft in self._reader.drafts():
            wanted = wants is None or isinstance(draft, Problem) or wants(register.fields_of(draft))
            if isinstance(draft, Problem):
                yield draft
            elif isinstance(wanted, Problem):
                yield wanted
            elif wanted:
                yield register.admit(draft)


def open_catalog(
    path: Path,
    *,
    name: str,
    dialect: str,
    key: str | None,
    limits: CatalogLimits,
    fields: Fields | None = None,
) -> Catalog:
    """Finds out what a file is and how its columns map; reads no more than it must for that.

    Args:
        name: The file's name as the producer knows it; its ending decides where the content leaves a doubt.
        dialect: A dialect, or `auto`.
        key: A source column or a canonical field; None: the dialect's default.
        fields: The producer's own mapping, over what the dialect finds.

    Raises:
        ManifestError: Reading is impossible. Wrong rows come as problems out of `Catalog.rows` instead.
    """
    if dialect not in ("auto", *sniff.DIALECTS):
        raise refusal(
            "dialect_unknown", f"There is no dialect {dialect!r}: use auto, {', '.join(sniff.DIALECTS)}."
        )
    if path.stat().st_size > limits.max_bytes:
        raise refusal(
            "catalog_too_large", f"The catalog is larger than {limits.max_bytes:,} bytes: split it."
        )
    asked = dialect
    source, dialect = _open_source(path, name, dialect, limits)
    reader = (
        SchemaOrgReader(source, limits)
        if dialect == "schema_org"
        else _READERS.get(dialect, PlainReader)(source)
    )
    if fields:
        reader = MappedReader(reader, settled(fields, source, is_table=isinstance(source, Table)))
    rule = rule_for(key, source.columns, reader.mapping, reader.key_columns)
    mapping = {"key": rule.columns, **reader.mapping}
    is_found_plain = asked == "auto" and not fields and dialect in ("csv", "tsv")
    advice = _advice(source, dialect) if is_found_plain else None
    return Catalog(dialect, mapping, source.columns, reader, rule, advice)


def rows_of(
    dicts: Sequence[Mapping[str, Any]], *, key: str | None, wants: Wants | None = None
) -> Iterator[Row | Problem]:
    """The inline rows of a manifest, read like the objects of a JSON catalog.

    Raises:
        ManifestError: There is no row, or no key column. Raised by the call, not by the first row.
    """
    source = _InlineRows(dicts)
    reader = PlainReader(source)
    rule = rule_for(key, source.columns, reader.mapping)
    return Catalog("json", reader.mapping, source.columns, reader, rule).rows(wants)


def _advice(source: Source, dialect: str) -> str | None:
    """What to do about a table that a shop exported with headers that nobody here knows."""
    column = column_of_types(source.records())
    if column is None:
        return None
    return (
        f"column {column!r} holds types of products, as WooCommerce's export has them, under headers that are not known: it "
        f"was read as {dialect}, so variations take nothing from their parents. Export it again as a user whose language is "
        f"English, or put the English headers into its first line; if it is something else, say dialect: {dialect}"
    )


class _InlineRows:
    def __init__(self, dicts: Sequence[Mapping[str, Any]]) -> None:
        self._dicts = dicts
        self.columns = peek_columns(self.records())

    def records(self) -> Iterator[Record | Problem]:
        for number, cells in enumerate(self._dicts, start=1):
            yield record_of(number, dict(cells), CatalogLimits())


def _open_source(path: Path, name: str, dialect: str, limits: CatalogLimits) -> tuple[Source, str]:
    if sniff.is_xml(path):
        if dialect not in ("auto", "google_merchant"):
            raise refusal(
                "dialect_mismatch", f"The catalog is XML, which is not {dialect}: use google_merchant."
            )
        feed = XmlFeed(path, limits)
        return replace(feed, columns=peek_columns(feed.records())), "google_merchant"
    encoding = sniff.find_encoding(path)
    head = sniff.read_head(path, encoding)
    found = sniff.find_format(head, name) if dialect == "auto" else dialect
    if found == "schema_org":
        nodes = Objects(path, encoding, node_limits(limits), cut_nodes)
        return replace(nodes, columns=columns_of(nodes)), found
    if found in ("json", "jsonl"):
        objects = Objects(path, encoding, limits, cut_array if found == "json" else cut_lines)
        return replace(objects, columns=peek_columns(objects.records())), found
    delimiter = "\t" if dialect == "tsv" else sniff.find_delimiter(head)
    table = open_table(path, encoding=encoding, delimiter=delimiter, limits=limits, dialect=dialect)
    if next(table.records(), None) is None:
        raise refusal("catalog_empty", "The catalog is empty: it has a header but no rows.")
    if dialect == "auto":
        dialect = sniff.find_dialect(table.columns) or ("tsv" if delimiter == "\t" else "csv")
    return table, dialect
