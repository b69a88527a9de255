"""Links to archives: signed by the service, so that whoever is given one needs no key."""

from __future__ import annotations

from dataclasses import dataclass

from core.clock import Clock
from schemas.batch import Batch
from schemas.errors import NotFoundError
from service.contract.cursors import Cursors
from service.contract.queries import ArchiveQuery
from service.problems import ProblemError

LINK_S = 24 * 3600
"""How long a download may begin; one that has begun goes on."""
_OF = "archive links"


@dataclass(frozen=True, slots=True)
class LinkedArchive:
    """What a link stands for."""

    tenant: str
    batch_id: str
    query: ArchiveQuery


class ArchiveLinks:
    """Makes links and reads them. They do not outlive the secret of the cursors."""

    def __init__(self, cursors: Cursors, clock: Clock) -> None:
        self._cursors = cursors
        self._clock = clock

    def make(self, batch: Batch, query: ArchiveQuery) -> tuple[str, int]:
        """The path on this service, and when it ends, in milliseconds since the epoch."""
        ends_at_ms = self._clock.now_ms() + LINK_S * 1000
        place = f"{ends_at_ms} {batch.tenant} {batch.id} {query.model_dump_json()}"
        return f"/archives/{self._cursors.seal(place, of=_OF)}", ends_at_ms

    def open(self, link: str) -> LinkedArchive:
        """What the last part of the path stands for.

        Raises:
            NotFoundError: this service did not make it, or it has ended.
        """
        try:
            ends_at_ms, tenant, batch_id, query = self._cursors.open(link, of=_OF).split(" ", 3)
        except ProblemError:
            ends_at_ms = tenant = batch_id = query = "0"
        if int(ends_at_ms) <= self._clock.now_ms():
            raise NotFoundError("This link is not valid, or not any more; ask for another one.")
        return LinkedArchive(tenant, batch_id, ArchiveQuery.model_validate_json(query))
