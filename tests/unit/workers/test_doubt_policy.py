"""How a doubt is resolved, as a table."""

from __future__ import annotations

from dataclasses import replace

import pytest

from schemas.failure import Charged
from schemas.manifest import OnDoubt
from workers.doubt_policy import UNDECIDED_S, Known, Resolution, resolve
from workers.retry_policy import MAX_SENDS

YES, NO, UNKNOWN = Charged.YES, Charged.NO, Charged.UNKNOWN
PARK, ONCE = OnDoubt.PARK, OnDoubt.RETRY_ONCE
DEADLINE_S, LAG_S = 600.0, 300.0
LATE_S = DEADLINE_S + LAG_S + UNDECIDED_S

DOUBT = Known(
    has_left=True, age_s=DEADLINE_S, deadline_s=DEADLINE_S, report_lag_s=None, charged=UNKNOWN, sends=1, on_doubt=PARK
)  # fmt: skip


@pytest.mark.parametrize("on_doubt", [PARK, ONCE])
@pytest.mark.parametrize("charged", list(Charged))
@pytest.mark.parametrize("lag_s", [None, 0.0])
def test_nothing_is_decided_while_an_answer_may_still_come(
    on_doubt: OnDoubt, charged: Charged, lag_s: float | None
) -> None:
    early = replace(DOUBT, age_s=DEADLINE_S - 0.1, report_lag_s=lag_s, charged=charged, on_doubt=on_doubt)
    assert resolve(early) is None


@pytest.mark.parametrize(
    ("charged", "on_doubt", "sends", "age_s", "resolution"),
    [
        (NO, PARK, 1, DEADLINE_S, Resolution(NO, again=True)),
        (NO, ONCE, MAX_SENDS - 1, DEADLINE_S, Resolution(NO, again=True)),
        (NO, ONCE, MAX_SENDS, DEADLINE_S, Resolution(NO, again=False)),
        (YES, PARK, 1, DEADLINE_S, Resolution(YES, again=False)),
        (YES, ONCE, 1, DEADLINE_S, Resolution(YES, again=True)),
        (YES, ONCE, 2, DEADLINE_S, Resolution(YES, again=False)),
        (UNKNOWN, PARK, 1, DEADLINE_S, None),
        (UNKNOWN, ONCE, 1, LATE_S - 0.1, None),
        (UNKNOWN, PARK, 1, LATE_S, Resolution(UNKNOWN, again=False)),
        (UNKNOWN, ONCE, 1, LATE_S, Resolution(UNKNOWN, again=True)),
        (UNKNOWN, ONCE, 2, LATE_S, Resolution(UNKNOWN, again=False)),
    ],
)
def test_where_the_provider_reports_usage_that_is_asked_before_the_batch(
    charged: Charged, on_doubt: OnDoubt, sends: int, age_s: float, resolution: Resolution | None
) -> None:
    known = replace(DOUBT, report_lag_s=LAG_S, charged=charged, on_doubt=on_doubt, sends=sends, age_s=age_s)
    assert resolve(known) == resolution


@pytest.mark.parametrize(
    ("on_doubt", "sends", "again"), [(PARK, 1, False), (ONCE, 1, True), (ONCE, 2, False)]
)
def test_where_nobody_can_be_asked_the_batch_decides(on_doubt: OnDoubt, sends: int, again: bool) -> None:
    assert resolve(replace(DOUBT, on_doubt=on_doubt, sends=sends)) == Resolution(UNKNOWN, again=again)


@pytest.mark.parametrize("lag_s", [None, LAG_S])
@pytest.mark.parametrize("charged", list(Charged))
def test_a_picture_that_lies_on_a_disk_is_waited_for_and_never_bought_again(
    charged: Charged, lag_s: float | None
) -> None:
    paid = replace(DOUBT, has_left=False, report_lag_s=lag_s, charged=charged, on_doubt=ONCE, age_s=LATE_S)
    assert resolve(paid) == Resolution(UNKNOWN, again=False)
