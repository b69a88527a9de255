"""Exit codes, and which error ends in which."""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum

from cli.output import complain, say
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


EXIT_CODES = (
    "Exit codes: 0 done, 1 it did not work, 2 wrong words or settings, 3 the manifest has problems, 4 the batch ended with "
    "pictures that failed, are parked or were cancelled, 5 over a cap or without a budget, 130 interrupted."
)


class WrongUsageError(DarkroomError):
    """The command cannot be meant like this."""

    code = "usage"


class InterruptedCommandError(DarkroomError):
    """Ctrl-C; the sentence says what goes on, and what is left."""

    code = "interrupted"


def exit_code_of(error: DarkroomError) -> ExitCode:
    for kind, code in {
        ManifestError: ExitCode.INVALID,
        SpendRefusedError: ExitCode.REFUSED,
        WrongUsageError: ExitCode.USAGE,
        InterruptedCommandError: ExitCode.INTERRUPTED,
    }.items():
        if isinstance(error, kind):
            return code
    return ExitCode.ERROR


def code_of(command: Callable[[], ExitCode]) -> ExitCode:
    """Runs a command. What goes wrong is told in sentences, and never as a traceback."""
    try:
        return command()
    except DarkroomError as error:
        complain(error)
        return exit_code_of(error)
    except KeyboardInterrupt:
        say("Interrupted.")
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        raise  # whoever reads has enough: typer ends it without a word
    except OSError as error:
        place = error.filename or "The output"  # which has no name
        say(f"{place} cannot be read or written: {error.strerror or error}.")
        return ExitCode.ERROR
