"""Everything that can be wrong with a manifest before its catalog is read, found at once and with its place."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from pydantic import ValidationError

from schemas.combining import combination_problems
from schemas.echo import is_echo
from schemas.errors import ManifestError, Problem, escaped
from schemas.finish_plan import plan_finish
from schemas.image import ImageFormat
from schemas.manifest import Dialect, ImageSettings, Manifest, Reuse
from schemas.model import Model, find_model
from schemas.picture import MAX_REFERENCES
from schemas.preset import find_preset
from schemas.size import resolve_size
from schemas.template import parsed
from schemas.upscaling import upscaled_size_problems, upscaling_problems
from schemas.wording import names_beside, nearest, sentence

MAX_PROBLEMS = 100
MAX_ROUNDS = 4
LATER = ("notify", "schedule", "draft", "canary")
"""Fields of the manifest that a later version has; one that uses them is refused by name, never ignored."""


def check_manifest(data: Any) -> Manifest:
    """The manifest of a parsed document.

    Raises:
        ManifestError: with every problem: first those of shape, then those that only a whole manifest can have.
            What is malformed is replaced by something harmless before going on, so that it hides nothing else.
    """
    problems: dict[Problem, None] = {}
    manifest: Manifest | None = None
    meant: list[str] = []
    for _ in range(MAX_ROUNDS):
        try:
            manifest = Manifest.model_validate(data)
            break
        except ValidationError as error:
            found = error.errors(include_url=False, include_input=False)
            meant += _pointers_meant(found)
            broken = [*(problem.pointer for problem in problems), *meant]
            problems |= dict.fromkeys(_originals(list(map(_problem, found)), broken))
            data = _mended(data, found)
    if manifest is not None:
        broken = [*(problem.pointer for problem in problems), *meant]
        problems |= dict.fromkeys(
            problem for problem in _semantic_problems(manifest) if not is_echo(problem, broken)
        )
    if problems or manifest is None:
        raise ManifestError(list(problems)[:MAX_PROBLEMS], truncated=len(problems) > MAX_PROBLEMS)
    return manifest


_STAND_INS: dict[str, Any] = {
    "name": "-",
    "prompt": "-",
    "references": "-",
    "sizes": "auto",
    "rows": {},
    "finish": {"step": "srgb"},
    "templates": {"template": {"prompt": "-"}},
    "parts": {"use": "-"},
    "upscale": {},
}
"""What takes the place of a malformed required field or of a malformed item of a list."""


def _mended(data: Any, found: Iterable[Any]) -> Any:
    """The document with each malformed part taken out, or replaced where something has to stand."""
    if not isinstance(data, dict):
        return data
    mended: Any = _copied(data)
    for error in found:
        path = _path(error)
        place: Any = mended
        for part in path[:-1]:
            place = place[part] if _has(place, part) else None
        if path and isinstance(place, dict):
            _replace(place, path)
        elif isinstance(place, list) and _has(place, path[-1]):
            place[path[-1]] = _STAND_INS.get(str(path[-2]))
    return mended


def _replace(place: dict[Any, Any], path: list[Any]) -> None:
    last = path[-1]
    if path[0] == "variants" and len(path) == 4:
        place[last] = None
    elif last in ("name", "prompt", "parts", "upscale") or path == ["templates"]:
        place[last] = _STAND_INS[last]
        if last == "prompt":
            place.pop("parts", None)
    else:
        place.pop(last, None)
        if path[2:3] == ["parts"]:
            place |= _STAND_INS["parts"]


def _has(place: Any, part: Any) -> bool:
    if isinstance(place, list):
        return isinstance(part, int) and part < len(place)
    return isinstance(place, dict) and part in place


def _copied(data: Any) -> Any:
    """A copy that may be changed, as deep as problems have places; inline rows stay as they are."""
    if isinstance(data, dict):
        return {name: _copied(value) for name, value in data.items()}
    return list(data) if isinstance(data, list | tuple) else data


def _originals(found: list[Problem], broken: list[str]) -> Iterator[Problem]:
    """Those that are no echo, neither of what was broken before nor of what stands below them and was found with them."""
    for problem in found:
        below = [other.pointer for other in found if other.pointer.startswith(f"{problem.pointer}/")]
        if not is_echo(problem, [*broken, *below]):
            yield problem


def _problem(found: Any) -> Problem:
    parts = _path(found)
    row = parts[2] + 1 if parts[:2] == ["catalog", "rows"] and len(parts) > 2 else None
    pointer = "".join(f"/{escaped(str(part))}" for part in parts)
    if parts[:1] and parts[0] in LATER:
        detail = f"`{parts[0]}` is not available in this version; leave it out"
        return Problem(f"/{parts[0]}", "not_supported_yet", detail)
    meant = _meant(found)
    return Problem(
        pointer, found["type"], sentence(found) + (f"; did you mean '{meant}'?" if meant else ""), row
    )


def _meant(found: Any) -> str | None:
    """The field that was likely meant by a name that no field has."""
    if found["type"] != "extra_forbidden":
        return None
    loc = found["loc"] if found["loc"][0] == "finish" else _path(found)  # of a step its kind decides
    return nearest(str(loc[-1]), names_beside(Manifest, loc))


def _pointers_meant(found: Iterable[Any]) -> Iterator[str]:
    """Places that are empty because the name of what should stand there was misspelled."""
    for error in found:
        if meant := _meant(error):
            yield f"{_problem(error).pointer.rpartition('/')[0]}/{meant}"


def _path(found: Any) -> list[Any]:
    """Where it is in the document, without what only the shape knows: marks of keys, and kinds of steps and mappings."""
    path = [part for part in found["loc"] if part != "[key]"]
    has_kind = path[:1] == ["finish"] or path[:2] == ["catalog", "mapping"]
    return [*path[:2], *path[3:]] if has_kind else path


def _semantic_problems(manifest: Manifest) -> Iterator[Problem]:
    yield from _inline_problems(manifest)
    yield from combination_problems(manifest)
    for name, template in manifest.templates.items():
        yield from (
            _upscaling_problems(manifest, name) if template.upscale else _making_problems(manifest, name)
        )
        yield from _parent_problems(manifest, name)
        yield from _reading_problems(manifest, name)
    yield from _unread(manifest, "/output/key", manifest.output.key)


def _inline_problems(manifest: Manifest) -> Iterator[Problem]:
    """What says how to read a file, where there is none."""
    if manifest.catalog is not None and manifest.catalog.rows:
        if manifest.catalog.dialect is not Dialect.AUTO:
            yield Problem("/catalog/dialect", "not_applicable", "inline rows have no dialect; leave it out")
        if manifest.catalog.mapping is not None:
            detail = "inline rows have no mapping: write them with the fields they need, and leave it out"
            yield Problem("/catalog/mapping", "not_applicable", detail)


def _making_problems(manifest: Manifest, name: str) -> Iterator[Problem]:
    yield from _image_problems(manifest, name)
    yield from _size_problems(manifest, name)


def _upscaling_problems(manifest: Manifest, name: str) -> Iterator[Problem]:
    yield from upscaling_problems(manifest, name)
    parent, chain = manifest.templates[name].parent, _ancestors(manifest, name)
    roots = [one for one in chain if manifest.templates[one].parent is None]
    is_sound = any(manifest.templates[one].upscale is None for one in roots)
    if parent is not None and is_sound and all(manifest.image_of(one).model for one in chain):
        yield from upscaled_size_problems(manifest, name, parent)


def _image_problems(manifest: Manifest, name: str) -> Iterator[Problem]:
    image, own = manifest.image_of(name), manifest.templates[name].image

    def place(*fields: str) -> str:
        """Where the first of these fields is the template's own, else among the defaults."""
        mine = next((field for field in fields if field in own.model_fields_set), None)
        return f"/templates/{name}/image/{mine}" if mine else f"/image/{fields[0]}"

    if image.model is None:
        yield Problem(
            "/image/model", "missing", "'model' is required: name the model that makes the pictures"
        )
        return
    model = find_model(image.model)
    assert model is not None, "an unknown model is refused by the shape"
    yield from _choice_problems(model, image, place)
    if image.background == "transparent" and image.format is ImageFormat.JPEG:
        yield Problem(place("background", "format"), "conflict", "jpeg has no transparency; use png or webp")
    if image.compression is not None and (image.format or ImageFormat.PNG) is ImageFormat.PNG:
        detail = "compression is for jpeg and webp; png has none"
        yield Problem(place("compression", "format"), "conflict", detail)
    if manifest.spend.cap_usd and (image.quality or "auto") == "auto":
        yield Problem(
            place("quality"),
            "unpriced",
            f"with a cap the quality must be named, because 'auto' has no price: {', '.join(model.qualities)}",
        )


