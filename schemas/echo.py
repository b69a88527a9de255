"""Which problems of a manifest are nothing but the echo of another one: whoever mends that is rid of them."""

from __future__ import annotations

from collections.abc import Iterable

from schemas.errors import Problem

_CONFLICTING = ("/format", "/background", "/compression")
"""Fields that may contradict each other."""


def is_echo(problem: Problem, broken: Iterable[str]) -> bool:
    """Whether a problem may be no more than that.

    Args:
        broken: pointers of what is malformed, or stands under a misspelled name.
    """
    return any(_echoes(problem, pointer) for pointer in broken)


def _echoes(problem: Problem, pointer: str) -> bool:
    place, code = problem.pointer, problem.code
    return any(
        (
            f"{place}/".startswith(f"{pointer}/"),
            pointer.startswith(f"{place}/") and code in ("value_error", "too_short"),
            pointer.startswith(f"{place}/") and place.startswith("/catalog/mapping"),
            pointer.startswith("/variants")
            and (code == "unknown_field" or place.startswith("/combinations")),
            pointer.startswith("/combinations") and code == "adds_nothing",
            pointer.startswith("/templates/") and pointer.count("/") == 2 and code == "unknown",
            pointer.endswith(_CONFLICTING) and code == "conflict",
            pointer == place.replace("/mask", "/references") and code == "mask_alone",
        )
    )
