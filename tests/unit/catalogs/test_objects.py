"""JSON and JSONL: any objects come back, wherever the text is cut on its way in."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import ManifestError
from workers.catalogs.objects import cut_array
from workers.catalogs.record import CatalogLimits

_TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=10)
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-1000, 1000) | _TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=6,
)
_OBJECTS = st.lists(
    st.dictionaries(st.sampled_from(["a", "[b", '"c']), _VALUES, max_size=3), min_size=1, max_size=4
)


class Dribble(StringIO):
    """A file that hands out a few characters at a time."""

    def read(self, size: int | None = -1, /) -> str:
        return super().read(3)


@given(values=st.lists(_VALUES, max_size=4), indent=st.sampled_from([None, 1]), ascii_only=st.booleans())
@settings(max_examples=150, deadline=None)
def test_an_array_is_cut_into_its_elements_wherever_the_chunks_end(
    values: list[Any], indent: int | None, ascii_only: bool
) -> None:
    text = json.dumps(values, indent=indent, ensure_ascii=ascii_only)
    assert [json.loads(element or "") for element in cut_array(Dribble(text), 10_000)] == values


@given(objects=_OBJECTS, as_lines=st.booleans())
@settings(max_examples=50, deadline=None)
def test_objects_come_back_as_they_were_written(
    read: Any, objects: list[dict[str, Any]], as_lines: bool
) -> None:
    objects = [{"sku": f"K{place}", **each} for place, each in enumerate(objects)]
    text = "\n".join(map(json.dumps, objects)) if as_lines else json.dumps(objects)
    reading = read(text, limits=CatalogLimits(max_depth=50))
    stripped = [
        {k: v.strip() or None if isinstance(v, str) else v for k, v in each.items()} for each in objects
    ]
    assert [row.raw for row in reading.rows] == stripped


def test_columns_may_differ_from_row_to_row(read: Any) -> None:
    first, second = read('{"sku": 1, "name": "x"}\n{"title": "y", "sku": 2, "Mood": "calm"}\n').rows
    assert (first.title, second.title, second.attrs) == ("x", "y", {"mood": "calm"})


def test_numbers_and_truth_become_text_in_canonical_fields(read: Any) -> None:
    row = read('[{"sku": 17, "price": 9.5, "size": true, "color": ["red", "blue"]}]').row
    assert (row.key, row.price, row.size, row.color) == ("17", "9.5", "true", "red, blue")


def test_objects_and_lists_stay_what_they_are_in_attributes(read: Any) -> None:
    row = read('[{"sku": "A", "brand": {"name": "Northsail"}, "tags": ["a", "b"]}]').row
    assert (row.brand, row.attrs) == (None, {"brand": {"name": "Northsail"}, "tags": ["a", "b"]})


def test_a_category_that_is_a_number_stays_an_attribute(read: Any) -> None:
    row = read('[{"sku": "A", "category": 173}]').row
    assert (row.category_path, row.attrs) == ((), {"category": 173})


def test_attributes_may_be_given_together(read: Any) -> None:
    assert read('[{"sku": "A", "attrs": {"mood": "calm"}, "tone": 1}]').row.attrs == {
        "mood": "calm",
        "tone": 1,
    }


@pytest.mark.parametrize(
    "images", ['"a.jpg | b.jpg"', '["a.jpg", "b.jpg"]', '[{"src": "a.jpg"}, {"url": "b.jpg", "alt": "x"}]']
)
def test_images_come_as_text_list_or_objects(read: Any, images: str) -> None:
    assert read(f'[{{"sku": "A", "images": {images}}}]').row.image_urls == ("a.jpg", "b.jpg")


def test_a_category_may_be_a_list_of_its_steps(read: Any) -> None:
    assert read('[{"sku": "A", "category": ["Home", "Men"]}]').row.category_path == ("Home", "Men")


def test_every_wrong_line_is_named_at_once(read: Any) -> None:
    deep = '{"sku": "D", "x": [[[[[1]]]]]}'
    reading = read(f'{{"sku": "A"}}\n{{"sku": \n\n[1]\n{deep}\n{{"title": "x"}}\n{{"sku": "E"}}\n')
    assert reading.places == [
        ("/catalog/rows/1", "row_malformed"),
        ("/catalog/rows/3", "row_not_an_object"),
        ("/catalog/rows/4", "row_too_deep"),
        ("/catalog/rows/5/sku", "key_missing"),
    ]
    assert [row.key for row in reading.rows] == ["A", "E"]


@pytest.mark.parametrize("frame", ["{}\n{}\n{}\n", "[{},\n {},\n {}]"])
def test_an_object_over_the_limits_is_skipped_and_named(read: Any, frame: str) -> None:
    objects = ['{"sku": "A"}', '{"sku": "' + "x" * 500 + '"}', '{"sku": "C"}']
    reading = read(frame.format(*objects), limits=CatalogLimits(max_row_bytes=100))
    assert reading.places == [("/catalog/rows/1", "row_too_large")]
    assert [row.key for row in reading.rows] == ["A", "C"]


def test_an_object_of_too_many_columns_is_named(read: Any) -> None:
    reading = read('[{"sku": "A"}, {"sku": "B", "x": 1}]', limits=CatalogLimits(max_columns=1))
    assert reading.places == [("/catalog/rows/1", "too_many_columns")]


@pytest.mark.parametrize(
    "broken",
    [
        '[{"sku": "A"}, {"sku": "B"}',
        '[{"sku": "A"}] x',
        '[{"sku": "A"},]',
        '[{"sku": "A"}][]',
        '[{"sku": "A"}]]',
        '[{"sku": "A"}, "',
    ],
)
def test_a_broken_array_is_a_problem_of_the_file(read: Any, broken: str) -> None:
    reading = read(broken)
    assert reading.places[-1] == ("/catalog/source", "catalog_malformed")


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ('{"sku": "a", "sku": "b"}', "sku"),
        ('{"sku": "a", "title": "x", " title": "y"}', "title"),
        ('{"sku": "a", "x": {"y": [{"z": 1, "z": 123456789012345678901234567890}]}}', "z"),
        (r'{"sku": "\u003a", "sku": "b"}', "sku"),
    ],
)
def test_a_name_given_twice_is_a_problem_and_not_silently_its_last_value(
    read: Any, text: str, column: str
) -> None:
    reading = read(f'{text}\n{{"sku": "fine", "url": "https://x:1", "x": "\\u003a", "y": {{"sku": 1}}}}\n')
    assert (reading.row.key, reading.places) == ("fine", [(f"/catalog/rows/0/{column}", "column_duplicated")])


def test_a_list_or_an_object_over_the_limit_of_a_field_is_named(read: Any) -> None:
    objects = [{"sku": "A", "tags": ["x" * 60, "y" * 60]}, {"sku": "B", "more": {"a": {"b": "é" * 60}}}]
    text = json.dumps([*objects, {"sku": "C", "tags": ["x" * 90, 1], "a": "z" * 90}])
    reading = read(text, limits=CatalogLimits(max_field_bytes=100))
    assert reading.places == [
        ("/catalog/rows/0/tags", "field_too_large"),
        ("/catalog/rows/1/more", "field_too_large"),
    ]
    assert reading.row.key == "C"


def test_objects_by_line_are_read_whatever_the_file_is_called(read: Any) -> None:
    reading = read('{"sku": "A"}\n\n{"sku": "B"}\n', name="x.json")
    assert ([row.key for row in reading.rows], reading.catalog.dialect) == (["A", "B"], "jsonl")


def test_an_object_that_is_no_array_is_told_of_the_other_way(read: Any) -> None:
    with pytest.raises(ManifestError) as caught:
        read('{\n"sku": "A"}\n', name="x.json")
    assert "one object a line, which is `dialect: jsonl`" in caught.value.problems[0].detail


def test_one_object_instead_of_an_array_is_refused(refused: Any) -> None:
    assert refused('{"products": []}', name="x.json") == [("/catalog/source", "catalog_malformed")]


def test_an_empty_array_is_refused(refused: Any) -> None:
    assert refused(" [ ] ") == [("/catalog/source", "catalog_empty")]


def test_a_catalog_with_no_good_row_at_all_is_refused_with_its_problems(refused: Any) -> None:
    assert refused("[1, 2]") == [
        ("/catalog/rows/0", "row_not_an_object"),
        ("/catalog/rows/1", "row_not_an_object"),
    ]


def test_too_many_objects_end_the_reading(read: Any) -> None:
    reading = read('[{"sku": 1}, {"sku": 2}, {"sku": 3}]', limits=CatalogLimits(max_rows=2))
    assert (len(reading.rows), reading.places) == (2, [("/catalog/source", "too_many_rows")])
