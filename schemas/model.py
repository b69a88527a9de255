"""The models that can be asked for, and those that no longer can: `data/models.toml` as values."""

from __future__ import annotations

import tomllib
from datetime import date
from functools import cache
from importlib.resources import files
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, model_validator

from schemas.image import ImageFormat


class Dated(BaseModel):
    """An entry of a data file: where it comes from, when somebody last looked, and how far to trust it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: str = Field(min_length=1)
    checked_on: date
    confidence: Literal["official", "secondary", "unconfirmed"]


def data_file(name: str) -> dict[str, Any]:
    """What `data/<name>.toml` of this package holds."""
    return tomllib.loads((files("schemas") / "data" / f"{name}.toml").read_text("utf-8"))


class Quality(BaseModel):
    """One quality of a model. The percentages scale what the token formula gives for `axis_factor`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    axis_factor: PositiveInt
    low_percent: PositiveInt = 100
    likely_percent: PositiveInt = 100
    high_percent: PositiveInt = 100


class Model(Dated):
    """A model that can be asked for.

    Args:
        quality: cheapest first; `auto` is not among them, because it has no price.
        complexities: empty where the model has no such setting.
        sizes: `free`, or the only sizes as `WIDTHxHEIGHT`.
        shutdown_on: the day (UTC) from which it is refused, where one is announced; `replacements` go with it.
    """

    name: str
    quality: tuple[Quality, ...] = Field(min_length=1)
    complexities: tuple[str, ...]
    backgrounds: tuple[str, ...]
    formats: tuple[ImageFormat, ...]
    sizes: Literal["free"] | tuple[str, ...]
    shutdown_on: date | None = None
    replacements: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _is_replaced(self) -> Self:
        if (self.shutdown_on is None) is not (self.replacements == ()):
            raise ValueError("shutdown_on and replacements go together")
        return self

    @property
    def qualities(self) -> tuple[str, ...]:
        return tuple(quality.name for quality in self.quality)


class GoneModel(Dated):
    """A model that is shut down, or will be within days: asking for it would fail in the middle of a batch."""

    name: str
    shutdown_on: date
    replacements: tuple[str, ...] = Field(min_length=1)


def live_models() -> tuple[Model, ...]:
    """Every model that can be asked for, dated snapshots included, oldest family first."""
    return tuple(_live().values())


def shutdown_dates() -> dict[str, date]:
    """When each model is shut down, or was; without those of which no date is known."""
    known: tuple[Model | GoneModel, ...] = (*_live().values(), *_gone().values())
    return {model.name: model.shutdown_on for model in known if model.shutdown_on is not None}


def find_model(name: str) -> Model | None:
    """The model of this name, when it can be asked for."""
    return _live().get(name)


def refusal_of(name: str, today: date | None = None) -> str | None:
    """Why this model cannot be asked for, and which can; None for a live one.

    Args:
        today: in UTC; without it a live model counts as one whatever its date.
    """
    found = _live().get(name) or _gone().get(name)
    if isinstance(found, Model) and not (today and found.shutdown_on and found.shutdown_on <= today):
        return None
    if found is not None:
        use = " or ".join(found.replacements)
        return f"{name} is no longer taken: its shutdown date is {found.shutdown_on}; use {use}."
    return f"There is no model '{name[:100]}'; known: {', '.join(_live())}."


def farewell_of(name: str) -> str | None:
    """When a live model will be shut down, and what to use instead; None where no date is known."""
    found = _live().get(name)
    if found is None or found.shutdown_on is None:
        return None
    return f"{name} is shut down on {found.shutdown_on}; move to {' or '.join(found.replacements)}"


@cache
def _live() -> dict[str, Model]:
    return {name: Model(name=name, **entry) for name, entry in _named("live")}


@cache
def _gone() -> dict[str, GoneModel]:
    return {name: GoneModel(name=name, **entry) for name, entry in _named("gone")}


def _named(table: str) -> list[tuple[str, dict[str, Any]]]:
    """Entries share their facts among several names: one pair per name."""
    return [(name, entry) for entry in data_file("models")[table] for name in entry.pop("names")]
