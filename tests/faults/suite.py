"""The fault suite: every row there is, in the order of the table."""

from __future__ import annotations

from tests.faults.row import Row
from tests.faults.rows import connections, deaths, fairness, money, provider, redis, storage, upscales

_MODULES = (deaths, upscales, redis, provider, connections, storage, money, fairness)

ROWS = tuple(found for module in _MODULES for found in vars(module).values() if isinstance(found, Row))


def chosen(words: list[str]) -> list[Row]:
    """The rows whose name holds one of the words; all without words."""
    return [each for each in ROWS if not words or any(word in each.name for word in words)]
