"""The patient's open places: the buckets that manifests may read, and who may."""

from __future__ import annotations

from collections.abc import Sequence

from core.places import TENANT
from core.storage.opening import open_store
from schemas.errors import DarkroomError
from workers.doctor.finding import Finding, failed, ok


async def examine(sources: Sequence[str], *, endpoint_url: str | None) -> list[Finding]:
    """Lists a little of each place."""
    return [await _look(source, endpoint_url) for source in sources]


async def _look(source: str, endpoint_url: str | None) -> Finding:
    check, fixed = f"source {source}", source.partition(TENANT)[0]
    bucket, _, folder = fixed.removeprefix("s3://").partition("/")
    try:
        store = open_store(f"s3://{bucket}", endpoint_url=endpoint_url, threads=1)
        try:
            async for _ in store.list_keys(folder if TENANT in source else _folder(folder)):
                break
        finally:
            await store.aclose()
    except (DarkroomError, ValueError) as error:
        return failed(check, f"{error} See DARKROOM_FETCH__S3_SOURCES and the rights of the workers.")
    if TENANT in source:
        return ok(check, "it can be listed; each tenant reads what bears its name")
    return ok(check, f"it can be listed, and every tenant may read it; {TENANT} in it would part them")


def _folder(path: str) -> str:
    return f"{path.removesuffix('/')}/" if path else ""
