"""Serving: what a child does with its life, and the limits that it sets itself."""

from __future__ import annotations

import resource
import signal
import sys
from collections.abc import Callable


def serve(answer: Callable[[str], str]) -> None:
    """Answers every line of standard input with one of standard output, until whoever asks is gone.

    Ctrl-C is for whoever asks: it needs its answers until it has drained. What a library prints goes to standard error.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    limit(resource.RLIMIT_CORE, 0)
    answers, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin:
        answers.write(answer(line) + "\n")
        answers.flush()


def limit(kind: int, most: int, *, is_soft: bool = False) -> None:
    """No more than this from here on; where the system allows less already, that stays."""
    _, hard = resource.getrlimit(kind)
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(kind, (most, hard if is_soft else most))
