"""The variants, each from its start to its last file."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from schemas.batch import ENDED
from tests.benchmarks.rig.fleet import KEY, running
from tests.benchmarks.rig.usage import Usage, usage_of
from tests.benchmarks.versus_sdk.provider import Load
from tests.processes import Process, Simulator
from tests.studio import Studio, eventually, manifest, numbered

WORKERS = 2
LOOK_EVERY_S = 0.25
PATIENCE = 3.0
"""How many times the ideal a variant may take, and a minute more."""


@dataclass(frozen=True, slots=True)
class Work:
    """What one variant did.

    Args:
        seconds: from the submission, or from the start of the script, to the end.
        stored: whole pictures in the folder.
    """

    seconds: float
    stored: int
    usage: Usage


Variant = Callable[[Load, Simulator, Path], Coroutine[Any, Any, Work]]


async def darkroom(load: Load, simulator: Simulator, folder: Path, *, on_doubt: str) -> Work:
    """Redis and two workers; their whole life counts as use, the start of Python and the plan included."""
    async with running(folder, load.account, simulator, workers=WORKERS) as fleet:
        studio, started_s = fleet.studio, time.monotonic()
        image = {"model": "gpt-image-2", "quality": "low", "format": "webp"}
        titles = numbered(load.tasks)
        batch_id = await studio.submit(manifest(*titles, image=image, spend={"on_doubt": on_doubt}))
        await eventually(partial(_has_ended, studio, batch_id), within_s=PATIENCE * load.ideal_s + 60)
        seconds = time.monotonic() - started_s
        pictures = [key for key in await studio.keys(batch_id, "pictures") if not key.endswith(".json")]
        return Work(seconds, len(pictures), fleet.usage())


async def _has_ended(studio: Studio, batch_id: str) -> bool:
    return (await studio.batch(batch_id)).state in ENDED


async def sdk(load: Load, simulator: Simulator, folder: Path, *, max_retries: int) -> Work:
    """The script `by_hand` in a process of its own."""
    folder.mkdir()
    told = {"OPENAI_BASE_URL": f"{simulator.url}/v1", "OPENAI_API_KEY": KEY, "NO_PROXY": "127.0.0.1"}
    words = ["tests.benchmarks.versus_sdk.by_hand", str(folder), str(load.tasks), str(max_retries)]
    started_s = time.monotonic()
    script = Process([sys.executable, "-m", *words], folder / "log", told)
    try:
        usage = await _watched(script, within_s=PATIENCE * load.ideal_s + 60)
    finally:
        script.kill()
    seconds = time.monotonic() - started_s
    assert script.exit_code() == 0, (folder / "log").read_text()[-3000:]
    return Work(seconds, len(list(folder.glob("*.webp"))), usage)


async def _watched(script: Process, *, within_s: float) -> Usage:
    """What a process took, as of a moment before its end."""
    usage, end_s = Usage(0, 0), time.monotonic() + within_s
    while script.is_running and time.monotonic() < end_s:
        try:
            usage = usage_of(script._process.pid)
        except ProcessLookupError:
            break
        await asyncio.sleep(LOOK_EVERY_S)
    return usage


VARIANTS: dict[str, Variant] = {
    "darkroom": partial(darkroom, on_doubt="park"),
    "darkroom_retry_once": partial(darkroom, on_doubt="retry_once"),
    "sdk": partial(sdk, max_retries=2),
    "sdk_no_retries": partial(sdk, max_retries=0),
}
"""The second of each pair: what was in doubt is bought once more; retries in the script's own loop alone."""
