"""Batch and cost: what is spent, for whom, what is left, and what may have been charged for nothing."""

from __future__ import annotations

from grafana_foundation_sdk.models import dashboard as models

from deploy.grafana import panels as p
from deploy.grafana.board import board

_COST = 'darkroom_cost_usd_total{lane=~"$lane", model=~"$model", tenant=~"$tenant"}'
_AVOIDED = 'darkroom_cost_avoided_usd_total{model=~"$model"}'
_TENANT = '{scope="tenant_month", tenant=~"$tenant"}'


def _spent_by(labels: str, function: str, span: str) -> str:
    """Every service shows the same counter."""
    return f"sum by ({labels}) (max by (lane, model, quality, tenant) ({function}({_COST}[{span}])))"


def money() -> models.Dashboard:
    rows = {
        "Batches": [
            p.graph(
                "Batches with work", "Batches that have pictures left in a lane: ready, or asleep until a time.", p.COUNT,
                ('sum by (state) (max by (lane, state) (darkroom_lane_flows{lane=~"$lane"}))', "{{state}}"),
            ),
            p.graph(
                "Pictures that wait", "Pictures of running batches that have not started.", p.COUNT,
                ('darkroom:lane_waiting:max{lane=~"$lane"}', "{{lane}}"), stacked=True,
            ),
        ],
        "Spent": _spent(),
        "Budgets": _budgets(),
        "In doubt": [
            p.graph(
                "Pictures in doubt",
                "Parked pictures that may have been charged, until that is decided; those too many for the dollars.",
                p.COUNT,
                ("darkroom:doubts:max", "doubts"), ("max(darkroom_doubts_unsummed)", "not in the dollars"), span=8,
            ),
            p.graph(
                "Dollars in doubt", "What stays held for them until each is resolved.", p.USD,
                (
                    'darkroom:doubtful_usd:max{model=~"$model|unknown", tenant=~"$tenant"}',
                    "{{model}} {{quality}} {{tenant}}",
                ),
                stacked=True, span=8,
            ),
            p.bars(
                "Resolved in this range", "Doubts by what became of the task; parked stays so until somebody replays it.",
                p.COUNT, ("sum by (to) (increase(darkroom_doubts_resolved_total[$__range]))", "{{to}}"), span=8,
            ),
        ],
    }  # fmt: skip
    says = "What batches cost, whose budget pays, and what may have been charged for nothing."
    return board("darkroom-money", "batch and cost", says, rows, ("lane", "model", "tenant"))


def _spent() -> list[p.Panel]:
    pictures = 'darkroom_attempts_total{lane=~"$lane", model=~"$model", outcome="ok"}'
    made = f"sum by (model) (increase({pictures}[$__range]))"
    return [
        p.graph(
            "Dollars of an hour", "What the house spent within an hour, and the most around this time a week ago.", p.USD,
            ("darkroom:cost_usd:increase1h", "within an hour"),
            ("max_over_time(darkroom:cost_usd:increase1h[4h] offset 166h)", "a week ago"), span=24,
        ),
        p.graph(
            "Dollars an hour by model and quality", "The pace of what was settled.", p.USD,
            (f"3600 * {_spent_by('model, quality', 'rate', '$__rate_interval')}", "{{model}} {{quality}}"),
            stacked=True,
        ),
        p.graph(
            "Dollars an hour by tenant", "The pace of what was settled; beyond fifty tenants they are other.", p.USD,
            (f"3600 * {_spent_by('tenant', 'rate', '$__rate_interval')}", "{{tenant}}"), stacked=True,
        ),
        p.graph(
            "Dollars held by model and quality", "The most that the calls which run now can cost.", p.USD,
            ('sum by (model, quality) (darkroom_held_usd{model=~"$model"})', "{{model}} {{quality}}"),
            stacked=True,
        ),
        p.graph(
            "Dollars held by tenant", "The most that calls which run can cost, or may have cost that are in doubt.", p.USD,
            (f"max by (tenant) (darkroom_budget_held_usd{_TENANT})", "{{tenant}}"), stacked=True,
        ),
        p.bars(
            "Spent in this range", "By tenant, as far as scrapes tell; budgets and receipts are exact.", p.USD,
            (f"topk(10, {_spent_by('tenant', 'increase', '$__range')})", "{{tenant}}"), span=8,
        ),
        p.bars(
            "Dollars a picture", "What was settled in this range, over the pictures that were made in it.", p.USD,
            (f"{_spent_by('model', 'increase', '$__range')} / ({made} > 0)", "{{model}}"),
            span=8,
        ),
        p.bars(
            "Avoided in this range", "What pictures would likely have cost that were there already.", p.USD,
            (f"sum by (model, quality) (increase({_AVOIDED}[$__range]))", "{{model}} {{quality}}"), span=8,
        ),
    ]  # fmt: skip


def _budgets() -> list[p.Panel]:
    steps = [(0.8, "orange"), (0.99, "red")]
    return [
        p.graph(
            "The house's day", "Dollars spent and held since midnight, UTC, and what may be spent.", p.USD,
            ('darkroom:budget_spent_usd:max{scope="house_day"}', "spent"),
            ('max(darkroom_budget_held_usd{scope="house_day"})', "held"),
            ('darkroom:budget_limit_usd:max{scope="house_day"}', "may be spent"),
        ),
        p.graph(
            "Months of tenants", "Dollars spent and held in this month, UTC.", p.USD,
            (f"darkroom:budget_spent_usd:max{_TENANT}", "{{tenant}} spent"),
            (f"max by (tenant) (darkroom_budget_held_usd{_TENANT})", "{{tenant}} held"),
        ),
        p.bars(
            "Share of the budget", "What is spent or held of it; at 100 % nothing starts any more.", p.SHARE,
            ("topk(15, darkroom:budget_used:ratio)", "{{scope}} {{tenant}}"), steps=steps,
        ),
        p.bars(
            "Budgets last for", "At the pace of the last half hour, and of months at that of the last day.", p.SECONDS,
            ("bottomk(15, darkroom:budget_lasts:seconds)", "{{scope}} {{tenant}}"),
            ("bottomk(15, darkroom:budget_lasts_by_day:seconds)", "{{scope}} {{tenant}} by day"),
        ),
    ]  # fmt: skip
