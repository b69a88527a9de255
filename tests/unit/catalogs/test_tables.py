"""CSV and TSV: whatever a csv writer writes comes back, and every wrong row is named."""

from __future__ import annotations

import csv
from io import StringIO
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from schemas.errors import ManifestError
from workers.catalogs.record import CatalogLimits

_HEADERS = st.lists(
    st.text("abcdefgh ABCD_", min_size=1).map(str.strip).filter(bool), min_size=1, unique=True
)
_TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
_CP1252 = st.text("aB9 ,;\t|\"'\né€ßÿ“”", max_size=20)


@st.composite
def tables(draw: st.DrawFn, cells: st.SearchStrategy[str]) -> list[list[str]]:
    """A header with a SKU column, and rows with a SKU each. The é keeps CP1252 from being valid UTF-8."""
    header = ["sku", *(name for name in draw(_HEADERS) if name.casefold() not in ("sku", "attrs"))]
    if len(header) == 1:
        header.append("other")
    rows = draw(
        st.lists(st.lists(cells, min_size=len(header) - 1, max_size=len(header) - 1), min_size=1, max_size=5)
    )
    return [header, *([f"é-{place}", *row] for place, row in enumerate(rows))]


def written(table: list[list[str]], **options: Any) -> str:
    file = StringIO(newline="")
    csv.writer(file, **options).writerows(table)
    return file.getvalue()


def may_be_plain(text: str, table: list[list[str]]) -> bool:
    """Whether a text has the header's width in each of its lines although rows go over several of them."""
    lines = StringIO(text, newline="").readlines()
    return len(lines) > len(table) and len({line.count("\t") for line in lines}) == 1


def as_read(table: list[list[str]]) -> list[dict[str, str | None]]:
    header, *rows = table
    return [dict(zip(header, (cell.strip() or None for cell in row), strict=True)) for row in rows]


