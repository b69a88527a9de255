"""References that cannot be had now: how often that is tried, whatever else a task was claimed for."""

from __future__ import annotations

import errno
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from core.clock import SystemClock
from core.documents import Documents, PlannedRow
from core.storage.folder import FolderStore
from core.storage.store import UnreadableError
from schemas.catalog import Row
from schemas.claim import Claim
from schemas.errors import UnavailableError
from schemas.expansion import Expansion
from schemas.failure import Failure, FailureClass
from schemas.manifest import Manifest
from schemas.manifest_check import check_manifest
from schemas.notation import ACCEPTED
from tests.studio import manifest
from workers.linker import Linker
from workers.preparer import MAX_FETCHES, MAX_READS, Preparer
from workers.references import BadReferenceError, ReferenceKeeper
from workers.shelf import Campaign

ASKED = manifest("cup", references=["https://pictures.example/cup.png"])


class Unanswered(ReferenceKeeper):
    """References of a server that is away, unless they fail otherwise."""

    def __init__(self) -> None:
        self.error: Exception = BadReferenceError("The server did not answer.", transient=True)

    async def named(self, *about: Any) -> Any:
        raise self.error


def claim(*, attempt: int, fetches: int) -> Claim:
    return Claim(
        lane="lane", tenant="acme", batch_id="batch_1", index=0, fence=attempt, attempt=attempt, sends=0, crashes=0,
        fetches=fetches, start_in_ms=0, hold_usd_micros=0, tokens=0,
    )  # fmt: skip


@pytest.fixture
def references() -> Unanswered:
    return Unanswered()


class Storage(FolderStore):
    """A folder that may be shut."""

    is_shut = False

    async def check(self) -> None:
        if self.is_shut:
            raise UnavailableError("The key has run out.")


@pytest.fixture
async def storage(tmp_path: Path) -> AsyncIterator[Storage]:
    store = Storage(tmp_path, threads=1)
    yield store
    await store.aclose()


@pytest.fixture
async def preparer(storage: Storage, references: Unanswered) -> Preparer:
    documents = Documents(storage)
    row = Row(number=1, key="row-0", title="cup")
    await documents.put_page("acme", "batch_1", 0, [PlannedRow(row, {})], fence=1)
    linker = Linker(storage, lanes=(), expires_s=60)
    return Preparer(documents, references, linker, SystemClock())


@pytest.mark.parametrize(
    ("attempt", "fetches", "becomes"),
    [
        (1, 0, FailureClass.NOT_SENT),
        (MAX_FETCHES - 1, MAX_FETCHES - 2, FailureClass.NOT_SENT),
        (MAX_FETCHES, MAX_FETCHES - 1, FailureClass.BAD_REFERENCE),
        (20, 0, FailureClass.NOT_SENT),  # it has waited for its twin
        (1001, 1, FailureClass.NOT_SENT),  # in a batch that came back from storage
    ],
)
async def test_a_reference_counts_as_bad_after_so_many_tries_of_bringing_it(
    preparer: Preparer, attempt: int, fetches: int, becomes: FailureClass
) -> None:
    made = check_manifest(ASKED)
    campaign = Campaign(made, Expansion(made, 1), rows_fence=1)

    found = await preparer.prepare(claim(attempt=attempt, fetches=fetches), campaign)

    assert isinstance(found, Failure)
    assert found.failure_class is becomes


@pytest.mark.parametrize(
    ("fetches", "becomes"),
    [(MAX_READS - 2, FailureClass.NOT_SENT), (MAX_READS - 1, FailureClass.BAD_REFERENCE)],
)
async def test_a_resolver_that_does_not_answer_ends_no_task_within_minutes(
    preparer: Preparer, references: Unanswered, fetches: int, becomes: FailureClass
) -> None:
    references.error = BadReferenceError("The resolver did not answer.", transient=True, is_ours=True)
    made = check_manifest(ASKED)

    found = await preparer.prepare(
        claim(attempt=fetches + 1, fetches=fetches), Campaign(made, Expansion(made, 1), rows_fence=1)
    )

    assert isinstance(found, Failure)
    assert found.failure_class is becomes


@pytest.mark.parametrize(
    ("fetches", "becomes"),
    [(MAX_READS - 2, FailureClass.NOT_SENT), (MAX_READS - 1, FailureClass.BAD_REFERENCE)],
)
async def test_an_object_that_alone_is_not_given_out_ends_its_task_after_so_many_tries(
    preparer: Preparer, fetches: int, becomes: FailureClass
) -> None:
    refused = UnreadableError("The bucket could not read tenants/acme/k: it answered 403 AccessDenied.")

    found = await preparer.unreadable(claim(attempt=fetches + 1, fetches=fetches), refused)

    assert (found.failure_class, "tenants/" in found.message) == (becomes, False)


async def test_storage_that_gives_out_nothing_at_all_is_waited_for_without_end(
    preparer: Preparer, storage: Storage
) -> None:
    storage.is_shut = True

    with pytest.raises(UnavailableError, match="run out"):
        await preparer.unreadable(claim(attempt=999, fetches=999), UnreadableError("403"))


def failing_by(number: int) -> OSError:
    return OSError(number, os.strerror(number), "/spool/references/ab")


@pytest.mark.parametrize(
    ("fetches", "becomes"),
    [
        (0, FailureClass.NOT_SENT),
        (MAX_READS - 2, FailureClass.NOT_SENT),
        (MAX_READS - 1, FailureClass.BAD_REFERENCE),
    ],
)
async def test_a_file_that_cannot_be_read_here_ends_its_task_after_so_many_tries_without_naming_a_place(
    preparer: Preparer, references: Unanswered, fetches: int, becomes: FailureClass
) -> None:
    references.error = failing_by(errno.EIO)
    made = check_manifest(ASKED)

    found = await preparer.prepare(
        claim(attempt=fetches + 1, fetches=fetches), Campaign(made, Expansion(made, 1), rows_fence=1)
    )

    assert isinstance(found, Failure)
    assert (found.failure_class, "/spool" in found.message) == (becomes, False)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EMFILE])
async def test_what_the_whole_machine_suffers_from_is_never_counted_against_a_task(
    preparer: Preparer, references: Unanswered, number: int
) -> None:
    references.error = failing_by(number)
    made = check_manifest(ASKED)

    with pytest.raises(OSError, match="ab"):
        await preparer.prepare(
            claim(attempt=999, fetches=999), Campaign(made, Expansion(made, 1), rows_fence=1)
        )


async def test_a_picture_whose_preset_is_retired_fails_unpaid_and_says_so(preparer: Preparer) -> None:
    made = Manifest.model_validate({**ASKED, "sizes": ["fair_2019"]}, context=ACCEPTED)

    found = await preparer.prepare(
        claim(attempt=1, fetches=0), Campaign(made, Expansion(made, 1), rows_fence=1)
    )

    assert isinstance(found, Failure)
    assert found.failure_class is FailureClass.INVALID_REQUEST
    assert "'fair_2019' is neither a size" in found.message
