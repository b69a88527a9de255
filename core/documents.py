"""What lies where in object storage: manifests, catalog pages, uploads, pictures and their receipts.

```
tenants/<tenant>/batches/<batch>/manifest.json
tenants/<tenant>/batches/<batch>/planned/<fence>.json   what a plan made of it, before it starts; the latest counts
tenants/<tenant>/batches/<batch>/steering.json          its course, cap and priority, once they were changed
tenants/<tenant>/batches/<batch>/records/<page>.json    tasks of which receipts do not tell all, by the hundred
tenants/<tenant>/batches/<batch>/ended/<token>/<part>.msgpack   its tasks, by the 2,000, when Redis has them no more
tenants/<tenant>/batches/<batch>/rows/<fence>/<page>.jsonl   {row, files {name: sha256}, folders}, PAGE_ROWS a page
tenants/<tenant>/batches/<batch>/references/<sha256 of the URL>.json   {name, sha256, bytes}: what it was at first
tenants/<tenant>/batches/<batch>/pictures/<asset key>   and <asset key>.json, its receipt
tenants/<tenant>/batches/<batch>/originals/<stem>.<ext> what the provider sent, untouched
tenants/<tenant>/batches/<batch>/thumbnails/<stem>.<name>.<ext>
tenants/<tenant>/batches/<batch>/rejected/<index>.<attempt>   what was paid for and is no picture
tenants/<tenant>/plans/<plan>/manifest.json            and prompts/<digest of the plan>.json, those that it shows
tenants/<tenant>/prints/<2 digits>/<fingerprint>.json   {batch_id, asset, original, sha256}: the latest of it
tenants/<tenant>/uploads/names/<sha256 of the name>     {name, sha256, bytes, media_type}
tenants/<tenant>/uploads/contents/<sha256>
tenants/<tenant>/uploads/copies/<sha256>                as it is sent, of a picture that is not sent as it is: upright
tenants/<tenant>/uploads/facts/<sha256>.json            what a plan found in it once: pixels and alpha
```

A later version may have written them, and may have been taken back since: fields that nobody here knows are passed over.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import orjson

from core.pages import RowPages
from core.record import KeptHash, PlannedBatch, Steering, TaskRecord
from core.storage.store import ObjectStore
from schemas.asset import Receipt
from schemas.catalog import Row
from schemas.errors import AlreadyStoredError, NotFoundError
from schemas.manifest import Manifest
from schemas.notation import ACCEPTED
from schemas.picture import HEAD_BYTES, NOT_A_PICTURE, PictureFacts, sniff_picture
from schemas.plan import Plan

PAGE_ROWS = 500
_JSON = "application/json"
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that a producer has sent: a catalog or a reference picture.

    `media_type` is what its first bytes say: of a still picture we take, or `NOT_A_PICTURE`; None where nobody looked.
    """

    name: str
    sha256: str
    bytes: int
    media_type: str | None = None


@dataclass(frozen=True, slots=True)
class PlannedRow:
    """A row as the plan checked it; `files` pins each uploaded file it names to the bytes it had then, and `folders` each
    folder to the names of the pictures that were in it."""

    row: Row
    files: Mapping[str, str]
    folders: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Print:
    """A stored picture, found by its fingerprint. `sha256` is that of its original, which lies under `original`."""

    batch_id: str
    asset: str
    original: str
    sha256: str