def _choice_problems(model: Model, image: ImageSettings, place: Callable[..., str]) -> Iterator[Problem]:
    choices = {
        "quality": (*model.qualities, "auto"),
        "complexity": model.complexities,
        "background": model.backgrounds,
        "format": model.formats,
    }
    for field, allowed in choices.items():
        value = getattr(image, field)
        if value is not None and value not in allowed:
            known = f"it knows {', '.join(allowed)}" if allowed else "it has no such setting"
            yield Problem(
                place(field), "not_allowed", f"{model.name} does not know {field} '{value}'; {known}"
            )


def _size_problems(manifest: Manifest, name: str) -> Iterator[Problem]:
    template, model = manifest.templates[name], find_model(manifest.image_of(name).model or "")
    where = f"/templates/{name}/sizes" if template.sizes else "/sizes"
    reads_size = "size" in {path for _, text in _texts(manifest, name) for path in parsed(text).reads}
    seen: dict[object, str] = {}
    for place, size in enumerate(manifest.sizes_of(name)):
        pixels: object = size
        if size == "auto":
            yield from _automatic_problems(manifest, f"{where}/{place}")
        elif model is not None:
            try:
                asked = resolve_size(size, model)
            except ValueError as error:
                yield Problem(f"{where}/{place}", "illegal_size", str(error))
                continue
            try:
                steps = plan_finish(size, manifest.finish).model_copy(update={"preset": None})
                pixels = (asked, steps, reads_size and size)
            except ValueError as error:
                yield Problem("/finish", "illegal_step", f"{size}: {error}")
        if pixels in seen and (size == seen[pixels] or manifest.reuse is Reuse.NEVER):
            yield Problem(f"{where}/{place}", "duplicate", _same_size(size, seen[pixels]))
        seen.setdefault(pixels, size)


