"""Figures of many tenants: few series, and no budget that nobody watches. What workers are wanted for."""

from __future__ import annotations

from core.settings import BudgetSettings
from core.state.overview import BudgetOverview, Doubtful, LaneOverview, Overview, Paid
from service.routes.gauges import QueueFigures

NAMED = frozenset(f"t{place:03}" for place in range(50))
CAPS = BudgetSettings(tenant_month_usd="100", house_day_usd="1000")


def shown(overview: Overview, name: str) -> dict[str, float]:
    """A metric by tenant."""
    families = QueueFigures(overview, CAPS).collect()
    samples = [sample for family in families for sample in family.samples if sample.name == name]
    return {sample.labels["tenant"]: sample.value for sample in samples}


def queue_of(tenants: int, **about: object) -> Overview:
    """Tenant 0 has spent a dollar, tenant 1 two, and so on. The first fifty have figures of their own."""
    months = [BudgetOverview(f"t{place:03}", 500_000, (place + 1) * 1_000_000) for place in range(tenants)]
    budgets = (BudgetOverview(None, 0, 7_000_000), *months)
    return Overview((), 1, budgets=budgets, named=NAMED, **about)  # type: ignore[arg-type]


def test_tenants_beyond_the_named_ones_are_summed_and_the_worst_of_them_is_told() -> None:
    queue = queue_of(len(NAMED) + 3)
    spent, held = shown(queue, "darkroom_budget_spent_usd"), shown(queue, "darkroom_budget_held_usd")
    assert len(spent) == len(NAMED) + 2
    assert (spent[""], spent["t049"], spent["other"], held["other"]) == (7, 50, 51 + 52 + 53, 1.5)
    assert "other" not in shown(queue, "darkroom_budget_limit_usd")
    assert shown(queue, "darkroom_budget_worst_ratio") == {"other": 0.535}


def test_as_long_as_all_tenants_have_a_name_there_are_no_others() -> None:
    queue = queue_of(len(NAMED))
    assert "other" not in shown(queue, "darkroom_budget_spent_usd")
    assert shown(queue, "darkroom_budget_worst_ratio") == {"other": 0}


def test_what_is_held_for_doubts_is_told_by_what_was_asked_for_and_by_tenant() -> None:
    last, beyond = f"t{len(NAMED):03}", f"t{len(NAMED) + 1:03}"
    doubtful = {
        Doubtful("a", "low", "t001"): 2_000_000,
        Doubtful("a", "high", "t001"): 3_000_000,
        Doubtful("a", "low", last): 1_000_000,
        Doubtful("a", "low", beyond): 500_000,
    }
    families = QueueFigures(queue_of(len(NAMED) + 2, doubtful_usd_micros=doubtful), CAPS).collect()
    (family,) = (family for family in families if family.name == "darkroom_doubtful_usd")
    found = {tuple(sample.labels.values()): sample.value for sample in family.samples}
    assert {labels: usd for labels, usd in found.items() if usd} == {
        ("a", "low", "t001"): 2,
        ("a", "high", "t001"): 3,
        ("a", "low", "other"): 1.5,
    }
    assert found["unknown", "unknown", "t000"] == 0


def lane(name: str, group: str, needed: int | None, *, waiting: int = 0, in_flight: int = 0) -> LaneOverview:
    return LaneOverview(name, 0, 0, in_flight, None, needed, waiting=waiting, group=group)


def test_slots_are_wanted_for_lanes_that_have_pictures_and_lanes_of_a_group_share_what_waits() -> None:
    idle, new = lane("idle", "idle", 4000), lane("new", "new", None, waiting=90)
    some = lane("some", "some", 15, waiting=4700, in_flight=15)
    east, west = lane("east", "accounts", 50, in_flight=20), lane("west", "accounts", 50)
    accounts = lane("accounts", "accounts", None, waiting=60)
    lanes = (accounts, east, idle, new, some, west)
    (family,) = (
        family
        for family in QueueFigures(Overview(lanes, 1), CAPS).collect()
        if family.name == "darkroom_slots_wanted"
    )
    assert {sample.labels["lane"]: sample.value for sample in family.samples} == {
        "idle": 0,
        "some": 15,
        "accounts": 20 + 60,
    }


def test_what_was_spent_is_a_counter_in_dollars() -> None:
    costs = {Paid("main", "a", "low", "t001"): 1_500_000, Paid("main", "a", "low", "other"): 0}
    assert shown(queue_of(2, costs_usd_micros=costs), "darkroom_cost_usd_total") == {"t001": 1.5, "other": 0}
