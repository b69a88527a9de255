"""A studio of its own for every test: what is killed here is not missed elsewhere."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import boto3
import pytest
from moto.server import ThreadedMotoServer

from tests.faults.front import StorageFront
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
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        patch.setenv("AWS_ACCESS_KEY_ID", "faults")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "faults")
        server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        server.start()
        host, port = server.get_host_and_port()
        client = boto3.client("s3", endpoint_url=f"http://{host}:{port}", region_name="us-east-1")
        client.create_bucket(Bucket="darkroom")
        client.close()
        yield host, port
        server.stop()


@pytest.fixture
def front(storage_address: tuple[str, int]) -> Iterator[StorageFront]:
    """What a studio takes for its storage, and what can refuse."""
    with StorageFront(storage_address) as front:
        yield front


@pytest.fixture
async def stored_studio(place: Place, front: StorageFront) -> AsyncIterator[Studio]:
    """A studio whose storage is behind the front."""
    url = f"s3://darkroom/{urlsplit(place.redis.url).port}"
    studio = Studio(Place(place.folder, place.redis, place.lanes, storage_url=url, endpoint_url=front.url))
    yield studio
    await studio.aclose()
