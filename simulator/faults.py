"""The fault script: which calls go wrong, and how.

A rule is a flat table: `kind`, at most one of `times` (the next N matching calls), `every` (each Nth matching call)
and `probability`, an optional `match` table, and the parameters of its kind. The first rule that fires wins.
"""

import json
import math
import random
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from simulator.ledger import Charged


class Kind(StrEnum):
    """How a call goes wrong."""

    RATE_LIMIT = "rate_limit"
    RATE_LIMIT_BARE = "rate_limit_bare"
    SLOW_DOWN = "slow_down"
    QUOTA = "quota"
    BAD_REQUEST_400 = "bad_request_400"
    UNVERIFIED_403 = "unverified_403"
    MODEL_404 = "model_404"
    ERROR_500 = "error_500"
    ERROR_503 = "error_503"
    ERROR_IN_200 = "error_in_200"
    GATEWAY_HTML = "gateway_html"
    HANG = "hang"
    RESET = "reset"
    SLOW_DRIP = "slow_drip"
    TRUNCATED_JSON = "truncated_json"
    BAD_BASE64 = "bad_base64"
    NOT_AN_IMAGE = "not_an_image"
    WRONG_SIZE = "wrong_size"
    EMPTY_DATA = "empty_data"


# Refused before any work: never charged, and only the request is counted against the limits.
REFUSALS = frozenset(
    {
        Kind.RATE_LIMIT,
        Kind.RATE_LIMIT_BARE,
        Kind.SLOW_DOWN,
        Kind.QUOTA,
        Kind.BAD_REQUEST_400,
        Kind.UNVERIFIED_403,
        Kind.MODEL_404,
        Kind.ERROR_503,
        Kind.ERROR_IN_200,
    }
)
# Fails after the usual latency, so that a picture may have been made.
FAILURES = frozenset({Kind.ERROR_500, Kind.GATEWAY_HTML})
# The rest spoils an answer whose picture was made, and charged, all the same.

_GATEWAY_TIMEOUTS = frozenset({408, 504, 522, 524})
_CHOICES = ("times", "every", "probability")
_MATCHERS = ("prompt", "path", "model", "client_request_id")


def _number(least: float, most: float = math.inf) -> Callable[[object], bool]:
    return lambda value: isinstance(value, int | float) and value is not True and least <= value <= most


def _whole(least: int) -> Callable[[object], bool]:
    return lambda value: type(value) is int and value >= least


_SETTINGS: Mapping[str, tuple[Callable[[object], bool], str]] = {
    "times": (_whole(0), "a whole number of at least 0"),
    "every": (_whole(1), "a whole number of at least 1"),
    "probability": (_number(0, 1), "a number from 0 to 1"),
    "retry_after_s": (_number(0), "a number of at least 0"),
    "code": (lambda value: isinstance(value, str), "a string"),
    "seconds": (_number(0), "a number of at least 0"),
    "at_percent": (_number(0, 100), "a number from 0 to 100"),
    "bytes_per_s": (_whole(1), "a whole number of at least 1"),
    "status": (_whole(200), "an HTTP status"),
    "charged": (lambda value: isinstance(value, bool) or value == "unknown", "true, false or 'unknown'"),
}


@dataclass(frozen=True, slots=True)
class Subject:
    """What a rule can look at."""

    prompt: str
    path: str
    model: str
    client_request_id: str


