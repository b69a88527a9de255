"""Where the rows come from: none, inline, an upload, or an address; always a local file before it is read."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from core.documents import Documents
from core.settings import FetchSettings
from schemas.catalog import EMPTY_ROW, Row
from schemas.errors import ManifestError, Problem, UnavailableError
from schemas.manifest import Catalog, Manifest
from schemas.mapping import FieldSource
from workers.catalogs.reading import CatalogLimits, open_catalog, rows_of
from workers.fetching.errors import FetchError
from workers.fetching.fetcher import Fetcher
from workers.planning.chooser import RowChooser
from workers.planning.files.folders import FolderReader
from workers.planning.mapping_file import read_mapping

SOURCE, MAPPING = "/catalog/source", "/catalog/mapping"
FETCH_WITHIN_S = 600.0


@dataclass(frozen=True, slots=True)
class Source:
    """Rows and problems in their order, read as they are asked for; `mapping` is canonical field -> source columns, `advice`
    what the producer may want to look at."""

    rows: Iterator[Row | Problem]
    dialect: str | None = None
    mapping: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    chooser: RowChooser | None = None
    advice: str | None = None

    @property
    def left_out(self) -> int:
        """Rows so far that the manifest does not want."""
        return self.chooser.left_out if self.chooser else 0

    def problems(self, rows: int) -> list[Problem]:
        """What is wrong with the choice of rows, once all were read and `rows` of them were good."""
        return list(self.chooser.problems(rows)) if self.chooser else []


class SourceOpener:
    """Opens the catalog of a manifest."""

    def __init__(
        self, documents: Documents, fetcher: Fetcher, settings: FetchSettings, limits: CatalogLimits
    ) -> None:
        self._documents = documents
        self._fetcher = fetcher
        self._settings = settings
        self._limits = limits

    def folders(self) -> FolderReader:
        """What reads the folders that manifests name."""
        return FolderReader(self._documents, self._fetcher)

    def refusal_of(self, tenant: str, url: str) -> str | None:
        """Why nothing is fetched from an address for this tenant; None where it may be tried."""
        return self._fetcher.refusal_of(url, tenant=tenant)

    async def open(self, tenant: str, manifest: Manifest, scratch: Path) -> Source:
        """The rows of the manifest; a file is put into `scratch`.

        Raises:
            ManifestError: there is no such file, or it cannot be read as a catalog.
            UnavailableError: storage does not answer, ours or that of an `s3://` address.
        """
        catalog = manifest.catalog
        if catalog is None:
            return Source(iter((EMPTY_ROW,)))
        chooser = None if catalog.where is None else RowChooser(catalog.where)
        wants = chooser.wants if chooser else None
        if catalog.rows is not None:
            rows = await asyncio.to_thread(rows_of, catalog.rows, key=catalog.key, wants=wants)
            return Source(rows, chooser=chooser)
        path = scratch / "catalog"
        fields, name = await self._brought(tenant, catalog, scratch, path)
        opened = await asyncio.to_thread(
            open_catalog,
            path,
            name=name,
            dialect=catalog.dialect.value,
            key=catalog.key,
            limits=self._limits,
            fields=fields,
        )
        return Source(opened.rows(wants), opened.dialect, opened.mapping, chooser, opened.advice)

    async def _brought(
        self, tenant: str, catalog: Catalog, scratch: Path, path: Path
    ) -> tuple[Mapping[str, FieldSource] | None, str]:
        """The mapping, and the name of the file that is at `path` then. What is wrong with both is said at once."""
        fields, name, problems = None, "", list[Problem]()
        try:
            fields = await self._fields(tenant, catalog, scratch)
        except ManifestError as error:
            problems += error.problems
        try:
            name = await self._bring(tenant, catalog, path)
        except ManifestError as error:
            problems = [*error.problems, *problems]
        if problems:
            raise ManifestError(problems)
        return fields, name

    async def _fields(self, tenant: str, catalog: Catalog, scratch: Path) -> Mapping[str, FieldSource] | None:
        if catalog.mapping is None:
            return None
        if not isinstance(catalog.mapping, str):
            return {str(field): source for field, source in catalog.mapping.items()}
        path = scratch / "mapping"
        await self._copy_upload(tenant, catalog.mapping, path, pointer=MAPPING)
        return await asyncio.to_thread(read_mapping, path, catalog.mapping)

    async def _bring(self, tenant: str, catalog: Catalog, path: Path) -> str:
        """Puts the file there; its name as far as it tells something about its content."""
        source = catalog.source or ""
        if "://" not in source:
            await self._copy_upload(tenant, source, path, pointer=SOURCE)
            return source
        if not source.startswith(("https://", "http://", "s3://")):
            detail = "a catalog is an uploaded file, an https:// or an s3:// address"
            raise ManifestError([Problem(SOURCE, "bad_source", detail)])
        most = self._settings.max_catalog_bytes
        try:
            fetched = await self._fetcher.fetch(
                source, into=path, max_bytes=most, deadline_s=FETCH_WITHIN_S, tenant=tenant
            )
        except FetchError as error:
            if error.transient and source.startswith(
                "s3://"
            ):  # an opened bucket is there, as our own storage is
                raise UnavailableError(str(error)) from error
            raise ManifestError([Problem(SOURCE, "not_fetched", str(error))]) from error
        return fetched.final_url.partition("?")[0].rsplit("/", 1)[-1]

    async def _copy_upload(self, tenant: str, name: str, path: Path, *, pointer: str) -> None:
        if name.endswith("/"):
            raise ManifestError([Problem(pointer, "bad_source", f"'{name}' is a folder; name one file")])
        try:
            upload = await self._documents.find_upload(tenant, name)
        except ValueError:  # not a name that anything can be stored under
            upload = None
        if upload is None:
            detail = f"nothing was uploaded as '{name}'; upload it first"
            raise ManifestError([Problem(pointer, "missing_file", detail)])
        await self._documents.get_upload(tenant, upload.sha256, path)
