"""The lane keeper: writes down the lanes that this worker serves, and tells which work is served by nobody."""

from __future__ import annotations

from collections.abc import Mapping

import structlog

from core.lane_settings import LaneSettings
from core.state.lanes import LaneStore

_log = structlog.get_logger()


class LaneKeeper:
    """Repeats its rounds; safe beside those of other workers."""

    def __init__(self, lanes: LaneStore, settings: Mapping[str, LaneSettings]) -> None:
        self._lanes = lanes
        self._settings = settings
        self._told: frozenset[str] = frozenset()

    async def configure_lanes(self) -> int:
        """Writes the configured limits where they are new, or where Redis was emptied, and that the lanes are served."""
        for name, lane in self._settings.items():
            limits = {
                "requests": lane.requests_per_minute,
                "images": lane.images_per_minute,
                "tokens": lane.tokens_per_minute,
            }
            known = {dimension: limit for dimension, limit in limits.items() if limit is not None}
            await self._lanes.configure(
                name, limits=known, max_concurrency=lane.max_concurrency, group=lane.group
            )
        return len(self._settings)

    async def name_unserved(self) -> int:
        """Says, once for as long as it lasts, which work nobody takes. How many lanes and groups have such work."""
        unserved = await self._lanes.unserved()
        for lane, batches in unserved.items():
            if lane not in self._told:
                _log.warning("flows.unserved", lane=lane, batches=batches)
        self._told = frozenset(unserved)
        return len(unserved)
