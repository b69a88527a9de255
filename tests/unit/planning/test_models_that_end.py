"""A model whose end is announced: taken until the day, with a warning in the plan, and refused from then on."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from core.settings import BudgetSettings
from schemas import model as models
from schemas.manifest_check import check_manifest
from schemas.model import find_model, refusal_of, shutdown_dates
from schemas.upscaling import gone_maker
from service.routes.gauges import QueueFigures
from tests.unit.planning.desk import CSV, Desk, manifest

NAME = "gpt-image-2"
TODAY = datetime.now(UTC).date()
USE = ("gpt-image-2.6-flare", "gpt-image-2.6-sunburst")


def announce(monkeypatch: pytest.MonkeyPatch, day: date) -> None:
    """The data say that a model ends, as a later version of them may."""
    found = find_model(NAME)
    assert found is not None
    live = {model.name: model for model in models.live_models()}
    ending = found.model_copy(update={"shutdown_on": day, "replacements": USE})
    monkeypatch.setattr(models, "_live", lambda: live | {NAME: ending})


async def test_until_its_day_it_is_taken_with_a_warning(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    await desk.upload("products.csv", CSV)
    assert "model_ends" not in {found.rule for found in (await desk.plan(manifest())).lint}
    last = TODAY + timedelta(days=2)
    announce(monkeypatch, last)

    plan = await desk.plan(manifest())

    assert (plan.accepted, plan.errors) == (True, ())
    assert {(found.rule, found.message) for found in plan.lint} >= {
        ("model_ends", f"{NAME} is shut down on {last}; move to {' or '.join(USE)}")
    }


async def test_from_its_day_on_it_is_refused(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    await desk.upload("products.csv", CSV)
    announce(monkeypatch, TODAY)

    plan = await desk.plan(manifest())

    assert not plan.accepted
    assert {problem.code for problem in plan.errors} == {"gone"}
    assert f"its shutdown date is {TODAY}; use {' or '.join(USE)}" in plan.errors[0].detail


def test_from_its_day_on_what_is_left_of_a_batch_has_no_maker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which attempts ask before they send anything."""
    announce(monkeypatch, TODAY)
    running = check_manifest(manifest())
    assert gone_maker(running, "hero", TODAY - timedelta(days=1)) is None
    assert gone_maker(running, "hero", TODAY) == refusal_of(NAME, TODAY)


def test_the_day_alone_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    announce(monkeypatch, TODAY)
    assert refusal_of(NAME) is None
    assert refusal_of(NAME, TODAY - timedelta(days=1)) is None
    assert refusal_of(NAME, TODAY)


def test_its_day_is_shown_beforehand(monkeypatch: pytest.MonkeyPatch) -> None:
    assert NAME not in shutdown_dates()
    announce(monkeypatch, date(2027, 3, 1))
    families = QueueFigures(None, BudgetSettings()).collect()
    samples = [sample for family in families for sample in family.samples]
    shown = {sample.labels["model"]: sample.value for sample in samples if "model" in sample.labels}
    assert shown[NAME] == datetime(2027, 3, 1, tzinfo=UTC).timestamp()
