"""The doubt policy: from what is known of a doubt to how it is resolved. Pure.

The order: the spool, the receipt, the provider's usage report, the batch's `on_doubt`. The first two bring the picture
itself and need no decision; here is the rest. Nothing is decided while an answer may still come.
"""

from __future__ import annotations

from dataclasses import dataclass

from schemas.failure import Charged
from schemas.manifest import OnDoubt
from workers.retry_policy import MAX_SENDS

UNDECIDED_S = 900.0
"""How long a usage report that cannot tell is asked again, before the batch decides."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a doubt.

    Args:
        has_left: its request left, and no more is known; else its picture was whole, on the disk of a machine.
        age_s: since the request left.
        deadline_s: the longest that a call lasts.
        report_lag_s: how long after a call its lane's usage report is believed; None: the lane has none.
        charged: what the report says.
        sends: paid requests made for the task, this one included.
    """

    has_left: bool
    age_s: float
    deadline_s: float
    report_lag_s: float | None
    charged: Charged
    sends: int
    on_doubt: OnDoubt

    @property
    def may_pay_again(self) -> bool:
        return self.on_doubt is OnDoubt.RETRY_ONCE and self.sends < 2


@dataclass(frozen=True, slots=True)
class Resolution:
    """Whether the call was charged, as far as will ever be known, and whether the task is to be made again."""

    charged: Charged
    again: bool


def resolve(known: Known) -> Resolution | None:
    """How a doubt is resolved; None: not yet."""
    if known.age_s < known.deadline_s:
        return None
    if not known.has_left:  # paid for and safe: its machine brings it, whenever it is back
        return Resolution(Charged.UNKNOWN, again=False)
    if known.report_lag_s is not None:
        match known.charged:
            case Charged.NO:
                return Resolution(Charged.NO, again=known.sends < MAX_SENDS)
            case Charged.YES:
                return Resolution(Charged.YES, again=known.may_pay_again)
            case Charged.UNKNOWN if known.age_s < known.deadline_s + known.report_lag_s + UNDECIDED_S:
                return None
    return Resolution(Charged.UNKNOWN, again=known.may_pay_again)
