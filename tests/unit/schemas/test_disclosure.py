"""What a picture says of itself: it follows from the call, and a manifest can add to it."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from schemas.disclosure import China, Disclosure, label_of


def test_a_generation_is_generated_and_an_edit_is_a_composite() -> None:
    facts = {"model": "gpt-image-2", "identifier": "bat_1:0:1"}
    assert label_of(Disclosure(), is_composite=False, **facts).source_type == "trainedAlgorithmicMedia"
    assert (
        label_of(Disclosure(), is_composite=True, **facts).source_type
        == "compositeWithTrainedAlgorithmicMedia"
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"source_type": "digitalCapture"},
        {"source_type": "none"},
        {"contains_synthetic_performer": "yes"},
        {"china": {}},
        {"china": {"producer": ""}},
        {"china": {"producer": "  "}},
        {"china": {"producer": "a\0b"}},
        {"china": {"producer": "a\uffffb"}},
        {"embed": False},
    ],
)
def test_a_disclosure_cannot_be_switched_off_or_left_empty(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Disclosure.model_validate(wrong)


def test_the_mark_for_china_is_visible_unless_said_otherwise() -> None:
    assert China(producer=" 某公司 ") == China(producer="某公司", propagator=None, visible=True)
