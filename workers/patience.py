"""Patience: a step is repeated for as long as the door it goes through is shut."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from core.clock import Clock
from schemas.errors import UnavailableError

_WAITS_S = (0.2, 0.5, 1, 2, 5, 10, 20, 30)
_log = structlog.get_logger()
T = TypeVar("T")


class Patience:
    """Never gives up: what waits behind the door is paid for."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def persist(self, step: Callable[[], Awaitable[T]]) -> T:
        """The answer of the first try that does not meet `UnavailableError`. Trying it again must be safe."""
        tries = 0
        while True:
            try:
                return await step()
            except UnavailableError as error:
                delay_s = _WAITS_S[min(tries, len(_WAITS_S) - 1)]
                _log.warning("storing.delayed", retry_in_s=delay_s, reason=error.detail)
                await self._clock.sleep(delay_s)
                tries += 1
