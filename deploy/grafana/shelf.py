"""The dashboards, as the files that are committed."""

from __future__ import annotations

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from deploy.grafana.boards.lanes import lanes
from deploy.grafana.boards.money import money
from deploy.grafana.boards.overview import overview
from deploy.grafana.boards.storage import storage
from deploy.grafana.boards.workers import workers


def texts() -> dict[str, str]:
    """The JSON of every dashboard by the name of its file."""
    encoder = JSONEncoder(sort_keys=True, indent=2)
    boards = (overview(), money(), lanes(), workers(), storage())
    return {
        f"{(board.uid or '').removeprefix('darkroom-')}.json": f"{encoder.encode(board)}\n"
        for board in boards
    }
