"""Where the rows come from: none, inline, an upload, or a URL; always a local file before it is read."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from core.documents import Documents
from core.settings import FetchSettings
from schemas.catalog import EMPTY_ROW, Row
from schemas.errors import ManifestError, Problem
from schemas.manifest import Catalog, Manifest
from workers.catalogs.reading import CatalogLimits, open_catalog, rows_of
from workers.fetching.errors import FetchError
from workers.fetching.fetcher import Fetcher


@dataclass(frozen=True, slots=True)
class Source:
    """Rows and problems in their order, read as they are asked for; `mapping` is canonical field -> source columns."""

    rows: Iterator[Row | Problem]
    dialect: str | None
    mapping: Mapping[str, tuple[str, ...]]


class SourceOpener:
    """Opens the catalog of a manifest."""

    def __init__(
        self, documents: Documents, fetcher: Fetcher, settings: FetchSettings, limits: CatalogLimits
    ) -> None:
        self._documents = documents
        self._fetcher = fetcher
        self._settings = settings
        self._limits = limits

    async def open(self, tenant: str, manifest: Manifest, scratch: Path) -> Source:
        """The rows of the manifest; a file is put into `scratch`.

        Raises:
            ManifestError: there is no such file, or it cannot be read as a catalog.
        """
        catalog = manifest.catalog
        if catalog is None:
            return Source(iter((EMPTY_ROW,)), None, {})
        if catalog.rows is not None:
            rows = await asyncio.to_thread(rows_of, catalog.rows, key=catalog.key)
            return Source(rows, None, {})
        path = scratch / "catalog"
        name = await self._bring(tenant, catalog, path)
        opened = await asyncio.to_thread(
            open_catalog, path, name=name, dialect=catalog.dialect.value, key=catalog.key, limits=self._limits
        )
        return Source(opened.rows(), opened.dialect, opened.mapping)

    async def _bring(self, tenant: str, catalog: Catalog, path: Path) -> str:
        source = catalog.source or ""
        if source.startswith(("https://", "http://")):
            try:
                fetched = await self._fetcher.fetch(
                    source, into=path, max_bytes=self._settings.max_catalog_bytes, deadline_s=600.0
                )
            except FetchError as error:
                raise ManifestError([Problem("/catalog/source", "not_fetched", str(error))]) from error
            return fetched.final_url.rsplit("/", 1)[-1]
        if "://" in source:
            detail = "a catalog is an uploaded file or an https:// address"
            raise ManifestError([Problem("/catalog/source", "bad_source", detail)])
        upload = await self._documents.find_upload(tenant, source)
        if upload is None:
            detail = f"nothing was uploaded as '{source}'; upload it first"
            raise ManifestError([Problem("/catalog/source", "missing_file", detail)])
        await self._documents.get_upload(tenant, upload.sha256, path)
        return source
