"""A worker that dies at once of a prompt that holds certain words: `python -m tests.faults.fragile WORDS`.

It stands for whatever ends a process before a request is sent: a library that crashes, or memory that runs out.
"""

from __future__ import annotations

import os
import signal
import sys

from schemas.claim import Claim
from schemas.failure import Failure
from workers.__main__ import main
from workers.preparer import Prepared, Preparer
from workers.shelf import Campaign

_prepare = Preparer.prepare


def dying_of(words: str) -> None:
    """From now on this process dies when it prepares such a prompt."""

    async def prepare(self: Preparer, claim: Claim, campaign: Campaign) -> Prepared | Failure:
        prepared = await _prepare(self, claim, campaign)
        if isinstance(prepared, Prepared) and words in prepared.request.prompt:
            os.kill(os.getpid(), signal.SIGKILL)
        return prepared

    Preparer.prepare = prepare  # type: ignore[method-assign]


if __name__ == "__main__":
    dying_of(sys.argv.pop(1))
    sys.exit(main())