@dataclass
class Rule:
    """One line of the script.

    Attributes:
        match: substring of the prompt; equal path and model; beginning of the client request id.
        retry_after_s: the wait that rate_limit and error_503 hint at.
        code: error code of `quota`.
        seconds: how long `hang` waits with the answer ready.
        at_percent: where in the body `reset` and `truncated_json` cut; reset at 0 sends not even headers.
        bytes_per_s: speed of `slow_drip`.
        status: of `gateway_html`.
        charged: overrides what the kind says.
    """

    kind: Kind
    match: Mapping[str, str] = field(default_factory=dict)
    times: int | None = None
    every: int | None = None
    probability: float | None = None
    retry_after_s: float | None = None
    code: str = "credit_balance_exhausted"
    seconds: float = 600.0
    at_percent: float = 50.0
    bytes_per_s: int = 65_536
    status: int = 504
    charged: Charged | None = None
    matched: int = field(default=0, init=False)
    fired: int = field(default=0, init=False)

    def fires(self, subject: Subject, chance: Callable[[], float]) -> bool:
        """Whether this rule takes the call; counts it either way."""
        if not self._matches(subject):
            return False
        self.matched += 1
        if self.times is not None:
            due = self.fired < self.times
        elif self.every is not None:
            due = self.matched % self.every == 0
        else:
            due = self.probability is None or chance() < self.probability
        self.fired += due
        return due

    def _matches(self, subject: Subject) -> bool:
        wanted = self.match
        return (
            wanted.get("prompt", "") in subject.prompt
            and wanted.get("path", subject.path) == subject.path
            and wanted.get("model", subject.model) == subject.model
            and subject.client_request_id.startswith(wanted.get("client_request_id", ""))
        )

    @property
    def charge(self) -> Charged:
        """Whether the provider charged for the call."""
        if self.charged is not None:
            return self.charged
        if self.kind is Kind.GATEWAY_HTML:
            # A gateway that gave up waiting does not stop the picture behind it.
            return self.status in _GATEWAY_TIMEOUTS
        return self.kind not in REFUSALS and self.kind not in FAILURES

    def body(self) -> dict[str, object]:
        """The rule as GET shows it: what was set, and how often it was looked at and fired."""
        blank = Rule(self.kind)
        names = ("match", *_SETTINGS)
        changed = {name: getattr(self, name) for name in names if getattr(self, name) != getattr(blank, name)}
        return {
            "kind": self.kind,
            **changed,
            "matched": self.matched,
            "fired": self.fired,
        }


class FaultScript:
    """The rules in force; probabilities draw from one seeded source per rule."""

    def __init__(self, rules: list[Rule] | None = None, seed: int = 0) -> None:
        self.rules = rules or []
        self.seed = seed
        self._sources = [random.Random(f"{seed}:{index}") for index in range(len(self.rules))]

    def pick(self, subject: Subject) -> Rule | None:
        """The first rule that fires for this call."""
        for rule, source in zip(self.rules, self._sources, strict=True):
            if rule.fires(subject, source.random):
                return rule
        return None

    def body(self) -> dict[str, object]:
        return {"seed": self.seed, "rules": [rule.body() for rule in self.rules]}


def load(path: Path) -> FaultScript:
    """Read a script from a .toml or .json file.

    Raises:
        ValueError: naming everything that is wrong with it.
    """
    text = path.read_text(encoding="utf-8")
    return parse(tomllib.loads(text) if path.suffix == ".toml" else json.loads(text))


def parse(script: object) -> FaultScript:
    """A script from `{"seed": 7, "rules": [...]}` or from the bare list of rules.

    Raises:
        ValueError: naming everything that is wrong with it, by rule.
    """
    whole: dict[str, Any] = script if isinstance(script, dict) else {"rules": script}
    rules, seed = whole.get("rules", []), whole.get("seed", 0)
    problems = [f"'{name}' is not part of a fault script" for name in whole.keys() - {"rules", "seed"}]
    if type(seed) is not int:
        problems.append("seed must be a whole number")
    if isinstance(rules, list):
        problems += [
            f"rules[{place}]: {text}" for place, rule in enumerate(rules) for text in _problems(rule)
        ]
    else:
        problems.append("rules must be a list")
    if problems:
        raise ValueError("; ".join(problems))
    return FaultScript([Rule(**{**rule, "kind": Kind(rule["kind"])}) for rule in rules], seed)


def _problems(rule: object) -> list[str]:
    """What is wrong with one rule."""
    if not isinstance(rule, dict):
        return ["a rule is an object"]
    problems = [f"'{name}' is not known" for name in rule if name not in {"kind", "match", *_SETTINGS}]
    if rule.get("kind") not in list(Kind):
        problems.append(f"kind must be one of {', '.join(Kind)}")
    if len([name for name in _CHOICES if name in rule]) > 1:
        problems.append("give at most one of times, every and probability")
    for name, (fits, expected) in _SETTINGS.items():
        if name in rule and not fits(rule[name]):
            problems.append(f"{name} must be {expected}")
    match = rule.get("match", {})
    if not isinstance(match, dict) or not all(isinstance(value, str) for value in match.values()):
        return [*problems, "match must be an object of strings"]
    return problems + [
        f"match.{name} is not known; use {', '.join(_MATCHERS)}" for name in match.keys() - {*_MATCHERS}
    ]
