"""One house for all of these tests: two lanes and one to an upscaler, a worker for each file, emptied before each test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack

import pytest

from tests.processes import RedisServer, Simulator, Worker
from tests.studio import Place, Studio

MORE = {
    "DARKROOM_LANES__EAST__MODELS": "gpt-image-2.6-flare,gpt-image-2.6-sunburst",
    "DARKROOM_LANES__WEST__MODELS": "gpt-image-2.5-flare",
    "DARKROOM_LANES__BIG__ADAPTER": "stability",
    "DARKROOM_LANES__BIG__API_KEY": "key-of-big",
    "DARKROOM_WORKER__CALL_DEADLINE_S": "8",
    "DARKROOM_WORKER__SLOTS": "8",
}


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("house")
    with ExitStack() as ending:
        redis = RedisServer(folder / "redis")
        ending.callback(redis.kill)
        lanes = {}
        for name in ("east", "west"):
            lanes[name] = Simulator(folder / f"{name}.log")
            ending.callback(lanes[name].kill)
        big = {"DARKROOM_LANES__BIG__BASE_URL": lanes["east"].url}
        yield Place(folder, redis, lanes, more=MORE | big)


@pytest.fixture(scope="module")
def worker(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    """Ended with the tests of a file: until the end of all tests it would keep looking for work."""
    worker = Worker(tmp_path_factory.mktemp("worker") / "worker.log", place.settings())
    yield worker
    worker.kill()


@pytest.fixture
async def studio(place: Place, worker: Worker) -> AsyncIterator[Studio]:
    """The house as if it were new."""
    studio = Studio(place)
    await studio.forget()
    yield studio
    await studio.aclose()
    assert worker.is_running


@pytest.fixture
def east(place: Place) -> Simulator:
    """The Images API of most tests."""
    return place.lanes["east"]
