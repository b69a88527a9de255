"""Lanes and provider: how the limits are used, how calls end, how long they take, and what holds them back."""

from __future__ import annotations

from grafana_foundation_sdk.models import dashboard as models

from deploy.grafana import panels as p
from deploy.grafana.board import board

_LANE = '{lane=~"$lane"}'
_CALLS = 'darkroom_attempts_total{lane=~"$lane", model=~"$model"}'


def lanes() -> models.Dashboard:
    rows = {"Limits": _limits(), "Calls": _calls(), "Trouble": _trouble()}
    says = "How the limits of each account are used, how calls end, and what holds them back."
    return board("darkroom-lanes", "lanes and provider", says, rows, ("lane", "model"))


def _limits() -> list[p.Panel]:
    limits, left = "max by (lane, dimension) (darkroom_quota_limit", f"darkroom_quota_remaining{_LANE}"
    return [
        p.graph(
            "Limits in use", "What calls of the last five minutes took of what a minute allows.", p.SHARE,
            (f"darkroom:quota_used:ratio_rate5m{_LANE}", "{{lane}} {{dimension}}"),
        ),
        p.graph(
            "What a minute allows", "Limits as configured or learnt, without tokens.", p.COUNT,
            (f'{limits}{{lane=~"$lane", dimension!="tokens"}})', "{{lane}} {{dimension}}"),
        ),
        p.graph(
            "Left of the limits", "By the provider's last word and our own calls since, as a share.", p.SHARE,
            (f"min by (lane, dimension) ({left}) / {limits}{_LANE})", "{{lane}} {{dimension}}"),
        ),
        p.graph(
            "What holds claims back", "Claims that found less than was asked for, by the limit in the way.", p.PER_SECOND,
            (f"sum by (limited_by) (rate(darkroom_claim_waits_total{_LANE}[$__rate_interval]))", "{{limited_by}}"),
        ),
        p.quantiles(
            "Lateness of permits", "From the moment of a permit to its call; what comes late is quota not used.",
            "darkroom_permit_seconds", where=_LANE,
        ),
        p.graph(
            "Calls in flight", "Calls that run, and how many would use the whole image limit.", p.COUNT,
            (f"max by (lane) (darkroom_lane_in_flight{_LANE})", "{{lane}}"),
            (f"max by (lane) (darkroom_lane_slots_needed{_LANE})", "{{lane}} needed"),
        ),
    ]  # fmt: skip


def _calls() -> list[p.Panel]:
    labelled = '{lane=~"$lane", model=~"$model"}'
    failed = 'darkroom_attempts_total{lane=~"$lane", model=~"$model", outcome!="ok"}'
    return [
        p.graph(
            "Calls by outcome", "Calls a minute: ok, or the class of their failure.", p.PER_MINUTE,
            (f"60 * sum by (outcome) (rate({_CALLS}[$__rate_interval]))", "{{outcome}}"), stacked=True,
        ),
        p.graph(
            "Calls by model", "Calls a minute, by model and operation.", p.PER_MINUTE,
            (f"60 * sum by (model, operation) (rate({_CALLS}[$__rate_interval]))", "{{model}} {{operation}}"),
            stacked=True,
        ),
        p.quantiles(
            "Time of a call", "From the first byte sent to the last byte received, by model.",
            "darkroom_call_seconds", by="model", where=labelled,
        ),
        p.graph(
            "Tokens", "Tokens a minute, as the provider counted them.", p.PER_MINUTE,
            (f"60 * sum by (model, kind) (rate(darkroom_tokens_total{labelled}[$__rate_interval]))", "{{model}} {{kind}}"),
            stacked=True,
        ),
        p.graph(
            "Calls that the provider failed", "Share of the calls; what is promised is in rules.yml.", p.SHARE,
            (f"darkroom:calls_failed:ratio_rate1h{_LANE}", "{{lane}} in an hour"),
            (f"darkroom:calls_failed:ratio_rate6h{_LANE}", "{{lane}} in six"),
        ),
        p.bars(
            "Failures in this range", "Calls that did not end in a picture, by class; at most ten.", p.COUNT,
            (f"topk(10, sum by (outcome) (increase({failed}[$__range])))", "{{outcome}}"),
        ),
    ]  # fmt: skip


def _trouble() -> list[p.Panel]:
    return [
        p.graph(
            "Refused by a limit", "Share of the calls that were answered with 429 or were asked to slow down.", p.SHARE,
            (
                'sum by (lane) (darkroom:outcome:ratio_increase10m{lane=~"$lane", outcome=~"rate_limited|slow_down"})',
                "{{lane}}",
            ),
            span=8,
        ),
        p.graph(
            "Tried again", "Attempts that failed and are tried again later, by class.", p.PER_MINUTE,
            (f"60 * sum by (failure_class) (rate(darkroom_retries_total{_LANE}[$__rate_interval]))", "{{failure_class}}"),
            span=8,
        ),
        p.graph(
            "Retry budget", "Calls again that it still covers; at 0 failures wait for successes.", p.COUNT,
            (f"min by (lane) (darkroom_retry_budget{_LANE})", "{{lane}}"), span=8,
        ),
        p.graph(
            "Paused", "1 while the account of a lane refuses everything, and why.", p.COUNT,
            (f"max by (lane, reason) (darkroom_lane_paused{_LANE})", "{{lane}} {{reason}}"), span=8,
        ),
        p.graph(
            "Breaker", "1 while the breaker of a lane holds its claims back.", p.COUNT,
            (f"max by (lane) (darkroom_lane_broken{_LANE})", "{{lane}}"), span=8,
        ),
        p.figure(
            "Models that are shut down", "When, or since when, they are refused.", p.MOMENT,
            ("1000 * max by (model) (darkroom_model_shutdown_timestamp_seconds)", "{{model}}"), span=8,
        ),
    ]  # fmt: skip
