"""The linker: on lanes that want it, the provider is told where to read the references instead of being sent them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from core.settings import Settings
from core.storage.store import ObjectStore
from schemas.image import ImageRequest, Reference

SPARE_S = 300
"""How much longer than a call a link lasts: it is made before the call's permit, and clocks are not quite alike."""


class Linker:
    """Signs links to the pictures that Darkroom keeps itself, so that what is read are the bytes that were looked into.

    Args:
        lanes: those whose references are sent as links.
        expires_s: how long a link lasts.
    """

    def __init__(self, store: ObjectStore, *, lanes: Collection[str], expires_s: int) -> None:
        self._store = store
        self._lanes = lanes
        self._expires_s = expires_s

    @classmethod
    def of(cls, settings: Settings, store: ObjectStore) -> Linker:
        """As the settings say."""
        lanes = frozenset(name for name, lane in settings.lanes.items() if lane.references == "url")
        return cls(store, lanes=lanes, expires_s=int(settings.worker.call_deadline_s) + SPARE_S)

    async def linked(self, lane: str, request: ImageRequest) -> ImageRequest:
        """The request as it is sent on this lane.

        Raises:
            UnavailableError: there are no credentials to sign with.
        """
        if lane not in self._lanes or not request.references:
            return request
        references = [await self._link(reference) for reference in request.references]
        mask = await self._link(request.mask) if request.mask else None
        return replace(request, references=tuple(references), mask=mask)

    async def _link(self, picture: Reference) -> Reference:
        link = await self._store.link(picture.key, expires_s=self._expires_s, media_type=picture.media_type)
        assert link is not None, "the settings are refused where storage has no links"
        return replace(picture, link=link)
