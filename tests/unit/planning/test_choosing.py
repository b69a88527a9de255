"""`where`: which rows of a catalog a manifest wants."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.planning.desk import CSV, Desk, manifest, said


async def planned(desk: Desk, content: str, where: str, name: str = "products.csv") -> Any:
    await desk.upload(name, content)
    return await desk.plan(manifest(catalog={"source": name, "where": where}))


@pytest.mark.parametrize(
    ("where", "rows"),
    [
        ('row.color == "red"', 1),
        ("row.color", 2),
        ('row.color != "red"', 2),
        ('row.color == "blue" or row.title contains "Tab"', 2),
        ("{% if row.color %}{% assign n = row.color | size %}{% if n > 3 %}yes{% endif %}{% endif %}", 1),
        ("{% if row.color %}true{% else %}false{% endif %}", 2),
        ("{% assign size = row.color %}{% if size == 'red' %}true{% endif %}", 1),
    ],
)
async def test_only_rows_that_fit_are_made(desk: Desk, where: str, rows: int) -> None:
    plan = await planned(desk, CSV, where)

    assert said(plan) == {}
    assert (plan.catalog.rows, plan.catalog.left_out, plan.tasks.total) == (rows, 3 - rows, rows)


async def test_what_is_wrong_with_a_row_that_is_not_wanted_is_nobodys_business(desk: Desk) -> None:
    content = "sku,title,status\na,Chair,active\na,Twice,old\n,Keyless,old\nd,,old\n"

    assert said(await planned(desk, content, 'row.status == "active"')) == {}


async def test_a_field_that_only_some_objects_have_is_empty_in_the_others(desk: Desk) -> None:
    content = '{"sku": "a", "title": "x"}\n{"sku": "b", "title": "y", "glow": "warm"}\n'

    plan = await planned(desk, content, "row.glow", "products.jsonl")

    assert (said(plan), plan.catalog.rows, plan.catalog.left_out) == ({}, 1, 1)


async def test_a_field_that_no_row_has_is_named_with_what_was_meant(desk: Desk) -> None:
    found = said(await planned(desk, CSV, 'row.colour == "red"'))

    assert found == {"/catalog/where": "no row has a field or column 'colour'; did you mean row.color?"}


async def test_a_condition_that_no_row_fits_is_refused(desk: Desk) -> None:
    found = said(await planned(desk, CSV, 'row.color == "green"'))

    assert found == {"/catalog/where": "none of the catalog's 3 rows fits the condition"}


async def test_a_comparison_that_does_not_fit_its_value_is_a_problem_of_the_row(desk: Desk) -> None:
    plan = await planned(desk, "sku,title,stock\na,Chair,5\n", "row.stock > 3")

    assert [(problem.pointer, problem.row) for problem in plan.errors] == [("/catalog/rows/0", 1)]
    assert "plus: 0" in plan.errors[0].detail


async def test_rows_that_cannot_be_compared_are_told_once_with_how_many_and_the_first(desk: Desk) -> None:
    rows = "".join(f"{n},Chair {n},{n}\n" for n in range(1, 301))

    plan = await planned(desk, f"sku,title,stock\n{rows}", "row.stock > 3")

    [problem] = plan.errors
    assert (problem.code, problem.row, plan.errors_truncated) == ("bad_condition", 1, False)
    assert "(in 300 rows: 1, 2, 3, 4, 5, ...)" in problem.detail


async def test_inline_rows_are_chosen_too(desk: Desk) -> None:
    rows = [{"sku": "a", "title": "Chair"}, {"sku": "b", "title": "Table"}]

    plan = await desk.plan(manifest(catalog={"rows": rows, "where": 'row.sku == "b"'}))

    assert (plan.prompts[0]["prompt"], plan.catalog.left_out) == ("A picture of Table", 1)
