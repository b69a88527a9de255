"""Brings the files that a manifest names to the service, from the manifest's folder."""

from __future__ import annotations

from collections.abc import Mapping

from cli.client import Content, ServiceClient, sha256_of
from cli.exits import WrongUsageError
from cli.manifests.local import LocalManifest
from cli.output import say
from schemas.errors import TooLargeError

MANY_FILES = 20


class Uploader:
    """The files of one manifest.

    Attributes:
        digests: SHA-256 of every file that lies here, by name; a file that is in it is not looked at again.
        lacking: names of which the service has no file either, or which must not be read.
    """

    def __init__(self, service: ServiceClient, manifest: LocalManifest) -> None:
        self._service = service
        self._manifest = manifest
        self.digests: dict[str, str] = {}
        self.lacking: set[str] = set()

    def bring_sources(self) -> None:
        """What a plan cannot do without: the catalog, and its mapping."""
        names, refusal_of = self._manifest.sources.values(), self._manifest.refusal_of
        self.bring({name: None if refusal_of(name) else self._uploaded_sha256(name) for name in names})

    def bring(self, wanted: Mapping[str, str | None]) -> int:
        """Uploads those of `wanted` (name -> SHA-256 the service has) that lie here and differ; how many."""
        new = [name for name in wanted if name not in self.digests and "://" not in name]
        local = {name: self._manifest.find(name) for name in new}
        found = {name: content for name, content in local.items() if content is not None}
        self.lacking |= {
            name
            for name in local.keys() - found.keys()
            if wanted[name] is None or self._manifest.refusal_of(name)
        }
        self.digests |= {name: sha256_of(content) for name, content in found.items()}
        stale = [name for name in found if self.digests[name] != wanted[name]]
        if len(stale) > MANY_FILES:
            say(f"Uploading {len(stale)} files ...")
        for name in stale:
            self._upload(name, found[name])
        return len(stale)

    def _uploaded_sha256(self, name: str) -> str | None:
        try:
            return self._service.uploaded_sha256(name)
        except WrongUsageError as error:
            raise WrongUsageError(f"'{name}': {error.detail}") from error

    def _upload(self, name: str, content: Content) -> None:
        try:
            self._service.upload(name, content)
        except TooLargeError as error:
            raise TooLargeError(f"The file '{name}' is too large: {error.detail}") from error
