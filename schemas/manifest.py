"""The manifest: what a producer submits. Its field names are the contract with producers.

`Manifest` is the shape; `schemas.manifest_check` holds what shape alone cannot say.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
    field_validator,
    model_validator,
)

from schemas.disclosure import Disclosure
from schemas.finish import Steps
from schemas.image import ImageFormat
from schemas.mapping import MappingOrFile
from schemas.model import refusal_of
from schemas.parts import joined
from schemas.picture import MAX_REFERENCES
from schemas.preset import find_preset
from schemas.pricing import usd
from schemas.size import Size
from schemas.template import MAX_PROMPT_CHARS, TemplateError, condition, parsed
from schemas.upscaler import unknown_upscaler

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]
"""A template, axis or variant: letters, digits, `_` and `-`; it becomes part of file names."""


class Priority(StrEnum):
    """Fair-share classes, weighed 8 : 4 : 1."""

    INTERACTIVE = "interactive"
    NORMAL = "normal"
    BULK = "bulk"


class OnDoubt(StrEnum):
    """What becomes of a task that may have been charged without giving us a picture."""

    PARK = "park"
    RETRY_ONCE = "retry_once"


class Reuse(StrEnum):
    """Within what the same fingerprint costs nothing."""

    NEVER = "never"
    BATCH = "batch"
    TENANT = "tenant"


class Dialect(StrEnum):
    """How a catalog file is to be read."""

    AUTO = "auto"
    SHOPIFY = "shopify"
    WOOCOMMERCE = "woocommerce"
    GOOGLE_MERCHANT = "google_merchant"
    CSV = "csv"
    TSV = "tsv"
    SCHEMA_ORG = "schema_org"
    JSONL = "jsonl"
    JSON = "json"


def _liquid(text: str) -> str:
    try:
        parsed(text)
    except TemplateError as error:
        raise ValueError(str(error)) from error
    return text


def _condition(text: str) -> str:
    try:
        condition(text)
    except TemplateError as error:
        raise ValueError(str(error)) from error
    return text


ACCEPTED: Final = "accepted"
"""Validation context of a manifest that was accepted before: its models may be gone by now, see `schemas.upscaling`."""


def _known_model(name: str, about: ValidationInfo) -> str:
    if about.context != ACCEPTED and (refusal := refusal_of(name)):
        raise ValueError(refusal)
    return name


def _known_upscaler(name: str, about: ValidationInfo) -> str:
    if about.context != ACCEPTED and (refusal := unknown_upscaler(name)):
        raise ValueError(refusal)
    return name


def _known_size(text: str) -> str:
    if text != "auto" and find_preset(text) is None:
        Size.parse(text)
    return text


def _dollars(value: Any) -> str:
    """Decimal dollars as a string; YAML and JSON numbers are taken as they are written."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError('an amount in dollars is written as a decimal string such as "250.00"')
    try:
        amount = Decimal(str(value))
    except InvalidOperation as error:
        detail = f"'{str(value)[:40]}' is not an amount in dollars; write a decimal such as 250.00"
        raise ValueError(detail) from error
    if not amount.is_finite() or amount <= 0:
        raise ValueError("a cap must be more than 0 dollars")
    if amount > 10_000_000 or amount != round(amount, 6):
        raise ValueError("a cap has at most 6 decimals and is at most 10000000 dollars")
    return usd(int(amount * 1_000_000))


Liquid = Annotated[str, StringConstraints(max_length=MAX_PROMPT_CHARS), AfterValidator(_liquid)]
Condition = Annotated[str, StringConstraints(min_length=1, max_length=2000), AfterValidator(_condition)]
ModelName = Annotated[str, AfterValidator(_known_model)]
UpscalerName = Annotated[str, AfterValidator(_known_upscaler)]
SizeName = Annotated[str, AfterValidator(_known_size)]
Dollars = Annotated[str, BeforeValidator(_dollars)]


def _scalar(value: Any) -> Any:
    if value is not None and not isinstance(value, str | int | float | bool):
        raise ValueError("a variant's value is a text, a number, true, false or null")
    return value


