"""What is asked of an Images API and what comes back, in our words."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Literal

from schemas.failure import Failure

Operation = Literal["generation", "edit", "upscale"]


class ImageFormat(StrEnum):
    """File formats that Darkroom asks for and stores."""

    PNG = "png"
    JPEG = "jpeg"
    WEBP = "webp"

    @property
    def media_type(self) -> str:
        return f"image/{self.value}"

    @property
    def extension(self) -> str:
        return "jpg" if self is ImageFormat.JPEG else self.value


@dataclass(frozen=True, slots=True)
class Reference:
    """A picture that is sent along with an edit: bytes on local disk, named by their digest.

    Args:
        sha256: of the picture as it was named; of a copy, of what it was made from.
        key: where the bytes that are sent lie in storage.
        link: an address at which anybody may read them for a while, so a secret; None: the bytes are sent themselves.
        is_copy: whether they are an upright copy, as the picture is not sent as it is.
    """

    path: Path
    sha256: str
    media_type: str
    key: str
    link: str | None = field(default=None, repr=False)
    is_copy: bool = False


@dataclass(frozen=True, slots=True)
class ImageRequest:
    """One call that makes one picture. With references it is an edit, without it is a generation; with a `factor` it
    makes its one reference larger, and has neither prompt nor quality.

    Args:
        size: `WIDTHxHEIGHT` in pixels, or `auto`.
        factor: how many times as wide and as high it gets.
        compression: 0-100, JPEG and WebP only.
        client_request_id: `batch:index:attempt`, sent as `X-Client-Request-Id` and kept by the simulator's ledger.
    """

    model: str
    prompt: str = field(repr=False)
    size: str
    quality: str
    format: ImageFormat
    client_request_id: str
    compression: int | None = None
    background: str | None = None
    moderation: str | None = None
    complexity: str | None = None
    references: tuple[Reference, ...] = ()
    mask: Reference | None = None
    factor: int | None = None

    @property
    def attached(self) -> tuple[Reference, ...]:
        """Every picture that goes along, the mask last."""
        return (*self.references, self.mask) if self.mask else self.references

    @property
    def is_linked(self) -> bool:
        """Whether the provider reads every picture by itself."""
        return all(picture.link is not None for picture in self.attached)

    @property
    def operation(self) -> Operation:
        if self.factor is not None:
            return "upscale"
        return "edit" if self.references else "generation"


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one call as the provider counted them."""

    input_text_tokens: int = 0
    input_image_tokens: int = 0
    output_image_tokens: int = 0
    output_text_tokens: int = 0

    @property
    def total_tokens(self) -> int:
        return (
            self.input_text_tokens
            + self.input_image_tokens
            + self.output_image_tokens
            + self.output_text_tokens
        )


@dataclass(frozen=True, slots=True)
class LimitReading:
    """What one answer said about one rate limit. `dimension` is requests | images | tokens (or unknown, kept as it came)."""

    dimension: str
    limit: float | None = None
    remaining: float | None = None
    reset_s: float | None = None


@dataclass(frozen=True, slots=True)
class Generated:
    """A complete answer with a picture, whose bytes are in `path` (decoded, not yet verified).

    `usage` is None when the provider sent none; the cost is then estimated by the price table.
    """

    path: Path
    sha256: str
    size_bytes: int
    usage: Usage | None
    request_id: str | None


@dataclass(frozen=True, slots=True)
class Answer:
    """How one call ended.

    Args:
        outcome: a `Generated` picture or a `Failure`.
        latency_s: from the first byte sent to the last byte received.
        readings: every rate limit the answer told us about.
    """

    outcome: Generated | Failure
    latency_s: float
    readings: tuple[LimitReading, ...] = ()
