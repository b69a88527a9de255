"""A manifest and a number of rows are a function from an index to one cell of work."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.expansion import Expansion, variant_values
from schemas.manifest import Manifest

SIZES = ["1024x1024", "1536x1024", "1024x1536", "2048x1152"]


def manifest(templates: dict[str, Any], **fields: Any) -> Manifest:
    named = {name: {"prompt": "x", **parts} for name, parts in templates.items()}
    return Manifest.model_validate(
        {"name": "n", "image": {"model": "gpt-image-2"}, "templates": named, **fields}
    )


@st.composite
def manifests(draw: st.DrawFn) -> Manifest:
    """Up to four templates, some made from earlier ones, with their own sizes and samples or the common ones."""
    some_sizes: st.SearchStrategy[list[str]] = st.lists(
        st.sampled_from(SIZES), min_size=1, max_size=3, unique=True
    )
    templates: dict[str, Any] = {}
    for name in "abcd"[: draw(st.integers(1, 4))]:
        parts: dict[str, Any] = {}
        if draw(st.integers(0, 1)) and templates:
            parts["from"] = draw(st.sampled_from(sorted(templates)))
        if draw(st.integers(0, 1)):
            parts["sizes"] = draw(some_sizes)
        if draw(st.integers(0, 1)):
            parts["samples"] = draw(st.integers(1, 3))
        templates[name] = parts
    axes = [draw(st.integers(1, 3)) for _ in range(draw(st.integers(0, 3)))]
    variants: dict[str, Any] = {
        f"axis{n}": {f"v{m}": {} for m in range(count)} for n, count in enumerate(axes)
    }
    exclude = [{"axis0": "v0"}] if axes and axes[0] > 1 and draw(st.booleans()) else []
    return manifest(
        templates,
        variants=variants,
        combinations={"exclude": exclude},
        sizes=draw(some_sizes),
        samples=draw(st.integers(1, 3)),
    )


@given(manifests(), st.integers(0, 4))
@settings(deadline=None)
def test_index_and_cell_are_inverse_and_every_cell_comes_once(made: Manifest, rows: int) -> None:
    expansion = Expansion(made, rows)

    cells = list(expansion)

    assert [cell.index for cell in cells] == list(range(expansion.total))
    assert [expansion.index_of(cell) for cell in cells] == list(range(expansion.total))
    assert len({(c.template, c.row, c.variant, c.size, c.sample) for c in cells}) == len(cells)
    assert Expansion(made, rows).total == len(cells)


@given(manifests(), st.integers(1, 4))
@settings(deadline=None)
def test_blocks_lie_side_by_side_and_hold_one_template_each(made: Manifest, rows: int) -> None:
    expansion = Expansion(made, rows)

    covered = [index for block in expansion.blocks for index in range(block.first, block.first + block.count)]

    assert covered == list(range(expansion.total))
    for block in expansion.blocks:
        ends = (block.first, block.first + block.count - 1)
        assert {expansion.cell(index).template for index in ends} == {block.template}


@given(manifests(), st.integers(1, 3))
@settings(deadline=None)
def test_parents_and_children_are_inverse(made: Manifest, rows: int) -> None:
    expansion = Expansion(made, rows)

    for cell in expansion:
        children = expansion.children_of(cell)
        assert list(children) == sorted(set(children))
        assert all(expansion.parent_of(expansion.cell(child)) == cell.index for child in children)
        parent = expansion.parent_of(cell)
        assert (parent is None) == (made.templates[cell.template].parent is None)
        if parent is not None:
            above = expansion.cell(parent)
            assert cell.index in expansion.children_of(above)
            assert (above.row, above.variant) == (cell.row, cell.variant)
            assert above.sample == (cell.sample - 1) % made.samples_of(above.template) + 1


@given(manifests(), st.integers(1, 3))
@settings(deadline=None)
def test_descendants_are_all_whose_ancestor_it_is(made: Manifest, rows: int) -> None:
    expansion = Expansion(made, rows)
    below: dict[int, set[int]] = {index: set() for index in range(expansion.total)}
    for cell in expansion:
        above = expansion.parent_of(cell)
        while above is not None:
            below[above].add(cell.index)
            above = expansion.parent_of(expansion.cell(above))

    for cell in expansion:
        found = expansion.descendants_of(cell)
        assert (set(found), len(found)) == (below[cell.index], len(below[cell.index]))


def test_the_order_is_templates_rows_variants_sizes_samples() -> None:
    made = manifest(
        {"a": {}, "b": {"sizes": ["1024x1536"]}},
        variants={"x": {"1": {}, "2": {}}, "y": {"3": {}, "4": {}}},
        sizes=["1024x1024", "1536x1024"],
        samples=2,
    )

    cells = [Expansion(made, 2).cell(index) for index in (0, 1, 2, 4, 8, 16, 32)]

    assert [(c.template, c.row, c.variant_key, c.size, c.sample) for c in cells] == [
        ("a", 0, "1-3", "1024x1024", 1),
        ("a", 0, "1-3", "1024x1024", 2),
        ("a", 0, "1-3", "1536x1024", 1),
        ("a", 0, "1-4", "1024x1024", 1),
        ("a", 0, "2-3", "1024x1024", 1),
        ("a", 1, "1-3", "1024x1024", 1),
        ("b", 0, "1-3", "1024x1536", 1),
    ]


def test_a_child_in_a_size_its_parent_lacks_is_made_from_the_parents_first_size() -> None:
    made = manifest({"a": {"sizes": SIZES[:2]}, "b": {"from": "a", "sizes": [SIZES[1], SIZES[2]]}})
    expansion = Expansion(made, 1)

    assert [expansion.parent_of(expansion.cell(index)) for index in (2, 3)] == [1, 0]


@pytest.mark.parametrize("index", [-1, 6, 10**9])
def test_an_index_outside_is_an_error(index: int) -> None:
    with pytest.raises(IndexError, match="is not in"):
        Expansion(manifest({"a": {}}, samples=3), 2).cell(index)


def test_combinations_that_are_excluded_have_no_index() -> None:
    made = manifest(
        {"a": {}},
        variants={"x": {"1": {}, "2": {}}, "y": {"3": {}, "4": {}}},
        combinations={"exclude": [{"x": "1", "y": "4"}]},
    )

    assert [cell.variant_key for cell in Expansion(made, 2)] == ["1-3", "2-3", "2-4"] * 2


def test_a_template_may_have_its_own_number_of_samples_and_its_children_take_turns() -> None:
    made = manifest({"a": {"samples": 2}, "b": {"from": "a"}}, samples=3)
    expansion = Expansion(made, 1)

    assert expansion.total == 5
    assert [expansion.parent_of(expansion.cell(index)) for index in (2, 3, 4)] == [0, 1, 0]


def test_counting_never_visits_what_it_counts() -> None:
    axes: dict[str, Any] = {f"axis{n}": {f"v{m}": {} for m in range(100)} for n in range(10)}
    made = manifest({"a": {}}, variants=axes)

    expansion = Expansion(made, 1_000_000)
    last = expansion.cell(expansion.total - 1)

    assert expansion.total == 10**26
    assert (last.row, last.variant) == (999_999, ("v99",) * 10)


def test_a_million_tasks_are_each_visited_once_in_order() -> None:
    made = manifest(
        {"a": {}, "b": {}},
        variants={"season": {f"v{n}": {} for n in range(5)}},
        sizes=[*SIZES, "2048x2048"],
        samples=2,
    )
    expansion = Expansion(made, 10_000)
    order = {name: place for place, name in enumerate(made.templates)}
    sizes = {name: place for place, name in enumerate(made.sizes)}

    expected = 0
    for cell in expansion:
        place = order[cell.template] * 10_000 + cell.row
        place = (place * 5 + int(cell.variant[0][1])) * 5 + sizes[cell.size]
        assert place * 2 + cell.sample - 1 == expected
        expected += 1

    assert expected == expansion.total == 1_000_000


def test_a_variant_shows_its_choices_values_and_their_name() -> None:
    made = manifest({"a": {}}, variants={"season": {"autumn": {"light": "golden"}}, "set": {"plain": {}}})

    assert variant_values(made, ("autumn", "plain")) == {
        "season": {"name": "autumn", "light": "golden"},
        "set": {"name": "plain"},
    }


def test_without_variants_there_is_one_and_it_is_called_default() -> None:
    cell = Expansion(manifest({"a": {}}), 1).cell(0)

    assert (cell.variant, cell.variant_key) == ((), "default")
