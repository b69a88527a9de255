"""Coarse jobs, as one version queues them and another takes them up."""

from __future__ import annotations

from core.queue import PlanJob


def test_what_only_a_later_version_says_of_a_job_is_left_out() -> None:
    facts = {"plan_id": "plan_1", "tenant": "acme", "batch_id": None, "hue": "teal"}

    assert PlanJob.of(facts) == PlanJob("plan_1", "acme", None)
