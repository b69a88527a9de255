"""What lies where in object storage: manifests, catalog pages, uploads, pictures and their receipts.

```
tenants/<tenant>/batches/<batch>/manifest.json
tenants/<tenant>/batches/<batch>/rows/<page>.jsonl      {row, files {name: sha256}}, PAGE_ROWS a page
tenants/<tenant>/batches/<batch>/pictures/<asset key>   and <asset key>.json, its receipt
tenants/<tenant>/plans/<plan>/manifest.json
tenants/<tenant>/uploads/names/<sha256 of the name>     {name, sha256, bytes}
tenants/<tenant>/uploads/contents/<sha256>
```
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson

from core.storage.store import ObjectStore
from schemas.asset import Receipt
from schemas.catalog import Row
from schemas.errors import NotFoundError
from schemas.manifest import Manifest

PAGE_ROWS = 500
_CACHED_PAGES = 32
_JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that a producer has sent: a catalog or a reference picture."""

    name: str
    sha256: str
    bytes: int


@dataclass(frozen=True, slots=True)
class PlannedRow:
    """A row as the plan checked it; `files` pins each uploaded file it names to the bytes it had then."""

    row: Row
    files: Mapping[str, str]


class Documents:
    """Reads and writes by what things are; keys are nobody else's business."""

    def __init__(self, store: ObjectStore) -> None:
        self.store = store
        self._pages: OrderedDict[str, asyncio.Task[list[PlannedRow]]] = OrderedDict()

    async def put_manifest(self, tenant: str, owner_id: str, manifest: Manifest) -> None:
        """Keeps the manifest of a batch or a plan; it never changes afterwards."""
        text = manifest.model_dump_json(by_alias=True, exclude_unset=True).encode()
        await self.store.put_bytes(
            _owned(tenant, owner_id, "manifest.json"), text, media_type=_JSON, overwrite=True
        )

    async def get_manifest(self, tenant: str, owner_id: str) -> Manifest:
        """The manifest of a batch or a plan. Raises `NotFoundError`."""
        return Manifest.model_validate_json(
            await self.store.get_bytes(_owned(tenant, owner_id, "manifest.json"))
        )

    async def put_upload(self, tenant: str, name: str, path: Path) -> Upload:
        """Keeps a file under a name; the name moves to these bytes, the bytes it had before stay for who pinned them."""
        digest, size = await asyncio.to_thread(_digest, path)
        contents = f"tenants/{tenant}/uploads/contents/{digest}"
        if await self.store.stat(contents) is None:
            await self.store.put_file(contents, path, media_type="application/octet-stream", overwrite=True)
        upload = Upload(name, digest, size)
        await self.store.put_bytes(
            _name_key(tenant, name),
            orjson.dumps(asdict(upload)),
            media_type=_JSON,
            overwrite=True,
        )
        return upload

    async def find_upload(self, tenant: str, name: str) -> Upload | None:
        """What was last uploaded under this name."""
        try:
            return Upload(**orjson.loads(await self.store.get_bytes(_name_key(tenant, name))))
        except NotFoundError:
            return None

    async def get_upload(self, tenant: str, sha256: str, into: Path) -> None:
        """Copies uploaded bytes to a local file. Raises `NotFoundError`."""
        await self.store.get_file(f"tenants/{tenant}/uploads/contents/{sha256}", into)

    async def put_page(self, tenant: str, batch_id: str, page: int, rows: Sequence[PlannedRow]) -> None:
        """Keeps up to PAGE_ROWS rows; page 0 holds rows 0..PAGE_ROWS-1."""
        lines = [
            orjson.dumps({"row": planned.row.model_dump(), "files": dict(planned.files)}) for planned in rows
        ]
        await self.store.put_bytes(
            _page_key(tenant, batch_id, page),
            b"\n".join(lines),
            media_type="application/jsonl",
            overwrite=True,
        )

    async def planned_row(self, tenant: str, batch_id: str, row: int) -> PlannedRow:
        """Row `row`, counted from 0; its page is read once and kept for the neighbours."""
        key = _page_key(tenant, batch_id, row // PAGE_ROWS)
        if key not in self._pages:
            self._pages[key] = asyncio.create_task(self._read_page(key))
            while len(self._pages) > _CACHED_PAGES:
                self._pages.popitem(last=False)
        self._pages.move_to_end(key)
        try:
            return (await asyncio.shield(self._pages[key]))[row % PAGE_ROWS]
        except Exception:
            self._pages.pop(key, None)
            raise

    async def _read_page(self, key: str) -> list[PlannedRow]:
        lines = (await self.store.get_bytes(key)).split(b"\n")
        return [PlannedRow(Row(**entry["row"]), entry["files"]) for entry in map(orjson.loads, lines)]

    async def put_receipt(self, tenant: str, batch_id: str, receipt: Receipt) -> None:
        await self.store.put_bytes(
            f"{picture_key(tenant, batch_id, receipt.asset)}.json",
            receipt.model_dump_json(indent=2).encode(),
            media_type=_JSON,
            overwrite=True,
        )

    async def find_receipt(self, tenant: str, batch_id: str, asset: str) -> Receipt | None:
        """The receipt of a picture, if it was stored."""
        try:
            text = await self.store.get_bytes(f"{picture_key(tenant, batch_id, asset)}.json")
        except NotFoundError:
            return None
        return Receipt.model_validate_json(text)

    def picture_url(self, tenant: str, batch_id: str, asset: str) -> str:
        """Where a picture lies, for people: file:///... or s3://..."""
        return self.store.url(picture_key(tenant, batch_id, asset))

    async def picture_link(
        self, tenant: str, batch_id: str, asset: str, *, expires_s: int = 900
    ) -> str | None:
        """A link that anybody can read for a while; None where the store has no such thing."""
        return await self.store.link(picture_key(tenant, batch_id, asset), expires_s=expires_s)


def picture_key(tenant: str, batch_id: str, asset: str) -> str:
    return _owned(tenant, batch_id, f"pictures/{asset}")


def _owned(tenant: str, owner_id: str, name: str) -> str:
    shelf = "plans" if owner_id.startswith("plan_") else "batches"
    return f"tenants/{tenant}/{shelf}/{owner_id}/{name}"


def _name_key(tenant: str, name: str) -> str:
    """By digest: on a disk, the name `a` would be in the way of the name `a/b`."""
    return f"tenants/{tenant}/uploads/names/{hashlib.sha256(name.encode()).hexdigest()}"


def _page_key(tenant: str, batch_id: str, page: int) -> str:
    return _owned(tenant, batch_id, f"rows/{page:06d}.jsonl")


def _digest(path: Path) -> tuple[str, int]:
    digest: Any = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
        return digest.hexdigest(), file.tell()
