"""Uploaded files that a row needs, and whether what was uploaded under their names will do."""

from __future__ import annotations

from dataclasses import dataclass

from core.documents import Upload
from schemas.errors import Problem
from schemas.picture import MAX_MASK_BYTES, NOT_A_PICTURE, is_folder


@dataclass(frozen=True, slots=True)
class NeededFile:
    """A picture, or a folder of some, that has to be there under this name.

    Args:
        pointer: the place to blame if not, with `row`, from 1.
        template: that needs it; `text` is the place of the text that names it.
    """

    name: str
    pointer: str
    row: int | None
    template: str
    text: str

    @property
    def is_mask(self) -> bool:
        return self.text.endswith("/mask")

    @property
    def is_folder(self) -> bool:
        return is_folder(self.name)

    @property
    def is_upload(self) -> bool:
        return "://" not in self.name

    def problem_with(self, upload: Upload | None, *, max_bytes: int) -> Problem | None:
        """What is wrong with the upload of this name, as far as can be said without decoding it."""
        if upload is None:
            return self.problem("missing_file", "was not uploaded")
        if upload.media_type == NOT_A_PICTURE:
            return self.problem(
                "not_a_picture", "is not a PNG, JPEG or WebP picture; upload one under this name"
            )
        if upload.bytes > max_bytes:
            return self.problem(
                "too_large", f"has {upload.bytes:,} bytes; a reference has at most {max_bytes:,}"
            )
        if self.is_mask and upload.media_type not in ("image/png", None):
            return self.problem("bad_mask", f"is {upload.media_type}; a mask is a PNG with an alpha channel")
        if self.is_mask and upload.bytes > MAX_MASK_BYTES:
            return self.problem(
                "bad_mask", f"has {upload.bytes:,} bytes; a mask has at most {MAX_MASK_BYTES:,}"
            )
        return None

    def problem(self, code: str, says: str) -> Problem:
        return Problem(self.pointer, code, f"'{self.name}' {says}", self.row)
