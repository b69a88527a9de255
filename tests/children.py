"""Children that break their word: real processes, which answer a question with what is no line of JSON."""

from __future__ import annotations

import sys
from pathlib import Path

_STAYS = 'while read question; do echo "$question"; done'
"""It says again whatever it is asked."""

BREACHES = {
    "half a line": 'printf \'{"reason": "ha\'',
    "a line without end": f"head -c 100000 /dev/zero | tr '\\0' x; echo; {_STAYS}",
    "not json": f"echo nonsense; {_STAYS}",
}
"""What is told -> how a shell tells it."""


def liar(folder: Path, tells: str, *, times: int = 1) -> str:
    """A program to start children by: so many of them tell this when they are asked, and the others are real ones."""
    program = folder / "python"
    program.write_text(
        "#!/bin/sh\n"
        f"for lie in {' '.join(map(str, range(times)))}; do\n"
        f'  mkdir "{folder}/lie-$lie" 2>/dev/null || continue\n'
        f"  read question; {tells}; exit\n"
        "done\n"
        f'exec "{sys.executable}" "$@"\n'
    )
    program.chmod(0o755)
    return str(program)


def told(answer: str) -> str:
    """How a shell tells this line, and stays."""
    return f"echo '{answer}'; {_STAYS}"
