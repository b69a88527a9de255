"""The failure table, row by row: what becomes of a task after each kind of failure."""

from __future__ import annotations

import pytest

from schemas.failure import FAILURE_RULES, Charged, Failure, FailureClass, Reaction
from schemas.manifest import OnDoubt
from schemas.verdict import GiveUp, Park, Release, RetryIn
from workers.retry_policy import BASE_S, CAP_S, MAX_SENDS, MAX_SENDS_IN_OUTAGE, History, decide

C, R = FailureClass, Reaction
PARK, ONCE = OnDoubt.PARK, OnDoubt.RETRY_ONCE

TABLE = {
    C.NOT_SENT: (Charged.NO, R.RETRY_FREE),
    C.RATE_LIMITED: (Charged.NO, R.WAIT),
    C.SLOW_DOWN: (Charged.NO, R.WAIT),
    C.QUOTA_EXHAUSTED: (Charged.NO, R.PAUSE_LANE),
    C.AUTH: (Charged.NO, R.PAUSE_LANE),
    C.MODERATION_BLOCKED: (Charged.UNKNOWN, R.FINAL),
    C.INVALID_REQUEST: (Charged.NO, R.FINAL),
    C.SERVER_ERROR: (Charged.NO, R.RETRY),
    C.DOUBTFUL: (Charged.UNKNOWN, R.DOUBT),
    C.BAD_OUTPUT: (Charged.YES, R.RETRY_PAID),
    C.STORAGE: (Charged.YES, R.RETRY_PUT),
    C.BAD_ROW: (Charged.NO, R.FINAL),
    C.BAD_REFERENCE: (Charged.NO, R.FINAL),
    C.PARENT_FAILED: (Charged.NO, R.FINAL),
    C.OVER_BUDGET: (Charged.NO, R.FINAL),
    C.EXPIRED: (Charged.NO, R.FINAL),
    C.CANCELLED: (Charged.NO, R.FINAL),
    C.POISON: (Charged.NO, R.FINAL),
}


def failure(kind: FailureClass) -> Failure:
    return Failure.of(kind, "it failed")


def history(
    *, sends: int = 1, attempt: int = 1, on_doubt: OnDoubt = PARK, chance: float = 0.5, streak: int = 0
) -> History:
    return History(sends=sends, attempt=attempt, on_doubt=on_doubt, chance=chance, streak=streak)


def test_the_table_says_what_each_class_costs_and_asks_for() -> None:
    assert {kind: (rule.charged, rule.reaction) for kind, rule in FAILURE_RULES.items()} == TABLE


@pytest.mark.parametrize("kind", [C.RATE_LIMITED, C.SLOW_DOWN, C.QUOTA_EXHAUSTED, C.AUTH])
@pytest.mark.parametrize("sends", [1, 3, 99])
def test_waiting_for_the_account_is_not_an_attempt(kind: FailureClass, sends: int) -> None:
    refused = failure(kind)

    assert decide(refused, history(sends=sends, attempt=sends)) == Release(refused)


@pytest.mark.parametrize("sends", [0, 3, 99])
def test_what_was_not_sent_is_tried_again_whatever_was_sent_before(sends: int) -> None:
    verdict = decide(failure(C.NOT_SENT), history(sends=sends))

    assert isinstance(verdict, RetryIn)
    assert verdict.cost_usd_micros == 0


@pytest.mark.parametrize("on_doubt", [PARK, ONCE])
def test_a_server_error_is_retried_until_the_task_was_sent_three_times(on_doubt: OnDoubt) -> None:
    verdicts = [
        decide(failure(C.SERVER_ERROR), history(sends=sends, on_doubt=on_doubt)) for sends in (1, 2, 3, 4)
    ]

    assert [type(verdict) for verdict in verdicts] == [RetryIn, RetryIn, GiveUp, GiveUp]
    assert (MAX_SENDS, MAX_SENDS_IN_OUTAGE) == (3, 30)


@pytest.mark.parametrize(
    ("sends", "streak", "verdict"),
    [
        (2, 0, RetryIn),  # tries are left
        (3, 0, GiveUp),  # the lane succeeds: the task fails
        (3, 1, GiveUp),
        (3, 3, GiveUp),  # nothing else was tried since
        (3, 4, RetryIn),  # something else failed too: the lane fails
        (10, 10, GiveUp),
        (10, 500, RetryIn),
        (29, 500, RetryIn),
        (30, 500, GiveUp),  # nothing goes on for ever
    ],
)
def test_an_outage_does_not_use_a_task_up(sends: int, streak: int, verdict: type) -> None:
    assert type(decide(failure(C.SERVER_ERROR), history(sends=sends, streak=streak))) is verdict


def test_a_doubt_is_parked_and_keeps_its_hold() -> None:
    doubt = failure(C.DOUBTFUL)

    assert decide(doubt, history(), cost_usd_micros=5) == Park(doubt)


def test_a_doubt_is_paid_once_more_when_the_manifest_says_so_and_then_parked() -> None:
    first = decide(failure(C.DOUBTFUL), history(sends=1, on_doubt=ONCE))
    second = decide(failure(C.DOUBTFUL), history(sends=2, on_doubt=ONCE))

    assert (type(first), type(second)) == (RetryIn, Park)


def test_a_useless_picture_is_given_up_with_its_cost() -> None:
    useless = failure(C.BAD_OUTPUT)

    assert decide(useless, history(), cost_usd_micros=52_680) == GiveUp(useless, 52_680)


def test_a_useless_picture_is_bought_once_more_when_the_manifest_says_so() -> None:
    first = decide(failure(C.BAD_OUTPUT), history(sends=1, on_doubt=ONCE), cost_usd_micros=7)
    second = decide(failure(C.BAD_OUTPUT), history(sends=2, on_doubt=ONCE), cost_usd_micros=7)

    assert isinstance(first, RetryIn)
    assert (first.cost_usd_micros, second) == (7, GiveUp(failure(C.BAD_OUTPUT), 7))


@pytest.mark.parametrize("kind", [kind for kind, (_, reaction) in TABLE.items() if reaction is R.FINAL])
@pytest.mark.parametrize("on_doubt", [PARK, ONCE])
def test_what_no_repetition_helps_is_final(kind: FailureClass, on_doubt: OnDoubt) -> None:
    verdict = decide(failure(kind), history(sends=1, on_doubt=on_doubt), cost_usd_micros=3)

    assert verdict == GiveUp(failure(kind), 3)


def test_a_stored_puts_failure_never_repeats_the_call() -> None:
    assert isinstance(decide(failure(C.STORAGE), history(on_doubt=ONCE)), GiveUp)


@pytest.mark.parametrize(
    ("attempt", "bound_s"),
    [(1, BASE_S), (2, 4.0), (3, 8.0), (5, 32.0), (6, CAP_S), (7, CAP_S), (10_000, CAP_S)],
)
def test_the_delay_is_anything_up_to_a_bound_that_doubles(attempt: int, bound_s: float) -> None:
    delays = []
    for chance in (0.0, 0.5, 0.999):
        verdict = decide(failure(C.NOT_SENT), history(attempt=attempt, chance=chance))
        assert isinstance(verdict, RetryIn)
        delays.append(verdict.delay_s)

    assert delays == pytest.approx([0.1, 0.1 + bound_s / 2, 0.1 + bound_s * 0.999])
