"""Bringing back: the tasks of a batch that were put away, when somebody asks for them."""

from __future__ import annotations

import structlog

from core.documents import Documents
from core.state.batches import BatchStore
from core.state.shelving import ShelvingStore, parts_of
from schemas.batch import Batch
from schemas.errors import NotFoundError

_log = structlog.get_logger()


async def bring_back(
    batch: Batch, batches: BatchStore, shelving: ShelvingStore, documents: Documents
) -> None:
    """Puts the tasks of a batch back into Redis, if they are not there. Several may do it at once; who comes in the middle,
    or after somebody gave up, goes on from there.

    Raises:
        NotFoundError: storage has lost them.
        UnavailableError: storage or Redis does not answer.
    """
    token = batch.put_away
    if token is None:
        return
    part: int | None = 0
    while part is not None:
        try:
            kept = await documents.get_ended(batch.tenant, batch.id, token, part)
        except NotFoundError as error:
            if (await batches.get(batch.tenant, batch.id)).put_away != token:
                return  # somebody was quicker
            raise NotFoundError(
                f"Part {part} of the {parts_of(batch)} in which the tasks of batch '{batch.id}' were put away is not in "
                "storage any more; its pictures and receipts are where they were."
            ) from error
        part = await shelving.bring_back(batch, token, part, kept)
    _log.info("batch.brought_back", batch=batch.id, tasks=batch.counts["total"])
