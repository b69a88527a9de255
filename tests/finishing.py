"""A finisher for tests of what surrounds it, and a keeper that works with it."""

from __future__ import annotations

from core.clock import Clock
from core.documents import Documents
from core.state.tasks import TaskStore
from workers.finishing.finisher import Finisher
from workers.keeper import PictureKeeper
from workers.patience import Patience
from workers.storer import Storer

FINISHER = Finisher(processes=1, deadline_s=30, memory_bytes=2**31)


def keeper_of(worker: str, documents: Documents, tasks: TaskStore, clock: Clock) -> PictureKeeper:
    """A keeper as a worker process builds it."""
    patience = Patience(clock)
    storer = Storer(documents, FINISHER, patience)
    return PictureKeeper(
        worker, documents=documents, tasks=tasks, storer=storer, patience=patience, clock=clock
    )
