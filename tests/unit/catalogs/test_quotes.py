"""Quotes of tab-separated files: letters in most feeds, wrappers in what spreadsheets write."""

from __future__ import annotations

from typing import Any

import pytest

from workers.catalogs.record import CatalogLimits


def titles(read: Any, lines: str, header: str = "id\ttitle", **options: Any) -> list[str | None]:
    reading = read(f"{header}\n{lines}", **options)
    assert reading.problems == []
    return [row.title for row in reading.rows]


@pytest.mark.parametrize(
    "title", ['"Best" mug', '"Best mug', 'Best "mug', 'Mug 17"', '"Best"', '"', 'a "b" c', '"a", "b"']
)
def test_a_quote_in_a_feed_is_a_letter(read: Any, title: str) -> None:
    assert titles(read, f"1\t{title}\n2\tplain\n3\t{title}\n") == [title, "plain", title]


@pytest.mark.parametrize(
    ("cell", "title"),
    [
        ('"Mugs, blue"', "Mugs, blue"),
        ('"17"" screen"', '17" screen'),
        ('"one\ttwo"', "one\ttwo"),
        ('"one\ntwo"', "one\ntwo"),
        ('"one\r\ntwo"', "one\r\ntwo"),
        ('""', None),
    ],
)
def test_quotes_that_are_needed_wrap_a_cell(read: Any, cell: str, title: str | None) -> None:
    assert titles(read, f'1\t{cell}\n2\t"plain"\n') == [title, "plain"]


def test_a_header_in_quotes_has_rows_in_quotes_and_says_which_are_wrong(read: Any) -> None:
    reading = read('"id"\t"title"\n"1"\t"Best"\n"2"\t"Best" mug\n')
    assert (reading.row.title, reading.places) == ("Best", [("/catalog/rows/1", "row_malformed")])


def test_quotes_that_meet_by_chance_swallow_no_rows(read: Any) -> None:
    assert titles(read, '1\t"Best mug\n2\tplain\n3\tscreen 17"\n') == ['"Best mug', "plain", 'screen 17"']


def test_rows_in_quotes_may_be_short_and_blank_ones_do_not_count(read: Any) -> None:
    lines = '1\t"Mugs, blue"\tred\n\n2\n'
    assert titles(read, lines, header="id\ttitle\tcolor") == ["Mugs, blue", None]


def test_a_row_over_the_limit_ends_with_its_line_where_quotes_are_letters(read: Any) -> None:
    reading = read(f'id\ttitle\n1\t"{"x" * 500}\n2\tplain\n', limits=CatalogLimits(max_row_bytes=100))
    assert (reading.places, reading.row.key) == ([("/catalog/rows/0", "row_too_large")], "2")
    assert "quote" not in reading.problems[0].detail
