"""The manifest: what a producer submits. Its field names are the contract with producers.

`Manifest` is the shape; `schemas.manifest_check` holds what shape alone cannot say.
"""

from __future__ import annotations

from enum import StrEnum
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import (
    AwareDatetime,
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
from schemas.notation import (
    Axes,
    Choice,
    Condition,
    Dollars,
    Liquid,
    Metadata,
    ModelName,
    Name,
    Shape,
    SizeName,
    UpscalerName,
)
from schemas.parts import Parts, joined
from schemas.picture import MAX_REFERENCES
from schemas.template import MAX_PROMPT_CHARS


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


class Catalog(Shape):
    """Where the rows come from: a source to read, or `rows` written inline."""

    source: str | None = Field(
        None,
        min_length=1,
        max_length=2000,
        description="The name of an uploaded file, an `https://` address, or an `s3://bucket/key` from a place that the "
        "operator opened with `DARKROOM_FETCH__S3_SOURCES`. The command line uploads a file that lies beside the manifest.",
    )
    rows: tuple[dict[str, Any], ...] | None = Field(
        None, min_length=1, description="The rows themselves, written here instead of a `source`."
    )
    dialect: Dialect = Field(Dialect.AUTO, description="How the file is to be read; `auto` finds out.")
    key: str | None = Field(
        None,
        min_length=1,
        max_length=200,
        description="The column that names a row; keys must be unique. Without it, the one of the dialect.",
    )
    mapping: MappingOrFile | None = Field(
        None,
        description="Where fields come from, for a file that no dialect fits: here, or in an uploaded YAML or JSON file.",
    )
    where: Condition | None = Field(
        None, description="Which rows are wanted: a condition as in `{% if ... %}`, that reads `row` alone."
    )

    @model_validator(mode="after")
    def _one_source(self) -> Catalog:
        if (self.source is None) == (self.rows is None):
            raise ValueError("a catalog has either `source` or `rows`")
        return self


class ImageSettings(Shape):
    """How pictures are asked for. None means: as the provider does it; what a template leaves out is the manifest's."""

    model: ModelName | None = Field(None, description="Required here or in every template.")
    lane: Name | None = Field(
        None,
        description="The lane of this service, or the group of lanes. Without it, the first in order of names that serves "
        "the model.",
    )
    quality: str | None = Field(
        None,
        min_length=1,
        description="One that the model has. It must be named where there is a cap: `auto` has no price.",
    )
    complexity: str | None = Field(None, min_length=1, description="Only for models that have it.")
    format: ImageFormat | None = Field(None, description="Without it, `png`.")
    compression: int | None = Field(
        None,
        ge=0,
        le=100,
        description="Of `jpeg` and `webp`; a template whose own `format` is `png` has none.",
    )
    background: Literal["auto", "opaque", "transparent"] | None = Field(
        None, description="`transparent` needs `png` or `webp`."
    )
    moderation: Literal["auto", "low"] | None = Field(None, description="How strictly the provider filters.")


class Upscaling(Shape):
    """Makes the pictures of `from` larger by a provider's upscaler, in place of a prompt: a paid call for each.

    `factor` is how many times as wide and as high they get. Sizes are those of the template they start from, or presets
    to finish for. The finishing step `upscale` does it without a provider, and costs nothing.
    """

    factor: int = Field(
        4, ge=2, le=16, description="How many times as wide and as high; one that the upscaler offers."
    )
    model: UpscalerName = Field("stable-fast-upscale", description="The upscaler.")
    lane: Name | None = Field(
        None,
        description="The lane of this service, or the group of lanes. Without it, the first in order of names that serves "
        "the upscaler.",
    )
    format: ImageFormat | None = Field(None, description="Without it, the manifest's.")


class Template(Shape):
    """One kind of picture. With `references` or `from` it is an edit, with `upscale` a larger picture of `from`, else a
    generation."""

    upscale: Upscaling | None = Field(
        None, description="Instead of a prompt: the picture of `from`, made larger by a provider."
    )
    parts: Parts | None = Field(None, description="Instead of a `prompt`: the prompt in pieces.")
    prompt: Annotated[Liquid, Field(min_length=1)] | None = Field(
        None,
        validate_default=True,
        description=f"Required without `parts` or `upscale`; at most {MAX_PROMPT_CHARS:,} characters once filled in.",
    )
    references: tuple[Liquid, ...] = Field(
        (),
        max_length=MAX_REFERENCES,
        description="Pictures to start from, each the name of an uploaded file or an address, or a folder of them; those of "
        "the manifest come after them. With any, the call is an edit.",
    )
    mask: Liquid | None = Field(
        None,
        description="A picture that marks what may change in the first reference: a PNG with an alpha channel, transparent "
        "where it may change, of the same size, at most 4 MB.",
    )
    parent: Name | None = Field(
        None,
        alias="from",
        description="Another template. Its picture of the same row, variant, size and sample becomes Image 1; without that "
        "size, its first size; with fewer samples, each of them in turn. Chains may be several deep.",
    )
    sizes: tuple[SizeName, ...] | None = Field(
        None, min_length=1, max_length=100, description="Without them, the manifest's."
    )
    samples: int | None = Field(
        None, ge=1, le=100, description="Pictures of the same cell. Without it, as many as the manifest says."
    )
    image: ImageSettings = Field(
        ImageSettings(),
        description="What differs from the `image` of the manifest; `null` leaves a setting to the provider.",
    )

    @field_validator("prompt")
    @classmethod
    def _one_of_two(cls, prompt: str | None, info: ValidationInfo) -> str | None:
        is_written = info.data.get("upscale") is None and info.data.keys() >= {"upscale", "parts"}
        if is_written and (prompt is None) == (info.data["parts"] is None):
            raise ValueError("a template has one of `prompt`, `parts` and `upscale`")
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

    key: Annotated[Liquid, Field(min_length=1, max_length=1000)] = Field(
        "{{ row.key }}/{{ template }}-{{ variant_key }}-{{ size }}-{{ sample }}",
        description="Below the folder of the batch; the ending is added. No two pictures may get the same one, nor two that "
        "are one on a disk: `A` and `a`, or `é` in one letter and in two.",
    )


class Spend(Shape):
    """What the batch may cost, and what to do in doubt."""

    cap_usd: Dollars | None = Field(
        None,
        description="Most the batch may cost. It cannot be crossed: a call starts only when its highest price still fits.",
    )
    on_doubt: OnDoubt = Field(
        OnDoubt.PARK,
        description="When we may have been charged, have no picture, and the provider's usage report is not there or cannot "
        "tell: `park` the task, or `retry_once` for money, as well as a useless picture that was charged; in a batch at "
        "most for one task in a hundred, or five.",
    )


class Combinations(Shape):
    """Which combinations of variants are made: those of `zip`, without those of `exclude`, and those of `include`."""

    paired: tuple[Annotated[tuple[Name, ...], Field(min_length=2)], ...] = Field(
        (),
        alias="zip",
        max_length=10,
        title="lists of 2 or more axes",
        description="Axes that go side by side: the first choice of one with the first of the other, and so on. They have "
        "as many choices each.",
    )
    exclude: tuple[Choice, ...] = Field(
        (),
        max_length=100,
        title="list of choices by axis",
        description="Combinations that are not made. An entry names a choice on one axis or on several, and stands for "
        "every combination that has them.",
    )
    include: tuple[Choice, ...] = Field(
        (),
        max_length=100,
        title="list of choices by axis",
        description="Combinations that are made whatever `zip` and `exclude` say; entries are read in the same way. Without "
        "those it is refused: everything is made already.",
    )


class Manifest(Shape):
    """Prompt templates x catalog rows x variants x sizes x samples. Immutable once accepted."""

    darkroom: Literal[1] = Field(1, description="Format of the manifest.")
    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)] = Field(
        description="For people; letters of any language."
    )
    priority: Priority = Field(
        Priority.NORMAL,
        description="Share of a lane against other batches, 8 : 4 : 1. Nobody is kept waiting for ever.",
    )
    metadata: Metadata = Field(
        default_factory=dict,
        max_length=16,
        description="Texts of yours, with names of 64 and values of 512 characters at most; they come back on the batch.",
    )
    catalog: Catalog | None = Field(
        None, description="Where rows come from. Without one there is a single empty row."
    )
    image: ImageSettings = Field(
        ImageSettings(), description="How pictures are asked for, where a template says nothing else."
    )
    references: tuple[Liquid, ...] = Field(
        (),
        max_length=MAX_REFERENCES,
        description="Pictures that every template starts from, after its own: the style or the logo of a brand.",
    )
    templates: dict[Name, Template] = Field(min_length=1, max_length=100, description="Kinds of picture.")
    variants: Axes = Field(
        default_factory=dict,
        max_length=10,
        title="axes of choices with values",
        description="Every combination of one choice on each axis is made. What a choice holds can be read by prompts.",
    )
    combinations: Combinations = Field(
        Combinations(), description="Which choices go together; without it, all with all."
    )
    sizes: tuple[SizeName, ...] = Field(
        ("1024x1024",),
        min_length=1,
        max_length=100,
        description="Sizes of every template that names none of its own.",
    )
    samples: int = Field(
        1,
        ge=1,
        le=100,
        description="Pictures of the same cell, for every template that says nothing else. Each is a task of its own.",
    )
    sample: int | None = Field(
        None, ge=1, le=100, description="Make only so many pictures, to see what all of them will look like."
    )
    finish: Steps = Field((), description="What is done to every picture, in this order.")
    disclosure: Disclosure = Field(Disclosure(), description="What every picture says about how it was made.")
    output: Output = Field(Output(), description="Where pictures are stored.")
    spend: Spend = Field(Spend(), description="What the batch may cost.")
    reuse: Reuse = Field(
        Reuse.BATCH,
        description="`batch`: the same picture asked for twice in a batch is made and paid once. `tenant`: a picture that "
        "any of your batches has already is taken from there, with a receipt of its own, for $0. `never`: it is made twice.",
    )
    deadline: AwareDatetime | None = Field(
        None, description="With a time zone. What has not started by then fails as `expired`."
    )
    notify: tuple[()] = Field(
        (), description="Webhooks, which this version does not have: only the empty list is accepted."
    )

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
