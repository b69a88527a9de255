"""The stage of a row: Redis, a simulator and an S3 server, each with a proxy before it, and studios among them."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from pathlib import Path

from tests.buckets import s3_server
from tests.faults.front import StorageFront
from tests.faults.proxy import FaultProxy
from tests.processes import RedisServer, Simulator
from tests.studio import Place, Studio

LANE = "east"
SLOW = 0.1
"""Latency factor at which a call takes about 0.6 s."""
FAST = 0.005
PLENTY = {
    "requests_per_minute": 600_000,
    "images_per_minute": 600_000,
    "tokens_per_minute": 2_000_000_000,
}


class Stage:
    """What a row plays on. Workers go through the proxies; whoever looks at what came of it does not.

    Args:
        storage: address of the S3 server.
        folder: for the files of this row.
    """

    def __init__(self, folder: Path, redis: RedisServer, east: Simulator, storage: tuple[str, int]) -> None:
        self.folder = folder
        self.redis = redis
        self.east = east
        self._storage = storage
        self._ending = AsyncExitStack()
        self.front = self._ending.enter_context(StorageFront(storage))
        self.to_redis = self._ending.enter_context(FaultProxy(("127.0.0.1", redis.port)))
        self.to_east = self._ending.enter_context(FaultProxy(("127.0.0.1", east.port)))
        self.to_storage = self._ending.enter_context(FaultProxy(("127.0.0.1", self.front.port)))

    async def studio(self, settings: Mapping[str, str] | None = None, *, on_s3: bool = False) -> Studio:
        """An empty studio, whose workers are told `settings` too. Its storage is a folder, or the S3 server."""
        more = {
            "DARKROOM_REDIS__URL": f"redis://127.0.0.1:{self.to_redis.port}/0",
            f"DARKROOM_LANES__{LANE.upper()}__BASE_URL": f"http://127.0.0.1:{self.to_east.port}/v1",
        }
        url = endpoint = None
        if on_s3:
            url, endpoint = f"s3://{BUCKET}/{self.folder.name}", "http://{}:{}".format(*self._storage)
            more["DARKROOM_STORAGE__ENDPOINT_URL"] = f"http://127.0.0.1:{self.to_storage.port}"
        place = Place(self.folder, self.redis, {LANE: self.east}, url, endpoint, more | dict(settings or {}))
        studio = Studio(place)
        self._ending.push_async_callback(studio.aclose)
        await studio.forget()
        return studio

    async def aclose(self) -> None:
        """Ends what the row has started, and leaves Redis and the simulator as they were."""
        await self._ending.aclose()
        if not self.redis.is_running:
            self.redis.restart()
        self.east.latency(FAST)
        self.east.limits(**PLENTY)


@contextmanager
def equipment(folder: Path) -> Iterator[tuple[RedisServer, Simulator, tuple[str, int]]]:
    """The servers that all rows share, until the end of the block."""
    with ExitStack() as ending:
        redis = RedisServer(folder / "redis")
        ending.callback(redis.kill)
        east = Simulator(folder / "east.log")
        ending.callback(east.kill)
        yield redis, east, ending.enter_context(s3_server(BUCKET))


@asynccontextmanager
async def staged(
    servers: tuple[RedisServer, Simulator, tuple[str, int]],
) -> AsyncIterator[Stage]:
    """A stage for one row, with a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="darkroom-faults-") as folder:
        stage = Stage(Path(folder), *servers)
        try:
            yield stage
        finally:
            await stage.aclose()


BUCKET = "darkroom"
