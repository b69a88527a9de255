"""What a picture costs: tokens before the call, dollars before and after it. Integers only."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import date
from functools import cache

from pydantic import NonNegativeInt

from schemas.image import Usage
from schemas.model import Dated, Model, Quality, data_file
from schemas.size import Size
from schemas.upscaler import provider_of

AUTO = "auto"
DEAREST_SIZE = Size(2880, 2880)
"""The legal size with the most output tokens, which stands in where the provider chooses the size."""

CHEAPEST_SIZES = (Size(1376, 480), Size(1408, 480), Size(1424, 480), Size(1440, 480))
"""Of the legal sizes one of these has the fewest output tokens, whatever the quality."""

REFERENCE_TOKENS_LIKELY = 1_280
REFERENCE_TOKENS_HIGH = 1_536
"""Input tokens of one reference picture: 1,024 to 1,536 patches, and fewer of a small or narrow one.

Source: https://community.openai.com/t/1382940, checked 2026-11-20; secondary.
"""

BYTES_PER_TEXT_TOKEN = 4
"""What o200k_base makes of ordinary prose; a token is never shorter than one byte."""

TEXT_OVERHEAD_LIKELY = 6
TEXT_OVERHEAD_HIGH = 64
"""Tokens that the provider adds to a prompt: about 6 seen, the rest is our margin."""

_DOLLARS = re.compile(r"([0-9]{1,12})(?:\.([0-9]{1,6}))?")


@cache
def price_list(provider: str) -> str:
    """Whose prices these are, when they were last compared with the provider's own, and the digest of their entries."""
    tables = data_file("prices").values()
    entries = [entry for table in tables for entry in table if provider_of(entry["models"][0]) == provider]
    digest = hashlib.sha256(str(entries).encode()).hexdigest()
    newest = max(entry["checked_on"] for entry in entries)
    return f"{provider} prices of {newest}, sha256 {digest[:12]}"


class Price(Dated):
    """Micro-dollars per 1,000,000 tokens of each kind."""

    models: tuple[str, ...]
    input_text: NonNegativeInt
    input_image: NonNegativeInt
    output_image: NonNegativeInt
    output_text: NonNegativeInt
    effective_on: date


class CallPrice(Dated):
    """Micro-dollars of a call, whatever comes of it that is good."""

    models: tuple[str, ...]
    usd_micros: NonNegativeInt
    effective_on: date


@dataclass(frozen=True, slots=True)
class Quote:
    """The least that one call can take, what it likely will, and the most it can: the last is what a hold reserves.

    The least is that of the picture alone, without what is sent for it. Tokens are input and output together, as a
    tokens-per-minute limit may count them.
    """

    low_usd_micros: int
    likely_usd_micros: int
    high_usd_micros: int
    likely_tokens: int
    high_tokens: int


def quote(
    model: Model, *, quality: str, size: Size | None, prompt_bytes: int, references: int, mask: bool
) -> Quote:
    """The price of one picture before it is made.

    Args:
        quality: one of the model's, or `auto`; `auto` has no price, so the dearest stands in for it, and the cheapest for
            the least.
        size: None where the provider chooses (`auto`), and the same holds.
        prompt_bytes: length of the rendered prompt in UTF-8.
        mask: counted as one more reference in the upper bound; whether it is billed is not documented.

    Raises:
        ValueError: the model has no such quality.
    """
    low = Usage(output_image_tokens=output_tokens_low(model, quality, size))
    size = size or DEAREST_SIZE
    likely = Usage(
        input_text_tokens=text_tokens_likely(prompt_bytes),
        input_image_tokens=references * REFERENCE_TOKENS_LIKELY,
        output_image_tokens=output_tokens(model, quality, size),
    )
    high = Usage(
        input_text_tokens=text_tokens_high(prompt_bytes),
        input_image_tokens=input_image_tokens_high(references + mask),
        output_image_tokens=output_tokens_high(model, quality, size),
    )
    least, about, most = (cost_usd_micros(model, usage) for usage in (low, likely, high))
    return Quote(least, about, most, likely.total_tokens, high.total_tokens)


def quote_call(upscaler: str) -> Quote | None:
    """The flat price of one call, which is what it costs; None where no price is known."""
    price = _call_prices().get(upscaler)
    return None if price is None else Quote(price.usd_micros, price.usd_micros, price.usd_micros, 0, 0)


