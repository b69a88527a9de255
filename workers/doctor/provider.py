"""The patient provider, lane by lane: whether it answers, takes the key, and has the models or the credits. Nothing is
charged."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta

from core.clock import Clock, moment
from core.lane_settings import LaneSettings
from core.settings import BudgetSettings
from schemas.failure import Failure, FailureClass
from schemas.pricing import quote_call
from workers.doctor.finding import Finding, failed, ok, warning
from workers.images.catalogue import credits_left, offered_models

NOTICE = timedelta(days=30)
"""A shutdown that is nearer is warned of. Image models get three months of notice.
Source: https://developers.openai.com/api/docs/deprecations, 2026-11."""

USD_MICROS_PER_CREDIT = 10_000
"""Source: https://platform.stability.ai/pricing, by several tables of prices, 2026-11-21."""


async def examine(
    lanes: Mapping[str, LaneSettings], budgets: BudgetSettings, *, clock: Clock
) -> list[Finding]:
    """Looks at every lane, and at whether anything may be spent at all."""
    if not lanes:
        return [failed("lanes", "there is none, so nothing can be made; set DARKROOM_LANES__MAIN__API_KEY")]
    today = moment(clock.now_ms()).date()
    found = [finding for name in sorted(lanes) for finding in await _lane(name, lanes[name], today)]
    return [*found, _budget(budgets)]


async def _lane(name: str, lane: LaneSettings, today: date) -> list[Finding]:
    variable = f"DARKROOM_LANES__{name.upper()}__"
    if lane.adapter == "stability":
        return [await _credits(name, variable, lane)]
    answer = await offered_models(lane.base_url, lane.api_key.get_secret_value())
    if isinstance(answer, Failure):
        return [_refusal(name, variable, answer, asked="the list of models")]
    found = [ok(f"{name}: key", "it answers, and takes the key")]
    for model in lane.models:
        if model not in answer.shutdown_on:
            advice = f"name those it may in {variable}MODELS, or get the access"
            found.append(failed(f"{name}: {model}", f"this account may not ask for it; {advice}"))
        else:
            found.append(_lifetime(f"{name}: {model}", answer.shutdown_on[model], today))
    return found


async def _credits(name: str, variable: str, lane: LaneSettings) -> Finding:
    """An upscaler has no list of models; its balance says as much, and whether anything can be made."""
    left = await credits_left(lane.base_url, lane.api_key.get_secret_value())
    if isinstance(left, Failure):
        return _refusal(name, variable, left, asked="the balance")
    prices = [price.high_usd_micros for model in lane.models if (price := quote_call(model))]
    dearest = max(prices, default=0)
    if left * USD_MICROS_PER_CREDIT < dearest:
        told = f"it answers, and takes the key; its {left:,.1f} credits do not pay for a picture: buy some"
        return warning(f"{name}: key", told)
    return ok(f"{name}: key", f"it answers, takes the key, and has {left:,.1f} credits")


def _refusal(name: str, variable: str, failure: Failure, *, asked: str) -> Finding:
    """Only 401 says that the key is wrong: restricted keys may make pictures and yet not list the models."""
    if failure.failure_class is FailureClass.NOT_SENT:
        return failed(f"{name}: address", f"{failure.message} Look at {variable}BASE_URL and at the network.")
    if failure.http_status == 401:
        return failed(f"{name}: key", f"{failure.message} Set {variable}API_KEY.")
    told = f"{asked} is not given ({failure.http_status}: {failure.message})"
    return warning(f"{name}: key", f"{told}, so that neither the key nor its models could be checked")


def _lifetime(check: str, shutdown_on: date | None, today: date) -> Finding:
    if shutdown_on is None:
        return ok(check, "no shutdown is announced")
    if shutdown_on <= today:
        return failed(check, f"it was shut down on {shutdown_on}; ask for another model")
    if shutdown_on - today <= NOTICE:
        days = (shutdown_on - today).days
        return warning(check, f"it is shut down on {shutdown_on}, in {days} days; move to another model")
    return ok(check, f"it lives until {shutdown_on}")


def _budget(budgets: BudgetSettings) -> Finding:
    if not budgets.tenant_month_usd:
        return warning("budget", "nothing may be spent; set DARKROOM_BUDGETS__TENANT_MONTH_USD")
    return ok("budget", f"a tenant may spend ${budgets.tenant_month_usd / 1e6:,.2f} a month")
