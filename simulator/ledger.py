"""What was asked and what was charged: the oracle of every money test.

A charge is written when the picture is made, before a byte of the answer is sent: a client that hangs up has paid.
"""

from dataclasses import asdict, dataclass, field
from typing import Literal

Charged = bool | Literal["unknown"]


@dataclass(slots=True)
class Call:
    """One call as it ended.

    Attributes:
        at: unix seconds of its arrival.
        account: the first digits of the sha256 of the API key.
        outcome: `ok`, `client_gone` (charged, but nobody took the answer), a fault's kind, or an error code.
        charged: `unknown` where a picture was made and no one knows whether it was billed.
        cost_usd_micros: what was charged, or would have been if `charged` is `unknown`.
    """

    at: float
    path: str
    account: str = ""
    model: str | None = None
    size: str | None = None
    client_request_id: str | None = None
    request_id: str = ""
    request_digest: str | None = None
    status: int = 0
    outcome: str = ""
    charged: Charged = False
    cost_usd_micros: int = 0
    images: int = 0
    usage: dict[str, object] | None = None


@dataclass(slots=True)
class Totals:
    """Sums over the calls since the ledger was cleared."""

    calls: int = 0
    charged: int = 0
    charged_usd_micros: int = 0
    charged_unknown: int = 0
    charged_unknown_usd_micros: int = 0
    images: int = 0
    rate_limited: int = 0
    statuses: dict[str, int] = field(default_factory=dict)
    outcomes: dict[str, int] = field(default_factory=dict)
    in_flight: int = 0
    peak_in_flight: int = 0


class Ledger:
    """All calls in the order they were settled."""

    def __init__(self) -> None:
        self._calls: list[Call] = []
        self._totals = Totals()

    def enter(self) -> None:
        """A call arrived."""
        self._totals.in_flight += 1
        self._totals.peak_in_flight = max(self._totals.peak_in_flight, self._totals.in_flight)

    def leave(self) -> None:
        """A call is over, whatever became of it."""
        self._totals.in_flight -= 1

    def settle(self, call: Call) -> None:
        """Write down how a call ends and what it costs."""
        self._calls.append(call)
        totals = self._totals
        totals.calls += 1
        totals.images += call.images
        totals.rate_limited += call.status == 429
        _count(totals.statuses, str(call.status), 1)
        _count(totals.outcomes, call.outcome, 1)
        if call.charged == "unknown":
            totals.charged_unknown += 1
            totals.charged_unknown_usd_micros += call.cost_usd_micros
        elif call.charged:
            totals.charged += 1
            totals.charged_usd_micros += call.cost_usd_micros

    def mark_client_gone(self, call: Call) -> None:
        """The client of a settled call did not take its answer; what it was charged stays."""
        _count(self._totals.outcomes, call.outcome, -1)
        call.outcome = "client_gone"
        _count(self._totals.outcomes, call.outcome, 1)

    def charged(self) -> list[Call]:
        """The calls that were charged for certain."""
        return [call for call in self._calls if call.charged is True]

    def clear(self) -> None:
        """Forget all calls; those in flight still count as such."""
        self._calls.clear()
        in_flight = self._totals.in_flight
        self._totals = Totals(in_flight=in_flight, peak_in_flight=in_flight)

    def body(self, since: int) -> dict[str, object]:
        """The calls from number `since` on, and `next`, the number to ask for the time after."""
        # By hand: asdict copies deeply, which would hold up the server when a campaign is read.
        calls = [{name: getattr(call, name) for name in Call.__slots__} for call in self._calls[since:]]
        return {
            "calls": calls,
            "next": len(self._calls),
            "totals": asdict(self._totals),
        }


def _count(counts: dict[str, int], word: str, by: int) -> None:
    counts[word] = counts.get(word, 0) + by
