"""A studio of its own for every test: what is killed here is not missed elsewhere."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.buckets import s3_server
from tests.faults.front import StorageFront
from tests.faults.stage import BUCKET
from tests.processes import RedisServer, Simulator
from tests.studio import Place, Studio


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with ExitStack() as ending:
        redis = RedisServer(tmp_path / "redis")
        ending.callback(redis.kill)
        east = Simulator(tmp_path / "east.log")
        ending.callback(east.kill)
        yield Place(tmp_path, redis, {"east": east})


@pytest.fixture
async def studio(place: Place) -> AsyncIterator[Studio]:
    studio = Studio(place)
    yield studio
    await studio.aclose()


@pytest.fixture
def east(place: Place) -> Simulator:
    return place.lanes["east"]


@pytest.fixture(scope="session")
def storage_address() -> Iterator[tuple[str, int]]:
    """A server that speaks S3, with one empty bucket."""
    with s3_server(BUCKET) as address:
        yield address


@pytest.fixture
def front(storage_address: tuple[str, int]) -> Iterator[StorageFront]:
    """What a studio takes for its storage, and what can refuse."""
    with StorageFront(storage_address) as front:
        yield front


@pytest.fixture
async def stored_studio(place: Place, front: StorageFront) -> AsyncIterator[Studio]:
    """A studio whose storage is behind the front."""
    url = f"s3://{BUCKET}/{urlsplit(place.redis.url).port}"
    studio = Studio(Place(place.folder, place.redis, place.lanes, storage_url=url, endpoint_url=front.url))
    yield studio
    await studio.aclose()
