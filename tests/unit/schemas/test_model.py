"""Which models can be asked for, and what is said about the others."""

from __future__ import annotations

import re

import pytest
from pydantic import ValidationError

from schemas.image import ImageFormat
from schemas.model import Dated, Model, data_file, find_model, live_models, refusal_of

LIVE = {
    "gpt-image-2",
    "gpt-image-2-2026-04-21",
    "gpt-image-2.5-sunburst",
    "gpt-image-2.5-sunburst-2026-09-08",
    "gpt-image-2.5-flare",
    "gpt-image-2.5-flare-2026-09-08",
    "gpt-image-2.6-sunburst",
    "gpt-image-2.6-flare",
}
GONE = {
    "dall-e-2": "2026-05-12",
    "dall-e-3": "2026-05-12",
    "gpt-image-1": "2026-10-23",
    "gpt-image-1-mini": "2026-12-01",
    "gpt-image-1.5": "2026-12-01",
    "gpt-image-1.5-2025-12-16": "2026-12-01",
    "chatgpt-image-latest": "2026-12-01",
}


def named(name: str) -> Model:
    model = find_model(name)
    assert model is not None
    return model


def test_the_live_models_are_these_and_each_is_named_once() -> None:
    names = [model.name for model in live_models()]
    assert (set(names), len(names)) == (LIVE, len(LIVE))


@pytest.mark.parametrize("name", sorted(LIVE))
def test_a_live_model_is_found_and_not_refused(name: str) -> None:
    assert (named(name).name, refusal_of(name)) == (name, None)


@pytest.mark.parametrize(("name", "shutdown_on"), sorted(GONE.items()))
def test_a_model_that_is_shut_down_is_refused_with_its_replacement(name: str, shutdown_on: str) -> None:
    assert refusal_of(name) == (
        f"{name} is no longer taken: its shutdown date is {shutdown_on}; use gpt-image-2.5-flare or gpt-image-2.5-sunburst."
    )


@pytest.mark.parametrize("name", sorted(GONE))
def test_a_model_that_is_shut_down_cannot_be_found(name: str) -> None:
    assert find_model(name) is None


@pytest.mark.parametrize("entry", data_file("models")["gone"], ids=lambda entry: entry["names"][0])
def test_every_replacement_is_itself_live(entry: dict[str, list[str]]) -> None:
    assert set(entry["replacements"]) <= LIVE


@pytest.mark.parametrize("name", ["gpt-image-3", "gpt-image-2.5", "", "GPT-IMAGE-2"])
def test_an_unknown_model_is_refused_with_the_names_of_the_known_ones(name: str) -> None:
    refusal = refusal_of(name) or ""
    assert refusal.startswith(f"There is no model '{name}'; known: gpt-image-2, ")
    assert set(re.findall(r"gpt-image-[\w.-]*\w", refusal.split("known:")[1])) == LIVE


def test_a_very_long_model_name_is_cut_in_its_refusal() -> None:
    assert "x" * 101 not in (refusal_of("x" * 5000) or "")


@pytest.mark.parametrize(
    ("name", "qualities"),
    [
        ("gpt-image-2", ("low", "medium", "high")),
        ("gpt-image-2.5-flare", ("low", "medium", "high", "xhigh", "max")),
        ("gpt-image-2.6-sunburst", ("low", "medium", "high", "xhigh", "max")),
    ],
)
def test_qualities_are_those_of_the_family_cheapest_first(name: str, qualities: tuple[str, ...]) -> None:
    assert named(name).qualities == qualities


@pytest.mark.parametrize("model", live_models(), ids=lambda model: model.name)
def test_only_2_6_has_a_complexity(model: Model) -> None:
    expected = ("low", "medium", "high") if "2.6" in model.name else ()
    assert model.complexities == expected


@pytest.mark.parametrize("model", live_models(), ids=lambda model: model.name)
def test_every_live_model_makes_every_format_of_ours_in_every_size(model: Model) -> None:
    assert (set(model.formats), model.sizes) == (set(ImageFormat), "free")


@pytest.mark.parametrize("missing", ["source", "checked_on", "confidence"])
def test_an_entry_without_its_origin_is_refused(missing: str) -> None:
    entry = {"source": "the guide", "checked_on": "2026-11-20", "confidence": "official"}
    del entry[missing]
    with pytest.raises(ValidationError, match=missing):
        Dated.model_validate(entry)


def entries(value: object) -> list[dict[str, object]]:
    """Every entry of a data file: the tables that are not a part of another entry."""
    if isinstance(value, list):
        return [entry for item in value for entry in entries(item)]
    assert isinstance(value, dict)
    nested = [item for item in value.values() if isinstance(item, dict | list)]
    return [value] if "source" in value or not nested else entries(nested)


@pytest.mark.parametrize("file", ["models", "prices", "tiers", "presets", "woocommerce_headers"])
def test_every_entry_of_every_data_file_says_where_it_comes_from_and_when_it_was_checked(file: str) -> None:
    found = entries(data_file(file))
    assert len(found) >= 3
    assert [entry for entry in found if not (entry.get("source") and entry.get("checked_on"))] == []


def test_a_model_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        named("gpt-image-2").name = "other"  # type: ignore[misc]  # that is what is tested
