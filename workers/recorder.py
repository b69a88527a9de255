"""The recorder: tells storage what pictures and receipts do not, so that a batch can come back after a lost Redis:
how it was steered, which tasks are in doubt, failed or skipped, and what was paid without a picture."""

from __future__ import annotations

import asyncio

from core.documents import Documents
from core.state.recording import Note, RecordStore

_AT_ONCE = 500


class Recorder:
    """Repeats its rounds; each is safe to repeat and safe beside other recorders."""

    def __init__(self, *, records: RecordStore, documents: Documents) -> None:
        self._records = records
        self._documents = documents

    async def record(self) -> int:
        """Writes down what has changed since the last round. How much that was.

        What storage does not take is given back, for the next round; what a worker that dies had taken, another one
        takes up.
        """
        notes = await self._records.take(_AT_ONCE)
        if not notes:
            return 0
        answers = await asyncio.gather(*(self._record(note) for note in notes), return_exceptions=True)
        failed = [
            (note, error)
            for note, error in zip(notes, answers, strict=True)
            if isinstance(error, BaseException)
        ]
        unwritten = {note for note, _ in failed}
        await self._records.told(note for note in notes if note not in unwritten)
        await self._records.give_back(unwritten)
        for _, error in failed:
            if not isinstance(
                error, LookupError
            ):  # while a batch is brought back, storage knows more than Redis
                raise error
        return len(notes) - len(failed)

    async def _record(self, note: Note) -> None:
        tenant = await self._records.tenant_of(note.batch_id)
        if tenant is None:
            return
        if note.page is None:
            steering = await self._records.steering(note.batch_id)
            await self._documents.put_steering(tenant, note.batch_id, steering)
            return
        tasks = await self._records.tasks(note.batch_id, note.page)
        await self._documents.put_records(tenant, note.batch_id, note.page, tasks)
