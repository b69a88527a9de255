"""`darkroom size`: what a number of pictures takes of an account. Asks nobody, and spends nothing."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from cli.exits import ExitCode
from cli.output import Json, Output, say, write_record
from cli.progress import duration

if TYPE_CHECKING:
    from schemas.capacity import Wanted
    from schemas.lane import Limits

TIER, QUALITY, SIZE, LATENCY_S = 1, "medium", "1024x1024", 120.0
Pictures = Annotated[int, typer.Argument(metavar="PICTURES", min=1, help="How many.")]
TierOption = Annotated[
    int | None,
    typer.Option("--tier", min=1, max=5, show_default=str(TIER), help="Usage tier of the account."),
]
Latency = Annotated[
    float | None,
    typer.Option(
        min=0.1,
        show_default=f"{LATENCY_S:g}; of an upscaler what its provider says",
        help="Mean seconds of a call; the metric darkroom_call_seconds tells yours.",
    ),
]
Quality = Annotated[str | None, typer.Option(show_default=QUALITY, help="Quality of the pictures.")]
Model = Annotated[str, typer.Option(help="Model that makes them, or upscaler that makes them larger.")]
Dimensions = Annotated[
    str | None, typer.Option("--size", metavar="WxH", show_default=SIZE, help="Their size.")
]
Slots = Annotated[int, typer.Option(min=1, max=5000, help="Calls in flight in a worker.")]
OutputOption = Annotated[Output, typer.Option("-o", "--output", help="How data is written.")]


@dataclass(frozen=True)
class Asked:
    """What was said of the pictures; None where nothing was."""

    pictures: int
    model: str
    tier: int | None
    latency_s: float | None
    quality: str | None
    size: str | None


def size(
    pictures: Pictures,
    tier: TierOption = None,
    latency: Latency = None,
    quality: Quality = None,
    model: Model = "gpt-image-2",
    dimensions: Dimensions = None,
    slots: Slots = 200,
    output: OutputOption = Output.TABLE,
) -> None:
    """Work out slots, workers, hours and dollars of one lane. Asks nobody, spends nothing."""
    from schemas.capacity import capacity

    try:
        wanted, limits = _understood(Asked(pictures, model, tier, latency, quality, dimensions))
    except ValueError as error:
        say(str(error))
        raise typer.Exit(ExitCode.USAGE) from None
    needed = asdict(capacity(wanted, limits, slots_per_worker=slots))
    write_record(_shown(needed), _lines(needed), output)


def _understood(asked: Asked) -> tuple[Wanted, Limits]:
    """What is wanted, and what the account allows.

    Raises:
        ValueError: it cannot be made, or something was said that means nothing here.
    """
    from schemas.capacity import Wanted, picture, upscale
    from schemas.lane import TIERS
    from schemas.model import find_model, refusal_of
    from schemas.size import resolve_size
    from schemas.upscaler import find_upscaler

    if upscaler := find_upscaler(asked.model):
        if asked.tier or asked.quality or asked.size:
            raise ValueError(
                f"--tier, --quality and --size mean nothing to {upscaler.name}: all accounts have the same limit, "
                "and all calls the same price."
            )
        latency_s = asked.latency_s or upscaler.call_s
        return Wanted(asked.pictures, upscale(upscaler), latency_s), upscaler.limits
    if (model := find_model(asked.model)) is None:
        raise ValueError(refusal_of(asked.model))
    each = picture(model, asked.quality or QUALITY, resolve_size(asked.size or SIZE, model))
    return Wanted(asked.pictures, each, asked.latency_s or LATENCY_S), TIERS[asked.tier or TIER]


def _shown(needed: Json) -> Json:
    """As the API shows amounts: dollars as text."""
    from schemas.pricing import usd

    named = {"likely_usd_micros": "likely_usd", "high_usd_micros": "high_usd"}
    return {named.get(name, name): usd(value) if name in named else value for name, value in needed.items()}


def _lines(needed: Json) -> dict[str, str]:
    shown = _shown(needed)
    return {
        "pictures a minute": f"{needed['images_per_minute']:,.4g}, by the limit of {needed['limited_by']}",
        "calls in flight": f"{needed['slots']:,}",
        "workers": f"{needed['workers']:,}",
        "time, at least": duration(needed["duration_s"]),
        "dollars, likely": shown["likely_usd"],
        "dollars, at most": shown["high_usd"],
    }
