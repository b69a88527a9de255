"""Batches that end before their last picture, or before their first call."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from core.state import keys
from core.state.connection import command
from core.state.overview import overview
from schemas.batch import BatchState
from tests.processes import Simulator
from tests.studio import Studio, manifest, numbered


async def test_bad_rows_reject_a_batch_before_anything_is_asked(studio: Studio) -> None:
    rows = [{"id": "a", "title": "Cup"}, {"id": "", "title": "Pot"}, {"id": "a", "title": "Jug"}]
    batch = await studio.ended(await studio.submit(manifest(catalog={"rows": rows, "key": "id"})))
    assert batch.state is BatchState.REJECTED
    assert {problem.pointer.split("/")[3] for problem in batch.problems} == {"1", "2"}
    assert (batch.held_usd_micros, batch.spent_usd_micros, studio.calls(batch.id)) == (0, 0, [])


async def test_a_batch_over_its_cap_is_refused_before_anything_is_asked(studio: Studio) -> None:
    batch = await studio.ended(await studio.submit(manifest("cup", spend={"cap_usd": "0.001"})))
    assert batch.state is BatchState.REJECTED
    assert "over the manifest's cap of $0.001" in str(batch.refusal)
    assert studio.calls(batch.id) == []


async def test_cancelling_keeps_what_is_paid_and_starts_nothing_more(studio: Studio, east: Simulator) -> None:
    east.latency(0.1)
    await studio.limit_slots(3)
    batch_id = await studio.submit(manifest(*numbered(200)))
    await studio.until(batch_id, lambda batch: batch.counts["done"] >= 3)

    await studio.batches.cancel("acme", batch_id)
    batch = await studio.ended(batch_id)

    books = await studio.books(batch_id)
    assert (batch.state, books.lost, books.duplicated) == (BatchState.CANCELLED, 0, 0)
    assert batch.counts["done"] + batch.counts["cancelled"] == 200
    endings = (await overview(studio.client)).endings
    assert endings == {"done": batch.counts["done"], "cancelled": batch.counts["cancelled"]}
    assert 3 <= batch.counts["done"] == len(east.calls(batch_id)) < 200
    assert (books.settled, books.held) == (books.charged, 0)


async def test_what_has_not_started_by_its_deadline_expires(studio: Studio, east: Simulator) -> None:
    east.latency(0.1)
    await studio.limit_slots(2)
    deadline = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    batch_id = await studio.submit(manifest(*numbered(300), deadline=deadline))
    await studio.until(batch_id, lambda batch: batch.counts["done"] > 0)

    await command(studio.client, "HSET", keys.batch(batch_id), "deadline", 1)  # long ago
    await command(studio.client, "ZADD", keys.DEADLINES, 1, batch_id)
    batch = await studio.ended(batch_id)

    books = await studio.books(batch.id)
    assert 0 < books.done == len(east.calls(batch.id)) < 300
    assert batch.failures_by_class == {"expired": 300 - books.done}
    assert (await overview(studio.client)).endings == {"done": books.done, "expired": 300 - books.done}
    assert (books.lost, books.settled, books.held) == (0, books.charged, 0)


async def test_a_cap_reached_on_the_way_holds_up_the_rest_and_is_never_crossed(studio: Studio) -> None:
    # The cap covers what is likely, so the plan passes, but not the upper bound that is held for the last pictures.
    likely = (await studio.ended(await studio.submit(manifest(*numbered(10))))).spent_usd_micros
    cap = {"cap_usd": f"{likely / 1e6:.6f}"}
    batch_id = await studio.submit(manifest(*numbered(10), spend=cap))
    held_up = await studio.until(
        batch_id, lambda batch: batch.limited_by == "budget" and batch.counts["running"] == 0
    )
    books = await studio.books(batch_id)
    assert 0 < books.done < 10
    assert held_up.counts["queued"] == 10 - books.done
    assert (books.settled, books.held, books.duplicated) == (books.charged, 0, 0)
    assert books.charged <= likely


async def test_a_worker_that_starts_names_work_that_a_lane_left_behind_when_it_moved_into_a_group(
    studio: Studio,
) -> None:
    old = keys.lane("old")
    await command(studio.client, "SADD", keys.LANES, "old")
    await command(studio.client, "HSET", old, "configuration", "any", "group", "east")
    await command(studio.client, "ZADD", f"{old}:ready", 0, "batch_a", 1, "batch_b")

    events = studio.worker().events()

    (told,) = (event for event in events if event["event"] == "flows.unserved")
    assert (told["level"], told["lane"], told["batches"]) == ("warning", "old", 2)
