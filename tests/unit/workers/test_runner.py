"""Accidents of one attempt: a disk that fails before anything is sent, a lesson that fails after a picture is paid, a
worker that was frozen, and comes back to a task that is somebody else's."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from core.clock import SystemClock
from core.documents import Documents, Print, owned_key, picture_key
from core.state import keys
from core.state.lanes import LaneStore, Learned, Lesson
from core.state.tasks import Moved
from core.storage.folder import FolderStore
from core.storage.store import UnreadableError
from core.telemetry.metrics import WorkerMetrics
from schemas.claim import Claim
from schemas.expansion import Expansion
from schemas.failure import Failure, FailureClass
from schemas.image import Answer, Generated, ImageFormat, ImageRequest, Usage
from schemas.manifest import OnDoubt
from schemas.manifest_check import check_manifest
from schemas.model import find_model
from schemas.pricing import cost_usd_micros
from schemas.verdict import RetryIn, Skip
from tests.finishing import keeper_of
from tests.state.world import World
from workers.moves import TWIN_WAIT_CAP_S, not_sent
from workers.order import Order
from workers.preparer import Prepared
from workers.reporter import Reporter
from workers.retry_policy import MAX_CRASHES
from workers.reuser import Reuser
from workers.runner import WITHDRAWN_S, AttemptRunner
from workers.shelf import Campaign
from workers.spool import Spool, SpoolFolder

USAGE = Usage(input_text_tokens=20, output_image_tokens=1_756)
MODEL = find_model("gpt-image-2")
assert MODEL is not None
COST = cost_usd_micros(MODEL, USAGE)


def campaign_of(*sizes: str) -> Campaign:
    made = check_manifest(
        {
            "name": "n",
            "image": {"model": "gpt-image-2", "quality": "low"},
            "templates": {"hero": {"prompt": "A cup"}},
            "sizes": list(sizes or ("1024x1024",)),
        }
    )
    return Campaign(made, Expansion(made, 1))


class Bench:
    """In the place of everything that an attempt needs and these tests do not look at."""

    server = ("127.0.0.1", None)

    def __init__(self, order: Order) -> None:
        self.campaign = campaign_of()
        self.order = order
        self.refusal: Failure | None = None
        self.unread: UnreadableError | None = None
        self.failure: Failure | None = None
        self.meanwhile: Callable[[], Awaitable[object]] | None = None

    async def get(self, tenant: str, batch_id: str) -> Campaign:
        return self.campaign

    async def lost_with(self, tenant: str, batch_id: str, index: int) -> list[int]:
        return []

    async def unreadable(self, claim: Claim, error: UnreadableError) -> Failure:
        return Failure.of(FailureClass.NOT_SENT, error.detail)

    async def prepare(self, claim: Claim, campaign: Campaign) -> Prepared | Failure:
        if self.unread is not None:
            raise self.unread
        if self.refusal is not None:
            await self._freeze()
            return self.refusal
        facts = {name: getattr(claim, name) for name in ("tenant", "batch_id", "index", "attempt", "fence")}
        order = msgspec.structs.replace(self.order, **facts)
        request = ImageRequest(
            model="gpt-image-2",
            prompt="A cup",
            size="64x48",
            quality="low",
            format=ImageFormat.PNG,
            client_request_id=claim.attempt_id,
        )
        return Prepared(order, request)

    async def generate(self, request: ImageRequest, into: Path) -> Answer:
        await self._freeze()
        if self.failure is not None:
            return Answer(self.failure, 1.5)
        into.write_bytes(b"paid")
        return Answer(Generated(into, "ab", 4, USAGE, "req_1"), 1.5)

    async def _freeze(self) -> None:
        """What others do until this worker goes on."""
        if self.meanwhile is not None:
            await self.meanwhile()


class Unteachable(LaneStore):
    """Lanes that fail by an error of ours."""

    async def learn(self, lane: str, lesson: Lesson, *, attempt_id: str | None = None) -> Learned:
        raise RuntimeError("an error of ours")


@pytest.fixture
def folder(tmp_path: Path) -> SpoolFolder:
    return Spool(tmp_path / "attempts", 0).open("w1")


@pytest.fixture
def bench(order: Order) -> Bench:
    return Bench(order)


@pytest.fixture
async def runner(
    world: World, folder: SpoolFolder, bench: Bench, tmp_path: Path
) -> AsyncIterator[AttemptRunner]:
    store, clock, stand_in = FolderStore(tmp_path / "store", threads=2), SystemClock(), cast(Any, bench)
    documents = Documents(store)
    keeper = keeper_of("w1", documents, world.tasks, clock)
    yield AttemptRunner(
        worker="w1",
        shelf=stand_in,
        preparer=stand_in,
        clients={"lane": stand_in},
        spool=folder,
        keeper=keeper,
        reuser=Reuser(documents, keeper, clock),
        tasks=world.tasks,
        lanes=Unteachable(world.redis),
        reporter=Reporter(WorkerMetrics()),
        clock=clock,
        chance=lambda: 0.5,
    )
    await store.aclose()


@pytest.fixture
def late(runner: AttemptRunner, world: World) -> AttemptRunner:
    """A runner whose lessons are learnt."""
    runner.lanes = world.lanes
    return runner


async def claimed(world: World) -> Claim:
    await world.lane()
    await world.batch(1)
    (claim,) = await world.claim()
    return claim


async def spent(world: World, claim: Claim) -> tuple[int, int]:
    """What the batch has spent, and what it holds."""
    batch = await world.batches.get(claim.tenant, claim.batch_id)
    return batch.spent_usd_micros, batch.held_usd_micros


async def test_what_a_picture_cost_is_written_down_before_anything_is_learnt(
    world: World, runner: AttemptRunner, folder: SpoolFolder
) -> None:
    claim = await claimed(world)

    with pytest.raises(RuntimeError):
        await runner.run(claim, 0.0)

    delivery = folder.entry(claim.batch_id, claim.index, claim.attempt).delivery()
    assert delivery is not None
    assert delivery.usage == {
        "input_text_tokens": 20,
        "input_image_tokens": 0,
        "output_image_tokens": 1_756,
        "output_text_tokens": 0,
    }


async def test_a_disk_that_fails_before_anything_is_sent_does_not_count_against_the_task(
    world: World, runner: AttemptRunner, folder: SpoolFolder
) -> None:
    claim = await claimed(world)
    shutil.rmtree(folder.path)

    verdict = await runner.run(claim, 0.0)

    assert verdict == RetryIn(WITHDRAWN_S)
    assert ((await world.task(claim)).state, (await world.task(claim)).sends) == ("waiting", 0)
    assert await world.redis.hget(keys.task(claim.batch_id, claim.index), "crashes") is None


async def test_an_object_that_storage_does_not_give_out_counts_against_its_task_and_nothing_is_sent(
    world: World, runner: AttemptRunner, bench: Bench
) -> None:
    claim = await claimed(world)
    bench.unread = UnreadableError("it answered 403 AccessDenied")

    await runner.run(claim, 0.0)

    task = await world.task(claim)
    assert (task.state, task.sends, (task.failure or {})["class"]) == ("waiting", 0, "not_sent")
    assert await world.redis.hget(keys.task(claim.batch_id, claim.index), "fetches") == b"1"


async def test_a_picture_that_cannot_serve_again_is_not_taken_for_the_answer_to_the_call_made_instead(
    runner: AttemptRunner, folder: SpoolFolder, order: Order, tmp_path: Path
) -> None:
    store, data = FolderStore(tmp_path / "store", threads=2), b"no picture"
    key, digest = owned_key(order.tenant, "batch_0", "originals/cup.png"), hashlib.sha256(data).hexdigest()
    await store.put_bytes(key, data, media_type="image/png", overwrite=True)
    found = Print("batch_0", "cup.png", "originals/cup.png", digest)
    await Documents(store).put_print(order.tenant, order.fingerprint, found)
    await store.aclose()
    entry = folder.entry(order.batch_id, order.index, order.attempt)

    assert await runner.reuser.reuse(entry, order) is None

    assert (list(folder.pictures()), entry.delivery()) == ([], None)


@pytest.mark.parametrize("receipt", [b'{"original": ', b'{"asset": 7}', None])
async def test_a_picture_whose_twin_left_a_damaged_receipt_or_none_is_bought(
    world: World, late: AttemptRunner, bench: Bench, order: Order, tmp_path: Path, receipt: bytes | None
) -> None:
    bench.campaign = campaign_of("amazon_main", "walmart")
    await world.lane()
    await world.batch(2)
    first, second = await world.claim(2)
    await world.move(first, "sent", fingerprint=order.fingerprint)
    await world.walk(first, "spooled", "stored", "done", cost=10)
    if receipt is not None:
        store = FolderStore(tmp_path / "store", threads=2)
        key = f"{picture_key(first.tenant, first.batch_id, 'picture.png')}.json"
        await store.put_bytes(key, receipt, media_type="application/json", overwrite=True)
        await store.aclose()

    await late.run(second, 0.0)

    task = await world.task(second)
    assert (task.sends, task.cost_usd_micros) == (1, COST)  # of a useless picture, here


def test_a_duplicate_waits_longer_each_time_for_its_twin() -> None:
    moved = Moved("duplicate", same_as=1, state="sent")

    waits = [not_sent(moved, attempt, 7) for attempt in (1, 2, 3, 4, 5, 9_999)]

    assert waits == [
        RetryIn(seconds) for seconds in (5.0, 10.0, 20.0, 40.0, TWIN_WAIT_CAP_S, TWIN_WAIT_CAP_S)
    ]
    assert not_sent(Moved("duplicate", same_as=1, state="done"), 1, 7) == Skip(1, 7)


@pytest.mark.parametrize(
    "failure",
    [FailureClass.DOUBTFUL, FailureClass.MODERATION_BLOCKED],
    ids=["made again in doubt", "refused, perhaps for money"],
)
async def test_a_call_whose_cost_no_answer_tells_counts_as_the_most_it_can_have_cost(
    world: World, late: AttemptRunner, bench: Bench, failure: FailureClass
) -> None:
    spend = bench.campaign.manifest.spend.model_copy(update={"on_doubt": OnDoubt.RETRY_ONCE})
    resending = bench.campaign.manifest.model_copy(update={"spend": spend})
    bench.campaign = Campaign(resending, bench.campaign.expansion)
    bench.failure = Failure.of(failure, "It broke off.")
    claim = await claimed(world)

    await late.run(claim, 0.0)

    assert claim.hold_usd_micros < bench.order.likely_usd_micros
    assert await spent(world, claim) == (claim.hold_usd_micros, 0)


async def test_a_useless_picture_that_comes_late_does_not_fail_a_task_that_is_to_be_made_again(
    world: World, late: AttemptRunner, bench: Bench
) -> None:
    claim = await claimed(world)

    async def taken_for_lost_and_not_charged() -> None:
        await world.move(claim, "parked", crash=True, failure={"class": "doubtful"})
        await world.move(claim, "queued")

    bench.meanwhile = taken_for_lost_and_not_charged

    await late.run(claim, 0.0)

    assert ((await world.task(claim)).state, await spent(world, claim)) == ("queued", (COST, 0))
    (again,) = await world.claim()
    assert (again.index, again.attempt) == (claim.index, 2)


async def test_a_useless_picture_ends_a_task_that_was_parked_for_it_at_its_cost(
    world: World, late: AttemptRunner, bench: Bench
) -> None:
    claim = await claimed(world)
    bench.meanwhile = lambda: world.move(claim, "parked", crash=True, failure={"class": "doubtful"})

    await late.run(claim, 0.0)

    assert ((await world.task(claim)).state, await spent(world, claim)) == ("failed", (COST, 0))


async def test_a_useless_picture_is_paid_also_where_its_task_failed_for_another_reason_meanwhile(
    world: World, late: AttemptRunner, bench: Bench
) -> None:
    claim = await claimed(world)

    async def given_up() -> None:
        await world.move(claim, "parked", crash=True, failure={"class": "doubtful"})
        await world.redis.hset(keys.batch(claim.batch_id), "deadline", 1)
        await world.move(claim, "queued")

    bench.meanwhile = given_up

    await late.run(claim, 0.0)

    failure = (await world.task(claim)).failure
    assert failure is not None
    assert (failure["class"], await spent(world, claim)) == ("expired", (COST, 0))


async def test_a_refusal_before_the_call_does_not_decide_a_task_that_was_taken_back_meanwhile(
    world: World, late: AttemptRunner, bench: Bench
) -> None:
    claim = await claimed(world)
    bench.refusal = Failure.of(FailureClass.BAD_REFERENCE, "It is gone.")
    bench.meanwhile = lambda: world.move(claim, "queued", crash=True, unused="all")

    await late.run(claim, 0.0)

    assert (await world.task(claim)).state == "queued"
    assert len(await world.claim()) == 1


async def test_an_error_of_our_own_does_not_decide_a_task_that_was_taken_back_meanwhile(
    world: World, late: AttemptRunner
) -> None:
    claim = replace(await claimed(world), crashes=MAX_CRASHES - 1)
    await world.move(claim, "queued", crash=True, unused="all")

    await late.put_aside(claim, "KeyError")

    assert (await world.task(claim)).state == "queued"
    assert await world.redis.hget(keys.task(claim.batch_id, claim.index), "crashes") == b"1"
