"""The other side, the same for every variant: an account that is in use already, and calls that go wrong."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.rig.fleet import KEY, Account
from tests.benchmarks.versus_sdk.by_hand import IN_FLIGHT
from tests.processes import Simulator

FAULT_SHARE = 0.02
FAULTS = ("error_500", "reset", "truncated_json", "error_in_200")
"""Not charged, charged, charged, not charged. Half of the body arrives of those that break off."""
SEED = 1
AT_ONCE = 10
"""The most pictures of one call."""


@dataclass(frozen=True, slots=True)
class Load:
    """What is asked of every variant.

    Args:
        is_rested: the account was not used before, so that its bucket is full: a minute's quota on top. Otherwise as
            much is left in it as the first calls of `by_hand` need, as in the middle of a long batch.
    """

    tasks: int
    account: Account
    is_rested: bool

    @property
    def ideal_s(self) -> float:
        """At full quota, without the burst of a full bucket, if answers took no time."""
        return 60 * self.tasks / self.account.images_per_minute


@contextmanager
def provider(load: Load, log: Path) -> Iterator[Simulator]:
    """An Images API with an empty ledger, and gone at the end."""
    simulator = load.account.opened(log)
    try:
        if not load.is_rested:
            _use(simulator, pictures=load.account.images_per_minute - IN_FLIGHT)
        simulator.latency(load.account.latency_factor)
        simulator.clear()
        rules = [{"kind": kind, "probability": FAULT_SHARE / len(FAULTS)} for kind in FAULTS]
        simulator._ask("POST", "faults", {"seed": SEED, "rules": rules})
        yield simulator
    finally:
        simulator.kill()


def _use(simulator: Simulator, *, pictures: int) -> None:
    simulator.latency(0)
    for _ in range(pictures // AT_ONCE):
        asked = {"prompt": "used before", "n": AT_ONCE, "model": "gpt-image-2", "quality": "low"}
        request = urllib.request.Request(
            f"{simulator.url}/v1/images/generations",
            data=json.dumps({**asked, "output_format": "jpeg"}).encode(),
            headers={"authorization": f"Bearer {KEY}", "content-type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            answer.read()