class Shape(BaseModel):
    """Frozen, and strict about names: an unknown field is an error, never ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=False)


class Catalog(Shape):
    """Where the rows come from: a source to read, or `rows` written inline."""

    source: str | None = Field(default=None, min_length=1, max_length=2000)
    rows: tuple[dict[str, Any], ...] | None = Field(default=None, min_length=1)
    dialect: Dialect = Dialect.AUTO
    key: str | None = Field(default=None, min_length=1, max_length=200)
    mapping: MappingOrFile | None = None
    where: Condition | None = None

    @model_validator(mode="after")
    def _one_source(self) -> Catalog:
        if (self.source is None) == (self.rows is None):
            raise ValueError("a catalog has either `source` or `rows`")
        return self


class ImageSettings(Shape):
    """How pictures are asked for. None means: as the provider does it; what a template leaves out is the manifest's."""

    model: ModelName | None = None
    lane: Name | None = None
    quality: str | None = Field(default=None, min_length=1)
    complexity: str | None = Field(default=None, min_length=1)
    format: ImageFormat | None = None
    compression: int | None = Field(default=None, ge=0, le=100)
    background: Literal["auto", "opaque", "transparent"] | None = None
    moderation: Literal["auto", "low"] | None = None


Part = Annotated[Liquid, Field(min_length=1)] | None


class Parts(Shape):
    """A prompt in pieces, joined in this order, each behind its label; `schemas.parts` has the labels."""

    use: Part = None
    audience: Part = None
    change: Part = None
    preserve: Part = None
    scene: Part = None
    subject: Part = None
    details: Part = None
    composition: Part = None
    light: Part = None
    style: Part = None
    text: Part = None
    constraints: Part = None
    avoid: Part = None

    @model_validator(mode="after")
    def _says_something(self) -> Parts:
        if not self.given:
            raise ValueError(f"name at least one part: {', '.join(type(self).model_fields)}")
        return self

    @property
    def given(self) -> dict[str, str]:
        """The parts that are there, in their order."""
        return {name: text for name, text in self if text is not None}


class Upscaling(Shape):
    """Makes the pictures of `from` larger by a provider's upscaler, in place of a prompt: a paid call for each.

    `factor` is how many times as wide and as high they get. Sizes are those of the template they start from, or presets
    to finish for. The finishing step `upscale` does it without a provider, and costs nothing.
    """

    factor: int = Field(default=4, ge=2, le=16)
    model: UpscalerName = "stable-fast-upscale"
    lane: Name | None = None
    format: ImageFormat | None = None


class Template(Shape):
    """One kind of picture. With `references` or `from` it is an edit, with `upscale` a larger picture of `from`, else a
    generation."""

    upscale: Upscaling | None = None
    parts: Parts | None = None
    prompt: Annotated[Liquid, Field(min_length=1)] | None = Field(default=None, validate_default=True)
    references: tuple[Liquid, ...] = Field(default=(), max_length=MAX_REFERENCES)
    mask: Liquid | None = None
    parent: Name | None = Field(default=None, alias="from")
    sizes: tuple[SizeName, ...] | None = Field(default=None, min_length=1, max_length=100)
    samples: int | None = Field(default=None, ge=1, le=100)
    image: ImageSettings = ImageSettings()

    @field_validator("prompt")
    @classmethod
    def _one_of_two(cls, prompt: str | None, info: ValidationInfo) -> str | None:
        is_written = info.data.get("upscale") is None and info.data.keys() >= {"upscale", "parts"}
        if is_written and (prompt is None) == (info.data["parts"] is None):
            raise ValueError("a template has either `prompt` or `parts`")
        return prompt

    @cached_property
    def text(self) -> str:
        """The Liquid text of its prompt, joined where it is in parts."""
        return self.prompt or joined(self.parts.given if self.parts else {})

    @property
    def pieces(self) -> dict[str, str]:
        """The texts as the producer wrote them, by their place in the template: `prompt`, or `parts/light`."""
        if self.upscale is not None:
            return {}
        if self.parts is None:
            return {"prompt": self.text}
        return {f"parts/{name}": text for name, text in self.parts.given.items()}

    @property
    def pointer(self) -> str:
        """The place of its whole prompt in the template."""
        return "prompt" if self.parts is None else "parts"


