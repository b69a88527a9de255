"""`darkroom size`: what a number of pictures takes of an account. Asks nobody, and spends nothing."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from cli.exits import ExitCode
from cli.output import Json, Output, say, write_record

if TYPE_CHECKING:
    from schemas.model import Model

Pictures = Annotated[int, typer.Argument(metavar="PICTURES", min=1, help="How many.")]
TierOption = Annotated[int, typer.Option("--tier", min=1, max=5, help="Usage tier of the account.")]
Latency = Annotated[
    float,
    typer.Option(min=0.1, help="Mean seconds of a call; the metric darkroom_call_seconds tells yours."),
]
Slots = Annotated[int, typer.Option(min=1, max=5000, help="Calls in flight in a worker.")]
OutputOption = Annotated[Output, typer.Option("-o", "--output", help="How data is written.")]


def size(
    pictures: Pictures,
    tier: TierOption = 1,
    latency: Latency = 120.0,
    quality: Annotated[str, typer.Option(help="Quality of the pictures.")] = "medium",
    model: Annotated[str, typer.Option(help="Model that makes them.")] = "gpt-image-2",
    dimensions: Annotated[str, typer.Option("--size", metavar="WxH", help="Their size.")] = "1024x1024",
    slots: Slots = 200,
    output: OutputOption = Output.TABLE,
) -> None:
    """Work out slots, workers, hours and dollars. Asks nobody, spends nothing."""
    from schemas.capacity import Wanted, capacity
    from schemas.lane import TIERS
    from schemas.size import resolve_size

    try:
        found = _model(model)
        wanted = Wanted(pictures, found, quality, resolve_size(dimensions, found), latency)
        needed = asdict(capacity(wanted, TIERS[tier], slots_per_worker=slots))
    except ValueError as error:
        say(str(error))
        raise typer.Exit(ExitCode.USAGE) from None
    write_record(_shown(needed), _lines(needed), output)


def _model(name: str) -> Model:
    """
    Raises:
        ValueError: it cannot be asked for.
    """
    from schemas.model import find_model, refusal_of

    found = find_model(name)
    if found is None:
        raise ValueError(refusal_of(name))
    return found


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
        "hours, at least": f"{needed['duration_s'] / 3600:,.1f}",
        "dollars, likely": shown["likely_usd"],
        "dollars, at most": shown["high_usd"],
    }
