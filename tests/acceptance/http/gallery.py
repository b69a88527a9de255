"""Batches whose pictures are there, without workers: what workers leave in Redis and storage is put there by hand."""

from __future__ import annotations

import asyncio
import hashlib
import io
from collections.abc import Sequence
from typing import Any

from PIL import Image

from core.documents import picture_key
from schemas.batch import Batch
from schemas.catalog import Row
from schemas.claim import Claim
from schemas.expansion import Expansion
from schemas.rendition import Checked
from tests.acceptance.http.stage import MANIFEST, Service

COLOURS = ("#b5482f", "#2f6db5", "#3f8f4f", "#d9a441", "#7a4fa3")


def png(colour: str, size: tuple[int, int] = (96, 64)) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, colour).save(out, "PNG")
    return out.getvalue()


def rows_of(*titles: str | None, **fields: Any) -> list[Row]:
    """With a SKU each, which is their key."""
    keys = [f"row-{n}" for n in range(1, len(titles) + 1)]
    return [
        Row(number=n, key=key, title=title, **{"sku": key, **fields})
        for n, (key, title) in enumerate(zip(keys, titles, strict=True), 1)
    ]


async def running(service: Service, rows: Sequence[Row], **changes: Any) -> tuple[Batch, list[Claim]]:
    """A batch over these rows, in two variants unless `changes` of the manifest say more; all of its tasks claimed."""
    catalog = {"rows": [{"sku": row.key, "title": row.title} for row in rows], "key": "sku"}
    batch = await service.batch({**MANIFEST, "catalog": catalog, **changes})
    found = await service.desk.documents.get_manifest(batch.tenant, batch.id)
    total = Expansion(found, len(rows)).total
    batch = await service.opened(batch, rows, total, estimated_usd_micros=1)
    claims = list[Claim]()
    while len(claims) < total:
        claims += await service.world.claim(min(64, total - len(claims)))
    return await service.desk.batches.get(batch.tenant, batch.id), claims


async def make(service: Service, claim: Claim, key: str, data: bytes, checks: Checked | None = None) -> None:
    """Ends a task with this picture."""
    store, sha256 = service.desk.documents.store, hashlib.sha256(data).hexdigest()
    stored = picture_key("default", claim.batch_id, key)
    await store.put_bytes(stored, data, media_type="image/png", metadata={"sha256": sha256}, overwrite=False)
    await store.put_bytes(f"{stored}.json", b"{}", media_type="application/json", overwrite=True)
    for state in ("sent", "spooled"):
        assert (await service.world.move(claim, state)).status == "ok"
    about = {"batch": claim.batch_id, "index": claim.index, "fence": claim.fence, "worker": "w1"}
    moved = await service.world.tasks.finish(**about, asset=key, sha256=sha256, checks=checks, cost=5_000)
    assert moved.status == "ok"


async def made(service: Service, rows: Sequence[Row], **changes: Any) -> Batch:
    """A batch with every picture made, called `<row key>/<index>.png`."""
    batch, claims = await running(service, rows, **changes)
    expansion = Expansion(await service.desk.documents.get_manifest(batch.tenant, batch.id), batch.rows)
    for claim in claims:
        row = rows[expansion.cell(claim.index).row]
        data = png(COLOURS[claim.index % len(COLOURS)])
        await make(service, claim, f"{row.key}/{claim.index}.png", data)
    return await service.desk.batches.get(batch.tenant, batch.id)


async def with_a_twin(service: Service) -> Batch:
    """Two tasks: one with a picture, and one that was skipped because the picture serves for it as well."""
    batch, (first, second) = await running(service, rows_of("Shirt"))
    await make(service, first, "row-1/hero-spring-1024x1024-1.png", png("#b5482f"))
    assert (await service.world.move(second, "skipped", same_as=first.index)).status == "ok"
    return batch


async def pieces_of(service: Service, path: str) -> list[bytes]:
    """What an answer is sent in, seen at the border of the application."""
    transport: Any = service.client._transport
    pieces = list[bytes]()

    async def receive() -> Any:
        await asyncio.Event().wait()

    async def send(message: Any) -> None:
        pieces.append(message.get("body", b""))

    scope = {
        "type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "query_string": b"",
        "headers": [(b"authorization", service.client.headers["authorization"].encode())],
        "scheme": "http", "server": ("x", 80), "asgi": {"version": "3.0", "spec_version": "2.4"},
    }  # fmt: skip
    await transport.app(scope, receive, send)
    return [piece for piece in pieces if piece]
