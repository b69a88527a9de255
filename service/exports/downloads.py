"""How a file that is downloaded is called."""

from __future__ import annotations

import re
from urllib.parse import quote

from schemas.batch import Batch

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


def attachment(batch: Batch, name: str) -> dict[str, str]:
    """The header that has an answer saved as `<name of the batch>-<name>`, also where that name is not ASCII.

    Source: https://www.rfc-editor.org/rfc/rfc6266#section-4.3 and appendix D (June 2011).
    """
    plain = _UNSAFE.sub("_", f"{batch.name}-{name}").lstrip(".")
    full = quote(f"{batch.name}-{name}".replace("/", "_").replace("\\", "_"), safe="", errors="replace")
    return {"Content-Disposition": f"attachment; filename=\"{plain}\"; filename*=UTF-8''{full}"}