@given(
    table=tables(_TEXT),
    delimiter=st.sampled_from(",;\t|"),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
@settings(max_examples=100, deadline=None)
def test_a_table_of_any_text_comes_back_as_it_was_written(
    read: Any, table: list[list[str]], delimiter: str, quoting: Any, encoding: str
) -> None:
    text = written(table, delimiter=delimiter, quoting=quoting)
    assume(not (delimiter == "\t" and may_be_plain(text, table)))
    reading = read(text.encode(encoding))
    assert [row.raw for row in reading.rows] == as_read(table)
    assert reading.problems == []


@given(table=tables(_CP1252), delimiter=st.sampled_from(",;\t|"))
@settings(max_examples=50, deadline=None)
def test_a_table_in_cp1252_comes_back_as_it_was_written(
    read: Any, table: list[list[str]], delimiter: str
) -> None:
    text = written(table, delimiter=delimiter)
    assume(not (delimiter == "\t" and may_be_plain(text, table)))
    reading = read(text.encode("cp1252"))
    assert [row.raw for row in reading.rows] == as_read(table)


@given(table=tables(_TEXT))
@settings(max_examples=50, deadline=None)
def test_every_cell_is_in_a_field_or_an_attribute(read: Any, table: list[list[str]]) -> None:
    reading = read(written(table))
    for row in reading.rows:
        given_cells = sorted(cell for cell in row.raw.values() if cell)
        found = [row.sku, row.title, *row.image_urls, *(value for value in row.attrs.values() if value)]
        assert sorted(filter(None, found)) == given_cells


@given(data=st.data(), table=tables(_TEXT | _CP1252), delimiter=st.sampled_from(",;|"))
@settings(max_examples=100, deadline=None)
def test_spaces_between_quotes_and_delimiters_change_nothing(
    read: Any, data: st.DataObject, table: list[list[str]], delimiter: str
) -> None:
    def cell(text: str) -> str:
        after = data.draw(st.sampled_from(["", " ", "  "]))
        before = "" if "\n" in text or "\r" in text else data.draw(st.sampled_from(["", " "]))
        return before + '"' + text.replace('"', '""') + '"' + after

    header, *rows = table
    lines = [delimiter.join(header), *(delimiter.join([row[0], *map(cell, row[1:])]) for row in rows)]
    reading = read("\r\n".join(lines).encode())
    assert [row.raw for row in reading.rows] == as_read(table)
    assert reading.problems == []


@pytest.mark.parametrize(
    ("cells", "title"),
    [
        ('a, "Two words"', "Two words"),
        ('a, "Two, words" ', "Two, words"),
        ('a,"Three, four" ', "Three, four"),
        ('a,"over ""two"" \nlines" ', 'over "two" \nlines'),
        ('a, "Best" mug', '"Best" mug'),
        ('a, 5" x 6" ', '5" x 6"'),
        ('a,"a "" , b"', 'a " , b'),
    ],
)
def test_quotes_wrap_a_cell_beside_spaces_where_they_can(read: Any, cells: str, title: str) -> None:
    reading = read(f"sku,title\n{cells}\nb,next\n")
    assert [row.title for row in reading.rows] == [title, "next"]


def test_a_quote_behind_a_space_that_nothing_closes_takes_no_other_row_with_it(read: Any) -> None:
    assert [row.title for row in read('sku,title\na, "open\nb," next"\n').rows] == ['"open', "next"]


def test_a_row_of_which_too_much_was_taken_at_first_gives_the_next_one_back(read: Any) -> None:
    reading = read('sku,title,mood\na, "x,",y\nb,"q",z"\n')
    assert [(row.key, row.title, row.attrs["mood"]) for row in reading.rows] == [
        ("a", "x,", "y"),
        ("b", "q", 'z"'),
    ]


@pytest.mark.parametrize("sign", [",", ";", "\t", "|"])
@pytest.mark.parametrize("line", ["sep={}", '"SEP={}"', "\ufeffsep={}"])
def test_a_first_line_that_names_the_delimiter_is_no_header(read: Any, sign: str, line: str) -> None:
    text = line.format(sign) + f'\r\nsku{sign}title\r\nA{sign}"x,;|\ty"\r\n'
    reading = read(text.encode())
    assert [(row.number, row.key, row.title) for row in reading.rows] == [(1, "A", "x,;|\ty")]


def test_a_delimiter_that_is_named_needs_not_be_a_usual_one(read: Any) -> None:
    assert read("sep=^\nsku^title\nA^x, y; z\n").row.title == "x, y; z"


def test_a_table_without_a_line_end_at_its_end_is_whole(read: Any) -> None:
    assert [row.key for row in read("sku,title\nA,x\nB,y").rows] == ["A", "B"]


def test_a_quoted_cell_keeps_its_line_breaks_and_delimiters(read: Any) -> None:
    assert read('sku,title\nA,"one, two\nthree ""four"""\n').row.title == 'one, two\nthree "four"'


def test_spaces_around_headers_and_cells_go(read: Any) -> None:
    row = read(" sku , Title  \n A ,  Shirt \n").row
    assert (row.key, row.title, row.raw) == ("A", "Shirt", {"sku": "A", "Title": "Shirt"})


def test_blank_cells_are_nil_and_rows_may_be_short(read: Any) -> None:
    row = read("sku,title,colour,mood\nA, \n").row
    assert (row.title, row.color, row.attrs) == (None, None, {"mood": None})


def test_blank_rows_are_left_out_but_counted(read: Any) -> None:
    assert [row.number for row in read("sku,title\nA,x\n\n,\nB,y\n").rows] == [1, 4]


def test_a_column_without_a_name_is_named_by_its_place(read: Any) -> None:
    assert read("sku,,title\nA,x,y\n").row.attrs == {"column_2": "x"}


def test_every_wrong_row_is_named_at_once(read: Any) -> None:
    reading = read('sku,title\nA,x\nB,y,z\nA,again\n,none\nC,"a"b\nD,fine\n')
    assert reading.places == [
        ("/catalog/rows/1", "row_too_wide"),
        ("/catalog/rows/2/sku", "key_duplicated"),
        ("/catalog/rows/3/sku", "key_missing"),
        ("/catalog/rows/4", "row_malformed"),
    ]
    assert [row.key for row in reading.rows] == ["A", "D"]


def test_a_row_with_blank_cells_too_many_is_fine(read: Any) -> None:
    assert read("sku,title\nA,x,,\n").row.title == "x"


def test_a_row_over_the_limit_is_skipped_and_named(read: Any) -> None:
    reading = read(f"sku,title\nA,{'x' * 500}\nB,y\n", limits=CatalogLimits(max_row_bytes=100))
    assert reading.places == [("/catalog/rows/0", "row_too_large")]
    assert [(row.number, row.key) for row in reading.rows] == [(2, "B")]


def test_a_large_row_is_skipped_to_its_end_over_quoted_line_breaks(read: Any) -> None:
    broken = "\n".join(["x, y"] * 100)
    reading = read(f'sku,title\nA,"{broken}"\nB,y\n', limits=CatalogLimits(max_row_bytes=100))
    assert reading.places == [("/catalog/rows/0", "row_too_large")]
    assert reading.row.key == "B"


def test_a_quote_that_never_closes_is_one_problem_of_its_row(read: Any) -> None:
    rows = "".join(f"K{place},y\n" for place in range(100))
    reading = read(f'sku,title\nA,x\nB,"y\n{rows}', limits=CatalogLimits(max_row_bytes=100))
    assert reading.places == [("/catalog/rows/1", "row_too_large")]
    assert "never closed" in reading.problems[0].detail


def test_a_row_of_nothing_but_line_breaks_is_limited_too(read: Any) -> None:
    reading = read('sku,title\nA,"' + "\n" * 1000 + '"\n', limits=CatalogLimits(max_row_bytes=100))
    assert reading.places == [("/catalog/rows/0", "row_too_large")]


def test_a_row_of_exactly_the_limit_is_read(read: Any) -> None:
    reading = read(f"sku,title\r\nA,{'x' * 98}\r\n", limits=CatalogLimits(max_row_bytes=100))
    assert reading.problems == []


def test_a_cell_over_the_limit_in_many_lines_is_named_and_its_row_ends_where_it_ends(read: Any) -> None:
    cell = "a line of a long text, in quotes\n" * 4_000  # over csv's own limit of 131,072 characters
    reading = read(f'sku,title\nA,"{cell}"\nB,y\n')
    assert reading.places == [("/catalog/rows/0/title", "field_too_large")]
    assert [(row.number, row.key) for row in reading.rows] == [(2, "B")]


def test_every_header_named_twice_is_named(refused: Any) -> None:
    places = refused("sku,a,a,b,b \nA,1,2,3,4\n")
    assert places == [("/catalog/source", "header_duplicated")] * 2


def test_a_list_of_a_feed_may_have_a_column_for_each_of_its_values(read: Any) -> None:
    header = (
        "id,title,link,availability,image_link,additional_image_link,product_highlight,additional_image_link"
    )
    first, second = read(
        f"{header},product_highlight\nA,Coat,u,new,a.jpg,b.jpg,Warm,c.jpg,Dry\nB,Hat,u,new,d.jpg\n"
    ).rows
    assert (first.image_urls, second.image_urls) == (("a.jpg", "b.jpg", "c.jpg"), ("d.jpg",))
    assert (first.attrs["product_highlight"], second.attrs["product_highlight"]) == (["Warm", "Dry"], None)


def test_a_row_is_too_wide_by_the_columns_of_the_file(read: Any) -> None:
    reading = read("sku,promotion_id,promotion_id\nA,x,y\nB,x,y,z\n")
    assert (reading.row.attrs, reading.places) == (
        {"promotion_id": ["x", "y"]},
        [("/catalog/rows/1", "row_too_wide")],
    )


def test_a_column_named_twice_is_named_with_its_places(read: Any) -> None:
    with pytest.raises(ManifestError) as caught:
        read("id,promotion_id,title,promotion_id,title\nA,x,y,z,y\n")
    (problem,) = caught.value.problems
    assert problem.detail == "The header names 'title' in columns 3 and 5: rename all but one."


def test_a_list_twice_in_a_shops_export_that_has_none_is_refused(refused: Any) -> None:
    header = "Handle,Title,Variant SKU,shipping,shipping"
    assert refused(f"{header}\na,b,c,d,e\n") == [("/catalog/source", "header_duplicated")]


def test_too_many_columns_are_refused(refused: Any) -> None:
    header = ",".join(["sku", *(f"c{place}" for place in range(10))])
    places = refused(f"{header}\nA\n", limits=CatalogLimits(max_columns=10))
    assert places == [("/catalog/source", "too_many_columns")]


def test_too_many_rows_end_the_reading(read: Any) -> None:
    reading = read("sku\nA\nB\nC\nD\n", limits=CatalogLimits(max_rows=2))
    assert [row.key for row in reading.rows] == ["A", "B"]
    assert reading.places == [("/catalog/source", "too_many_rows")]


def test_a_table_of_nothing_or_only_a_header_is_refused(refused: Any) -> None:
    assert refused("") == refused("\n\n") == refused("sku,title\n") == [("/catalog/source", "catalog_empty")]
