"""Disclosure: what a finished picture says about how it was made, as a manifest asks for it and as it is written."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

SourceType = Literal["trainedAlgorithmicMedia", "compositeWithTrainedAlgorithmicMedia"]
"""Made by a model, or by a model on top of a picture that was there before.

Source: https://cv.iptc.org/newscodes/digitalsourcetype/, checked 2026-11-20.
"""

_SNAPSHOT = re.compile(r"(.+)-(\d{4}-\d\d-\d\d)")

Word = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=200, pattern=r"^[^\x00-\x1f\x7f\ufffe\uffff]+$"),
]
"""One line of text, in characters that XML takes."""


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class China(_Shape):
    """The labels of GB 45438-2025, in force since 2025-09-01: one in the file, and one that can be seen.

    `producer` and `propagator` are the codes of who made the picture and of who spreads it; without the second they
    are the same. `visible` draws the mark; without it, whoever shows the picture has to.
    Source: the national measures for labelling AI content, by secondary summaries, checked 2026-11-20.
    """

    producer: Word = Field(description="Code or name of who makes the pictures.")
    propagator: Word | None = Field(
        None, description="Code or name of who spreads them; without it, the producer."
    )
    visible: bool = Field(
        True, description="`false`: no mark is drawn; whoever shows the pictures has to draw one."
    )


class Disclosure(_Shape):
    """What the manifest says. It can add to what is disclosed, and take nothing away.

    `source_type` overrides what follows from the templates: made by a model alone, or from a picture that was there before.
    `contains_synthetic_performer`: somebody in the picture is not a person (New York GBL 396-b, 2026-06-09).
    """

    source_type: SourceType | None = Field(
        None,
        description="One for all pictures. Without it, the second for those with `references` behind them, their own or "
        "those of a template that they start from, and the first for all others.",
    )
    contains_synthetic_performer: bool = Field(
        False, description="`true`: somebody in the pictures is not a person. It is written into them."
    )
    china: China | None = Field(
        None, description="The labels of GB 45438-2025: in the file, and as a mark `AI生成` that can be seen."
    )


class Label(_Shape):
    """What is written into one picture. `identifier` is what its receipt can be found by."""

    source_type: SourceType
    system: str
    system_version: str | None
    identifier: str
    contains_synthetic_performer: bool
    china: China | None


def label_of(disclosure: Disclosure, *, is_composite: bool, model: str, identifier: str) -> Label:
    """The label of one picture. A dated snapshot of a model is its version. One that was made larger has all who made it
    as its model.

    Args:
        is_composite: whether a picture that was there before is in it.
    """
    by_origin: SourceType = (
        "compositeWithTrainedAlgorithmicMedia" if is_composite else "trainedAlgorithmicMedia"
    )
    dated = _SNAPSHOT.fullmatch(model)
    return Label(
        source_type=disclosure.source_type or by_origin,
        system=dated[1] if dated else model,
        system_version=dated[2] if dated else None,
        identifier=identifier,
        contains_synthetic_performer=disclosure.contains_synthetic_performer,
        china=disclosure.china,
    )
