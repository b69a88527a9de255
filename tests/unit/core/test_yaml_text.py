from contextlib import suppress
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from core.parsing.limits import MAX_DEPTH, MAX_WEIGHT
from core.parsing.yaml_text import parse_yaml
from schemas.errors import ManifestError


def refusal(text: str) -> tuple[str, str]:
    """Code and sentence of the only problem."""
    with pytest.raises(ManifestError) as caught:
        parse_yaml(text)
    (problem,) = caught.value.problems
    assert problem.pointer == ""
    return problem.code, problem.detail


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("no", "no"), ("yes", "yes"), ("on", "on"), ("off", "off"), ("y", "y"), ("NO", "NO"),
        ("true", True), ("False", False), ("null", None), ("~", None), ("", None),
        ("7", 7), ("-7", -7), ("0", 0), ("007", "007"), ("00012345678905", "00012345678905"), ("0x1F", "0x1F"),
        ("0o17", "0o17"), ("1_000", "1_000"), ("12:30", "12:30"), ("12:30:45", "12:30:45"),
        ("1.5", 1.5), ("-.5", -0.5), ("2.", 2.0), ("1.5e3", 1500.0), ("1e5", "1e5"), ("00.5", "00.5"), ("1.2.3", "1.2.3"),
        ("2026-11-21", "2026-11-21"), ("2026-11-21T10:00:00Z", "2026-11-21T10:00:00Z"),
        ("=", "="), ("'7'", "7"), ('"true"', "true"), ("!!str 7", "7"), ("! 7", "7"), ("9" * 101, "9" * 101),
    ],
)  # fmt: skip
def test_plain_words_are_read_as_catalogs_mean_them(word: str, value: object) -> None:
    data = parse_yaml(f"a: {word}")

    assert data == {"a": value}
    assert type(data["a"]) is type(value)


def test_keys_are_texts_as_they_are_written() -> None:
    assert parse_yaml("7: a\non: b\n007: c\nnull: d\n1.50: e") == {
        "7": "a",
        "on": "b",
        "007": "c",
        "null": "d",
        "1.50": "e",
    }


def test_blocks_flows_and_folds_are_read() -> None:
    text = "a: [1, {b: c}]\nd:\n- |\n  x\n  y\n- >-\n  x\n  y\n"

    assert parse_yaml(text) == {"a": [1, {"b": "c"}], "d": ["x\ny\n", "x y"]}


def test_every_repeated_key_is_told_with_both_lines() -> None:
    with pytest.raises(ManifestError) as caught:
        parse_yaml("a: 1\nb:\n  c: 1\n  c: 2\na: 3\n'a': 4\n")

    assert [problem.detail for problem in caught.value.problems] == [
        "line 4: the key 'c' was already written on line 3",
        "line 5: the key 'a' was already written on line 1",
        "line 6: the key 'a' was already written on line 1",
    ]


def test_one_key_in_two_places_is_no_repetition() -> None:
    assert parse_yaml("a: {x: 1}\nb: {x: 1}\nx: 1")["b"] == {"x": 1}


def test_aliases_and_merges_are_followed() -> None:
    text = "a: &a {x: 1, y: 2}\nb: *a\nc: {<<: *a, y: 3}\nd: {<<: [{x: 9}, *a]}\n"

    assert parse_yaml(text) == {
        "a": {"x": 1, "y": 2},
        "b": {"x": 1, "y": 2},
        "c": {"x": 1, "y": 3},
        "d": {"x": 9, "y": 2},
    }


def test_an_anchor_may_be_set_again() -> None:
    assert parse_yaml("[&a 1, *a, &a 2, *a]") == [1, 1, 2, 2]


def bomb(levels: int) -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, levels)]
    return "\n".join(lines)


def test_aliases_that_expand_to_billions_are_refused() -> None:
    assert refusal(bomb(9))[0] == "too_large"


def test_merges_that_expand_to_billions_are_refused() -> None:
    lines = ["a0: &a0 {k: v}"]
    lines += [f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}]}}" for n in range(1, 9)]

    assert refusal("\n".join(lines))[0] == "too_large"


def test_a_long_text_that_is_repeated_is_counted_with_its_length() -> None:
    text = f"a: &a {'x' * 100_000}\nb: [{', '.join(['*a'] * (MAX_WEIGHT // 100_000 + 1))}]"

    assert refusal(text)[0] == "too_large"


def test_aliases_that_expand_to_thousands_are_taken() -> None:
    assert len(parse_yaml(bomb(3))["a2"]) == 10


@pytest.mark.parametrize("text", ["&a [*a]", "a: &a {b: *a}", "&a [[{b: *a}]]"])
def test_what_is_part_of_itself_is_refused(text: str) -> None:
    code, sentence = refusal(text)

    assert code == "bad_alias"
    assert "itself part of" in sentence


