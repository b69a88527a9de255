"""The storer: from a paid picture in the spool to files in storage: the original, what was finished of it, its receipt.

The original goes first and is never touched; all the others can be made from it again.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import structlog

from core.documents import Documents, Print, owned_key
from schemas.asset import Receipt, StoredFile
from schemas.disclosure import Label
from schemas.errors import AlreadyStoredError
from schemas.finish_plan import FinishPlan
from schemas.image import ImageFormat
from schemas.rendition import Check, Finished, Rendition, Unfinished
from workers.finishing.finisher import Finisher
from workers.order import Delivery, Order, receipt_of
from workers.patience import Patience
from workers.spool import SpoolEntry
from workers.verifier import Verified

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Stored:
    """A picture in storage, finished as far as that could be done."""

    asset: str
    sha256: str
    preset: str | None
    checks: tuple[Check, ...]


class Storer:
    """Finishes and stores pictures; each step is repeated until it is done, and all can be repeated after a crash."""

    def __init__(self, documents: Documents, finisher: Finisher, patience: Patience) -> None:
        self._documents = documents
        self._finisher = finisher
        self._patience = patience

    async def store(
        self, entry: SpoolEntry, order: Order, delivery: Delivery, verified: Verified, *, surplus: bool
    ) -> Stored:
        """Stores a picture, its receipt behind it.

        Args:
            surplus: the task has another picture; this one is kept beside it, under a name of its own.
        Cancelled: what is stored stays, and is met again by whoever goes on.
        """
        stem, original = await self._keep_original(entry, order, delivery, verified, surplus=surplus)
        plan = FinishPlan.model_validate(order.finish, extra="ignore")
        label = Label.model_validate(order.label, extra="ignore")
        made = await self._finisher.finish(entry.picture, plan, label, entry.folder)
        if isinstance(made, Unfinished):
            _log.error("finishing.failed", reason=made.reason, preset=plan.preset)
            made = await self._as_it_came(entry, original, label, made.reason)
            made = made.model_copy(update={"enlarged": plan.enlarged})
        main, *small = made.renditions
        names = {
            rendition.name: f"thumbnails/{stem}.{rendition.name}.{_ending(rendition)}" for rendition in small
        }
        asset = f"{stem}.{_ending(main)}"
        await asyncio.gather(
            self._keep(entry, order, main, f"pictures/{asset}"),
            *(self._keep(entry, order, rendition, names[rendition.name]) for rendition in small),
        )
        receipt = receipt_of(
            order,
            delivery,
            _stored(main, asset),
            original=original,
            thumbnails={rendition.name: _stored(rendition, names[rendition.name]) for rendition in small},
            preset=plan.preset,
            checks=made.checks,
            enlarged=made.enlarged,
            provider_c2pa=made.c2pa,
            source_type=label.source_type,
            contains_synthetic_performer=label.contains_synthetic_performer,
            china=label.china,
            surplus=surplus,
        )
        await self._describe(order, receipt, original)
        return Stored(receipt.asset, receipt.sha256, plan.preset, receipt.checks)

    async def _as_it_came(
        self, entry: SpoolEntry, original: StoredFile, label: Label, reason: str
    ) -> Finished:
        """What cannot be finished is paid for all the same: the original with its label, and a check that says why."""
        made = await self._finisher.finish(entry.picture, FinishPlan(), label, entry.folder)
        if isinstance(made, Unfinished):
            bare = Rendition(name="main", file=entry.picture.name, **original.model_dump(exclude={"key"}))
            made = Finished(renditions=(bare,), checks=(), enlarged=False, c2pa=None)
        check = Check(rule="finishing", result="fail", measured=reason, wanted="finished")
        return made.model_copy(update={"checks": (check,)})

    async def _keep_original(
        self, entry: SpoolEntry, order: Order, delivery: Delivery, verified: Verified, *, surplus: bool
    ) -> tuple[str, StoredFile]:
        """Stores what the provider sent under the task's name; where another attempt was first, under its own."""
        kind = ImageFormat(order.format)
        own = f"{order.asset_stem}.attempt-{order.attempt}"
        metadata = {"sha256": delivery.sha256, "attempt": f"{order.index}.{order.attempt}"}
        for stem in (own,) if surplus else (order.asset_stem, own):
            name = f"originals/{stem}.{kind.extension}"
            key = owned_key(order.tenant, order.batch_id, name)

            async def put(key: str = key) -> bool:
                try:
                    await self._documents.store.put_file(
                        key, entry.picture, media_type=kind.media_type, metadata=metadata, overwrite=False
                    )
                except AlreadyStoredError:
                    there = await self._documents.store.stat(key)
                    return there is not None and there.metadata.get("attempt") == metadata["attempt"]
                return True

            if await self._patience.persist(put):
                return stem, StoredFile(
                    key=name, sha256=delivery.sha256, format=order.format,
                    width=verified.width, height=verified.height, bytes=delivery.size_bytes,
                )  # fmt: skip
        raise AlreadyStoredError(
            f"Two different pictures claim to be attempt {order.attempt} of task {order.index}."
        )

    async def _keep(self, entry: SpoolEntry, order: Order, rendition: Rendition, name: str) -> None:
        """Stores one file; whoever has the name of the original has those of its renditions."""
        key = owned_key(order.tenant, order.batch_id, name)
        metadata = {"sha256": rendition.sha256, "attempt": f"{order.index}.{order.attempt}"}
        await self._patience.persist(
            lambda: self._documents.store.put_file(
                key,
                entry.folder / rendition.file,
                media_type=ImageFormat(rendition.format).media_type,
                metadata=metadata,
                overwrite=True,
            )
        )

    async def _describe(self, order: Order, receipt: Receipt, original: StoredFile) -> None:
        """Stores the receipt, and what finds the picture again by its fingerprint."""
        found = Print(order.batch_id, receipt.asset, original.key, original.sha256)

        async def describe() -> None:
            await asyncio.gather(
                self._documents.put_receipt(order.tenant, order.batch_id, receipt),
                self._documents.put_print(order.tenant, order.fingerprint, found),
            )

        await self._patience.persist(describe)


def _stored(rendition: Rendition, key: str) -> StoredFile:
    return StoredFile(key=key, **rendition.model_dump(exclude={"name", "file"}))


def _ending(rendition: Rendition) -> str:
    return ImageFormat(rendition.format).extension
