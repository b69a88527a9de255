"""The closed list of failure classes, and what each one means for money and for the task."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Charged(StrEnum):
    """Whether the provider charged for a call that did not give us a good picture."""

    NO = "no"
    YES = "yes"
    UNKNOWN = "unknown"


class Reaction(StrEnum):
    """What a failure class asks of us; the retry policy turns it into a verdict."""

    RETRY_FREE = "retry_free"  # nothing was sent: try again, jittered, not counted as a send
    WAIT = "wait"  # the limit refused it: back to the head; waiting is not an attempt
    PAUSE_LANE = "pause_lane"  # the account refuses everything: the task stays queued
    RETRY = "retry"  # counted against the sends of the task and the retry budget of the lane
    DOUBT = "doubt"  # we may have been charged: park, or one paid retry when the manifest says so
    RETRY_PAID = (
        "retry_paid"  # we were charged for something useless: one paid retry when the manifest says so
    )
    RETRY_PUT = "retry_put"  # the picture is ours: repeat the storing, never the call
    FINAL = "final"  # no repetition helps; named, replayable


class FailureClass(StrEnum):
    """Why an attempt did not end in a stored picture."""

    NOT_SENT = "not_sent"
    RATE_LIMITED = "rate_limited"
    SLOW_DOWN = "slow_down"
    QUOTA_EXHAUSTED = "quota_exhausted"
    AUTH = "auth"
    MODERATION_BLOCKED = "moderation_blocked"
    INVALID_REQUEST = "invalid_request"
    SERVER_ERROR = "server_error"
    DOUBTFUL = "doubtful"
    BAD_OUTPUT = "bad_output"
    STORAGE = "storage"
    BAD_ROW = "bad_row"
    BAD_REFERENCE = "bad_reference"
    PARENT_FAILED = "parent_failed"
    OVER_BUDGET = "over_budget"
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    POISON = "poison"


@dataclass(frozen=True, slots=True)
class FailureRule:
    """One row of the failure table: `advice` is the sentence a person reads."""

    charged: Charged
    reaction: Reaction
    advice: str


FAILURE_RULES: dict[FailureClass, FailureRule] = {
    FailureClass.NOT_SENT: FailureRule(
        Charged.NO,
        Reaction.RETRY_FREE,
        "The provider could not be reached; nothing was sent. It is tried again by itself.",
    ),
    FailureClass.RATE_LIMITED: FailureRule(
        Charged.NO,
        Reaction.WAIT,
        "The account's rate limit was reached; the task went back to the head of the queue.",
    ),
    FailureClass.SLOW_DOWN: FailureRule(
        Charged.NO,
        Reaction.WAIT,
        "The provider asked to slow down; the lane runs at a lower pace for a while.",
    ),
    FailureClass.QUOTA_EXHAUSTED: FailureRule(
        Charged.NO,
        Reaction.PAUSE_LANE,
        "The account's credit or spend limit is used up; top it up; the lane tries one task again every five minutes.",
    ),
    FailureClass.AUTH: FailureRule(
        Charged.NO,
        Reaction.PAUSE_LANE,
        "The key, the organisation's verification or the access to this model is missing; "
        "mend it: the lane tries one task again every minute.",
    ),
    FailureClass.MODERATION_BLOCKED: FailureRule(
        Charged.UNKNOWN,
        Reaction.FINAL,
        "The provider's safety system refused this prompt or picture; change it and submit again.",
    ),
    FailureClass.INVALID_REQUEST: FailureRule(
        Charged.NO,
        Reaction.FINAL,
        "The provider refused a parameter; change the one that the message names and submit again.",
    ),
    FailureClass.SERVER_ERROR: FailureRule(
        Charged.NO,
        Reaction.RETRY,
        "The provider failed; it is tried again within the retry budget. If that did not help, replay it later.",
    ),
    FailureClass.DOUBTFUL: FailureRule(
        Charged.UNKNOWN,
        Reaction.DOUBT,
        "The call went out and no complete answer came back, so it may have been charged; it is parked until that is "
        "known, then made again if it was free, else only by `on_doubt` or when you replay it.",
    ),
    FailureClass.BAD_OUTPUT: FailureRule(
        Charged.YES,
        Reaction.RETRY_PAID,
        "The provider charged for an answer that is not the picture that was asked for; replay it, which is paid again.",
    ),
    FailureClass.STORAGE: FailureRule(
        Charged.YES,
        Reaction.RETRY_PUT,
        "The picture is paid for and safe in the spool; storing it is repeated.",
    ),
    FailureClass.BAD_ROW: FailureRule(
        Charged.NO,
        Reaction.FINAL,
        "The template cannot be filled from this row; mend the row or the template and submit again.",
    ),
    FailureClass.BAD_REFERENCE: FailureRule(
        Charged.NO,
        Reaction.FINAL,
        "A reference picture is missing or is not a picture the provider takes; put back what is missing and replay it, "
        "or name another one and submit again.",
    ),
    FailureClass.PARENT_FAILED: FailureRule(
        Charged.NO, Reaction.FINAL, "The picture this one is made from failed; replay that one first."
    ),
    FailureClass.OVER_BUDGET: FailureRule(
        Charged.NO, Reaction.FINAL, "The budget does not cover it; raise the cap and replay it."
    ),
    FailureClass.EXPIRED: FailureRule(
        Charged.NO,
        Reaction.FINAL,
        "The deadline passed before it started; replay it, or submit again with a later deadline.",
    ),
    FailureClass.CANCELLED: FailureRule(
        Charged.NO, Reaction.FINAL, "The batch was cancelled; replay it if it is wanted after all."
    ),
    FailureClass.POISON: FailureRule(
        Charged.NO,
        Reaction.FINAL,
        "Workers died three times while running it; look at the row and its references, then replay it.",
    ),
}


@dataclass(frozen=True, slots=True)
class Failure:
    """What went wrong in one attempt: a value, not an exception.

    Args:
        message: for a person; never holds a prompt, a key or base64; <= 500 characters.
        charged: overrides the rule of the class where the facts are better known.
        retry_after_s: what the provider asked us to wait, if it said so.
        dimension: the limit that refused, in the provider's words reduced to requests | images | tokens.
        stage: of a moderation block: input | output | unknown.
        moderation_categories: of a moderation block.
    """

    failure_class: FailureClass
    message: str
    charged: Charged
    http_status: int | None = None
    code: str | None = None
    param: str | None = None
    request_id: str | None = None
    retry_after_s: float | None = None
    dimension: str | None = None
    stage: str | None = None
    moderation_categories: tuple[str, ...] = ()

    @classmethod
    def of(cls, failure_class: FailureClass, message: str, **facts: object) -> Failure:
        """A failure charged as its class says, unless `facts` say otherwise."""
        charged = facts.pop("charged", FAILURE_RULES[failure_class].charged)
        return cls(failure_class, message[:500], charged, **facts)  # type: ignore[arg-type]

    def as_kept(self) -> dict[str, Any]:
        """As it is kept with its task: what is known, and nothing secret."""
        known = {name: value for name, value in asdict(self).items() if value not in (None, (), "")}
        return {
            "class": known.pop("failure_class").value,
            **{name: list(value) if isinstance(value, tuple) else value for name, value in known.items()},
        }