class Documents:
    """Reads and writes by what things are. Who handles a file of a batch by itself names it with `owned_key`, as above."""

    def __init__(self, store: ObjectStore) -> None:
        self.store = store
        self._pages = RowPages(store.get_bytes)

    async def put_manifest(self, tenant: str, owner_id: str, manifest: Manifest) -> None:
        """Keeps the manifest of a batch or a plan; it never changes afterwards."""
        text = manifest.model_dump_json(by_alias=True, exclude_unset=True).encode()
        await self.store.put_bytes(
            owned_key(tenant, owner_id, "manifest.json"), text, media_type=_JSON, overwrite=True
        )

    async def get_manifest(self, tenant: str, owner_id: str) -> Manifest:
        """The manifest of a batch or a plan, whose models may be shut down by now. Raises `NotFoundError`."""
        text = await self.store.get_bytes(owned_key(tenant, owner_id, "manifest.json"))
        return Manifest.model_validate_json(text, context=ACCEPTED)

    async def put_prompts(self, tenant: str, plan: Plan) -> None:
        """Keeps the prompts that a plan shows: here, beside the manifest, and not in Redis."""
        await self.store.put_bytes(
            _prompts_key(tenant, plan),
            orjson.dumps(plan.prompts),
            media_type=_JSON,
            overwrite=True,
        )

    async def find_prompts(self, tenant: str, plan: Plan) -> list[dict[str, Any]]:
        """The prompts of a plan; none where they are gone."""
        try:
            found: list[dict[str, Any]] = orjson.loads(await self.store.get_bytes(_prompts_key(tenant, plan)))
        except NotFoundError:
            return []
        return found

    async def put_upload(self, tenant: str, name: str, path: Path) -> Upload:
        """Keeps a file under a name; the name moves to these bytes, the bytes it had before stay for who pinned them."""
        upload = await self._put_contents(tenant, name, path)
        await self.store.put_bytes(
            _name_key(tenant, name),
            orjson.dumps(asdict(upload)),
            media_type=_JSON,
            overwrite=True,
        )
        return upload

    async def _put_contents(self, tenant: str, name: str, path: Path) -> Upload:
        digest, size, media_type = await asyncio.to_thread(_looked_at, path)
        contents = upload_key(tenant, digest)
        if await self.store.stat(contents) is None:
            await self.store.put_file(contents, path, media_type=NOT_A_PICTURE, overwrite=True)
        return Upload(name, digest, size, media_type)

    async def pin(self, tenant: str, batch_id: str, url: str, path: Path) -> Upload:
        """Keeps what was found under an address, for all tasks of the batch; the first one to do so wins.

        Returns what is pinned, which may be other bytes than these.
        """
        found = await self._put_contents(tenant, hashlib.sha256(url.encode()).hexdigest(), path)
        try:
            await self.store.put_bytes(
                _pin_key(tenant, batch_id, url),
                orjson.dumps(asdict(found)),
                media_type=_JSON,
                overwrite=False,
            )
        except AlreadyStoredError:
            return await self.find_pin(tenant, batch_id, url) or found
        return found

    async def find_pin(self, tenant: str, batch_id: str, url: str) -> Upload | None:
        """What the batch found under this address when it first asked; its bytes are had with `get_upload`."""
        return await self._find_record(_pin_key(tenant, batch_id, url), Upload)

    async def find_upload(self, tenant: str, name: str) -> Upload | None:
        """What was last uploaded under this name."""
        return await self._find_record(_name_key(tenant, name), Upload)

    async def get_upload(self, tenant: str, sha256: str, into: Path) -> None:
        """Copies uploaded bytes to a local file. Raises `NotFoundError`."""
        await self.store.get_file(upload_key(tenant, sha256), into)

    async def read_upload(self, tenant: str, sha256: str, *, max_bytes: int) -> bytes:
        """Uploaded bytes. Raises `NotFoundError`, and `TooLargeError` when there are more of them."""
        return await self.store.get_bytes(upload_key(tenant, sha256), max_bytes=max_bytes)

    async def put_facts(self, tenant: str, sha256: str, facts: PictureFacts) -> None:
        """Keeps what an uploaded picture is: its bytes never change."""
        await self.store.put_bytes(
            _facts_key(tenant, sha256), msgspec.json.encode(facts), media_type=_JSON, overwrite=True
        )

    async def find_facts(self, tenant: str, sha256: str) -> PictureFacts | None:
        """What an uploaded picture is, if it was looked into. A document that cannot be read counts as none."""
        try:
            return msgspec.json.decode(
                await self.store.get_bytes(_facts_key(tenant, sha256)), type=PictureFacts
            )
        except (NotFoundError, msgspec.DecodeError):
            return None

    async def put_page(
        self, tenant: str, batch_id: str, page: int, rows: Sequence[PlannedRow], *, fence: int
    ) -> None:
        """Keeps up to PAGE_ROWS rows of the plan with this fence; page 0 holds rows 0..PAGE_ROWS-1."""
        lines = [
            orjson.dumps(
                {
                    "row": planned.row.model_dump(),
                    "files": dict(planned.files),
                    **({"folders": dict(planned.folders)} if planned.folders else {}),
                }
            )
            for planned in rows
        ]
        await self.store.put_bytes(
            _page_key(tenant, batch_id, page, fence),
            b"\n".join(lines),
            media_type="application/jsonl",
            overwrite=True,
        )

    async def planned_row(self, tenant: str, batch_id: str, row: int, *, fence: int) -> PlannedRow:
        """Row `row`, counted from 0, of the plan that opened the batch; its page is kept for the neighbours."""
        line = await self._pages.line(_page_key(tenant, batch_id, row // PAGE_ROWS, fence), row % PAGE_ROWS)
        entry = orjson.loads(line)
        checked = Row.model_validate(entry["row"], extra="ignore")
        return PlannedRow(checked, entry["files"], entry.get("folders", {}))

    async def put_planned(self, planned: PlannedBatch) -> None:
        await self._put_record(planned.tenant, planned.id, f"planned/{planned.rows_fence:08d}.json", planned)

    async def find_planned(self, tenant: str, batch_id: str) -> PlannedBatch | None:
        """What the plan made of a batch; None when it never started. Raises ValueError when it cannot be read."""
        keys = [key async for key in self.store.list_keys(owned_key(tenant, batch_id, "planned/"))]
        return await self._find_record(keys[-1], PlannedBatch) if keys else None

    async def put_steering(self, tenant: str, batch_id: str, steering: Steering) -> None:
        await self._put_record(tenant, batch_id, "steering.json", steering)

    async def find_steering(self, tenant: str, batch_id: str) -> Steering | None:
        """How a batch was steered, if it was. Raises ValueError when it cannot be read."""
        return await self._find_record(owned_key(tenant, batch_id, "steering.json"), Steering)

    async def put_records(self, tenant: str, batch_id: str, page: int, records: Sequence[TaskRecord]) -> None:
        """Replaces page `page` of the task records; page 0 is about tasks 0..99."""
        await self._put_record(tenant, batch_id, f"records/{page:08d}.json", records)

    async def records(self, tenant: str, batch_id: str) -> list[TaskRecord]:
        """Every task record of a batch. Raises ValueError when one cannot be read."""
        prefix = owned_key(tenant, batch_id, "records/")
        keys = [key async for key in self.store.list_keys(prefix)]
        pages = await asyncio.gather(*(self._find_record(key, list[TaskRecord]) for key in keys))
        return [record for page in pages for record in page or ()]

    async def put_ended(
        self, tenant: str, batch_id: str, token: str, part: int, hashes: Sequence[KeptHash]
    ) -> None:
        """Keeps one part of the ended tasks of a batch as Redis has them."""
        await self.store.put_bytes(
            _ended_key(tenant, batch_id, token, part),
            msgspec.msgpack.encode(hashes),
            media_type="application/msgpack",
            overwrite=True,
        )

    async def get_ended(self, tenant: str, batch_id: str, token: str, part: int) -> list[KeptHash]:
        """One part of the ended tasks of a batch. Raises `NotFoundError`."""
        text = await self.store.get_bytes(_ended_key(tenant, batch_id, token, part))
        return msgspec.msgpack.decode(text, type=list[KeptHash])

    async def ended_keys(self, tenant: str, batch_id: str, *, but: str) -> list[str]:
        """Where ended tasks of a batch are kept under other names than this."""
        keys = self.store.list_keys(owned_key(tenant, batch_id, "ended/"))
        return [key async for key in keys if f"/ended/{but}/" not in key]

    async def owners(self) -> list[str]:
        """Tenants that have stored anything."""
        return [tenant async for tenant in self.store.list_folders("tenants/")]

    async def batch_ids(self, tenant: str) -> list[str]:
        """Ids of the tenant's batches that have stored anything, oldest first."""
        return [batch_id async for batch_id in self.store.list_folders(f"tenants/{tenant}/batches/")]

    def picture_keys(self, tenant: str, batch_id: str) -> AsyncIterator[str]:
        """What lies with the pictures of a batch: asset keys, and for each receipt its asset key and `.json`."""
        return self._names(owned_key(tenant, batch_id, "pictures/"))

    def original_keys(self, tenant: str, batch_id: str) -> AsyncIterator[str]:
        """What the provider sent for a batch, as receipts name it: `originals/...`."""
        return self._names(owned_key(tenant, batch_id, ""), below="originals/")

    async def _names(self, folder: str, below: str = "") -> AsyncIterator[str]:
        async for key in self.store.list_keys(folder + below):
            yield key.removeprefix(folder)

    async def _put_record(self, tenant: str, batch_id: str, name: str, record: Any) -> None:
        await self.store.put_bytes(
            owned_key(tenant, batch_id, name), msgspec.json.encode(record), media_type=_JSON, overwrite=True
        )

    async def _find_record(self, key: str, kind: type[T]) -> T | None:
        try:
            return msgspec.json.decode(await self.store.get_bytes(key), type=kind)
        except NotFoundError:
            return None
        except msgspec.DecodeError as error:
            raise ValueError(f"{self.store.url(key)} cannot be read: {error}") from error

    async def put_receipt(self, tenant: str, batch_id: str, receipt: Receipt) -> None:
        await self.store.put_bytes(
            f"{picture_key(tenant, batch_id, receipt.asset)}.json",
            receipt.model_dump_json(indent=2).encode(),
            media_type=_JSON,
            overwrite=True,
        )

    async def find_receipt(self, tenant: str, batch_id: str, asset: str) -> Receipt | None:
        """The receipt of a picture, if it was stored; a worker of a later version may have written it."""
        try:
            text = await self.store.get_bytes(f"{picture_key(tenant, batch_id, asset)}.json")
        except NotFoundError:
            return None
        return Receipt.model_validate_json(text, extra="ignore")

    async def put_print(self, tenant: str, fingerprint: str, found: Print) -> None:
        await self.store.put_bytes(
            _print_key(tenant, fingerprint), orjson.dumps(asdict(found)), media_type=_JSON, overwrite=True
        )

    async def find_print(self, tenant: str, fingerprint: str) -> Print | None:
        """The picture of this fingerprint, if the tenant has one. A document that cannot be read counts as none: a
        picture that is made anew writes it again."""
        try:
            return msgspec.json.decode(
                await self.store.get_bytes(_print_key(tenant, fingerprint)), type=Print
            )
        except (NotFoundError, msgspec.DecodeError):
            return None

    def picture_url(self, tenant: str, batch_id: str, asset: str) -> str:
        """Where a picture lies, for people: file:///... or s3://..."""
        return self.store.url(picture_key(tenant, batch_id, asset))

    async def picture_link(
        self, tenant: str, batch_id: str, asset: str, *, expires_s: int = 900
    ) -> str | None:
        """A link that anybody can read for a while; None where the store has no such thing."""
        return await self.store.link(picture_key(tenant, batch_id, asset), expires_s=expires_s)


def picture_key(tenant: str, batch_id: str, asset: str) -> str:
    return owned_key(tenant, batch_id, f"pictures/{asset}")


def upload_key(tenant: str, sha256: str, shelf: str = "contents") -> str:
    """Of the bytes of an upload, or of what was fetched and pinned; on the shelf `copies` of their upright copy."""
    return f"tenants/{tenant}/uploads/{shelf}/{sha256}"


def _facts_key(tenant: str, sha256: str) -> str:
    return f"tenants/{tenant}/uploads/facts/{sha256}.json"


def owned_key(tenant: str, owner_id: str, name: str) -> str:
    """Of a file that lies below the folder of its batch, as receipts name it, or of its plan."""
    shelf = "plans" if owner_id.startswith("plan_") else "batches"
    return f"tenants/{tenant}/{shelf}/{owner_id}/{name}"


def _print_key(tenant: str, fingerprint: str) -> str:
    return f"tenants/{tenant}/prints/{fingerprint[:2]}/{fingerprint}.json"


def _name_key(tenant: str, name: str) -> str:
    """By digest: on a disk, the name `a` would be in the way of the name `a/b`."""
    return f"tenants/{tenant}/uploads/names/{hashlib.sha256(name.encode()).hexdigest()}"


def _prompts_key(tenant: str, plan: Plan) -> str:
    """By its digest: what two planners of one manifest found is never mixed up."""
    return owned_key(tenant, plan.id, f"prompts/{plan.digest}.json")


def _page_key(tenant: str, batch_id: str, page: int, fence: int) -> str:
    return owned_key(tenant, batch_id, f"rows/{fence}/{page:06d}.jsonl")


def _ended_key(tenant: str, batch_id: str, token: str, part: int) -> str:
    return owned_key(tenant, batch_id, f"ended/{token}/{part:06d}.msgpack")


def _pin_key(tenant: str, batch_id: str, url: str) -> str:
    """By digest: an address may be signed, and is no name for a file."""
    return owned_key(tenant, batch_id, f"references/{hashlib.sha256(url.encode()).hexdigest()}.json")


def _looked_at(path: Path) -> tuple[str, int, str]:
    """SHA-256 in hex, bytes, and the media type by the first of them."""
    digest: Any = hashlib.sha256()
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
        digest.update(head)
        while block := file.read(1 << 20):
            digest.update(block)
        return digest.hexdigest(), file.tell(), sniff_picture(head) or NOT_A_PICTURE