def test_an_alias_without_an_anchor_is_refused() -> None:
    assert refusal("a: *b")[1] == "line 1: the alias *b has no anchor before it"


@pytest.mark.parametrize(
    "text",
    ["!!python/object/apply:os.system [ls]", "!!python/name:os.system x", "!!binary aGk=", "!!set {a}", "!local x",
     "!!int 7", "!!timestamp 2026-11-21", "a: !!omap [b: c]"],
)  # fmt: skip
def test_tags_that_mean_more_than_text_are_refused(text: str) -> None:
    code, sentence = refusal(text)

    assert code == "bad_tag"
    assert "line 1: the tag !" in sentence


@pytest.mark.parametrize("text", ["? [a]\n: b", "? {a: b}\n: c", "&a a: b\n*a : c"])
def test_a_key_that_is_no_text_is_refused(text: str) -> None:
    assert refusal(text)[0] == "bad_key"


@pytest.mark.parametrize("text", ["<<: 7", "<<: [7]", "<<: [[{a: b}]]"])
def test_a_merge_of_what_is_no_mapping_is_refused(text: str) -> None:
    assert refusal(text)[0] == "bad_merge"


@pytest.mark.parametrize("word", [".inf", "-.Inf", ".nan", ".NaN", "1.5e999"])
def test_numbers_that_cannot_be_reckoned_with_are_refused(word: str) -> None:
    assert refusal(f"a: {word}")[0] == "not_a_number"


def test_a_second_document_is_refused() -> None:
    assert refusal("---\na: 1\n---\nb: 2\n") == (
        "several_documents",
        "line 3: a second document begins; a manifest is one",
    )


def test_a_document_between_marks_is_taken() -> None:
    assert parse_yaml("---\na: 1\n...\n") == {"a": 1}


def test_as_many_levels_as_allowed_are_taken_and_one_more_is_not() -> None:
    assert parse_yaml("[" * MAX_DEPTH + "]" * MAX_DEPTH)
    assert refusal("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1))[0] == "too_deep"


@pytest.mark.parametrize("opening", ["[", "{a: ", "- "])
def test_nesting_without_end_is_refused_and_not_followed(opening: str) -> None:
    assert refusal(opening * 100_000)[0] in ("too_deep", "syntax")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("a: 1\n\tb: 2\n", "line 2, column 1"),
        ("a:\n  b: 1\n\tc: 2\n", "line 3, column 1"),
        ("a: [1, 2\nb: 3\n", "line 1, column 4"),
        ("a: b: c\n", "line 1, column 5"),
        ('a: "b\n', "line 1, column 4"),
        ("a: %x\n", "line 1, column 4"),
        ("a: b\x07c", "line 1, column 5"),
    ],
)
def test_mistakes_of_syntax_are_told_with_their_place(text: str, place: str) -> None:
    code, sentence = refusal(text)

    assert code == "syntax"
    assert sentence.startswith(place)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("b: 1\na: 'b\nc: d\n", "line 2, column 4: nothing closes the quote that begins here"),
        (
            'a: "b\nc: "d"\n',
            "line 1, column 4: the quote that begins here goes on to line 2, with more behind it; close it earlier",
        ),
        (
            "a: {b: c\nd: e\n",
            "line 1, column 4: nothing closes the bracket that begins here, up to line 2, column 2",
        ),
    ],
)
def test_what_is_never_closed_is_told_where_it_begins(text: str, sentence: str) -> None:
    assert refusal(text) == ("syntax", sentence)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("a: b: c\n", "quote a text that has a colon in it"),
        ("a: @b\n", "quote a text that begins like this"),
        ("a: 'it's'\n", "a text ends with its closing quote"),
        ("a:\n  b: 1\n c: 2\n", "have the same indentation"),
        ("a:\n- b\nc\n", "a field is written `name: value`"),
        ("a:\n\tb: 1\n", "indent with spaces, not with tabs"),
    ],
)
def test_mistakes_of_syntax_are_told_with_what_is_usually_behind_them(text: str, hint: str) -> None:
    assert hint in refusal(text)[1]


@pytest.mark.parametrize("text", ["a: 1\n\tb: 2\n", "a:\n\tb: 2\n", "a:\n  - b\n\t- c\n"])
def test_a_tab_is_called_by_its_name(text: str) -> None:
    assert "tabs" in refusal(text)[1]


PLAIN: Any = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(st.characters(codec="utf-8", exclude_categories=["C"])),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text("abc<", min_size=1), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(st.dictionaries(st.text("abcdef", min_size=1), PLAIN, max_size=4))
def test_what_another_library_writes_is_read_as_it_was(data: dict[str, Any]) -> None:
    assert parse_yaml(yaml.safe_dump(data, allow_unicode=True)) == data


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(ManifestError):
        parse_yaml(text)
