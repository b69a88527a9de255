"""Equipment for every kind of test: real servers on free ports, and tests that need more than Python.

On a machine that lacks what they need they are left out, and the last lines say which. `.ci/run` sets
DARKROOM_TEST_ALL: there nothing may be left out.
"""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import redis as blocking_redis
from hypothesis import HealthCheck, settings
from redis.asyncio import Redis

from core.documents import Documents
from core.state.connection import connect
from core.storage.folder import FolderStore
from tests.state.world import World

LEFT_OUT = pytest.StashKey[list[str]]()
TEST_PROCESSES = 8
PORTS = range(13_000, 16_000)
"""Between those of `darkroom up` and those that systems give to outgoing calls, which would take one between our look and
the process it is for."""


# How long an example takes is the machine's affair, and no test's. The same commit sees the same examples, wherever it is
# tested; new ones are looked for with `--hypothesis-profile=new`.
settings.register_profile(
    "house", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)
settings.register_profile("new", parent=settings.get_profile("house"), derandomize=False)
settings.load_profile("house")


def pytest_configure(config: pytest.Config) -> None:
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # in the background of a shell; children inherit it
        signal.signal(signal.SIGINT, signal.default_int_handler)
    config.addinivalue_line(
        "markers", "needs(*programs, root=False): left out, and named, where these are not; never by .ci/run"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    # The short ones last: they level the ends of the processes that tests are spread over.
    items.sort(key=lambda item: "unit" in item.path.parts)
    if os.environ.get("DARKROOM_TEST_ALL"):
        return
    left_out = [item for item in items if missing(item)]
    config.stash[LEFT_OUT] = [f"{item.nodeid}: needs {', '.join(missing(item))}" for item in left_out]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if left_out := config.stash.get(LEFT_OUT, []):
        terminalreporter.section("left out on this machine")
        for line in left_out:
            terminalreporter.write_line(line)


def missing(item: pytest.Item) -> list[str]:
    """What a test needs and this machine does not have."""
    found = []
    for mark in item.iter_markers("needs"):
        found += [program for program in mark.args if shutil.which(program) is None]
        if mark.kwargs.get("root") and os.geteuid() != 0:
            found.append("root")
    return found


def _ports_of_this_process() -> Iterator[int]:
    """Each of them once, before one comes again."""
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % TEST_PROCESSES
    mine = PORTS[number::TEST_PROCESSES]
    start = os.getpid() % len(mine)
    return itertools.cycle([*mine[start:], *mine[:start]])


_ports = _ports_of_this_process()


def free_port() -> int:
    """A port that nobody listens on, and nobody else will."""
    for port in itertools.islice(_ports, len(PORTS)):
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return port
    raise RuntimeError("no port is free")


def redis_binary() -> str:
    """The Redis server that `darkroom up` would take."""
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name):
            return found
    bundled = Path(__file__).parent.parent / ".darkroom" / "bin" / "redis-server"
    if not bundled.exists():
        from cli.redis_server import find_server

        return str(find_server())
    return str(bundled)


@pytest.fixture(scope="session")
def redis_server() -> Iterator[str]:
    """The address of a real Redis server, alive for the whole run, configured as Darkroom ships it."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="darkroom-redis-") as folder:
        server = subprocess.Popen(
            [redis_binary(), "--port", str(port), "--bind", "127.0.0.1", "--dir", folder, "--save", "",
             "--appendonly", "yes", "--appendfsync", "everysec", "--maxmemory-policy", "noeviction"],
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            wait_for_redis(port)
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            server.terminate()
            server.wait(timeout=60)


def wait_for_redis(port: int) -> None:
    """Returns when the server answers, which it has to within a minute: other work may share the machine."""
    client = blocking_redis.Redis(port=port)
    for _ in range(1_200):
        try:
            client.ping()
            return
        except blocking_redis.ConnectionError:
            time.sleep(0.05)
    raise RuntimeError("the Redis server did not start within 60 s")


@pytest.fixture
async def redis_url(redis_server: str) -> AsyncIterator[str]:
    """The address of an empty Redis."""
    client = connect(redis_server)
    await client.flushall()
    yield redis_server
    await client.aclose()


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    """A client of an empty Redis."""
    client = connect(redis_url)
    yield client
    await client.aclose()


@pytest.fixture
def world(redis: Redis) -> World:
    """The world of the state machine, on an empty Redis."""
    return World(redis)


@pytest.fixture
async def documents(tmp_path: Path) -> AsyncIterator[Documents]:
    """Storage in an empty folder."""
    store = FolderStore(tmp_path / "store", threads=2)
    yield Documents(store)
    await store.aclose()
