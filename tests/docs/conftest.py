"""A copy of the project, with everything up, for all pages that one file reads."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.docs.checkout import Checkout


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    """Where the pages are tried."""
    with Checkout(tmp_path_factory.mktemp("checkout")) as checkout:
        yield checkout
