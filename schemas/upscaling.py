"""Upscaling by a provider: how large the pictures of a template come, and what can be wrong with asking for larger ones."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from schemas.errors import Problem
from schemas.finish_plan import FinishPlan, finished_sizes, plan_finish
from schemas.manifest import Manifest, Upscaling
from schemas.model import find_model, refusal_of
from schemas.preset import find_preset
from schemas.size import Size, asked_size, gone_size, resolve_size
from schemas.upscaler import Upscaler, find_upscaler, unknown_upscaler


def upscaler_of(upscale: Upscaling) -> Upscaler:
    """Whoever does it; the shape of a manifest has refused names that nobody has."""
    found = find_upscaler(upscale.model)
    assert found is not None, "the shape of a manifest refuses an unknown upscaler"
    return found


def original_size(manifest: Manifest, template: str, size: str) -> Size | None:
    """What the provider sends for a size as it is written; None where the provider chooses.

    Raises:
        ValueError: the model does not make it, or the upscaler does not take what it would start from.
    """
    chosen = manifest.templates[template]
    if chosen.upscale is None or chosen.parent is None:
        model = find_model(manifest.image_of(template).model or "")
        if size == "auto":
            return None
        return asked_size(size) if model is None else resolve_size(size, model)  # of one that is gone by now
    start = original_size(manifest, chosen.parent, _size_of_parent(manifest, chosen.parent, size))
    if start is None:
        raise ValueError(
            f"'{chosen.parent}' leaves its size to the provider; name one that can be made larger"
        )
    upscaler = find_upscaler(chosen.upscale.model)
    if upscaler is not None and (refusal := upscaler.refusal_of(start)):
        raise ValueError(f"the pictures of '{chosen.parent}' are {start}; {refusal}")
    return Size(start.width * chosen.upscale.factor, start.height * chosen.upscale.factor)


def _size_of_parent(manifest: Manifest, parent: str, size: str) -> str:
    """As `Grid.parent_of` has it: the same size, or the parent's first."""
    made_in = manifest.sizes_of(parent)
    return size if size in made_in else made_in[0]


def finish_of(manifest: Manifest, template: str, size: str) -> FinishPlan:
    """How the pictures of a template are finished in a size of it.

    Raises:
        ValueError: a step cannot be done on them, or there is no such size.
    """
    is_larger = manifest.templates[template].upscale is not None
    original = original_size(manifest, template, size) if is_larger else None
    return plan_finish(size, manifest.finish, upscaled=original)


def is_composite(manifest: Manifest, template: str) -> bool:
    """Whether a picture that was there before is in what the pictures of a template were made from, however far back: a
    reference of the template or of one that it starts from. What a model made alone, and made again from, is none."""
    parent = manifest.templates[template].parent
    if manifest.references_of(template):
        return True
    return parent is not None and is_composite(manifest, parent)


def makers_of(manifest: Manifest, template: str) -> str:
    """The model that makes the pictures of a template; of larger ones also that of those they start from, before it."""
    chosen, model = manifest.templates[template], manifest.image_of(template).model or ""
    if chosen.upscale is None or chosen.parent is None:
        return model
    return f"{makers_of(manifest, chosen.parent)}, {model}"


def gone_maker(manifest: Manifest, template: str, today: date) -> str | None:
    """Why nobody makes the pictures of a template any more, in a manifest that was accepted before; None where they do.

    Args:
        today: in UTC.
    """
    upscale = manifest.templates[template].upscale
    if upscale is not None:
        return unknown_upscaler(upscale.model)
    return refusal_of(manifest.image_of(template).model or "", today)


def gone_preset(manifest: Manifest, template: str, size: str) -> str | None:
    """Why nobody knows any more what this size of a template, or of what it is made larger from, stands for; None where
    it is known."""
    chosen, gone = manifest.templates[template], gone_size(size)
    if gone or chosen.upscale is None or chosen.parent is None:
        return gone
    return gone_preset(manifest, chosen.parent, _size_of_parent(manifest, chosen.parent, size))


def gone_problems(manifest: Manifest, today: date) -> Iterator[Problem]:
    """What is wrong by now with a manifest that was accepted before."""
    for name, template in manifest.templates.items():
        if refusal := gone_maker(manifest, name, today):
            where = "upscale" if template.upscale else "image"
            yield Problem(f"/templates/{name}/{where}/model", "gone", refusal)
        for size in manifest.sizes_of(name):
            if refusal := gone_size(size):
                yield Problem(f"/templates/{name}/sizes", "gone", refusal)


