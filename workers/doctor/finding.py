"""What the doctor found: one line for each thing that was looked at."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How it stands."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Args:
        check: what was looked at, in a word or two.
        detail: what was found and, unless it is ok, what to do.
    """

    check: str
    level: Level
    detail: str


def ok(check: str, detail: str) -> Finding:
    return Finding(check, Level.OK, detail)


def warning(check: str, detail: str) -> Finding:
    return Finding(check, Level.WARNING, detail)


def failed(check: str, detail: str) -> Finding:
    return Finding(check, Level.FAILED, detail)
