"""The queue alone, without pictures: `python -m tests.benchmarks.queue` prints what a task costs it.

Everything runs against one Redis server of its own, in this process, within two minutes. arq with one job for each task
stands beside it, so that machines can be compared by the relation of the two.
"""

from __future__ import annotations

import asyncio
import random
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from typing import Any

import uvloop
from arq.connections import RedisSettings, create_pool
from arq.worker import Worker, func
from redis.asyncio import Redis

from core.state.connection import command, connect, translated
from schemas.claim import Claim
from schemas.errors import UnavailableError
from tests.state.world import Block, World

BLOCK = 64
SLOTS = 50
TOGETHER_S, APART_S = (0.5, 0.5), (0.4, 0.6)
DRAINED = 20_000
PER_SECOND = 100
SPACED_S = 8
BUSY_S = 15
ARQ_JOBS = 1_500
MILLION = 1_000_000


class Shift:
    """A claimant and its slots, as in a worker: claim in blocks, then per task sent, the call, spooled, stored + done."""

    def __init__(self, world: World, *, slots: int, call_s: tuple[float, float] = (0, 0)) -> None:
        self._world = world
        self._call_s = call_s
        self._chance = random.Random(1)
        self._free = slots
        self._freed = asyncio.Event()
        self.done = 0
        self.calls: list[tuple[float, float]] = []

    async def run(self, *, tasks: int | None = None, until_s: float | None = None) -> None:
        """Claims and runs until so many tasks are done, or the monotonic clock shows `until_s`."""
        loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as group:
            claimed = 0
            while (tasks is None or claimed < tasks) and (until_s is None or loop.time() < until_s):
                if not self._free:
                    self._freed.clear()
                    await self._freed.wait()
                    continue
                want = min(self._free, BLOCK)
                claims, wait = await self._world.claims.claim("lane", worker="w1", want=want)
                claimed += len(claims)
                self._free -= len(claims)
                for claim in claims:
                    group.create_task(self._attempt(claim))
                await asyncio.sleep(min(wait.wait_ms / 1000, 0.5) if wait else 0)

    async def _attempt(self, claim: Claim) -> None:
        if claim.start_in_ms:
            await asyncio.sleep(claim.start_in_ms / 1000)
        await self._move(claim, "sent")
        if self._call_s[1]:
            before = time.monotonic()
            await asyncio.sleep(self._chance.uniform(*self._call_s))
            self.calls.append((before, time.monotonic()))
        await self._move(claim, "spooled")
        stored = self._move(claim, "stored", asset=f"{claim.index}.png", sha256="0" * 64)
        await asyncio.gather(stored, self._move(claim, "done", cost=claim.hold_usd_micros, tokens=900))
        self.done += 1
        self._free += 1
        self._freed.set()

    async def _move(self, claim: Claim, to: str, **facts: Any) -> None:
        move: dict[str, Any] = {
            "batch": claim.batch_id,
            "index": claim.index,
            "fence": claim.fence,
            "worker": "w1",
        }
        answer = await self._world.tasks.move(**move, to=to, **facts)
        assert answer.status == "ok", answer


async def cpu_of(awaitable: Awaitable[Any]) -> tuple[float, float]:
    """CPU seconds of this process, and seconds on the wall."""
    cpu, wall = time.process_time(), time.monotonic()
    await awaitable
    return time.process_time() - cpu, time.monotonic() - wall


async def fresh(client: Redis, tasks: int, **limits: Any) -> World:
    await client.flushall()
    world = World(client)
    await world.lane(**limits)
    await world.batch([Block(tasks, tokens=1000)])
    return world


async def drain(client: Redis) -> tuple[str, str]:
    world = await fresh(client, DRAINED)
    shift = Shift(world, slots=512)
    cpu_s, wall_s = await cpu_of(shift.run(tasks=DRAINED))
    return f"{cpu_s / DRAINED * 1e6:.0f} us", f"{DRAINED / wall_s:,.0f} tasks/s"


async def spaced(client: Redis) -> tuple[str, str]:
    """Each task at a moment of its own, as a rate limit spaces them: hardly two moves share a write."""
    world = await fresh(client, MILLION, images=PER_SECOND * 60 / 0.97)
    shift = Shift(world, slots=512)
    until_s = asyncio.get_running_loop().time() + SPACED_S
    cpu_s, wall_s = await cpu_of(shift.run(until_s=until_s))
    return (
        f"{cpu_s / shift.done * 1e6:.0f} us",
        f"{shift.done / wall_s:.0f} tasks/s",
    )


