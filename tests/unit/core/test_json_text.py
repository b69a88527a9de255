import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.parsing.json_text import parse_json
from core.parsing.limits import MAX_DEPTH
from schemas.errors import ManifestError


def refusal(text: str) -> tuple[str, str]:
    """Code and sentence of the only problem."""
    with pytest.raises(ManifestError) as caught:
        parse_json(text)
    (problem,) = caught.value.problems
    assert problem.pointer == ""
    return problem.code, problem.detail


def test_every_repeated_key_is_told_with_both_lines() -> None:
    with pytest.raises(ManifestError) as caught:
        parse_json('{"a": 1,\n "b": {"c": 1, "c": 2},\n "\\u0061": 3}')

    assert [problem.detail for problem in caught.value.problems] == [
        "line 2: the key 'c' was already written on line 2",
        "line 3: the key 'a' was already written on line 1",
    ]


@pytest.mark.parametrize(
    "text",
    [
        '{"a": {"x": 1}, "b": {"x": 1}}',
        '{"a": "a", "b": "a"}',
        '{"a": "{\\"a\\": 1, \\"a\\": 2}"}',
        '["a", "a"]',
    ],
)
def test_what_only_looks_like_a_repetition_is_taken(text: str) -> None:
    assert parse_json(text) == json.loads(text)


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999", "9" * 5000])
def test_numbers_that_cannot_be_reckoned_with_are_refused(word: str) -> None:
    assert refusal(f'{{"a": {word}}}')[0] == "not_a_number"


@pytest.mark.parametrize("text", [r'{"a": "\ud800"}', r'{"\udc00": 1}'])
def test_half_of_a_surrogate_pair_is_refused(text: str) -> None:
    assert refusal(text)[0] == "not_unicode"


def test_a_whole_surrogate_pair_is_taken() -> None:
    assert parse_json(r'{"a": "\ud83d\ude00"}') == {"a": "😀"}


def test_as_many_levels_as_allowed_are_taken_and_one_more_is_not() -> None:
    assert parse_json("[" * MAX_DEPTH + "]" * MAX_DEPTH)
    assert refusal("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1))[0] == "too_deep"


@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_nesting_without_end_is_refused_and_not_followed(opening: str) -> None:
    assert refusal(opening * 100_000)[0] == "too_deep"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('{"a": 1,\n "b": }', "line 2, column 7"),
        ("{'a': 1}", "line 1, column 2"),
        ('{"a": 1} x', "line 1, column 10"),
        ("", "line 1"),
    ],
)
def test_mistakes_of_syntax_are_told_with_their_place(text: str, place: str) -> None:
    code, sentence = refusal(text)

    assert code == "syntax"
    assert sentence.startswith(place)


PLAIN: Any = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(st.characters(codec="utf-8"))
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(PLAIN, st.booleans(), st.none() | st.integers(0, 3))
def test_what_another_library_writes_is_read_as_it_was(
    data: Any, ascii_only: bool, indent: int | None
) -> None:
    assert parse_json(json.dumps(data, ensure_ascii=ascii_only, indent=indent)) == data
