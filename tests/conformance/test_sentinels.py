"""Redis behind Sentinels: they are asked where the primary is, and work goes on where they say after it dies."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import redis as blocking_redis

from core.queue import JobQueue, PlanJob
from core.redis_address import RedisAddress
from core.settings import SettingsError, load_settings
from core.state.connection import connect, connect_blocking, connect_for_jobs, translated
from schemas.errors import UnavailableError
from tests.conftest import free_port, redis_binary
from tests.processes import Process, RedisServer, Simulator
from tests.studio import Place, Studio, eventually, manifest, numbered

PASSWORD = "of-the-redis"
NAME = "darkroom"


class Sentinels:
    """A primary, a replica, and one Sentinel that is quick to judge."""

    def __init__(self, folder: Path, ending: ExitStack) -> None:
        self.primary, self.replica = RedisServer(folder / "one"), RedisServer(folder / "two")
        for server in (self.primary, self.replica):
            ending.callback(server.kill)
            server.url = f"redis://:{PASSWORD}@127.0.0.1:{server.port}/0"
            with blocking_redis.Redis(port=server.port) as client:
                client.config_set("requirepass", PASSWORD)
                client.config_set("masterauth", PASSWORD)
        with blocking_redis.Redis(port=self.replica.port, password=PASSWORD) as client:
            client.replicaof("127.0.0.1", str(self.primary.port))
        self.port = free_port()
        config = folder / "sentinel.conf"
        config.write_text(
            f"port {self.port}\nbind 127.0.0.1\ndir {folder}\n"
            f"sentinel monitor {NAME} 127.0.0.1 {self.primary.port} 1\n"
            f"sentinel auth-pass {NAME} {PASSWORD}\n"
            f"sentinel down-after-milliseconds {NAME} 1000\nsentinel failover-timeout {NAME} 5000\n"
        )
        process = Process([redis_binary(), str(config), "--sentinel"], folder / "sentinel.log")
        ending.callback(process.kill)
        process.wait_until(self._knows_the_replica)

    @property
    def address(self) -> RedisAddress:
        return RedisAddress(
            f"redis://:{PASSWORD}@elsewhere.invalid:1/0", (("127.0.0.1", self.port),), primary=NAME
        )

    def settings(self) -> dict[str, str]:
        return {
            "DARKROOM_REDIS__URL": self.address.url,
            "DARKROOM_REDIS__SENTINELS": f"127.0.0.1:{self.port}",
            "DARKROOM_REDIS__MASTER_NAME": NAME,
        }

    def _knows_the_replica(self) -> bool:
        try:
            with blocking_redis.Redis(port=self.port, decode_responses=True) as client:
                known = client.execute_command("SENTINEL", "REPLICAS", NAME)
                return len(known) == 1 and "slave" in str(known) and self._is_in_step()
        except blocking_redis.RedisError:
            return False

    def _is_in_step(self) -> bool:
        with blocking_redis.Redis(port=self.replica.port, password=PASSWORD) as client:
            return bool(client.info("replication").get("master_link_status") == "up")


@pytest.fixture
def sentinels(tmp_path: Path) -> Iterator[Sentinels]:
    with ExitStack() as ending:
        yield Sentinels(tmp_path, ending)


async def test_the_primary_is_where_they_say_and_after_its_death_elsewhere(sentinels: Sentinels) -> None:
    client, thread = connect(sentinels.address), connect_blocking(sentinels.address)
    queue = JobQueue(connect_for_jobs(sentinels.address))
    await client.set("kept", b"1")
    assert thread.get("kept") == b"1"
    with blocking_redis.Redis(port=sentinels.replica.port, password=PASSWORD) as replica:
        await eventually(lambda: asyncio.to_thread(replica.get, "kept"))

    sentinels.primary.kill()

    async def written() -> bool | None:
        with translated():
            return bool(await client.set("later", b"2"))

    await eventually(written)
    assert await client.get("kept") == b"1"

    def seen() -> bytes | None:
        try:
            return thread.get("later")  # type: ignore[return-value]
        except blocking_redis.ConnectionError:
            return None

    assert await eventually(lambda: asyncio.to_thread(seen)) == b"2"

    async def enqueued() -> bool:
        await queue.enqueue_plan(PlanJob("plan_1", "acme", None))
        return True

    assert await eventually(enqueued)
    await queue.aclose()
    await client.aclose()
    thread.close()


async def test_as_many_ask_at_once_as_like(sentinels: Sentinels) -> None:
    """More than there are connections; they wait for each other."""
    client = connect(sentinels.address)
    assert await asyncio.gather(*(client.incr("count") for _ in range(300)))
    assert await client.get("count") == b"300"
    await client.aclose()


async def test_without_a_sentinel_that_answers_redis_does_not_answer() -> None:
    client = connect(RedisAddress("redis://x/0", (("127.0.0.1", free_port()),), primary=NAME))
    with pytest.raises(UnavailableError), translated():
        await client.ping()
    await client.aclose()


async def test_a_batch_goes_on_after_the_primary_has_died(sentinels: Sentinels, tmp_path: Path) -> None:
    """What the replica had not heard of is lost with the primary; here it had heard of everything."""
    with ExitStack() as ending:
        east = Simulator(tmp_path / "east.log")
        ending.callback(east.kill)
        places = [
            Place(tmp_path, server, {"east": east}, more=sentinels.settings())
            for server in (sentinels.primary, sentinels.replica)
        ]
        one, two = map(Studio, places)
        worker = one.worker()
        before = await one.submit(manifest(*numbered(3)))
        assert (await one.ended(before)).counts["done"] == 3

        sentinels.primary.kill()
        after = await eventually(lambda: two.submit(manifest(*numbered(4))))
        batch = await two.ended(after)

        assert batch.counts["done"] == 4
        assert worker.is_running
        books = await two.books(after)
        assert (books.lost, books.duplicated, books.unaccounted) == (0, 0, 0)
        await one.aclose()
        await two.aclose()


@pytest.mark.parametrize("wrong", ["one", "one:two", "one:26379 two:26379", ":26379"])
def test_sentinels_are_written_as_host_and_port(wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DARKROOM_STORAGE__URL", "file:///store")
    monkeypatch.setenv("DARKROOM_REDIS__SENTINELS", wrong)
    with pytest.raises(SettingsError, match="DARKROOM_REDIS__SENTINELS"):
        load_settings()


def test_there_may_be_several_and_their_addresses_may_be_new_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DARKROOM_STORAGE__URL", "file:///store")
    monkeypatch.setenv("DARKROOM_REDIS__SENTINELS", "one:26379, [::1]:26380")
    monkeypatch.setenv("DARKROOM_REDIS__MASTER_NAME", NAME)
    address = load_settings().redis.address
    assert address.sentinels == (("one", 26379), ("::1", 26380))
    assert address.primary == NAME
    assert "127.0.0.1" not in repr(address)
