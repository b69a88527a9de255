"""Every row of the fault suite, in its quick size. `make faults` plays the long ones."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.row import Row
from tests.faults.stage import equipment, staged
from tests.faults.suite import ROWS
from tests.processes import RedisServer, Simulator

Servers = tuple[RedisServer, Simulator, tuple[str, int]]


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    folder: Path = tmp_path_factory.mktemp("servers")
    with equipment(folder) as servers:
        yield servers


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
async def test_nothing_is_lost_and_nothing_is_paid_twice_in_spite_of(row: Row, servers: Servers) -> None:
    async with staged(servers) as stage:
        await row.played(stage, row.quick)
