"""Workers that are killed while a provider makes their pictures larger: calls of another provider, at prices of its own."""

from __future__ import annotations

import signal
from typing import Any

from core.state import keys
from core.state.connection import command
from schemas.task import TaskState
from tests.faults.row import Figure, Result, Size, row
from tests.faults.stage import Stage
from tests.studio import Books, Studio, eventually, manifest, numbered

UPSCALE_USD_MICROS = 20_000
PATH = "/v2beta/stable-image/upscale/fast"
LONG_AGO_MS = 1


def larger(titles: list[str], on_doubt: str) -> dict[str, Any]:
    """Each title once, and once larger."""
    templates = {
        "hero": {"prompt": "A photo of {{ row.title }}."},
        "large": {"from": "hero", "upscale": {"factor": 4}},
    }
    return manifest(*titles, templates=templates, spend={"on_doubt": on_doubt})


@row("kill -9 in the middle of an upscale", quick=Size(2), long=Size(5, times=4))
async def killed(stage: Stage, size: Size) -> Result:
    """What was sent is a doubt, with its money held. A careful batch stays so; a bold one pays for it a second time."""
    big = {
        "ADAPTER": "stability",
        "API_KEY": "key-of-big",
        "BASE_URL": f"http://127.0.0.1:{stage.to_east.port}",
    }
    studio = await stage.studio({f"DARKROOM_LANES__BIG__{name}": value for name, value in big.items()})
    books = [each for _ in range(size.times) for each in await died(stage, studio, size)]
    doubts = size.tasks * size.times
    figures = (Figure("in doubt", 2 * doubts), Figure("made again", doubts))
    return Result(sum(books[1:], books[0]), figures, forgotten=doubts)


async def died(stage: Stage, studio: Studio, size: Size) -> list[Books]:
    """A worker dies with all upscales of two batches in flight, and another one takes its place; their books."""
    stage.east.script({"kind": "hang", "seconds": 60, "match": {"path": PATH}})
    victim, count = studio.worker(), size.tasks
    careful = await studio.submit(larger(numbered(count), "park"))
    bold = await studio.submit(larger(numbered(count), "retry_once"))

    async def are_asked() -> bool:
        return len(studio.calls(careful) + studio.calls(bold)) == 4 * count

    await eventually(are_asked, size.within_s)
    victim.kill()
    stage.east.script()
    heir = studio.worker()
    for batch_id in (careful, bold):
        await studio.until(batch_id, lambda batch: batch.counts["parked"] == count, size.within_s)
        await wait_no_longer(studio, batch_id)
    ended = await studio.until(bold, lambda batch: batch.counts["done"] == 2 * count, size.within_s)

    async def are_decided() -> bool:
        return [event["event"] for event in heir.events()].count("doubt.resolved") == 2 * count

    await eventually(are_decided, size.within_s)
    heir.send(signal.SIGTERM)
    assert heir.exit_code() == 0
    found = [await studio.books(careful), await studio.books(bold)]
    assert ended.state == "completed"
    assert (found[0].done, found[0].duplicated) == (count, 0)
    assert found[0].held == found[0].charged - found[0].settled == UPSCALE_USD_MICROS * count
    assert (found[1].held, found[1].surplus, found[1].duplicated) == (0, 0, count)
    assert found[1].settled == found[1].charged
    return found


async def wait_no_longer(studio: Studio, batch_id: str) -> None:
    """The calls in doubt were sent so long ago that no answer can come any more."""
    for task in await studio.task_list(batch_id):
        if task.state is TaskState.PARKED:
            await command(studio.client, "HSET", keys.task(batch_id, task.index), "sent_at", LONG_AGO_MS)
