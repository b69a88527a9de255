"""Which choices go together: zip, exclude and include, as a plain search through the product has them."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.combining import MAX_LISTED, Combined
from schemas.errors import ManifestError
from schemas.manifest import Combinations
from schemas.manifest_check import check_manifest

AXES = {"a": ["1", "2", "3"], "b": ["x", "y", "z"], "c": ["p", "q"]}


@st.composite
def rules(draw: st.DrawFn) -> dict[str, Any]:
    choice = st.dictionaries(st.sampled_from("abc"), st.integers(0, 1), min_size=1).map(
        lambda found: {axis: AXES[axis][place] for axis, place in found.items()}
    )
    return {
        "zip": [["b", "a"]] if draw(st.booleans()) else [],
        "exclude": draw(st.lists(choice, max_size=3)),
        "include": draw(st.lists(choice, max_size=2)),
    }


def searched(rule: dict[str, Any]) -> list[tuple[str, ...]]:
    """By trying every combination."""

    def has(found: tuple[str, ...], entry: dict[str, str]) -> bool:
        return all(dict(zip(AXES, found, strict=True))[axis] == choice for axis, choice in entry.items())

    return [
        found
        for found in product(*AXES.values())
        if any(has(found, entry) for entry in rule["include"])
        or (
            (not rule["zip"] or AXES["a"].index(found[0]) == AXES["b"].index(found[1]))
            and not any(has(found, entry) for entry in rule["exclude"])
        )
    ]


@given(rules())
@settings(deadline=None)
def test_rules_leave_what_a_search_finds_in_the_order_of_the_product(rule: dict[str, Any]) -> None:
    combined = Combined(AXES, Combinations.model_validate(rule))

    assert list(combined) == searched(rule)
    assert combined.count == len(searched(rule))
    assert [combined.at(place) for place in range(combined.count)] == searched(rule)
    assert [combined.place_of(found) for found in combined] == list(range(combined.count))


@given(rules(), st.sets(st.sampled_from("abc")))
@settings(deadline=None)
def test_a_projection_has_each_choice_on_its_axes_once_and_only_what_is_made(
    rule: dict[str, Any], read: set[str]
) -> None:
    combined = Combined(AXES, Combinations.model_validate(rule))
    names = tuple(sorted(read))

    def seen(found: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict(zip(AXES, found, strict=True))[name] for name in names)

    projected = list(combined.projected(names))

    assert sorted(map(seen, projected)) == sorted({seen(found) for found in searched(rule)})
    assert set(projected) <= set(searched(rule))


@given(rules())
@settings(deadline=None)
def test_choices_are_counted(rule: dict[str, Any]) -> None:
    counts = Combined(AXES, Combinations.model_validate(rule)).counts()

    for place, (axis, choices) in enumerate(AXES.items()):
        assert counts[axis] == {
            choice: sum(found[place] == choice for found in searched(rule)) for choice in choices
        }


def test_a_great_many_combinations_are_not_listed() -> None:
    axes = {f"axis{n}": [str(m) for m in range(100)] for n in range(10)}
    combined = Combined(axes, Combinations())

    last = combined.at(100**10 - 1)

    assert (combined.count, last, combined.place_of(last)) == (100**10, ("99",) * 10, 100**10 - 1)


@pytest.mark.parametrize(
    ("reads", "axes"),
    [
        (["variant.a.light"], ("a",)),
        (["variant.a", "row.b"], ("a",)),
        (["variant"], ("a", "b", "c")),
        (["variant_key"], ("a", "b", "c")),
        (["variant.ab.x", "size"], ()),
    ],
)
def test_the_axes_that_a_text_looks_at_are_known(reads: list[str], axes: tuple[str, ...]) -> None:
    assert Combined(AXES, Combinations()).read_by(reads) == axes


@pytest.mark.parametrize(
    ("rule", "pointer", "says"),
    [
        ({"zip": [["a", "c"]]}, "/combinations/zip/0", "these have: a 3, c 2"),
        ({"zip": [["a", "d"]]}, "/combinations/zip/0", "there is no axis 'd'; known: a, b, c"),
        ({"zip": [["a", "b"], ["b", "a"]]}, "/combinations/zip/1", "paired only once"),
        ({"zip": [["a"]]}, "/combinations/zip/0", "at least 2"),
        ({"exclude": [{"d": "1"}]}, "/combinations/exclude/0/d", "there is no axis 'd'"),
        (
            {"include": [{"a": "9"}], "exclude": [{"a": "1"}]},
            "/combinations/include/0/a",
            "'a' has no '9'; it has 1, 2, 3",
        ),
        ({"include": [{"a": "1"}]}, "/combinations/include", "`include` adds none"),
        ({"include": [{"a": "1"}], "exclude": 7}, "/combinations/exclude", "has to be a list"),
        ({"exclude": [{}]}, "/combinations/exclude/0", "at least 1"),
        (
            {"exclude": [{"a": "1"}, {"a": "2"}, {"a": "3"}]},
            "/combinations/exclude",
            "no combination is left",
        ),
    ],
)
def test_rules_that_cannot_be_meant_are_refused(rule: dict[str, Any], pointer: str, says: str) -> None:
    said = refused({axis: {choice: {} for choice in choices} for axis, choices in AXES.items()}, rule)

    assert list(said) == [pointer]
    assert says in said[pointer]


def test_rules_over_more_combinations_than_can_be_listed_are_refused() -> None:
    axes: dict[str, Any] = {f"axis{n}": {str(m): {} for m in range(101)} for n in range(2)}

    said = refused(axes, {"exclude": [{"axis0": "1"}]})

    assert f"{MAX_LISTED:,}" in said["/combinations"]


def refused(variants: dict[str, Any], rule: dict[str, Any]) -> dict[str, str]:
    data = {
        "name": "n",
        "image": {"model": "gpt-image-2"},
        "templates": {"hero": {"prompt": "x"}},
        "variants": variants,
        "combinations": rule,
    }
    with pytest.raises(ManifestError) as found:
        check_manifest(data)
    return {problem.pointer: problem.detail for problem in found.value.problems}
