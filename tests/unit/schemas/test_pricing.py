"""Tokens and dollars against published counts and prices."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.image import Usage
from schemas.model import Model, find_model, live_models
from schemas.pricing import (
    DEAREST_SIZE,
    Quote,
    cost_usd_micros,
    input_image_tokens_high,
    micros,
    output_tokens,
    output_tokens_high,
    output_tokens_low,
    quote,
    text_tokens_high,
    text_tokens_likely,
    usd,
)
from schemas.size import MAX_PIXELS, MIN_PIXELS, Size, size_problem


def named(name: str) -> Model:
    model = find_model(name)
    assert model is not None
    return model


V2, V25, V26 = named("gpt-image-2"), named("gpt-image-2.5-sunburst"), named("gpt-image-2.6-flare")

VECTORS = [
    # model, quality, size, tokens, dollars
    (V2, "low", "1024x1024", 196, "0.00588"),
    (V2, "medium", "1024x1024", 1756, "0.05268"),
    (V2, "high", "1024x1024", 7024, "0.21072"),
    (V2, "low", "1536x1024", 158, "0.00474"),
    (V2, "medium", "1024x1536", 1372, "0.04116"),
    (V2, "high", "1536x1024", 5488, "0.16464"),
    (V2, "high", "1792x1024", 5063, "0.15189"),
    (V2, "high", "3584x2048", 12329, "0.36987"),
    (V2, "low", "960x720", 130, "0.0039"),
    (V2, "low", "976x704", 129, "0.00387"),
    (V25, "low", "1024x1024", 196, "0.00588"),
    (V25, "medium", "1024x1024", 439, "0.01317"),
    (V25, "high", "1024x1024", 1756, "0.05268"),
    (V25, "xhigh", "1024x1024", 3122, "0.09366"),
    (V25, "max", "1024x1024", 7024, "0.21072"),
    (V2, "low", "2048x1152", 157, "0.00471"),
    (V2, "medium", "2560x1440", 1843, "0.05529"),
    (V2, "high", "2560x1440", 7370, "0.2211"),
    (V2, "high", "2048x2048", 14272, "0.42816"),
    (V2, "medium", "3840x2160", 3336, "0.10008"),
    (V2, "high", "2160x3840", 13342, "0.40026"),
    (V25, "xhigh", "2048x1152", 2511, "0.07533"),
    (V25, "max", "3840x2160", 13342, "0.40026"),
    (V25, "max", "2880x2880", 23719, "0.71157"),
    (V2, "low", "1536x816", 118, "0.00354"),
]
TABLE_SIZES = ("1024x1024", "1536x1024", "2048x1152", "2560x1440", "2048x2048", "3840x2160")
TABLE = [
    ((V2, "low"), (196, 158, 157, 205, 397, 371)),
    ((V25, "low"), (196, 158, 157, 205, 397, 371)),
    ((V25, "medium"), (439, 343, 367, 478, 892, 865)),
    ((V2, "medium"), (1756, 1372, 1413, 1843, 3568, 3336)),
    ((V25, "high"), (1756, 1372, 1413, 1843, 3568, 3336)),
    ((V25, "xhigh"), (3122, 2459, 2511, 3276, 6343, 5930)),
    ((V2, "high"), (7024, 5488, 5650, 7370, 14272, 13342)),
    ((V25, "max"), (7024, 5488, 5650, 7370, 14272, 13342)),
]
CELLS = [
    (*row, size, count) for row, counts in TABLE for size, count in zip(TABLE_SIZES, counts, strict=True)
]
CHOICES = [(model, quality) for model in live_models() for quality in (*model.qualities, "auto")]
EDGES = st.integers(1, 240).map(lambda steps: steps * 16)


@pytest.mark.parametrize(("model", "quality", "size", "tokens", "dollars"), VECTORS)
def test_published_pictures_take_their_tokens_and_cost_their_price(
    model: Model, quality: str, size: str, tokens: int, dollars: str
) -> None:
    counted = output_tokens(model, quality, Size.parse(size))
    assert (counted, usd(cost_usd_micros(model, Usage(output_image_tokens=counted)))) == (tokens, dollars)


@pytest.mark.parametrize(("model", "quality", "size", "tokens"), CELLS)
def test_the_token_table_holds(model: Model, quality: str, size: str, tokens: int) -> None:
    assert output_tokens(model, quality, Size.parse(size)) == tokens


@pytest.mark.parametrize(
    ("quality", "likely", "high"),
    [
        ("low", 686, 784),
        ("medium", 1537, 1756),  # 439 x 3.5 = 1536.5, half up
        ("high", 1756, 1756),
        ("xhigh", 3122, 3122),
        ("max", 7024, 7024),
    ],
)
def test_2_6_takes_3_to_4_times_the_tokens_of_2_5_at_low_and_medium(
    quality: str, likely: int, high: int
) -> None:
    square = Size(1024, 1024)
    assert (output_tokens(V26, quality, square), output_tokens_high(V26, quality, square)) == (likely, high)


@given(st.sampled_from(CHOICES), EDGES, EDGES)
def test_orientation_does_not_change_the_tokens(choice: tuple[Model, str], width: int, height: int) -> None:
    assert output_tokens(*choice, Size(width, height)) == output_tokens(*choice, Size(height, width))


@given(st.sampled_from(CHOICES), EDGES, EDGES)
def test_the_upper_bound_of_the_tokens_is_never_under_the_likely_count(
    choice: tuple[Model, str], width: int, height: int
) -> None:
    assert output_tokens_high(*choice, Size(width, height)) >= output_tokens(*choice, Size(width, height))


@pytest.mark.parametrize("model", live_models(), ids=lambda model: model.name)
def test_auto_stands_for_the_dearest_quality(model: Model) -> None:
    square = Size(1024, 1024)
    assert output_tokens_high(model, "auto", square) == max(
        output_tokens_high(model, quality, square) for quality in model.qualities
    )


def landscape() -> Iterator[Size]:
    """Every size of the grid whose edges are legal; a turned one takes as many tokens."""
    for long in range(1, 241):
        yield from (Size(16 * long, 16 * short) for short in range(-(-long // 3), long + 1))


@pytest.mark.parametrize("quality", V25.qualities)
def test_no_legal_size_takes_more_tokens_than_the_dearest(quality: str) -> None:
    within = (size for size in landscape() if MIN_PIXELS <= size.pixels <= MAX_PIXELS)
    assert output_tokens(V25, quality, DEAREST_SIZE) == max(
        output_tokens(V25, quality, size) for size in within
    )


def test_the_dearest_size_is_legal() -> None:
    assert size_problem(DEAREST_SIZE, V25) is None


@pytest.mark.parametrize("ask", [output_tokens, output_tokens_high])
def test_a_quality_that_the_model_does_not_know_is_refused_with_those_it_knows(
    ask: Callable[[Model, str, Size], int],
) -> None:
    with pytest.raises(
        ValueError, match=re.escape("gpt-image-2 does not know quality 'max'; it knows low, medium, high")
    ):
        ask(V2, "max", Size(1024, 1024))


@pytest.mark.parametrize("model", live_models(), ids=lambda model: model.name)
def test_every_live_model_has_the_same_price_for_each_kind_of_token(model: Model) -> None:
    million = 1_000_000
    costs = (
        cost_usd_micros(model, Usage(input_text_tokens=million)),
        cost_usd_micros(model, Usage(input_image_tokens=million)),
        cost_usd_micros(model, Usage(output_image_tokens=million)),
        cost_usd_micros(model, Usage(output_text_tokens=million)),
    )
    assert costs == (5 * million, 8 * million, 30 * million, 0)


def test_the_cost_of_a_call_is_the_sum_over_its_tokens() -> None:
    assert cost_usd_micros(V2, Usage(10, 1024, 1756)) == 50 + 8_192 + 52_680


@pytest.mark.parametrize(("references", "tokens"), [(0, 0), (1, 1536), (16, 24_576)])
def test_a_reference_takes_at_most_1536_tokens(references: int, tokens: int) -> None:
    assert input_image_tokens_high(references) == tokens


@pytest.mark.parametrize(
    ("prompt_bytes", "likely", "high"), [(0, 6, 64), (1, 7, 65), (400, 106, 464), (401, 107, 465)]
)
def test_a_prompt_likely_takes_a_token_per_four_bytes_and_at_most_one_per_byte(
    prompt_bytes: int, likely: int, high: int
) -> None:
    assert (text_tokens_likely(prompt_bytes), text_tokens_high(prompt_bytes)) == (likely, high)


def test_a_generation_is_quoted_by_its_prompt_and_its_picture() -> None:
    quoted = quote(V2, quality="medium", size=Size(1024, 1024), prompt_bytes=400, references=0, mask=False)
    assert quoted == Quote(
        low_usd_micros=1756 * 30,
        likely_usd_micros=106 * 5 + 1756 * 30,
        high_usd_micros=464 * 5 + 1756 * 30,
        likely_tokens=106 + 1756,
        high_tokens=464 + 1756,
    )


def test_an_edit_is_quoted_with_its_references_and_at_most_with_its_mask() -> None:
    quoted = quote(V26, quality="low", size=Size(1024, 1024), prompt_bytes=0, references=2, mask=True)
    assert quoted == Quote(
        low_usd_micros=588 * 30,
        likely_usd_micros=6 * 5 + 2560 * 8 + 686 * 30,
        high_usd_micros=64 * 5 + 4608 * 8 + 784 * 30,
        likely_tokens=6 + 2560 + 686,
        high_tokens=64 + 4608 + 784,
    )


def test_a_size_that_the_provider_chooses_is_quoted_as_the_dearest() -> None:
    chosen = quote(V25, quality="auto", size=None, prompt_bytes=9, references=0, mask=False)
    dearest = quote(V25, quality="max", size=DEAREST_SIZE, prompt_bytes=9, references=0, mask=False)
    assert chosen == replace(dearest, low_usd_micros=54 * 30)


@pytest.mark.parametrize("model", [V2, V25, V26], ids=lambda model: model.name)
def test_what_the_provider_chooses_takes_at_least_the_fewest_tokens_of_any_legal_size(model: Model) -> None:
    sizes = [size for size in landscape() if MIN_PIXELS <= size.pixels <= MAX_PIXELS]
    for quality in model.qualities:
        fewest = min(output_tokens_low(model, quality, size) for size in sizes)
        assert output_tokens_low(model, quality, None) == fewest
    assert output_tokens_low(model, "auto", None) == output_tokens_low(model, "low", None)


@given(st.sampled_from(CHOICES), st.builds(Size, EDGES, EDGES), st.integers(0, 128_000), st.integers(0, 16))
def test_the_bounds_of_a_quote_lie_around_what_is_likely(
    choice: tuple[Model, str], size: Size, prompt_bytes: int, references: int
) -> None:
    model, quality = choice
    it = quote(
        model, quality=quality, size=size, prompt_bytes=prompt_bytes, references=references, mask=False
    )
    assert it.low_usd_micros <= it.likely_usd_micros <= it.high_usd_micros
    assert it.likely_tokens <= it.high_tokens


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (0, "0.00"),
        (1, "0.000001"),
        (52_680, "0.05268"),
        (210_000, "0.21"),
        (1_500_000, "1.50"),
        (250_000_000, "250.00"),
        (-1_500_000, "-1.50"),
        (-1, "-0.000001"),
    ],
)
def test_dollars_are_written_with_2_to_6_decimals(amount: int, text: str) -> None:
    assert usd(amount) == text


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("0", 0),
        ("250", 250_000_000),
        ("250.00", 250_000_000),
        ("0.000001", 1),
        ("007.5", 7_500_000),
        ("1.5", 1_500_000),
    ],
)
def test_decimal_dollars_are_read_exactly(text: str, amount: int) -> None:
    assert micros(text) == amount


@pytest.mark.parametrize(
    "text",
    [
        "",
        " 1",
        "1.",
        ".5",
        "1,50",
        "1e3",
        "-1",
        "+1",
        "0.0000001",
        "$5",
        "NaN",
        "inf",
        "1_000",
        "١",
        "1\n",
        "9" * 5000,
    ],
)
def test_what_is_not_plain_decimal_dollars_is_refused_with_the_way_to_write_them(text: str) -> None:
    with pytest.raises(ValueError, match="is not an amount in dollars; write digits with at most 6 decimals"):
        micros(text)


@given(st.integers(0, 10**17))
def test_dollars_are_read_back_as_they_were_written(amount: int) -> None:
    assert micros(usd(amount)) == amount