def upscaling_problems(manifest: Manifest, name: str) -> Iterator[Problem]:
    """What is wrong with a template that makes pictures larger, apart from the circles it may be part of."""
    template, place = manifest.templates[name], f"/templates/{name}"
    if template.upscale is None:
        return
    for field in ("prompt", "parts", "references", "mask"):
        if getattr(template, field):
            detail = f"an upscale makes the picture of `from` larger, and nothing else; leave `{field}` out"
            yield Problem(f"{place}/{field}", "conflict", detail)
    if template.image.model_fields_set:
        detail = "an upscale has its `model`, `lane` and `format` in `upscale`; leave `image` out"
        yield Problem(f"{place}/image", "conflict", detail)
    upscaler = upscaler_of(template.upscale)
    if template.upscale.factor not in upscaler.factors:
        known = " or ".join(str(factor) for factor in upscaler.factors)
        detail = f"{upscaler.name} makes pictures {known} times as wide and as high; finishing leads to other sizes"
        yield Problem(f"{place}/upscale/factor", "not_allowed", detail)
    kind = manifest.image_of(name).format
    if kind is not None and kind not in upscaler.formats:
        yield Problem(f"{place}/upscale/format", "not_allowed", f"{upscaler.name} does not make {kind.value}")
    if template.parent is None:
        detail = "an upscale starts from the pictures of another template; name it with `from`"
        yield Problem(f"{place}/upscale", "missing", detail)


def upscaled_size_problems(manifest: Manifest, name: str, parent: str) -> Iterator[Problem]:
    """What is wrong with the sizes of an upscale whose chain is sound."""
    own = manifest.templates[name].sizes is not None
    where = f"/templates/{name}/sizes" if own else "/sizes"
    seen: set[str] = set()
    for place, size in enumerate(manifest.sizes_of(name)):
        pointer = f"{where}/{place}"
        if size in seen:
            yield Problem(pointer, "duplicate", f"{size} is named twice")
        elif size not in manifest.sizes_of(parent) and find_preset(size) is None:
            yield _not_made(manifest, name, parent, (pointer, size))
        else:
            seen.add(size)
            yield from _size_problems(
                manifest, name, parent, (pointer if own else f"/templates/{name}", size)
            )


def _not_made(manifest: Manifest, name: str, parent: str, size: tuple[str, str]) -> Problem:
    """A size that there is nothing to start from in; where it is the whole manifest's, the upscale lacks its own.

    Args:
        size: where it stands, and what it is.
    """
    pointer, written = size
    if manifest.templates[name].sizes is not None:
        detail = f"'{parent}' is not made in {written}; name one of its sizes, or a preset to finish for"
        return Problem(pointer, "unknown", detail)
    made = ", ".join(manifest.sizes_of(parent))
    detail = (
        f"without `sizes` of its own it is made in {written}, as the whole manifest says, and '{parent}' is not; "
        f"give it `sizes`: of those of '{parent}' ({made}), or presets to finish for"
    )
    return Problem(f"/templates/{name}", "unknown", detail)


def _size_problems(manifest: Manifest, name: str, parent: str, size: tuple[str, str]) -> Iterator[Problem]:
    """
    Args:
        size: where it is to be mended, and what it is.
    """
    pointer, written = size
    try:
        start = original_size(manifest, parent, _size_of_parent(manifest, parent, written))
    except ValueError:
        return  # said where the parent is looked at
    try:
        larger = original_size(manifest, name, written)
    except ValueError as error:
        yield Problem(f"/templates/{name}/upscale", "illegal_size", str(error))
        return
    try:
        plan = finish_of(manifest, name, written)
    except ValueError as error:
        yield Problem("/finish", "illegal_step", f"{name}, {written}: {error}")
        return
    assert start is not None, "a size that is left to the provider cannot be made larger"
    assert larger is not None, "what it starts from has a size"
    if not _is_longer(end := _end(larger, plan), start):
        yield _for_nothing(manifest, parent, (pointer, written), (start, larger, end))


def _end(size: Size, plan: FinishPlan) -> Size:
    """What a picture of this size is finished to."""
    return [size, *finished_sizes(size, plan.steps)][-1]


def _is_longer(size: Size, other: Size) -> bool:
    return size.width > other.width or size.height > other.height


def _for_nothing(
    manifest: Manifest, parent: str, size: tuple[str, str], pixels: tuple[Size, Size, Size]
) -> Problem:
    """A larger picture that is paid for, and finished to no more than what it started from.

    Args:
        size: where it is to be mended, and what it is.
        pixels: what it starts from, what the upscaler sends, and what is left of that.
    """
    pointer, written = size
    start, larger, end = pixels
    says = f"{written} ends at {end}, no larger than what it starts from: '{parent}' is {start}"
    if find_preset(written) is None or _is_longer(
        _end(larger, plan_finish(written, (), upscaled=larger)), start
    ):
        return Problem(
            "/finish", "not_larger", f"{says}; take out the step that makes all {larger} small again"
        )
    both = "" if str(start) in manifest.sizes_of(parent) else f", in '{parent}' as well,"
    advice = f"name a preset with more pixels, or write {start} in its place{both} to keep all {larger}"
    return Problem(pointer, "not_larger", f"{says}; {advice}")
