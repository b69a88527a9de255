"""How single values of a manifest are written: names, Liquid, sizes, amounts.

A `title` is what the manual and editors call such a value; the validators say what is wrong with one in a sentence.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Final

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
)

from schemas.model import refusal_of
from schemas.pricing import usd
from schemas.size import asked_size
from schemas.template import MAX_PROMPT_CHARS, TemplateError, condition, parsed
from schemas.upscaler import unknown_upscaler


class Shape(BaseModel):
    """Frozen, and strict about names: an unknown field is an error, never ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=False)


Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"), Field(title="name")]
"""A template, axis or variant: letters, digits, `_` and `-`; it becomes part of file names."""


def _liquid(text: str) -> str:
    try:
        parsed(text)
    except TemplateError as error:
        raise ValueError(str(error)) from error
    return text


def _condition(text: str) -> str:
    try:
        condition(text)
    except TemplateError as error:
        raise ValueError(str(error)) from error
    return text


ACCEPTED: Final = "accepted"
"""Validation context of a manifest that was accepted before: its models and presets may be gone by now, see
`schemas.upscaling`."""


def _known_model(name: str, about: ValidationInfo) -> str:
    if about.context != ACCEPTED and (refusal := refusal_of(name)):
        raise ValueError(refusal)
    return name


def _known_upscaler(name: str, about: ValidationInfo) -> str:
    if about.context != ACCEPTED and (refusal := unknown_upscaler(name)):
        raise ValueError(refusal)
    return name


def _known_size(text: str, about: ValidationInfo) -> str:
    if about.context != ACCEPTED and text != "auto":
        asked_size(text)
    return text


def _dollars(value: Any) -> str:
    """Decimal dollars as a string; YAML and JSON numbers are taken as they are written."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError('an amount in dollars is written as a decimal string such as "250.00"')
    try:
        amount = Decimal(str(value))
    except InvalidOperation as error:
        detail = f"'{str(value)[:40]}' is not an amount in dollars; write a decimal such as 250.00"
        raise ValueError(detail) from error
    if not amount.is_finite() or amount <= 0:
        raise ValueError("a cap must be more than 0 dollars")
    if amount > 10_000_000 or amount != round(amount, 6):
        raise ValueError("a cap has at most 6 decimals and is at most 10000000 dollars")
    return usd(int(amount * 1_000_000))


Liquid = Annotated[
    str, StringConstraints(max_length=MAX_PROMPT_CHARS), AfterValidator(_liquid), Field(title="Liquid text")
]
Condition = Annotated[
    str,
    StringConstraints(min_length=1, max_length=2000),
    AfterValidator(_condition),
    Field(title="condition"),
]
ModelName = Annotated[str, AfterValidator(_known_model), Field(title="model")]
UpscalerName = Annotated[str, AfterValidator(_known_upscaler), Field(title="upscaler")]
SizeName = Annotated[str, AfterValidator(_known_size), Field(title="size")]
Dollars = Annotated[str, BeforeValidator(_dollars), Field(title="amount in dollars")]


def _scalar(value: Any) -> Any:
    if value is not None and not isinstance(value, str | int | float | bool):
        raise ValueError("a variant's value is a text, a number, true, false or null")
    return value


Scalar = Annotated[Any, AfterValidator(_scalar)]
Axes = dict[Name, Annotated[dict[Name, dict[Name, Scalar]], Field(min_length=1)]]
Choice = Annotated[dict[Name, Name], Field(min_length=1)]
"""One choice on some of the axes; it stands for every combination that has them."""

Metadata = dict[
    Annotated[str, StringConstraints(min_length=1, max_length=64)],
    Annotated[str, StringConstraints(max_length=512)],
]
