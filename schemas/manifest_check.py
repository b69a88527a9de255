"""Everything that can be wrong with a manifest before its catalog is read, found at once and with its place."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

from schemas.errors import ManifestError, Problem
from schemas.image import ImageFormat
from schemas.manifest import Dialect, Manifest, Reuse
from schemas.model import Model, find_model
from schemas.size import resolve_size
from schemas.template import parsed

MAX_PROBLEMS = 100
MAX_REFERENCES = 16


def check_manifest(data: Any) -> Manifest:
    """The manifest of a parsed document.

    Raises:
        ManifestError: with every problem, sorted by place; what shape hides is looked for in what remains.
    """
    problems: list[Problem] = []
    manifest: Manifest | None = None
    try:
        manifest = Manifest.model_validate(data)
    except ValidationError as error:
        problems += [_problem(found) for found in error.errors(include_url=False, include_input=False)]
        manifest = _what_remains(data, error)
    if manifest is not None:
        seen = {problem.pointer for problem in problems}
        problems += [problem for problem in _semantic_problems(manifest) if problem.pointer not in seen]
    if problems:
        raise ManifestError(problems[:MAX_PROBLEMS], truncated=len(problems) > MAX_PROBLEMS)
    assert manifest is not None
    return manifest


def _what_remains(data: Any, error: ValidationError) -> Manifest | None:
    """The manifest without its malformed fields, when that is one: so that one typing error hides no other."""
    if not isinstance(data, dict):
        return None
    pruned: Any = _copied(data)
    for found in error.errors(include_url=False, include_input=False):
        place = pruned
        path: list[int | str] = [part for part in found["loc"] if part != "[key]"]
        for part in path[:-1]:
            if isinstance(place, dict) and part in place:
                place = place[part]
        if isinstance(place, dict) and path:
            place.pop(path[-1], None)
    try:
        return Manifest.model_validate(pruned)
    except ValidationError:
        return None


def _copied(data: Any) -> Any:
    if isinstance(data, dict):
        return {name: _copied(value) for name, value in data.items()}
    return data


def _problem(found: Any) -> Problem:
    parts = [str(part).replace("~", "~0").replace("/", "~1") for part in found["loc"] if part != "[key]"]
    pointer = "".join(f"/{part}" for part in parts)
    kind, message = found["type"], found["msg"].removeprefix("Value error, ")
    if kind == "extra_forbidden":
        message = f"'{found['loc'][-1]}' is not a field of a manifest here"
    elif kind == "missing":
        message = f"'{found['loc'][-1]}' is required"
    return Problem(pointer, kind, message)


def _semantic_problems(manifest: Manifest) -> Iterator[Problem]:
    yield from _not_yet(manifest)
    for name in manifest.templates:
        yield from _image_problems(manifest, name)
        yield from _size_problems(manifest, name)
        yield from _parent_problems(manifest, name)
        yield from _reading_problems(manifest, name)


def _not_yet(manifest: Manifest) -> Iterator[Problem]:
    """Fields of the contract that this version knows by name and does not act on: refused, never ignored."""
    refused = {
        "/catalog/where": manifest.catalog is not None and manifest.catalog.where is not None,
        "/finish": bool(manifest.finish),
        "/reuse": manifest.reuse is Reuse.TENANT,
        "/notify": bool(manifest.notify),
    }
    for pointer, used in refused.items():
        if used:
            name = pointer.rsplit("/", 1)[-1]
            yield Problem(
                pointer, "not_supported_yet", f"`{name}` is not available in this version; leave it out"
            )
    if (
        manifest.catalog is not None
        and manifest.catalog.rows
        and manifest.catalog.dialect is not Dialect.AUTO
    ):
        yield Problem("/catalog/dialect", "not_applicable", "inline rows have no dialect; leave it out")


def _image_problems(manifest: Manifest, name: str) -> Iterator[Problem]:
    image, own = manifest.image_of(name), manifest.templates[name].image

    def place(field: str) -> str:
        return f"/templates/{name}/image/{field}" if getattr(own, field) is not None else f"/image/{field}"

    if image.model is None:
        yield Problem(
            "/image/model", "missing", "'model' is required: name the model that makes the pictures"
        )
        return
    model = find_model(image.model)
    assert model is not None, "an unknown model is refused by the shape"
    yield from _choice_problems(model, image, place)
    if image.background == "transparent" and image.format is ImageFormat.JPEG:
        yield Problem(place("background"), "conflict", "jpeg has no transparency; use png or webp")
    if image.compression is not None and (image.format or ImageFormat.PNG) is ImageFormat.PNG:
        yield Problem(place("compression"), "conflict", "compression is for jpeg and webp; png has none")
    if manifest.spend.cap_usd and (image.quality or "auto") == "auto":
        yield Problem(
            place("quality"),
            "unpriced",
            f"with a cap the quality must be named, because 'auto' has no price: {', '.join(model.qualities)}",
        )


def _choice_problems(model: Model, image: Any, place: Any) -> Iterator[Problem]:
    choices = {
        "quality": (*model.qualities, "auto"),
        "complexity": model.complexities,
        "background": model.backgrounds,
    }
    for field, allowed in choices.items():
        value = getattr(image, field)
        if value is not None and value not in allowed:
            known = f"it knows {', '.join(allowed)}" if allowed else "it has no such setting"
            yield Problem(
                place(field), "not_allowed", f"{model.name} does not know {field} '{value}'; {known}"
            )


def _size_problems(manifest: Manifest, name: str) -> Iterator[Problem]:
    model = find_model(manifest.image_of(name).model or "")
    where = f"/templates/{name}/sizes" if manifest.templates[name].sizes else "/sizes"
    sizes = manifest.sizes_of(name)
    for place, size in enumerate(sizes):
        if size in sizes[:place]:
            yield Problem(f"{where}/{place}", "duplicate", f"{size} is named twice")
        elif size == "auto":
            if manifest.spend.cap_usd:
                yield Problem(
                    f"{where}/{place}", "unpriced", "with a cap the size must be named: 'auto' has no price"
                )
        elif model is not None:
            try:
                resolve_size(size, model)
            except ValueError as error:
                yield Problem(f"{where}/{place}", "illegal_size", str(error))


def _parent_problems(manifest: Manifest, name: str) -> Iterator[Problem]:
    template = manifest.templates[name]
    images = len(template.references) + (template.parent is not None)
    if images > MAX_REFERENCES:
        yield Problem(
            f"/templates/{name}/references",
            "too_many",
            f"at most {MAX_REFERENCES}, with the picture of `from`",
        )
    if template.mask is not None and images == 0:
        yield Problem(f"/templates/{name}/mask", "conflict", "a mask needs a reference picture that it masks")
    if template.parent is not None and template.parent not in manifest.templates:
        known = ", ".join(other for other in manifest.templates if other != name) or "none"
        yield Problem(
            f"/templates/{name}/from", "unknown", f"there is no template '{template.parent}'; known: {known}"
        )
    elif name in _ancestors(manifest, name):
        yield Problem(f"/templates/{name}/from", "circle", f"'{name}' is made from itself")


def _ancestors(manifest: Manifest, name: str) -> set[str]:
    found: set[str] = set()
    parent = manifest.templates[name].parent
    while parent in manifest.templates and parent not in found:
        found.add(parent)
        parent = manifest.templates[parent].parent
    return found


def _reading_problems(manifest: Manifest, name: str) -> Iterator[Problem]:
    """Axes and variant values that a template reads and no variant has. Row fields wait for the catalog."""
    template = manifest.templates[name]
    texts = {
        "prompt": template.prompt,
        "mask": template.mask,
        **{f"references/{i}": t for i, t in enumerate(template.references)},
    }
    for field, text in texts.items():
        for path in parsed(text).reads if text else ():
            if detail := _variant_problem(manifest, path.split(".")):
                yield Problem(f"/templates/{name}/{field}", "unknown_field", f"{path}: {detail}")


def _variant_problem(manifest: Manifest, path: list[str]) -> str | None:
    if path[0] != "variant" or len(path) < 2:
        return None
    axis = manifest.variants.get(path[1])
    if axis is None:
        return f"there is no axis '{path[1]}'; known: {', '.join(manifest.variants) or 'none'}"
    if len(path) > 2 and path[2] != "name":
        lacking = [choice for choice, values in axis.items() if path[2] not in values]
        return f"'{path[2]}' is missing from {', '.join(lacking)}" if lacking else None
    return None
