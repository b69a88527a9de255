"""No sentence of a provider brings a prompt, a key or picture data into our records."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.images.redaction import redacted

PROMPT = "A red teapot on a marble counter, soft light from the left, for a product page."


@pytest.mark.parametrize(
    "message",
    [
        "Incorrect API key provided: sk-proj-abc123DEF. You can find it at …",
        "Incorrect API key provided: sk-ab***********yz.",
        "Incorrect API key provided: abc123DEF456.",
        "Wrong header: Bearer abc123DEF456",
        "The key key-of-this-lane-abc123DEF is not known.",
    ],
)
def test_a_key_is_taken_out(message: str) -> None:
    cleaned = redacted(message, key="key-of-this-lane-abc123DEF")

    assert "abc" not in cleaned
    assert "sk-ab" not in cleaned


@given(st.integers(0, len(PROMPT) - 20), st.integers(20, len(PROMPT)))
def test_a_quoted_piece_of_the_prompt_is_taken_out(start: int, length: int) -> None:
    piece = PROMPT[start : start + length]

    cleaned = redacted(f"Your prompt '{piece}…' was rejected.", prompt=PROMPT)

    assert cleaned == "Your prompt '[prompt]…' was rejected."


def test_a_prompt_over_several_lines_is_found_on_one() -> None:
    assert redacted("No: first line second line", prompt="first line\n  second line") == "No: [prompt]"


def test_a_short_prompt_goes_only_where_it_stands_as_a_word() -> None:
    assert redacted("A cat is no category.", prompt="cat") == "A [prompt] is no category."


def test_picture_data_is_taken_out() -> None:
    assert redacted("Cannot read " + "iVBORw0KGgo" * 30 + "==.") == "Cannot read [data]."


def test_an_ordinary_sentence_stays_as_it_is() -> None:
    message = "Invalid size '1920x1080'. Width and height must both be divisible by 16."

    assert redacted(message, prompt=PROMPT, key="sk-abcdefgh") == message
