"""A sample is a few cells of the whole, spread over rows, variants and templates, that can be made by themselves."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.expansion import Expansion
from schemas.manifest import Manifest
from tests.unit.schemas.test_expansion import manifest, manifests


def sample_of(made: Manifest, count: int) -> Manifest:
    return made.model_copy(update={"sample": count})


@given(manifests(), st.integers(1, 5), st.integers(1, 12))
@settings(deadline=None)
def test_a_sample_has_as_many_cells_as_asked_each_with_its_parent(
    made: Manifest, rows: int, count: int
) -> None:
    whole, few = Expansion(made, rows), Expansion(sample_of(made, count), rows)

    cells = list(few)
    places = [whole.index_of(cell) for cell in cells]

    assert 0 < few.total == len(cells) <= count
    assert places == sorted(set(places))
    roots = sum(block.count for block in whole.blocks if block.parent is None)
    assert few.total >= min(count, roots)
    for cell in cells:
        above = whole.parent_of(cell)
        mine = few.parent_of(cell)
        assert (None if mine is None else whole.index_of(few.cell(mine))) == above
        assert mine is None or cell.index in few.children_of(few.cell(mine))


@given(manifests(), st.integers(1, 4), st.integers(1, 12))
@settings(deadline=None)
def test_the_blocks_of_a_sample_hold_one_task_each(made: Manifest, rows: int, count: int) -> None:
    few = Expansion(sample_of(made, count), rows)

    for index, block in enumerate(few.blocks):
        cell = few.cell(index)
        assert (block.first, block.count, block.samples) == (index, 1, 1)
        assert (block.template, block.sizes) == (cell.template, (cell.size,))
    assert sorted(index for row in range(rows) for index in few.indexes_of_row(row)) == list(range(few.total))


def test_three_of_many_are_of_different_rows_variants_and_templates() -> None:
    made = manifest(
        {"hero": {}, "poster": {"from": "hero"}}, variants={"season": {"spring": {}, "autumn": {}}}, sample=3
    )

    cells = list(Expansion(made, 1000))

    assert [(cell.template, cell.row, cell.variant_key) for cell in cells] == [
        ("hero", 0, "spring"),
        ("hero", 333, "autumn"),
        ("poster", 0, "spring"),
    ]


def test_a_chain_that_is_longer_than_the_sample_is_left_out() -> None:
    made = manifest({"a": {}, "b": {"from": "a"}, "c": {"from": "b"}}, sample=2)

    assert [cell.template for cell in Expansion(made, 5)] == ["a", "b"]


def test_a_sample_of_more_than_there_is_is_everything() -> None:
    made = manifest({"a": {}, "b": {"from": "a", "sizes": ["1536x1024"]}}, samples=2, sample=100)

    assert Expansion(made, 2).total == 8


def test_a_batch_that_is_a_sample_is_named_so() -> None:
    assert sample_of(manifest({"a": {}}), 3).label == "n (sample of 3)"
    assert manifest({"a": {}}).label == "n"
