"""The preparer: from a claim to a request that can be sent and an order that outlives it."""

from __future__ import annotations

import errno
import hashlib
from dataclasses import dataclass, replace
from typing import Any

import structlog

from core.clock import Clock, moment
from core.documents import Documents, PlannedRow
from core.storage.store import UnreadableError
from schemas.claim import Claim
from schemas.disclosure import label_of
from schemas.expansion import Cell
from schemas.failure import Failure, FailureClass
from schemas.image import ImageFormat, ImageRequest, Reference
from schemas.manifest import Manifest
from schemas.model import find_model
from schemas.pricing import Quote, quote, quote_call
from schemas.rendering import cell_values, output_key, row_values
from schemas.size import Size
from schemas.template import TemplateError, parsed
from schemas.upscaling import gone_maker, gone_preset, is_composite, makers_of, original_size
from workers.linker import Linker
from workers.order import CHOSEN_PARAMETERS, Order, parameters_of, print_of
from workers.references import BadReferenceError, ReferenceKeeper
from workers.shelf import Campaign

MAX_FETCHES = 5
"""Tries of a task whose reference's server does not answer, before the reference counts as bad."""

MAX_READS = 20
"""The same where nothing says that the reference is to blame: no name can be looked up, a file of it cannot be written or
read here, or storage does not give it out. With the pauses some ten minutes, on whichever worker has its turn, so that a
resolver that is away for a minute ends no task. Storage that does not answer is no such trouble, and is waited for without
end."""

OF_THE_MACHINE = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN}
)
"""What no single task is to blame for, so that it is never counted against one: disk, open files, memory, processes."""

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Prepared:
    """A request ready to go, and its order."""

    order: Order
    request: ImageRequest


class Preparer:
    """Renders the prompt, brings the references and, where the lane wants it, links them; sends nothing."""

    def __init__(
        self, documents: Documents, references: ReferenceKeeper, linker: Linker, clock: Clock
    ) -> None:
        self._documents = documents
        self._references = references
        self._linker = linker
        self._clock = clock

    async def prepare(self, claim: Claim, campaign: Campaign) -> Prepared | Failure:
        """The request and order of one attempt, or why this task can never be made.

        Raises:
            UnavailableError: storage does not answer; the claim should be released.
            OSError: this machine has no room, memory or file left; the same.
        """
        cell = campaign.expansion.cell(claim.index)
        today = moment(self._clock.now_ms()).date()
        gone = gone_maker(campaign.manifest, cell.template, today)
        if gone := gone or gone_preset(campaign.manifest, cell.template, cell.size):
            return Failure.of(FailureClass.INVALID_REQUEST, gone)
        row = await self._documents.planned_row(
            claim.tenant, claim.batch_id, cell.row, fence=campaign.rows_fence
        )
        values = cell_values(campaign.manifest, cell, row_values(row.row))
        try:
            prompt = parsed(campaign.manifest.templates[cell.template].text).render(values)
            stem = output_key(campaign.manifest, values)
            references, mask = await self._bring(claim, campaign, cell, row, values)
        except BadReferenceError as error:
            most = MAX_READS if error.is_ours else MAX_FETCHES
            again = error.transient and claim.fetches + 1 < most
            return Failure.of(FailureClass.NOT_SENT if again else FailureClass.BAD_REFERENCE, str(error))
        except OSError as error:
            if error.errno in OF_THE_MACHINE:
                raise
            again = claim.fetches + 1 < MAX_READS
            reason = error.strerror or type(error).__name__
            message = f"A file that the picture starts from cannot be used on the worker: {reason}."
            return Failure.of(FailureClass.NOT_SENT if again else FailureClass.BAD_REFERENCE, message)
        except (TemplateError, ValueError) as error:
            return Failure.of(FailureClass.BAD_ROW, f"Row '{row.row.key}': {error}.")
        request = _request(claim, campaign.manifest, cell, prompt, references)
        if mask is not None:
            request = replace(request, mask=mask)
        order = _order(claim, campaign, cell, row, request, stem)
        return Prepared(order, await self._linker.linked(claim.lane, request))

    async def unreadable(self, claim: Claim, error: UnreadableError) -> Failure:
        """Why a task is not sent whose picture starts from an object that storage does not give out; the call is never made
        without it.

        Raises:
            UnavailableError: storage does nothing at all, so that this says nothing of the object.
        """
        await self._documents.store.check()
        _log.warning("object.unreadable", reason=error.detail)
        again = claim.fetches + 1 < MAX_READS
        message = (
            "Storage answers, and does not give out an object that the picture starts from: it is archived, or may not be "
            "read. Ask whoever runs the storage to give it out again."
        )
        return Failure.of(FailureClass.NOT_SENT if again else FailureClass.BAD_REFERENCE, message)

    async def _bring(
        self, claim: Claim, campaign: Campaign, cell: Cell, row: PlannedRow, values: dict[str, Any]
    ) -> tuple[tuple[Reference, ...], Reference | None]:
        template, found = campaign.manifest.templates[cell.template], list[Reference]()
        parent = campaign.expansion.parent_of(cell)
        if parent is not None:
            found.append(await self._references.parent(claim.tenant, claim.batch_id, parent))
        texts = [text for _, text in campaign.manifest.references_of(cell.template)]
        for text in [*texts, *([template.mask] if template.mask else [])]:
            name = parsed(text).render(values)
            for each in row.folders.get(name, (name,)):
                found.append(await self._references.named(claim.tenant, claim.batch_id, row, each))
        if template.mask is None:
            return tuple(found), None
        mask = found.pop()
        await self._references.check_mask(mask, found[0])
        return tuple(found), mask


