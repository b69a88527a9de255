"""Pictures in the spool whose task somebody else has laid hands on. Real Redis and storage, no processes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image
from redis.asyncio import Redis
from structlog.testing import capture_logs

from core.clock import SystemClock
from core.documents import Documents, picture_key
from core.state import keys
from core.state.connection import command
from core.storage.folder import FolderStore
from core.storage.store import UnreadableError
from schemas.asset import Receipt
from schemas.claim import Claim
from schemas.disclosure import Disclosure, label_of
from schemas.errors import UnavailableError
from schemas.task import Task
from schemas.verdict import Done, Lost
from tests.finishing import keeper_of
from tests.state.world import World
from workers.keeper import BadPicture, PictureKeeper, unwitnessed
from workers.order import Order
from workers.rescuer import Rescuer
from workers.shelf import CampaignShelf
from workers.spool import Spool, SpoolEntry, SpoolFolder

COST = 5000


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool", 0)


@pytest.fixture
def keeper(world: World, documents: Documents) -> PictureKeeper:
    return keeper_of("w1", documents, world.tasks, SystemClock())


@pytest.fixture
def rescuer(world: World, documents: Documents, keeper: PictureKeeper, spool: Spool) -> Rescuer:
    return Rescuer(
        worker="w2",
        claims=world.claims,
        tasks=world.tasks,
        batches=world.batches,
        shelf=CampaignShelf(documents, world.batches),
        keeper=keeper,
        spool=spool,
        clock=SystemClock(),
    )


def order_of(claim: Claim) -> Order:
    return Order(
        tenant=claim.tenant,
        batch_id=claim.batch_id,
        index=claim.index,
        attempt=claim.attempt,
        fence=claim.fence,
        lane=claim.lane,
        template="hero",
        row_key="row",
        variant={},
        size="16x16",
        sample=1,
        asset_stem="row/hero",
        model="gpt-image-2.6-flare",
        parameters={},
        format="png",
        width=16,
        height=16,
        prompt_digest="",
        template_version="",
        references=[],
        fingerprint="f" * 64,
        likely_usd_micros=COST,
        likely_tokens=1,
        ready=[],
        fail=[],
        finish={},
        label=label_of(
            Disclosure(), is_composite=False, model="gpt-image-2", identifier="att_1"
        ).model_dump(),
    )


def spooled(folder: SpoolFolder, claim: Claim, colour: str = "teal", *, side_px: int = 16) -> SpoolEntry:
    """An attempt whose answer has come in full, and whose process has died right then."""
    entry = folder.entry(claim.batch_id, claim.index, claim.attempt)
    entry.write_order(order_of(claim))
    encoded = BytesIO()
    Image.new("RGB", (side_px, side_px), colour).save(encoded, "png")
    entry.picture.write_bytes(encoded.getvalue())
    return entry


async def sent(world: World) -> Claim:
    """The claim of a task whose request has left."""
    await world.lane()
    await world.batch(1)
    (claim,) = await world.claim()
    assert (await world.move(claim, "sent")).status == "ok"
    return claim


async def money(world: World, claim: Claim) -> tuple[int, int, int]:
    """What the batch has spent, holds, and paid for surplus."""
    batch = await world.batches.get(claim.tenant, claim.batch_id)
    surplus = await command(world.redis, "HGET", keys.batch(claim.batch_id), "surplus_usd_micros")
    return batch.spent_usd_micros, batch.held_usd_micros, int(surplus or 0)


async def kept(keeper: PictureKeeper, entry: SpoolEntry) -> Done | BadPicture | Lost:
    return await keeper.keep(entry, entry.order(), unwitnessed(entry))


async def overtaken(world: World, keeper: PictureKeeper, spool: Spool) -> tuple[Claim, SpoolEntry]:
    """A claim whose task a second one has ended, and the picture of the first, which comes late."""
    first = await sent(world)
    folder = spool.open("w1")
    late = spooled(folder, first, "teal")
    await world.move(first, "parked", failure={"class": "doubtful"})
    await world.move(first, "queued")
    (second,) = await world.claim()
    await world.move(second, "sent")
    assert isinstance(await kept(keeper, spooled(folder, second, "coral")), Done)
    return first, late


async def look(world: World, claim: Claim) -> Task:
    return await world.task(claim)


async def test_a_picture_whose_task_was_parked_meanwhile_ends_it(
    world: World, keeper: PictureKeeper, spool: Spool
) -> None:
    claim = await sent(world)
    entry = spooled(spool.open("w1"), claim)
    await world.move(claim, "parked", failure={"class": "doubtful"})

    assert isinstance(await kept(keeper, entry), Done)

    assert (await look(world, claim)).asset_key == "row/hero.png"
    assert await money(world, claim) == (COST, 0, 0)


async def test_a_picture_stored_by_a_process_that_died_before_the_end_is_not_a_surplus(
    world: World, keeper: PictureKeeper, documents: Documents, spool: Spool
) -> None:
    claim = await sent(world)
    entry = spooled(spool.open("w1"), claim)
    await world.walk(claim, "spooled", "stored", asset="row/hero.png", sha256=unwitnessed(entry).sha256)

    assert isinstance(await kept(keeper, entry), Done)

    assert (await look(world, claim)).state == "done"
    assert await money(world, claim) == (COST, 0, 0)


class Forgetful(Documents):
    """Redis is lost in the moment in which a receipt was written."""

    def __init__(self, documents: Documents, redis: Redis) -> None:
        super().__init__(documents.store)
        self._redis = redis

    async def put_receipt(self, tenant: str, batch_id: str, receipt: Receipt) -> None:
        await super().put_receipt(tenant, batch_id, receipt)
        await command(self._redis, "FLUSHALL")


async def test_a_picture_that_was_stored_just_before_redis_was_lost_is_not_stored_again(
    world: World, documents: Documents, spool: Spool
) -> None:
    claim = await sent(world)
    entry = spooled(spool.open("w1"), claim)
    keeper = keeper_of("w1", Forgetful(documents, world.redis), world.tasks, SystemClock())

    assert isinstance(await kept(keeper, entry), Lost)

    pictures = picture_key(claim.tenant, claim.batch_id, "")
    stored = [key.removeprefix(pictures) async for key in documents.store.list_keys(pictures)]
    assert sorted(stored) == ["row/hero.png", "row/hero.png.json"]


async def test_keeping_a_picture_twice_changes_nothing(
    world: World, keeper: PictureKeeper, spool: Spool
) -> None:
    claim = await sent(world)
    entry = spooled(spool.open("w1"), claim)
    first = await kept(keeper, entry)
    assert isinstance(first, Done)
    assert await kept(keeper, entry) == first
    assert await money(world, claim) == (COST, 0, 0)


async def test_two_pictures_of_one_task_are_both_kept_and_both_paid_for(
    world: World, keeper: PictureKeeper, documents: Documents, spool: Spool
) -> None:
    first, late = await overtaken(world, keeper, spool)

    assert isinstance(await kept(keeper, late), Lost)

    assert await money(world, first) == (2 * COST, 0, COST)
    surplus = await documents.find_receipt(first.tenant, first.batch_id, "row/hero.attempt-1.png")
    assert surplus is not None
    assert surplus.surplus
    task = await look(world, first)
    assert (task.asset_key, task.cost_usd_micros) == ("row/hero.png", COST)


async def test_a_late_picture_is_kept_and_paid_for_also_where_the_other_ones_receipt_is_damaged(
    world: World, keeper: PictureKeeper, documents: Documents, spool: Spool
) -> None:
    first, late = await overtaken(world, keeper, spool)
    receipt = f"{picture_key(first.tenant, first.batch_id, 'row/hero.png')}.json"
    await documents.store.put_bytes(receipt, b"{", media_type="application/json", overwrite=True)

    assert isinstance(await kept(keeper, late), Lost)

    assert await money(world, first) == (2 * COST, 0, COST)


class Shut(FolderStore):
    """A store that answers, and gives out nothing, or one object alone."""

    is_shut, refused = False, ""

    async def get_bytes(self, key: str, *, max_bytes: int | None = None) -> bytes:
        if self.is_shut or key == self.refused:
            raise UnreadableError(f"The bucket could not read {key}: it answered 403 AccessDenied.")
        return await super().get_bytes(key, max_bytes=max_bytes)

    async def check(self) -> None:
        if self.is_shut:
            raise UnavailableError("The key has run out.")


class Opening(SystemClock):
    """A clock in whose first pause the store is opened again."""

    def __init__(self, store: Shut) -> None:
        self._store = store

    async def sleep(self, delay_s: float) -> None:
        assert self._store.is_shut
        self._store.is_shut = False


@pytest.fixture
async def shut(tmp_path: Path) -> AsyncIterator[Shut]:
    store = Shut(tmp_path / "store", threads=2)
    yield store
    await store.aclose()


async def test_storage_that_gives_out_nothing_for_a_while_is_waited_for_and_no_picture_is_kept_twice(
    world: World, shut: Shut, spool: Spool
) -> None:
    claim = await sent(world)
    entry = spooled(spool.open("w1"), claim)
    keeper = keeper_of("w1", Documents(shut), world.tasks, Opening(shut))
    first = await kept(keeper, entry)

    shut.is_shut = True
    with capture_logs() as logs:
        assert await kept(keeper, entry) == first

    assert not {"receipt.damaged", "receipt.unreadable"} & {line["event"] for line in logs}
    pictures = picture_key(claim.tenant, claim.batch_id, "")
    stored = [key.removeprefix(pictures) async for key in shut.list_keys(pictures)]
    assert stored == ["row/hero.png", "row/hero.png.json"]
    assert await money(world, claim) == (COST, 0, 0)


async def test_a_receipt_that_alone_is_not_given_out_is_named_and_holds_up_no_late_picture(
    world: World, shut: Shut, spool: Spool
) -> None:
    keeper = keeper_of("w1", Documents(shut), world.tasks, SystemClock())
    first, late = await overtaken(world, keeper, spool)
    shut.refused = f"{picture_key(first.tenant, first.batch_id, 'row/hero.png')}.json"

    with capture_logs() as logs:
        assert isinstance(await kept(keeper, late), Lost)

    told = {line["event"]: line for line in logs}
    assert "403" in told["receipt.unreadable"]["reason"]
    assert "receipt.damaged" not in told
    assert await money(world, first) == (2 * COST, 0, COST)


async def test_a_useless_picture_left_in_a_spool_is_settled_once(
    world: World, rescuer: Rescuer, spool: Spool
) -> None:
    claim = await sent(world)
    folder = spool.open("w1")
    spooled(folder, claim, side_px=8)
    folder.close()

    assert (await rescuer.replay_spools(), await rescuer.replay_spools()) == (1, 0)

    task = await look(world, claim)
    assert task.failure is not None
    assert (task.state, task.failure["class"]) == ("failed", "bad_output")
    assert await money(world, claim) == (COST, 0, 0)


async def test_a_useless_picture_of_a_task_that_went_on_is_paid_for_as_surplus(
    world: World, rescuer: Rescuer, spool: Spool
) -> None:
    claim = await sent(world)
    folder = spool.open("w1")
    spooled(folder, claim, side_px=8)
    folder.close()
    await world.move(claim, "parked", failure={"class": "doubtful"})
    await world.move(claim, "queued")
    (again,) = await world.claim()

    assert await rescuer.replay_spools() == 1

    spent, held, surplus = await money(world, claim)
    assert (spent, surplus, held) == (COST, COST, again.hold_usd_micros)
    assert (await look(world, claim)).state == "claimed"


async def test_the_spool_of_a_process_that_lives_is_left_alone(
    world: World, rescuer: Rescuer, spool: Spool
) -> None:
    claim = await sent(world)
    entry = spooled(spool.open("alive"), claim)
    assert await rescuer.replay_spools() == 0
    assert entry.picture.exists()
    assert (await look(world, claim)).state == "sent"
