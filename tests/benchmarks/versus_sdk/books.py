"""What a variant got for the money, by the provider's ledger and the files on disk."""

from __future__ import annotations

import statistics
from collections import Counter
from dataclasses import dataclass
from typing import Any

from tests.benchmarks.versus_sdk.provider import FAULTS, Load
from tests.benchmarks.versus_sdk.variants import Work


@dataclass(frozen=True, slots=True)
class Books:
    """One column of the table. Money in micro-dollars.

    Args:
        lost: pictures that were charged and are not on disk.
        twice: tasks that were charged more than once.
        needed_usd_micros: every task once.
    """

    calls: int
    refused: int
    faults: int
    charged: int
    lost: int
    twice: int
    charged_usd_micros: int
    needed_usd_micros: int


def books_of(load: Load, work: Work, ledger: dict[str, Any]) -> Books:
    charged = [call for call in ledger["calls"] if call["charged"]]
    times = Counter(call["request_digest"] for call in charged)
    totals = ledger["totals"]
    price = statistics.median(call["cost_usd_micros"] for call in charged)
    return Books(
        calls=totals["calls"],
        refused=totals["rate_limited"],
        faults=sum(totals["outcomes"].get(kind, 0) for kind in FAULTS),
        charged=len(charged),
        lost=len(charged) - work.stored,
        twice=sum(count > 1 for count in times.values()),
        charged_usd_micros=totals["charged_usd_micros"],
        needed_usd_micros=round(price * load.tasks),
    )


def rows(load: Load, work: Work, books: Books) -> dict[str, str]:
    """The table's cells, by what they say."""
    return {
        "seconds": f"{work.seconds:.1f}",
        "time / ideal": f"{work.seconds / load.ideal_s:.2f}",
        "calls": f"{books.calls}",
        "answers 429": f"{books.refused}",
        "other faults met": f"{books.faults}",
        "pictures stored / asked": f"{work.stored} / {load.tasks}",
        "paid but lost": f"{books.lost}",
        "tasks paid twice": f"{books.twice}",
        "dollars charged / needed": f"{_usd(books.charged_usd_micros)} / {_usd(books.needed_usd_micros)}",
        "CPU a picture": f"{1000 * work.usage.cpu_s / max(1, work.stored):.1f} ms",
        "peak memory": f"{work.usage.peak_mb:.0f} MB",
    }


def _usd(micros: int) -> str:
    return f"{micros / 1e6:.3f}"
