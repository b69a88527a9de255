"""The rows that a manifest carries itself."""

from __future__ import annotations

from datetime import date

import pytest

from schemas.catalog import Row
from schemas.errors import ManifestError, Problem
from workers.catalogs.reading import rows_of


def test_inline_rows_are_mapped_like_the_objects_of_a_catalog() -> None:
    (row,) = rows_of([{"SKU": "A", "Name": "Shirt", "image": "a.jpg", "since": date(2026, 1, 2)}], key=None)
    assert isinstance(row, Row)
    assert (row.key, row.title, row.image_urls, row.attrs) == (
        "A",
        "Shirt",
        ("a.jpg",),
        {"since": date(2026, 1, 2)},
    )


def test_a_canonical_row_comes_back_as_itself() -> None:
    (row,) = rows_of([{"sku": "A", "title": "x", "attrs": {"mood": 1}, "image_urls": ["a.jpg"]}], key=None)
    assert isinstance(row, Row)
    fields = row.model_dump(exclude={"number", "key", "raw"})
    (again,) = rows_of([fields], key=None)
    assert isinstance(again, Row)
    assert again.model_dump(exclude={"raw"}) == row.model_dump(exclude={"raw"})


def test_wrong_inline_rows_are_named_at_once() -> None:
    found = list(rows_of([{"sku": "A"}, {"sku": "A"}, {"name": "x"}], key=None))
    problems = [each for each in found if isinstance(each, Problem)]
    assert [(problem.pointer, problem.code) for problem in problems] == [
        ("/catalog/rows/1/sku", "key_duplicated"),
        ("/catalog/rows/2/sku", "key_missing"),
    ]


@pytest.mark.parametrize("rows", [[], [{"name": "x"}]])
def test_no_rows_and_no_key_are_refused_at_the_call(rows: list[dict[str, str]]) -> None:
    with pytest.raises(ManifestError):
        rows_of(rows, key=None)