def cost_usd_micros(model: Model, usage: Usage) -> int:
    """What these tokens cost, rounded half up once, at the end."""
    price = _prices()[model.name]
    millionths = (
        usage.input_text_tokens * price.input_text
        + usage.input_image_tokens * price.input_image
        + usage.output_image_tokens * price.output_image
        + usage.output_text_tokens * price.output_text
    )
    return (millionths + 500_000) // 1_000_000


def output_tokens(model: Model, quality: str, size: Size) -> int:
    """The likely number of output tokens of one picture.

    Raises:
        ValueError: the model has no such quality.
    """
    chosen = _quality(model, quality, size)
    return (_formula(chosen.axis_factor, size) * chosen.likely_percent + 50) // 100


def output_tokens_low(model: Model, quality: str, size: Size | None) -> int:
    """The fewest output tokens one picture can take; without a size, of any.

    Raises:
        ValueError: the model has no such quality.
    """
    choices = model.quality if quality == AUTO else (_named(model, quality),)
    sizes = CHEAPEST_SIZES if size is None else (size,)
    return min(
        _formula(choice.axis_factor, each) * choice.low_percent // 100 for choice in choices for each in sizes
    )


def output_tokens_high(model: Model, quality: str, size: Size) -> int:
    """The most output tokens one picture can take.

    Raises:
        ValueError: the model has no such quality.
    """
    return _tokens_high(_quality(model, quality, size), size)


def input_image_tokens_high(references: int) -> int:
    """The most input tokens that this many reference pictures can take."""
    return references * REFERENCE_TOKENS_HIGH


def text_tokens_likely(prompt_bytes: int) -> int:
    return -(-prompt_bytes // BYTES_PER_TEXT_TOKEN) + TEXT_OVERHEAD_LIKELY


def text_tokens_high(prompt_bytes: int) -> int:
    """Never fewer than the provider can count."""
    return prompt_bytes + TEXT_OVERHEAD_HIGH


def usd(usd_micros: int) -> str:
    """Dollars as a decimal string with 2 to 6 decimals: 1_500_000 is `1.50`, 52_680 is `0.05268`."""
    dollars, rest = divmod(abs(usd_micros), 1_000_000)
    decimals = f"{rest:06d}".rstrip("0").ljust(2, "0")
    return f"{'-' if usd_micros < 0 else ''}{dollars}.{decimals}"


def micros(text: str) -> int:
    """Micro-dollars of a decimal-dollar string such as `250.00`.

    Raises:
        ValueError: it is not plain digits with at most 6 decimals.
    """
    written = _DOLLARS.fullmatch(text)
    if written is None:
        raise ValueError(
            f"'{text[:40]}' is not an amount in dollars; write digits with at most 6 decimals, such as 250.00"
        )
    return int(written[1]) * 1_000_000 + int((written[2] or "").ljust(6, "0"))


def _quality(model: Model, name: str, size: Size) -> Quality:
    if name == AUTO:
        return max(model.quality, key=lambda quality: _tokens_high(quality, size))
    return _named(model, name)


def _named(model: Model, name: str) -> Quality:
    for quality in model.quality:
        if quality.name == name:
            return quality
    raise ValueError(f"{model.name} does not know quality '{name}'; it knows {', '.join(model.qualities)}")


def _tokens_high(quality: Quality, size: Size) -> int:
    return -(-_formula(quality.axis_factor, size) * quality.high_percent // 100)


def _formula(axis_factor: int, size: Size) -> int:
    """Output tokens by the provider's own calculator; the same for both orientations.

    Source: https://community.openai.com/t/1382699, 2026-06-05; agrees with every published price and count.
    """
    long, short = max(size.width, size.height), min(size.width, size.height)
    short_axis = (2 * axis_factor * short + long) // (2 * long)  # half up, where round() would go to even
    return -(-axis_factor * short_axis * (2_000_000 + size.pixels) // 4_000_000)


@cache
def _prices() -> dict[str, Price]:
    rows = [Price(**row) for row in data_file("prices")["price"]]
    return {model: row for row in rows for model in row.models}


@cache
def _call_prices() -> dict[str, CallPrice]:
    rows = [CallPrice(**row) for row in data_file("prices")["call"]]
    return {model: row for row in rows for model in row.models}
