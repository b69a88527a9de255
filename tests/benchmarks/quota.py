"""How much of a rate limit Darkroom uses: `python -m tests.benchmarks.quota --minutes 5 --window bucket`.

A backlog that never ends, an account of 250 pictures a minute, short calls: whatever is missing from 100 % was lost by
the limiter. What was let in is counted by the provider's side. The target holds after the first half minute.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.benchmarks.rig.ending import leaving_nothing
from tests.benchmarks.rig.fleet import Account, Fleet, running
from tests.studio import manifest, numbered

WINDOWS = {"bucket": 99.0, "fixed": 96.5, "sliding": 96.5}
"""Kinds of limiter, and the least use of the limit in percent."""
LATENCY_FACTOR = 0.05
STARTED_S = 30.0
SETTLED_S = 3.0
"""A call takes 0.3 s; after so long what was let in is in the ledger."""


@dataclass(frozen=True, slots=True)
class Result:
    """Use in percent of the limit: over the whole time since the submission, and without the first half minute."""

    window: str
    whole: float
    steady: float
    per_minute: float
    refused: int
    claims_per_send: float

    def row(self) -> list[str]:
        target = WINDOWS[self.window]
        is_met = self.steady >= target and not self.refused
        return [
            self.window,
            f"{self.steady:.1f} %",
            f"{self.whole:.1f} %",
            f"{self.per_minute:.1f}",
            f"{self.refused}",
            f"{self.claims_per_send:.2f}",
            f"{target} %, no 429: {'met' if is_met else 'missed'}",
        ]


async def measure(account: Account, *, minutes: float, workers: int) -> Result:
    with tempfile.TemporaryDirectory(prefix="darkroom-quota-") as name, leaving_nothing():
        folder = Path(name)
        simulator = account.opened(folder / "simulator.log")
        try:
            async with running(folder / "fleet", account, simulator, workers=workers) as fleet:
                started_s = await _work(fleet, account, minutes)
                claims = fleet.claims()
            return _result(account, simulator.ledger(), claims, started_s, started_s + 60 * minutes)
        finally:
            simulator.kill()


async def _work(fleet: Fleet, account: Account, minutes: float) -> float:
    """Keeps the fleet busy for so long; when it began, in unix seconds."""
    tasks = int(account.images_per_minute * (minutes + 2))
    started_s = time.time()
    await fleet.studio.submit(manifest(*numbered(tasks)))
    await asyncio.sleep(60 * minutes + SETTLED_S)
    return started_s


def _result(
    account: Account, ledger: dict[str, Any], claims: int, started_s: float, ended_s: float
) -> Result:
    let_in_s: list[float] = [call["at"] for call in ledger["calls"] if call["status"] == 200]

    def per_minute(from_s: float) -> float:
        return 60 * sum(from_s <= at < ended_s for at in let_in_s) / (ended_s - from_s)

    steady = per_minute(started_s + STARTED_S)
    return Result(
        window=account.window,
        whole=100 * per_minute(started_s) / account.images_per_minute,
        steady=100 * steady / account.images_per_minute,
        per_minute=steady,
        refused=ledger["totals"]["rate_limited"],
        claims_per_send=claims / max(1, ledger["totals"]["calls"]),
    )


def main() -> None:
    asked = _parser().parse_args()
    table = Table(
        *("window", "use", "with the start", "pictures/min", "429s", "claims a send", "target"),
        title=f"{asked.images_per_minute} pictures a minute, {asked.workers} workers, {asked.minutes:g} minutes",
    )
    for window in asked.window:
        account = Account(asked.images_per_minute, LATENCY_FACTOR, window)
        result = asyncio.run(measure(account, minutes=asked.minutes, workers=asked.workers))
        table.add_row(*result.row())
    Console(width=110).print(table)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.quota", description=__doc__)
    parser.add_argument("--minutes", type=float, default=5, help="for each window (default: %(default)s)")
    parser.add_argument("--window", nargs="+", choices=WINDOWS, default=["bucket"], help="kinds of limiter")
    parser.add_argument("--workers", type=int, default=2, help="processes (default: %(default)s)")
    parser.add_argument("--images-per-minute", type=int, default=250, metavar="R")
    return parser


if __name__ == "__main__":
    main()