def _request(
    claim: Claim, manifest: Manifest, cell: Cell, prompt: str, references: tuple[Reference, ...]
) -> ImageRequest:
    image, upscale = manifest.image_of(cell.template), manifest.templates[cell.template].upscale
    size = original_size(manifest, cell.template, cell.size)
    return ImageRequest(
        model=image.model or "",
        prompt=prompt,
        size="auto" if size is None else str(size),
        quality=image.quality or "auto",
        format=image.format or ImageFormat.PNG,
        client_request_id=claim.attempt_id,
        references=references,
        factor=upscale.factor if upscale else None,
        **{name: getattr(image, name) for name in CHOSEN_PARAMETERS},
    )


def _order(
    claim: Claim, campaign: Campaign, cell: Cell, row: PlannedRow, request: ImageRequest, stem: str
) -> Order:
    manifest, likely = campaign.manifest, _likely(request)
    size = None if request.size == "auto" else Size.parse(request.size)
    digests = [picture.sha256 for picture in request.attached]
    parameters = parameters_of(manifest.image_of(cell.template), request.size, factor=request.factor)
    label = label_of(
        manifest.disclosure,
        is_composite=is_composite(manifest, cell.template),
        model=makers_of(manifest, cell.template),
        identifier=claim.attempt_id,
    )
    return Order(
        tenant=claim.tenant,
        batch_id=claim.batch_id,
        index=claim.index,
        attempt=claim.attempt,
        fence=claim.fence,
        lane=claim.lane,
        template=cell.template,
        row_key=row.row.key,
        variant=dict(zip(manifest.variants, cell.variant, strict=True)),
        size=cell.size,
        sample=cell.sample,
        asset_stem=stem,
        model=request.model,
        parameters=parameters,
        format=request.format.value,
        width=size.width if size else None,
        height=size.height if size else None,
        prompt_digest=hashlib.sha256(request.prompt.encode()).hexdigest() if request.prompt else "",
        template_version=parsed(manifest.templates[cell.template].text).version if request.prompt else "",
        references=digests,
        fingerprint=print_of(
            prompt=request.prompt,
            model=request.model,
            parameters=parameters,
            references=digests,
            sample=cell.sample,
        ),
        likely_usd_micros=likely.likely_usd_micros,
        likely_tokens=likely.likely_tokens,
        ready=campaign.ready_after(cell),
        fail=campaign.lost_with(cell),
        finish=campaign.finish_of(cell).model_dump(mode="json"),
        label=label.model_dump(mode="json"),
        copies=[picture.sha256 for picture in request.attached if picture.is_copy],
    )


def _likely(request: ImageRequest) -> Quote:
    if request.operation == "upscale":
        flat = quote_call(request.model)
        assert flat is not None, "an accepted manifest names upscalers with a price"
        return flat
    model = find_model(request.model)
    assert model is not None, "an accepted manifest names live models"
    return quote(
        model,
        quality=request.quality,
        size=None if request.size == "auto" else Size.parse(request.size),
        prompt_bytes=len(request.prompt.encode()),
        references=len(request.references),
        mask=request.mask is not None,
    )
