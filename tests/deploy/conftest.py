"""What the image and the compose file make, made by hand: for all tests of a run, and for those of a module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.deploy.composition import Composition
from tests.deploy.image import Image


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    """What the Dockerfile makes, made by hand."""
    return Image(tmp_path_factory.mktemp("image"))


@pytest.fixture(scope="module")
def composition(image: Image, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Composition]:
    """What the compose file starts, not yet started."""
    with Composition(image, tmp_path_factory.mktemp("composition")) as composition:
        yield composition
