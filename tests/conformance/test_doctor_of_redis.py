"""The doctor, the service and the worker before a real Redis that is not as it has to be."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from core.clock import SystemClock
from core.redis_address import RedisAddress
from core.state.connection import check, command, connect
from schemas.errors import UnavailableError
from tests.conftest import free_port
from tests.processes import Process, RedisServer
from workers.doctor.finding import Finding, Level
from workers.doctor.redis import examine


@pytest.fixture
def tuned(tmp_path: Path) -> Iterator[Callable[..., RedisServer]]:
    """A Redis of its own, with settings that are changed."""
    with ExitStack() as ending:

        def start() -> RedisServer:
            server = RedisServer(tmp_path / f"redis-{free_port()}")
            ending.callback(server.kill)
            return server

        yield start


@pytest.fixture
def server(tuned: Callable[[], RedisServer]) -> RedisServer:
    return tuned()


async def tell(server: RedisServer, *words: str) -> None:
    client = connect(server.url)
    await command(client, *words)
    await client.aclose()


async def visit(url: str) -> dict[str, Finding]:
    return {finding.check: finding for finding in await examine(url, SystemClock())}


async def test_nothing_is_amiss_with_a_redis_as_it_is_shipped(server: RedisServer) -> None:
    await tell(server, "CONFIG", "SET", "appendfsync", "always")

    assert {finding.level for finding in (await visit(server.url)).values()} == {Level.OK}


@pytest.mark.parametrize(
    ("setting", "value", "found_in", "level"),
    [
        ("maxmemory-policy", "allkeys-lru", "eviction", Level.FAILED),
        ("maxmemory-policy", "volatile-ttl", "eviction", Level.FAILED),
        ("appendonly", "no", "append-only", Level.FAILED),
        ("appendfsync", "everysec", "appendfsync", Level.WARNING),
        ("no-appendfsync-on-rewrite", "yes", "no-appendfsync-on-rewrite", Level.WARNING),
        ("maxmemory", "1000", "memory", Level.FAILED),
    ],
)
async def test_a_setting_that_endangers_paid_work_is_found(
    server: RedisServer, setting: str, value: str, found_in: str, level: Level
) -> None:
    await tell(server, "CONFIG", "SET", setting, value)

    assert (await visit(server.url))[found_in].level is level


async def test_a_memory_that_is_nearly_full_is_warned_of(server: RedisServer) -> None:
    client = connect(server.url)
    used = (await client.info("memory"))["used_memory"]
    await client.aclose()
    await tell(server, "CONFIG", "SET", "maxmemory", str(int(used * 1.2)))

    assert (await visit(server.url))["memory"].level is Level.WARNING


async def test_a_replica_is_not_taken_for_the_primary_and_the_primary_is_told_of_it(
    tuned: Callable[[], RedisServer],
) -> None:
    primary, replica = tuned(), tuned()
    await tell(replica, "REPLICAOF", "127.0.0.1", str(primary.port))
    client = connect(primary.url)
    while not (await client.info("replication"))["connected_slaves"]:
        await client.ping()
    await client.aclose()

    assert (await visit(replica.url))["role"].level is Level.FAILED
    assert (await visit(primary.url))["replicas"].level is Level.WARNING
    await tell(primary, "CONFIG", "SET", "min-replicas-to-write", "1")
    assert (await visit(primary.url))["replicas"].level is Level.OK


async def test_where_nothing_may_be_asked_the_doctor_says_so_and_what_to_see_to(server: RedisServer) -> None:
    await tell(server, "ACL", "SETUSER", "managed", "on", ">word", "~*", "&*", "+@all", "-config", "-info")
    url = server.url.replace("//", "//managed:word@")

    found = await visit(url)

    assert Level.FAILED not in {finding.level for finding in found.values()}
    assert found["eviction"].level is found["append-only"].level is Level.WARNING
    assert "noeviction" in found["eviction"].detail
    client = connect(url)
    assert len(await check(client)) == 2
    await client.aclose()


async def test_eviction_is_found_where_only_config_is_forbidden(server: RedisServer) -> None:
    await tell(server, "CONFIG", "SET", "maxmemory-policy", "allkeys-lfu")
    await tell(server, "ACL", "SETUSER", "managed", "on", ">word", "~*", "&*", "+@all", "-config")
    url = server.url.replace("//", "//managed:word@")

    assert (await visit(url))["eviction"].level is Level.FAILED
    client = connect(url)
    with pytest.raises(UnavailableError, match="allkeys-lfu"):
        await check(client)
    await client.aclose()


async def test_a_user_who_may_load_no_scripts_is_told_what_to_allow(server: RedisServer) -> None:
    await tell(server, "ACL", "SETUSER", "reader", "on", ">word", "~*", "+@all", "-script")

    found = await visit(server.url.replace("//", "//reader:word@"))

    assert found["scripts"].level is Level.FAILED
    assert "SCRIPT LOAD" in found["scripts"].detail


@pytest.mark.parametrize("url", ["redis://127.0.0.1:{port}/0", "redis://:a-wrong-word@127.0.0.1:{port}/0"])
async def test_a_redis_that_does_not_let_us_in_is_one_failure_without_a_secret(
    server: RedisServer, url: str
) -> None:
    await tell(server, "CONFIG", "SET", "requirepass", "the-right-word")

    (finding,) = await examine(url.format(port=server.port), SystemClock())

    assert (finding.check, finding.level) == ("answers", Level.FAILED)
    assert "word" not in finding.detail.replace("password", "")


@pytest.mark.parametrize(
    ("address", "says"),
    [
        (
            "redis://:secret@127.0.0.1:{nobody}/0",
            "nothing listens at 127.0.0.1:{nobody}; see to the server at 127.0.0.1:",
        ),
        (
            "redis://:secret@nowhere.invalid:6379/0",
            "nowhere.invalid:6379 cannot be found; see to the server at nowhere",
        ),
        (
            "redis://127.0.0.1:{stranger}/0",
            "what answers there is no Redis; see to the server at 127.0.0.1:{stranger}",
        ),
    ],
)
async def test_a_redis_that_is_not_there_is_told_by_its_address_and_with_what_to_do(
    address: str, says: str
) -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(greet, "127.0.0.1", 0) as stranger:
        ports = {"nobody": free_port(), "stranger": stranger.sockets[0].getsockname()[1]}
        (finding,) = await examine(address.format(**ports), SystemClock())

    assert says.format(**ports) in finding.detail
    assert finding.detail.endswith("or name another in DARKROOM_REDIS__URL")
    assert "secret" not in finding.detail


async def test_sentinels_that_know_no_primary_are_told_by_their_addresses() -> None:
    port = free_port()
    (finding,) = await examine(
        RedisAddress("redis://:secret@x/0", (("127.0.0.1", port),), "main"), SystemClock()
    )

    advice = f"see to the Sentinels at 127.0.0.1:{port}, or name others in DARKROOM_REDIS__SENTINELS"
    assert finding.detail == (
        f"Redis does not answer: no Sentinel that answers knows a primary of this name; {advice}"
    )


def test_nothing_is_said_to_be_complete_where_redis_does_not_answer(tmp_path: Path) -> None:
    port = free_port()
    settings = {
        "DARKROOM_REDIS__URL": f"redis://:secret@127.0.0.1:{port}/0",
        "DARKROOM_STORAGE__URL": (tmp_path / "store").as_uri(),
    }
    ended = Process([sys.executable, "-m", "workers", "rebuild"], tmp_path / "log", settings)

    assert ended.exit_code(60) == 1
    assert ended.log.read_text() == (
        f"Redis does not answer: nothing listens at 127.0.0.1:{port}; see to the server at 127.0.0.1:{port}, or name "
        "another in DARKROOM_REDIS__URL.\n"
    )


# Whoever would spend money


def settings_of(server: RedisServer, folder: Path) -> dict[str, str]:
    return {
        "DARKROOM_REDIS__URL": server.url,
        "DARKROOM_STORAGE__URL": (folder / "store").as_uri(),
        "DARKROOM_SPOOL__DIR": str(folder / "spool"),
        "DARKROOM_SERVICE__PORT": "0",
    }


@pytest.mark.parametrize("program", ["service", "workers"])
async def test_a_redis_that_evicts_is_refused_by_whoever_would_spend_money(
    server: RedisServer, tmp_path: Path, program: str
) -> None:
    await tell(server, "CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    process = Process([sys.executable, "-m", program], tmp_path / "log", settings_of(server, tmp_path))

    assert process.exit_code(60) == 1
    lines = [json.loads(line) for line in process.log.read_text().splitlines()]
    assert [line["event"] for line in lines] == [f"{program.removesuffix('s')}.refused"]
    assert "maxmemory-policy noeviction" in lines[0]["reason"]


@pytest.mark.parametrize("program", ["service", "workers"])
async def test_a_redis_without_append_only_files_is_warned_of_at_the_start(
    server: RedisServer, tmp_path: Path, program: str
) -> None:
    await tell(server, "CONFIG", "SET", "appendonly", "no")
    process = Process([sys.executable, "-m", program], tmp_path / "log", settings_of(server, tmp_path))
    try:
        up = {"service": "service listening", "workers": "worker.started"}[program]
        process.wait_until(lambda: up in process.log.read_text())
        assert '"redis.misconfigured"' in process.log.read_text()
        assert "appendonly yes" in process.log.read_text()
    finally:
        process.kill()


def test_a_service_without_its_redis_says_so_in_one_sentence(tmp_path: Path) -> None:
    settings = {
        "DARKROOM_REDIS__URL": f"redis://127.0.0.1:{free_port()}/0",
        "DARKROOM_STORAGE__URL": (tmp_path / "store").as_uri(),
    }
    ended = Process([sys.executable, "-m", "service"], tmp_path / "log", settings)

    assert ended.exit_code(60) == 1
    (line,) = ended.log.read_text().splitlines()
    assert json.loads(line)["event"] == "service.refused"
