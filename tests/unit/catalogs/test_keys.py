"""Keys: which column, and every row its own."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.mark.parametrize(
    ("header", "row", "key"),
    [
        ("id,sku,key,handle", "1,2,3,4", "2"),
        ("handle,key,id,note", "4,3,1,-", "1"),
        ("handle,key,product_id,x", "4,3,1,-", "1"),
        ("handle,key,note,x", "4,3,-,-", "3"),
        ("note,Handle,x,y", "-,4,-,-", "4"),
    ],
)
def test_the_usual_columns_are_tried_in_order(read: Any, header: str, row: str, key: str) -> None:
    assert read(f"{header}\n{row}\n", dialect="csv").row.key == key


@pytest.mark.parametrize("key", ["Colour Name", "colour name"])
def test_a_key_may_be_any_column_in_any_case(read: Any, key: str) -> None:
    assert read("sku,Colour Name\nA,red\n", key=key).row.key == "red"


def test_a_key_may_be_a_canonical_field(read: Any) -> None:
    reading = read("sku,Colour\nA,red\n", key="color")
    assert (reading.row.key, reading.catalog.mapping["key"]) == ("red", ("Colour",))


@pytest.mark.parametrize("key", [None, "sku"])
def test_without_a_key_column_the_columns_are_listed(read: Any, refused: Any, key: str | None) -> None:
    assert refused("name,note\nA,b\n", key=key) == [("/catalog/key", "key_column_missing")]


def test_a_repeated_key_names_both_rows(read: Any) -> None:
    reading = read("sku,title\nA,x\nB,y\nA,z\nA,z\n")
    assert [problem.detail for problem in reading.problems] == [
        "Row 3 has the key 'A' of row 1; keys must be unique.",
        "Row 4 has the key 'A' of row 1; keys must be unique.",
    ]


def test_a_key_over_the_length_is_a_problem(read: Any) -> None:
    reading = read(f"sku,title\n{'A' * 200},x\n{'B' * 201},y\n")
    assert reading.places == [("/catalog/rows/1/sku", "key_too_long")]


def test_a_column_name_in_a_pointer_is_escaped(read: Any) -> None:
    assert read("a/b~c,title\nA,x\n,y\n", key="a/b~c").problems[0].pointer == "/catalog/rows/1/a~1b~0c"


def test_reading_twice_gives_the_same_rows(read: Any, sample: Any) -> None:
    reading = read(sample("shopify-old.csv"))
    assert list(reading.catalog.rows()) == reading.rows