async def busy(client: Redis, call_s: tuple[float, float]) -> tuple[str, str]:
    """Full slots, after the first second: the share of time that the calls got, and the CPU of a task at that rate."""
    world = await fresh(client, 10_000)
    shift = Shift(world, slots=SLOTS, call_s=call_s)
    first_s = asyncio.get_running_loop().time() + 1
    last_s = first_s + BUSY_S
    cpu_s, wall_s = await cpu_of(shift.run(until_s=last_s))
    busy_s = sum(max(0.0, min(end, last_s) - max(start, first_s)) for start, end in shift.calls)
    share = busy_s / (SLOTS * BUSY_S)
    return f"{share:.1%}", f"{cpu_s / shift.done * 1e6:.0f} us CPU a task, {shift.done / wall_s:.0f} tasks/s"


async def nothing(ctx: dict[Any, Any], *args: Any, **kwargs: Any) -> None:
    """A job that does nothing."""


async def arq_drain(client: Redis, port: int) -> tuple[str, str]:
    await client.flushall()
    address = RedisSettings(port=port)
    pool = await create_pool(address)
    for _ in range(ARQ_JOBS):
        await pool.enqueue_job("nothing")
    worker = Worker(
        [func(nothing)],
        redis_settings=address,
        burst=True,
        handle_signals=False,
        poll_delay=0.01,
        max_jobs=SLOTS,
    )
    cpu_s, wall_s = await cpu_of(worker.main())
    assert worker.jobs_complete == ARQ_JOBS
    await worker.close()
    await pool.aclose()
    return f"{cpu_s / ARQ_JOBS * 1e6:.0f} us", f"{ARQ_JOBS / wall_s:,.0f} jobs/s, one job for each task"


async def memory(client: Redis) -> tuple[str, str]:
    world = await fresh(client, 1)
    before = (await client.info("memory"))["used_memory"]
    await world.batch([Block(MILLION)])
    after = (await client.info("memory"))["used_memory"]
    return f"{(after - before) / 1024:.1f} KB", "a batch of 1,000,000 tasks that waits"


async def claiming(client: Redis) -> tuple[str, str]:
    """Fifty claimants, each asking for four tasks ten times a second."""
    world = await fresh(client, MILLION, images=1e9)
    taken_s: list[float] = []

    async def claimant(number: int) -> None:
        await asyncio.sleep(number / 500)
        for _ in range(40):
            before = time.perf_counter()
            await world.claim(4, worker=f"w{number}")
            taken_s.append(time.perf_counter() - before)
            await asyncio.sleep(max(0.0, 0.1 - taken_s[-1]))

    await asyncio.gather(*(claimant(number) for number in range(50)))
    cuts = statistics.quantiles(taken_s, n=100)
    return f"{cuts[49] * 1e3:.2f} / {cuts[98] * 1e3:.2f} ms", "p50 / p99 of a claim of 4, 50 claimants"


@contextmanager
def redis_server() -> Iterator[int]:
    """The port of a Redis server of our own, configured as Darkroom ships it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    binary = shutil.which("redis-server") or shutil.which("valkey-server")
    if binary is None:
        raise SystemExit("There is no redis-server on this machine; install one to measure the queue.")
    with tempfile.TemporaryDirectory(prefix="darkroom-benchmark-") as folder:
        options = [
            "--port",
            str(port),
            "--bind",
            "127.0.0.1",
            "--dir",
            folder,
            "--save",
            "",
            "--appendonly",
            "yes",
        ]
        server = subprocess.Popen([binary, *options], stdout=subprocess.DEVNULL)
        try:
            yield port
        finally:
            server.terminate()
            server.wait(timeout=10)


async def measure(port: int) -> None:
    client = connect(f"redis://127.0.0.1:{port}/0")
    while not await answers(client):
        await asyncio.sleep(0.05)
    rows = [
        ("CPU a task, drained", await drain(client)),
        (f"CPU a task, {PER_SECOND}/s, each at its own time", await spaced(client)),
        ("slots in use, calls that end together", await busy(client, TOGETHER_S)),
        ("slots in use, calls that end apart", await busy(client, APART_S)),
        ("arq: CPU a task, drained", await arq_drain(client, port)),
        ("Redis memory", await memory(client)),
        ("claiming", await claiming(client)),
    ]
    await client.aclose()
    for name, (value, remark) in rows:
        print(f"{name:42} {value:>16}   {remark}")


async def answers(client: Redis) -> bool:
    try:
        with translated():
            return bool(await command(client, "PING"))
    except UnavailableError:
        return False


def main() -> None:
    with redis_server() as port:
        uvloop.run(measure(port))


if __name__ == "__main__":
    main()
