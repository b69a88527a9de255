"""Budgets under a race of many claimants, and batches that are steered while they run."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import AsyncExitStack

import httpx

from core.state import keys
from core.state.batches import Change
from core.state.connection import connect
from core.state.scripts import text_of
from schemas.batch import Batch, BatchState
from schemas.ids import attempt_id
from tests.faults.row import Figure, Result, Size, row
from tests.faults.rows.deaths import all_quiet
from tests.faults.stage import LANE, Stage
from tests.state.world import Block, World
from tests.studio import MODEL, TENANT, Books, Studio, manifest, numbered

CLAIMANTS = 64


@row("budget race of 64 claimants", quick=Size(300), long=Size(1000, times=10))
async def raced(stage: Stage, size: Size) -> Result:
    """A cap of a hundred and a half pictures; each claimant has a connection of its own, and really buys."""
    studio, books, over, unused = await stage.studio(), list[Books](), 0, 0
    async with httpx.AsyncClient(base_url=stage.east.url, timeout=60) as shop:
        world = World(studio.client)
        price = await buy(shop, stage, "a look at the price")
        cap = price * 201 // 2
        for _ in range(size.times):
            await world.lane(LANE)
            batch = await world.batch({LANE: [Block(size.tasks, hold=price)]}, tenant=TENANT, cap=cap)
            over = max(over, *await race(studio, shop, stage, batch))
            await studio.batches.cancel(TENANT, batch.id)
            books.append(await studio.books(batch.id))
            assert books[-1].charged <= cap
            unused = max(unused, cap - books[-1].charged)
    assert over == 0
    assert unused <= price
    figures = (Figure("over the cap", over, "µ$", at_most=0), Figure("unused", unused / price, " pictures"))
    return Result(sum(books[1:], books[0]), figures)


async def race(studio: Studio, shop: httpx.AsyncClient, stage: Stage, batch: Batch) -> list[int]:
    """All claimants at once, until the money is used up; by how much each saw the cap crossed."""

    async def claimant(name: str) -> int:
        over = 0
        async with AsyncExitStack() as ending:
            client = connect(studio.place.redis.url)
            ending.push_async_callback(client.aclose)
            world = World(client)
            while claims := await world.claim(3, lane=LANE, worker=name):
                for claim in claims:
                    await world.move(claim, "sent", worker=name)
                    cost = await buy(shop, stage, attempt_id(claim.batch_id, claim.index, claim.attempt))
                    await world.walk(claim, "spooled", "stored", "done", cost=cost)
                    now = await studio.batch(batch.id)
                    over = max(over, now.held_usd_micros + now.spent_usd_micros - (batch.cap_usd_micros or 0))
        return over

    return await asyncio.gather(*(claimant(f"w{number}") for number in range(CLAIMANTS)))


async def buy(shop: httpx.AsyncClient, stage: Stage, name: str) -> int:
    """One picture, all of the same price; what it cost by the ledger the first time, and by its usage from then on."""
    body = {"model": MODEL, "prompt": "a cup", "size": "1024x1024", "quality": "low"}
    headers = {"Authorization": f"Bearer key-of-{LANE}", "X-Client-Request-Id": name}
    answer = await shop.post("/v1/images/generations", json=body, headers=headers)
    assert answer.status_code == 200
    price: int = stage.east.ledger()["calls"][0]["cost_usd_micros"]
    return price


PAUSES = 5
PER_MINUTE = 600
"""Ten a second: permits lie ahead of their time."""


@row("pause, resume and cancel storm", quick=Size(300, times=3), long=Size(5000, times=10))
async def steered(stage: Stage, size: Size) -> Result:
    """A pause is kept by the next claim. Nothing is sent after a cancel was acknowledged, not even what had been claimed
    by then and waited for its permit."""
    limit = {"DARKROOM_LANES__EAST__IMAGES_PER_MINUTE": str(PER_MINUTE)}
    studio = await stage.studio({"DARKROOM_WORKER__SLOTS": "8"} | limit)
    stage.east.latency(0.05)
    stage.east.limits(images_per_minute=PER_MINUTE)
    studio.worker()
    studio.worker()
    each = size.tasks // size.times
    batches = [await studio.submit(manifest(*numbered(each))) for _ in range(size.times)]
    late = sum(await asyncio.gather(*(storm(studio, stage, batch_id) for batch_id in batches)))
    books = [await studio.books(batch_id) for batch_id in batches]
    total = sum(books[1:], books[0])
    assert late == 0
    assert (total.settled, total.held, total.surplus) == (total.charged, 0, 0)
    assert total.done == sum(len(studio.calls(batch_id)) for batch_id in batches)
    return Result(total, (Figure("sent after the cancel", late, at_most=0),))


async def storm(studio: Studio, stage: Stage, batch_id: str) -> int:
    """Pauses and resumes, then cancels; how many calls were made that were not sent when it was acknowledged."""
    await studio.until(batch_id, lambda batch: batch.state is BatchState.RUNNING)
    for number in range(PAUSES):
        await studio.until(batch_id, lambda batch, goal=number: batch.counts["done"] > 2 * goal)  # type: ignore[misc]
        await studio.batches.steer(await studio.batch(batch_id), Change(state=BatchState.PAUSED))
        attempts = [task.attempts for task in await studio.task_list(batch_id)]
        await studio.until(batch_id, lambda batch: batch.counts["running"] == 0)
        assert [task.attempts for task in await studio.task_list(batch_id)] == attempts
        await studio.batches.steer(await studio.batch(batch_id), Change(state=BatchState.RUNNING))
    await studio.until(batch_id, lambda batch: batch.counts["running"] > 2)
    sent = await cancelled(studio, await studio.batch(batch_id))
    await studio.ended(batch_id)
    await all_quiet(stage)
    made = Counter(int(call["client_request_id"].split(":")[1]) for call in studio.calls(batch_id))
    return sum(max(0, count - sent[index]) for index, count in made.items())


async def cancelled(studio: Studio, batch: Batch) -> list[int]:
    """Cancels, and says in the same step how often each task had been sent. What has ended has no fields any more."""
    async with studio.client.pipeline(transaction=True) as pipe:
        pipe.eval(text_of("close"), 0, batch.id, "cancelled")
        for index in range(batch.counts["total"]):
            pipe.hmget(keys.task(batch.id, index), ["state", "sends"])
        is_closed, *found = await pipe.execute()
    assert is_closed
    after = await studio.task_list(batch.id)
    return [
        int(sends or 0) if state else task.sends for (state, sends), task in zip(found, after, strict=True)
    ]
