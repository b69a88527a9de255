"""The plan of finishing: what is done to every picture of one size, by its preset and its manifest together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pydantic import BaseModel, ConfigDict

from schemas.finish import Crop, Encode, Pad, Step, Steps, Thumbnail, too_large
from schemas.preset import Preset, find_preset
from schemas.size import Size

_INSTEAD = {"crop": "shape", "pad": "shape"}
"""Steps of different names that do the same in different ways: each takes the place of the other."""


class FinishPlan(BaseModel):
    """What is done to a picture, in this order: `steps`, encoding, thumbnails. Kept in the order, as JSON.

    `preset` is whose rules are checked; None for a size that was written in pixels. `enlarged`: the original has been
    made larger before.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    preset: str | None = None
    steps: Steps = ()
    encode: Encode | None = None
    thumbnails: tuple[Thumbnail, ...] = ()
    enlarged: bool = False


def plan_finish(size: str, finish: Iterable[Step], *, upscaled: Size | None = None) -> FinishPlan:
    """The plan for pictures of a size as the manifest writes it: `WIDTHxHEIGHT`, a preset, or `auto`.

    The steps of the preset come first, without those that the manifest names itself (where either of `crop` and `pad`
    stands for both); then those of the manifest. A `crop` or `pad` that does not say to which pixels gets the target
    of the preset, or the size itself. An `encode` without a format gets that of the preset.

    Args:
        upscaled: what a picture that was made larger by a provider has; in place of the size, or of what its preset asks
            for. Where nothing else leads to the target of its preset, a crop does.

    Raises:
        ValueError: a step cannot be done on this size; says which, and why.
    """
    preset, own = find_preset(size), tuple(finish)
    named = {_kind(step) for step in own}
    kept = [step for step in (preset.finish if preset else ()) if _kind(step) not in named]
    if upscaled and preset and not named & {"shape", "resize", "upscale"} and "shape" not in map(_kind, kept):
        kept.append(Crop(step="crop"))
    target = preset.target if preset else upscaled or (None if size == "auto" else Size.parse(size))
    steps = [_aimed(step, target) for step in (*kept, *own)]
    encode = next((step for step in steps if isinstance(step, Encode)), None)
    if preset is not None:
        encode = _taken_by(preset, encode)
    if target is not None:
        _refuse_too_large(upscaled or (preset.generate_at if preset else target), steps)
    return FinishPlan(
        preset=preset.name if preset else None,
        steps=tuple(step for step in steps if not isinstance(step, Encode | Thumbnail)),
        encode=encode,
        thumbnails=tuple(step for step in steps if isinstance(step, Thumbnail)),
        enlarged=upscaled is not None,
    )


def finished_sizes(size: Size, steps: Iterable[Step]) -> Iterator[Size]:
    """What a picture of this size becomes, step by step."""
    for step in steps:
        size = step.size_after(size)
        yield size


def _kind(step: Step) -> str:
    return f"thumbnail {step.name}" if isinstance(step, Thumbnail) else _INSTEAD.get(step.step, step.step)


def _aimed(step: Step, target: Size | None) -> Step:
    if not isinstance(step, Crop | Pad) or step.to is not None:
        return step
    if target is None:
        raise ValueError(f"{step.step}: the size `auto` has no pixels of its own; add `to: WIDTHxHEIGHT`")
    return step.model_copy(update={"to": str(target)})


def _taken_by(preset: Preset, encode: Encode | None) -> Encode | None:
    """How a file for this channel is encoded: in the format it asks for, where nothing else is said."""
    formats = preset.rules.formats
    if encode is None or not formats or encode.format in formats:
        return encode
    if encode.format is not None:
        raise ValueError(f"encode: {preset.name} takes {' or '.join(formats)}, not {encode.format}")
    own = next(step for step in preset.finish if isinstance(step, Encode))
    return encode.model_copy(update={"format": own.format})


def _refuse_too_large(size: Size, steps: list[Step]) -> None:
    for step, after in zip(steps, finished_sizes(size, steps), strict=True):
        if problem := too_large(after):
            raise ValueError(f"{step.step}: {problem}")
