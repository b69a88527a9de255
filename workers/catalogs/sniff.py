"""What a file is: its encoding, its format, its delimiter and whose dialect its header speaks."""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Iterable, Iterator
from io import StringIO
from itertools import islice
from pathlib import Path
from typing import TextIO

import orjson

from workers.catalogs.columns import snake
from workers.catalogs.delimited import NAMED_DELIMITER
from workers.catalogs.record import refusal
from workers.catalogs.woo_headers import english_names

DIALECTS = ("shopify", "woocommerce", "google_merchant", "csv", "tsv", "schema_org", "jsonl", "json")
_HEAD_CHARS = 65_536
_START_BYTES = 32
_SURE_LETTERS = 4
_CHUNK_BYTES = 1 << 17
_SAMPLE_ROWS = 20
_DELIMITERS = ",;\t|"
_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))

_LINKED = re.compile(r'"@(?:context|type|graph)"\s*:')

_WOO_ANCHORS = {"id", "sku", "published", "is_featured", "visibility_in_catalog", "tax_status", "in_stock"}
_WOO_ANCHORS |= {"short_description", "regular_price", "categories", "images", "parent", "attribute_1_name"}
_MERCHANT_ANCHORS = {"availability", "condition", "google_product_category", "item_group_id", "image_link"}
# Dialect, the headers it always has, and how many of the others make it sure. Headers are snake-cased.
_ANCHORS: tuple[tuple[str, set[str], int, set[str]], ...] = (
    ("shopify", {"handle"}, 2, {"title", "body_html", "option1_value", "variant_sku", "image_src"}),
    ("shopify", {"url_handle"}, 2, {"title", "option1_value", "product_image_url", "image_position", "sku"}),
    ("woocommerce", {"type", "name"}, 4, _WOO_ANCHORS),
    ("google_merchant", {"id", "title"}, 2, _MERCHANT_ANCHORS),
)


def find_encoding(path: Path) -> str:
    """The encoding of a text file, tried on all of it: one early letter proves nothing.

    Raises:
        ManifestError: The file is binary, or neither UTF-8, UTF-16, nor CP1252.
    """
    with path.open("rb") as file:
        start = file.read(_START_BYTES)
    marked = next((encoding for bom, encoding in _BOMS if start.startswith(bom)), None) or _unmarked_utf_16(
        start
    )
    for encoding in (marked,) if marked else ("utf-8", "cp1252"):
        if _decodes(path, encoding):
            return encoding
    detail = "The catalog's text is neither UTF-8, nor UTF-16 with a byte order mark, nor CP1252: save it as UTF-8."
    raise refusal("encoding_unknown", detail)


def _unmarked_utf_16(start: bytes) -> str | None:
    """UTF-16 without its mark: every second byte of the beginning is none, as headers are in Latin letters."""
    first, second = start[0::2], start[1::2]
    if len(second) < _SURE_LETTERS:
        return None
    if all(first) and not any(second):
        return "utf-16-le"
    return "utf-16-be" if all(second) and not any(first) else None


def open_text(path: Path, encoding: str) -> TextIO:
    return path.open(encoding=encoding, newline="")


def read_head(path: Path, encoding: str) -> str:
    with open_text(path, encoding) as file:
        return file.read(_HEAD_CHARS)


def is_xml(path: Path) -> bool:
    """Whether the first character that is no space opens a tag. XML names its encoding itself."""
    with path.open("rb") as file:
        head = file.read(1024)
    for bom, _ in _BOMS:
        head = head.removeprefix(bom)
    return head.replace(b"\0", b"").lstrip().startswith(b"<")


def find_format(head: str, name: str) -> str:
    """`schema_org`, `json`, `jsonl` or `table`, by the first characters; the name decides where they leave a doubt."""
    start = head.lstrip()[:1]
    if start in ("[", "{") and start and _LINKED.search(head):
        return "schema_org"
    if start == "[":
        return "json"
    if start == "{":
        return "json" if name.lower().endswith(".json") and not _has_objects_by_line(head) else "jsonl"
    return "table"


def is_json(text: str) -> bool:
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return True


def find_delimiter(head: str) -> str:
    """The delimiter that a first line names, else under which the first rows agree best with the header in their number of
    cells."""
    if named := NAMED_DELIMITER.match(head.lstrip()):
        return named[1]
    lines = list(StringIO(head, newline=""))
    if len(head) >= _HEAD_CHARS:
        lines = lines[:-1]
    return max(_DELIMITERS, key=lambda delimiter: _agreement(lines, delimiter))


def find_dialect(columns: Iterable[str]) -> str | None:
    """Whose export a header comes from, by its anchors; None when nobody's."""
    columns = tuple(columns)
    own = {snake(column) for column in columns}
    english = set(english_names(columns).values())
    for dialect, required, enough, others in _ANCHORS:
        names = english if dialect == "woocommerce" else own
        if required <= names and len(names & others) >= enough:
            return dialect
    return None


def _has_objects_by_line(head: str) -> bool:
    """Whether the first line is an object by itself, and the next one begins another."""
    first, _, rest = head.lstrip().partition("\n")
    return rest.lstrip().startswith("{") and is_json(first)


def _decodes(path: Path, encoding: str) -> bool:
    try:
        for text in _pieces(path, encoding):
            if "\0" in text:
                detail = (
                    "The catalog is not text (a spreadsheet, an archive, or UTF-16 without its mark?): "
                    "export it as CSV, TSV or JSONL in UTF-8."
                )
                raise refusal("binary", detail)
    except UnicodeDecodeError:
        return False
    return True


def _pieces(path: Path, encoding: str) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder(encoding)()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            yield decoder.decode(chunk)
    yield decoder.decode(b"", final=True)


def _agreement(lines: list[str], delimiter: str) -> tuple[bool, float, int]:
    found = csv.reader(lines, delimiter=delimiter, skipinitialspace=True)
    rows = [row for row in islice(found, _SAMPLE_ROWS) if row]
    width = len(rows[0]) if rows else 0
    same = sum(len(row) == width for row in rows)
    return width > 1, same / max(1, len(rows)), width
