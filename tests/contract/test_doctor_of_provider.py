"""The doctor asks a provider for its models: what a key may do, and how long the models live."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web

from core.clock import SystemClock
from core.lane_settings import LaneSettings
from core.settings import BudgetSettings
from simulator.calls import ImageCalls
from tests.conftest import free_port
from workers.doctor.finding import Finding, Level
from workers.doctor.provider import examine

KEY = "sk-doctor-of-provider-tests"
BUDGET = BudgetSettings(tenant_month_usd="10")


class Calendar(SystemClock):
    """Stands still on one day."""

    def __init__(self, day: str) -> None:
        self._now_ms = int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp() * 1000)

    def now_ms(self) -> int:
        return self._now_ms


async def visit(
    url: str, *models: str, day: str = "2026-11-21", budgets: BudgetSettings = BUDGET, **lane: Any
) -> dict[str, Finding]:
    about = {"base_url": f"{url}/v1", "api_key": KEY, "models": models or ("gpt-image-2",)} | lane
    lanes = {"main": LaneSettings.model_validate(about)}
    return {found.check: found for found in await examine(lanes, budgets, clock=Calendar(day))}


async def test_nothing_is_amiss_with_a_provider_that_takes_the_key(url: str, calls: ImageCalls) -> None:
    found = await visit(url, "gpt-image-2", "gpt-image-2.6-flare")

    assert {finding.level for finding in found.values()} == {Level.OK}
    assert found.keys() == {"main: key", "main: gpt-image-2", "main: gpt-image-2.6-flare", "budget"}
    assert calls.ledger.body(0)["calls"] == []


@pytest.mark.parametrize(
    ("day", "level"),
    [
        ("2027-01-29", Level.OK),
        ("2027-01-30", Level.WARNING),
        ("2027-02-28", Level.WARNING),
        ("2027-03-01", Level.FAILED),
    ],
)
async def test_a_model_near_its_shutdown_is_warned_of_and_one_past_it_fails(
    url: str, day: str, level: Level
) -> None:
    found = (await visit(url, day=day))["main: gpt-image-2"]

    assert found.level is level
    assert "2027-03-01" in found.detail


async def test_a_key_that_is_not_taken_fails_and_is_not_shown(url: str, calls: ImageCalls) -> None:
    calls.api_key = "another"

    found = await visit(url)

    assert found.keys() == {"main: key", "budget"}
    assert found["main: key"].level is Level.FAILED
    assert "DARKROOM_LANES__MAIN__API_KEY" in found["main: key"].detail
    assert KEY not in found["main: key"].detail


async def test_an_address_where_nobody_is_fails() -> None:
    found = (await visit(f"http://127.0.0.1:{free_port()}"))["main: address"]

    assert found.level is Level.FAILED
    assert "DARKROOM_LANES__MAIN__BASE_URL" in found.detail


async def answering(*, status: int, body: dict[str, Any]) -> tuple[web.AppRunner, str]:
    async def answer(request: web.Request) -> web.Response:
        return web.json_response(body, status=status)

    app = web.Application()
    app.router.add_get("/v1/models", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner, f"http://127.0.0.1:{runner.addresses[0][1]}"


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (403, {"error": {"message": "Missing scopes: api.model.read", "type": "invalid_request_error"}}),
        (404, {"error": {"message": "Invalid URL"}}),
        (500, {"error": {"message": "The server had an error", "type": "server_error"}}),
        (200, {"models": []}),
    ],
)
async def test_where_no_list_is_given_the_key_is_not_called_wrong(status: int, body: dict[str, Any]) -> None:
    runner, url = await answering(status=status, body=body)
    found = await visit(url)
    await runner.cleanup()

    assert found["main: key"].level is Level.WARNING


async def test_a_model_that_the_account_may_not_ask_for_fails_with_what_to_set() -> None:
    listed = [{"id": "gpt-image-2", "shutdown_date": "soon"}, {"id": 7}, "other"]
    runner, url = await answering(status=200, body={"data": listed})
    found = await visit(url, "gpt-image-2", "gpt-image-2.6-flare")
    await runner.cleanup()

    assert found["main: gpt-image-2"].level is Level.OK
    assert found["main: gpt-image-2.6-flare"].level is Level.FAILED
    assert "DARKROOM_LANES__MAIN__MODELS" in found["main: gpt-image-2.6-flare"].detail


async def test_without_a_budget_or_a_lane_nothing_can_be_made(url: str) -> None:
    assert (await visit(url, budgets=BudgetSettings()))["budget"].level is Level.WARNING
    (finding,) = await examine({}, BUDGET, clock=SystemClock())
    assert finding.level is Level.FAILED


async def upscaler(url: str) -> Finding:
    """What is found about a lane to an upscaler."""
    about = {"adapter": "stability", "base_url": url, "api_key": KEY}
    lanes = {"big": LaneSettings.model_validate(about)}
    found, _ = await examine(lanes, BUDGET, clock=Calendar("2026-11-21"))
    assert found.check == "big: key"
    return found


async def test_an_upscaler_tells_its_credits_and_is_charged_nothing(url: str, calls: ImageCalls) -> None:
    found = await upscaler(url)

    assert (found.level, "1,000.0 credits" in found.detail) == (Level.OK, True)
    assert calls.ledger.body(0)["calls"] == []


async def test_an_upscaler_without_credits_is_warned_of(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simulator.upscales.CREDITS", 1.5)

    found = await upscaler(url)

    assert (found.level, "do not pay for a picture" in found.detail) == (Level.WARNING, True)


async def test_an_upscaler_that_does_not_take_the_key_fails(url: str, calls: ImageCalls) -> None:
    calls.api_key = "another"

    found = await upscaler(url)

    assert (found.level, KEY in found.detail) == (Level.FAILED, False)