def _automatic_problems(manifest: Manifest, pointer: str) -> Iterator[Problem]:
    if manifest.spend.cap_usd:
        detail = "with a cap the size must be named: 'auto' has no price"
        yield Problem(pointer, "unpriced", detail)
    try:
        plan_finish("auto", manifest.finish)
    except ValueError as error:
        yield Problem("/finish", "illegal_step", str(error))


def _same_size(size: str, earlier: str) -> str:
    if size == earlier:
        return f"{size} is named twice"
    presets = " and ".join(name for name in (size, earlier) if find_preset(name))
    return (
        f"{size} asks for the same picture as {earlier} ({presets}: a preset), and nothing is reused; leave one out, "
        "let the prompt read `size`, or leave `reuse: never` out"
    )


def _parent_problems(manifest: Manifest, name: str) -> Iterator[Problem]:
    template = manifest.templates[name]
    images = len(manifest.references_of(name)) + (template.parent is not None)
    if images > MAX_REFERENCES:
        yield Problem(
            f"/templates/{name}/references",
            "too_many",
            f"at most {MAX_REFERENCES}, with the picture of `from`"
            + (" and the references of the batch" if manifest.references else ""),
        )
    if template.mask is not None and images == 0:
        yield Problem(
            f"/templates/{name}/mask", "mask_alone", "a mask needs a reference picture that it masks"
        )
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


def _texts(manifest: Manifest, name: str) -> Iterator[tuple[str, str]]:
    """The texts that decide a template's picture, with their places."""
    template = manifest.templates[name]
    for piece, text in template.pieces.items():
        yield f"/templates/{name}/{piece}", text
    yield from manifest.references_of(name)
    if template.mask is not None:
        yield f"/templates/{name}/mask", template.mask


def _reading_problems(manifest: Manifest, name: str) -> Iterator[Problem]:
    for pointer, text in _texts(manifest, name):
        yield from _unread(manifest, pointer, text)


def _unread(manifest: Manifest, pointer: str, text: str) -> Iterator[Problem]:
    """Axes and variant values that a text reads and no variant has. Row fields wait for the catalog."""
    for path in parsed(text).needs:
        if detail := _variant_problem(manifest, path.split(".")):
            yield Problem(pointer, "unknown_field", f"{path}: {detail}")


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
