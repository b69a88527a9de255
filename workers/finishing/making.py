"""Making: all that is done to one original, from its bytes to finished files."""

from __future__ import annotations

import hashlib
from pathlib import Path

from PIL import Image

from schemas.disclosure import Label
from schemas.finish import Encode, Thumbnail, too_large
from schemas.finish_plan import FinishPlan
from schemas.preset import find_preset
from schemas.rendition import Finished, Rendition, Unfinished
from workers.finishing.checks import File, check
from workers.finishing.containers import has_c2pa, labelled
from workers.finishing.encoding import encoded
from workers.finishing.mark import marked
from workers.finishing.opening import CannotBeFinishedError, format_of, is_turned, opened
from workers.finishing.steps import apply, scale_of, size_of
from workers.finishing.xmp import packet

MAIN = "main"
_MARK = ".finished."
_EXTENSIONS = {"png": "png", "jpeg": "jpg", "webp": "webp"}
_SPARE_BYTES = 64
"""What a label takes in a file beside its own text, in the format where that is most."""

_REASONS = (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError)


def make(original: Path, plan: FinishPlan, label: Label, folder: Path) -> Finished | Unfinished:
    """Finishes one original. Blocking; the same files for the same original, plan and label.

    Where nothing is to be changed, no pixel is touched: the main rendition is the original's file with the label in it. An
    original that lies on its side by its EXIF is turned, as all that is finished is upright by its pixels alone.
    """
    try:
        return _made(original, plan, label, folder)
    except CannotBeFinishedError as error:
        return Unfinished(reason=str(error))
    except MemoryError:
        return Unfinished(reason="finishing this picture takes more memory than one may take")
    except _REASONS as error:
        if isinstance(error, OSError) and error.errno is not None:  # Pillow's own have none
            return Unfinished(reason=f"the disk does not do its part: {error.strerror}")
        return Unfinished(reason=f"the original is damaged: {type(error).__name__}")


def is_label_alone(plan: FinishPlan, label: Label) -> bool:
    """Whether nothing of the picture itself has to be looked at."""
    is_marked = label.china is not None and label.china.visible
    return not (plan.preset or plan.steps or plan.encode or plan.thumbnails or is_marked)


def renditions_of(original: Path, folder: Path) -> list[Path]:
    """Every file that finishing this original has left in the folder, half-written ones too."""
    start = f"{original.stem}{_MARK}"
    return [path for path in folder.iterdir() if path.name.startswith(start)]


def _made(original: Path, plan: FinishPlan, label: Label, folder: Path) -> Finished:
    kind, data, xmp = format_of(original), original.read_bytes(), packet(label)
    changed = bool(plan.steps or plan.encode or (label.china and label.china.visible) or is_turned(original))
    picture, enlarged = (
        _shaped(opened(original), plan, label) if changed or plan.thumbnails else (None, plan.enlarged)
    )
    done = data
    if picture is not None and changed:
        step = plan.encode or Encode(step="encode")
        done = encoded(picture, step, kind=kind, spare_bytes=len(xmp) + _SPARE_BYTES)
    main = File(labelled(done, xmp), enlarged)
    renditions = [_kept(main, MAIN, original, folder)]
    for thumbnail in plan.thumbnails:
        assert picture is not None, "it was opened for the thumbnails"
        small = File(labelled(_thumbnail(picture, thumbnail), xmp), enlarged=False)
        renditions.append(_kept(small, thumbnail.name, original, folder))
    return Finished(
        renditions=tuple(renditions),
        checks=check(
            main,
            find_preset(plan.preset) if plan.preset else None,
            max_bytes=plan.encode.max_bytes if plan.encode else None,
        ),
        enlarged=enlarged,
        c2pa=has_c2pa(data),
    )


def _shaped(picture: Image.Image, plan: FinishPlan, label: Label) -> tuple[Image.Image, bool]:
    """The picture after all steps, and whether it was made larger on the way."""
    enlarged = plan.enlarged
    for step in plan.steps:
        if problem := too_large(step.size_after(size_of(picture))):
            raise CannotBeFinishedError(f"{step.step}: {problem}")
        enlarged = enlarged or scale_of(step, size_of(picture)) > 1
        picture = apply(step, picture)
    return (marked(picture) if label.china and label.china.visible else picture), enlarged


def _thumbnail(picture: Image.Image, step: Thumbnail) -> bytes:
    small = picture.copy()
    small.thumbnail((step.longest_px, step.longest_px), Image.Resampling.LANCZOS)
    quality = None if step.format == "png" else step.quality
    return encoded(small, Encode(step="encode", format=step.format, quality=quality), kind=step.format)


def _kept(file: File, name: str, original: Path, folder: Path) -> Rendition:
    """Writes a file that is there wholly or not at all. It can be made again, so it need not outlive the power."""
    path = folder / f"{original.stem}{_MARK}{name}.{_EXTENSIONS[file.format]}"
    part = path.with_name(f"{path.name}.part")
    part.write_bytes(file.data)
    part.replace(path)
    return Rendition(
        name=name,
        file=path.name,
        format=file.format,
        width=file.size.width,
        height=file.size.height,
        bytes=len(file.data),
        sha256=hashlib.sha256(file.data).hexdigest(),
    )
