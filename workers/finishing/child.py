"""`python -m workers.finishing.child MEMORY_BYTES`: finishes pictures, one commission a line, within this much memory.

In: `Commission`. Out: `Finished` or `Unfinished`, whose files are in the folder by then. All of them as JSON.
"""

from __future__ import annotations

import resource
import sys
from pathlib import Path

from pydantic import BaseModel

from schemas.disclosure import Label
from schemas.finish_plan import FinishPlan
from workers.children.serving import limit, serve
from workers.finishing.making import make


class Commission(BaseModel):
    """What is to be finished, how, and where its files go."""

    original: Path
    plan: FinishPlan
    label: Label
    folder: Path


def main() -> None:
    limit(resource.RLIMIT_DATA, int(sys.argv[1]))
    serve(_answered)


def _answered(line: str) -> str:
    it = Commission.model_validate_json(line)
    return make(it.original, it.plan, it.label, it.folder).model_dump_json()


if __name__ == "__main__":
    main()
