"""One way for all catalog tests to have a text read: written to a file, opened, read to its end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from schemas.catalog import Row
from schemas.errors import ManifestError, Problem
from workers.catalogs.reading import Catalog, open_catalog
from workers.catalogs.record import CatalogLimits


@dataclass
class Reading:
    """What came out of a catalog: its rows and its problems, each in order."""

    catalog: Catalog
    rows: list[Row]
    problems: list[Problem]

    @property
    def row(self) -> Row:
        """The only row."""
        assert len(self.rows) == 1
        return self.rows[0]

    @property
    def by_key(self) -> dict[str, Row]:
        return {row.key: row for row in self.rows}

    @property
    def places(self) -> list[tuple[str, str]]:
        """Pointer and code of each problem."""
        return [(problem.pointer, problem.code) for problem in self.problems]


Read = Callable[..., Reading]


@pytest.fixture(scope="session")
def read(tmp_path_factory: pytest.TempPathFactory) -> Read:
    """Reads a catalog from text, bytes or a sample's name. For the session: properties use it many times."""
    path = tmp_path_factory.mktemp("catalogs") / "catalog"

    def read(content: str | bytes, **options: Any) -> Reading:
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        settings = {"name": "catalog", "dialect": "auto", "key": None, "limits": CatalogLimits(), **options}
        catalog = open_catalog(path, **settings)
        found = list(catalog.rows())
        rows = [each for each in found if isinstance(each, Row)]
        return Reading(catalog, rows, [each for each in found if isinstance(each, Problem)])

    return read


@pytest.fixture(scope="session")
def sample() -> Callable[[str], bytes]:
    """The bytes of a sample file."""
    return lambda name: (Path(__file__).parent / "samples" / name).read_bytes()


@pytest.fixture(scope="session")
def refused(read: Read) -> Callable[..., list[tuple[str, str]]]:
    """Pointer and code of each problem for which a catalog is refused outright."""

    def refused(content: str | bytes, **options: Any) -> list[tuple[str, str]]:
        with pytest.raises(ManifestError) as caught:
            read(content, **options)
        return [(problem.pointer, problem.code) for problem in caught.value.problems]

    return refused
