"""Lines of a manifest are found by JSON Pointer, in YAML and in JSON."""

from __future__ import annotations

import json

import pytest

from cli.manifests.places import Places
from schemas.errors import Problem

TEXT = b"""\
name: x
catalog:
  rows:
  - sku: a
    title: b
  - {sku: c}
templates:
  a/b:
    prompt: |
      one
      two
    references: [x,
      y]
"""


def line_of(text: bytes, pointer: str, row: int | None = None, *, is_json: bool = False) -> int | None:
    return Places.read(text, is_json=is_json).line_of(Problem(pointer, "code", "detail", row))


@pytest.mark.parametrize(
    ("pointer", "line"),
    [
        ("/name", 1),
        ("/catalog/rows/0", 4),
        ("/catalog/rows/0/title", 5),
        ("/catalog/rows/1/title", 6),  # which is not there
        ("/templates/a~1b", 8),
        ("/templates/a~1b/prompt", 9),
        ("/templates/a~1b/references/1", 13),
        ("/templates/a~1b/references/2", 12),
        ("/templates/c", 7),
        ("/image/model", None),
        ("", None),
    ],
)
def test_a_place_has_the_line_of_its_name_or_of_what_it_is_missing_from(
    pointer: str, line: int | None
) -> None:
    assert line_of(TEXT, pointer) == line


def test_a_row_of_a_file_has_no_line_in_the_manifest() -> None:
    assert line_of(b"catalog: {source: products.csv}", "/catalog/rows/3/title", 4) is None
    assert line_of(TEXT, "/catalog/rows/1/title", 2) == 6


def test_json_has_lines_too() -> None:
    assert (
        line_of(json.dumps({"name": "x", "sizes": ["a"]}, indent=2).encode(), "/sizes/0", is_json=True) == 4
    )


def test_json_with_escapes_that_yaml_does_not_take_is_read_without_lines() -> None:
    text = json.dumps({"name": "\U0001f455", "catalog": {"source": "a.csv"}}).encode()
    assert b"\\ud83d" in text
    assert Places.read(text, is_json=True).text_at("/catalog/source") == "a.csv"
    assert line_of(text, "/catalog", is_json=True) is None


@pytest.mark.parametrize("text", [b"a: [", b"\xff", b"a: &a [*a]\nb: *c", b"[" * 5000, b"a: 1\n---\nb: 2"])
def test_a_text_that_cannot_be_read_has_no_places(text: bytes) -> None:
    assert line_of(text, "/a") is None
    assert Places.read(text, is_json=False).text_at("/a") is None


@pytest.mark.parametrize(
    "text", [b"catalog: {source: }", b"catalog: {source: ~}", b"catalog: {source: [a]}", b"a: 1"]
)
def test_only_a_text_is_the_name_of_a_file(text: bytes) -> None:
    assert Places.read(text, is_json=False).text_at("/catalog/source") is None