class Output(Shape):
    """Where a picture is stored, below the batch's own folder and without its file extension."""

    key: Annotated[Liquid, Field(min_length=1, max_length=1000)] = (
        "{{ row.key }}/{{ template }}-{{ variant_key }}-{{ size }}-{{ sample }}"
    )


class Spend(Shape):
    """What the batch may cost, and what to do in doubt."""

    cap_usd: Dollars | None = None
    on_doubt: OnDoubt = OnDoubt.PARK


Scalar = Annotated[Any, AfterValidator(_scalar)]
Axes = dict[Name, Annotated[dict[Name, dict[Name, Scalar]], Field(min_length=1)]]
Choice = dict[Name, Name]
"""One choice on some of the axes; it stands for every combination that has them."""


class Combinations(Shape):
    """Which combinations of variants are made: those of `zip`, without those of `exclude`, and those of `include`."""

    paired: tuple[Annotated[tuple[Name, ...], Field(min_length=2)], ...] = Field(
        default=(), alias="zip", max_length=10
    )
    exclude: tuple[Annotated[Choice, Field(min_length=1)], ...] = Field(default=(), max_length=100)
    include: tuple[Annotated[Choice, Field(min_length=1)], ...] = Field(default=(), max_length=100)


Metadata = dict[
    Annotated[str, StringConstraints(min_length=1, max_length=64)],
    Annotated[str, StringConstraints(max_length=512)],
]


class Manifest(Shape):
    """Prompt templates x catalog rows x variants x sizes x samples. Immutable once accepted."""

    darkroom: Literal[1] = 1
    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
    priority: Priority = Priority.NORMAL
    metadata: Metadata = Field(default_factory=dict, max_length=16)
    catalog: Catalog | None = None
    image: ImageSettings = ImageSettings()
    references: tuple[Liquid, ...] = Field(default=(), max_length=MAX_REFERENCES)
    templates: dict[Name, Template] = Field(min_length=1, max_length=100)
    variants: Axes = Field(default_factory=dict, max_length=10)
    combinations: Combinations = Combinations()
    sizes: tuple[SizeName, ...] = Field(default=("1024x1024",), min_length=1, max_length=100)
    samples: int = Field(default=1, ge=1, le=100)
    sample: int | None = Field(default=None, ge=1, le=100)
    finish: Steps = ()
    disclosure: Disclosure = Disclosure()
    output: Output = Output()
    spend: Spend = Spend()
    reuse: Reuse = Reuse.BATCH
    deadline: AwareDatetime | None = None
    notify: tuple[()] = ()

    def image_of(self, template: str) -> ImageSettings:
        """The image settings of a template: its own where it has them, the manifest's elsewhere. A null of its own leaves a
        setting to the provider, except the model; a compression goes with the format that it was named for. Those of an
        upscale are who does it, by which lane and in which format; its factor stands for the quality."""
        if upscale := self.templates[template].upscale:
            named = {"model": upscale.model, "lane": upscale.lane, "quality": f"{upscale.factor}x"}
            return ImageSettings().model_copy(update={**named, "format": upscale.format or self.image.format})
        own = self.templates[template].image.model_dump(exclude_unset=True)
        if own.get("model", "") is None:
            del own["model"]
        if "format" in own and own["format"] in (None, ImageFormat.PNG):
            own.setdefault("compression", None)
        return self.image.model_copy(update=own)

    def references_of(self, template: str) -> tuple[tuple[str, str], ...]:
        """The references of a template with their places: its own, then those of the whole batch. An upscale has none."""
        if self.templates[template].upscale is not None:
            return ()
        own = self.templates[template].references
        return (
            *((f"/templates/{template}/references/{place}", text) for place, text in enumerate(own)),
            *((f"/references/{place}", text) for place, text in enumerate(self.references)),
        )

    def sizes_of(self, template: str) -> tuple[str, ...]:
        return self.templates[template].sizes or self.sizes

    def samples_of(self, template: str) -> int:
        return self.templates[template].samples or self.samples

    @property
    def label(self) -> str:
        """The name of its batch: a sample says that it is one."""
        return self.name if self.sample is None else f"{self.name} (sample of {self.sample})"
