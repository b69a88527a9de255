"""Exit codes, and which error ends in which."""

from __future__ import annotations

from enum import IntEnum

from schemas.errors import DarkroomError, ManifestError, SpendRefusedError


class ExitCode(IntEnum):
    """What the shell is told."""

    DONE = 0
    ERROR = 1
    USAGE = 2
    INVALID = 3  # the manifest or its catalog has problems
    FAILURES = 4  # the batch ended with failed, parked or cancelled pictures
    REFUSED = 5  # over a cap or without a budget
    INTERRUPTED = 130


class WrongUsageError(DarkroomError):
    """The command cannot be meant like this."""

    code = "usage"


class InterruptedWatchError(DarkroomError):
    """Somebody stopped watching; what was watched goes on."""

    code = "interrupted"


def exit_code_of(error: DarkroomError) -> ExitCode:
    for kind, code in {
        ManifestError: ExitCode.INVALID,
        SpendRefusedError: ExitCode.REFUSED,
        WrongUsageError: ExitCode.USAGE,
        InterruptedWatchError: ExitCode.INTERRUPTED,
    }.items():
        if isinstance(error, kind):
            return code
    return ExitCode.ERROR
