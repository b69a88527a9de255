"""A rendition: a finished picture, what was checked of it, and what the receipt keeps of both."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from pydantic import BaseModel, ConfigDict

from schemas.finish import Format

Result = Literal["pass", "warn", "fail"]
"""Of one rule. A warning is for what a person has to look at."""


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Check(_Shape):
    """One rule of a preset: what it wants, and what was measured."""

    rule: str
    result: Result
    measured: str
    wanted: str


class Checked(_Shape):
    """All rules of a picture together: the worst of their results, and the names of those that did not pass."""

    result: Result
    failed: tuple[str, ...] = ()
    warned: tuple[str, ...] = ()


def checked(checks: Iterable[Check]) -> Checked | None:
    """What the rules of a picture come to; None where it was held against none."""
    results = {check.rule: check.result for check in checks}
    if not results:
        return None
    failed = tuple(rule for rule, result in results.items() if result == "fail")
    warned = tuple(rule for rule, result in results.items() if result == "warn")
    return Checked(result="fail" if failed else "warn" if warned else "pass", failed=failed, warned=warned)


class Rendition(_Shape):
    """One file that finishing made. `name` is `main`, or that of a thumbnail; `file` lies in the folder it was told."""

    name: str
    file: str
    format: Format
    width: int
    height: int
    bytes: int
    sha256: str


class Finished(_Shape):
    """What became of one original, which itself is as it was. The first rendition is `main`.

    `c2pa` is whether the original carries a signed provenance manifest of its provider, None where it could not be looked
    into. It signs those very bytes, so no rendition carries it on.
    """

    renditions: tuple[Rendition, ...]
    checks: tuple[Check, ...]
    enlarged: bool
    c2pa: bool | None


class Unfinished(_Shape):
    """Why there are no renditions; the original is as it was. `again` is whether another try may help."""

    reason: str
    again: bool = False
