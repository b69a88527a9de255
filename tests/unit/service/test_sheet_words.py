"""What stands below a picture of a drawn sheet, and how many stand side by side."""

from __future__ import annotations

import pytest

from service.exports.contact_sheet import _columns, _two_lines, shortened


@pytest.mark.parametrize(
    ("pictures", "columns"), [(0, 4), (1, 4), (4, 4), (8, 4), (12, 5), (40, 9), (56, 10), (200, 10)]
)
def test_few_pictures_stand_in_few_columns(pictures: int, columns: int) -> None:
    assert _columns(pictures) == columns


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("short", "short"),
        ("exactly10!", "exactly10!"),
        ("autumn-parka-green-S", "aut…reen-S"),
        ("autumn-parka-green-M", "aut…reen-M"),
        ("winter-parka-green-M", "win…reen-M"),
    ],
)
def test_a_name_that_is_too_long_keeps_where_it_begins_and_where_it_ends(line: str, shown: str) -> None:
    assert shortened(line, lambda text: len(text) <= 10) == shown


def test_a_line_that_nothing_fits_into_is_an_ellipsis() -> None:
    assert shortened("abc", lambda text: False) == "…"


@pytest.mark.parametrize(
    ("made", "lines"),
    [
        ("#1 · hero · spring · square", ("#1 · hero · spring · square", "")),
        (
            "#1 · hero · early-morning · golden-hour · square",
            ("#1 · hero · early-morning", "golden-hour · square"),
        ),
        ("#1-of-one-part-that-is-longer-than-a-line", ("#1-of-one-part-that-is-longer-than-a-line", "")),
    ],
)
def test_what_was_made_is_broken_between_its_parts(made: str, lines: tuple[str, str]) -> None:
    assert _two_lines(made) == lines
