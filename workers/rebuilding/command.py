"""`python -m workers rebuild`, for `darkroom rebuild --from-storage`: one JSON object a line for each batch."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from contextlib import aclosing

import msgspec

from core.documents import Documents
from core.settings import Settings, told_settings
from core.state.connection import check, connect
from core.state.restoring import RestoreStore
from core.storage.opening import open_store
from schemas.errors import DarkroomError, UnavailableError
from workers.rebuilding.rebuilder import Rebuilder


def main(arguments: Sequence[str]) -> int:
    """Exit codes: 0 done, 1 something is damaged or does not answer, 2 the settings are not usable, 130 interrupted."""
    parser = argparse.ArgumentParser(prog="python -m workers rebuild", description=__doc__)
    parser.add_argument("--tenant", help="only this tenant's batches")
    parser.add_argument("--batch", help="only this batch")
    parser.add_argument("--dry-run", action="store_true", help="say what would come back, and change nothing")
    chosen = parser.parse_args(arguments)
    settings = told_settings()
    if settings is None:
        return 2
    try:
        return asyncio.run(_rebuild(settings, chosen))
    except KeyboardInterrupt:
        print("Interrupted. What came back stays; the same command goes on from there.", file=sys.stderr)
        return 130
    except DarkroomError as error:
        print(error.detail, file=sys.stderr)
        return 1


async def _rebuild(settings: Settings, chosen: argparse.Namespace) -> int:
    """The composition root."""
    redis = connect(settings.redis.address)
    store = open_store(
        settings.storage.url, endpoint_url=settings.storage.endpoint_url, threads=settings.storage.threads
    )
    rebuilder = Rebuilder(documents=Documents(store), restoring=RestoreStore(redis))
    found, is_bad = 0, False
    try:
        try:
            await check(
                redis
            )  # where storage is empty nobody else asks it, and it would seem to have everything
        except UnavailableError as error:
            advice = settings.redis.address.remedy
            raise UnavailableError(f"{error.detail.removesuffix('.')}; {advice}.") from error
        reports = rebuilder.rebuild(tenant=chosen.tenant, batch_id=chosen.batch, dry_run=chosen.dry_run)
        async with aclosing(reports):
            async for report in reports:
                print(msgspec.json.encode(report).decode(), flush=True)
                found, is_bad = found + 1, is_bad or report.is_bad
    finally:
        await store.aclose()
        await redis.aclose()
    if chosen.batch is not None and not found:
        print(f"Nothing to do for '{chosen.batch}': Redis has it, or storage does not.", file=sys.stderr)
    return int(is_bad)
