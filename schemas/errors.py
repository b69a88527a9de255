"""Every error of ours, drawn once. A class stands for a different reaction, not for a different place.

```
DarkroomError
├── ManifestError            the producer can mend it: every problem with its place           422
├── SpendRefusedError        over a cap or without a budget, before any call                   402
├── NotFoundError            no such thing for this tenant                                     404
├── ConflictError            the state does not allow it (any more)                            409
├── UnauthorizedError        no key, or not this key                                           401
├── TooLargeError            over a size limit of the service                                  413
├── AlreadyStoredError       a conditional write found something else in its place             409
└── UnavailableError         a door is shut: Redis, storage, queue; trying again may help      503
```
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, and where.

    `pointer` is a JSON Pointer into the manifest (`/templates/hero/prompt`) or into the catalog as if it were written
    there (`/catalog/rows/16/title`: its column `title`). Pointers count from 0. `row` is the number of the catalog's
    row as people count, from 1: 17. `line` is that of the manifest's text, for whoever has the text.
    """

    pointer: str
    code: str
    detail: str
    row: int | None = None
    line: int | None = None

    @classmethod
    def at_row(cls, number: int, code: str, detail: str, *, column: str | None = None) -> Problem:
        """A problem of the catalog's row `number`, counted from 1, or of one of its columns."""
        place = "" if column is None else f"/{escaped(column)}"
        return cls(f"/catalog/rows/{number - 1}{place}", code, detail, number)

    def __str__(self) -> str:
        numbers = {"row": self.row, "line": self.line}
        place = ", ".join(f"{name} {number}" for name, number in numbers.items() if number)
        return f"{self.pointer or '/'}{f' ({place})' if place else ''}: {self.detail}"

    def as_dict(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if value is not None}


def escaped(name: str) -> str:
    """A name as it stands in a JSON Pointer."""
    return name.replace("~", "~0").replace("/", "~1")


class DarkroomError(Exception):
    """Something Darkroom refuses or cannot do."""

    code: ClassVar[str] = "error"
    status: ClassVar[int] = 500

    def __init__(self, detail: str | None = None) -> None:
        self.detail = detail or (type(self).__doc__ or "").splitlines()[0]
        super().__init__(self.detail)


class ManifestError(DarkroomError):
    """The manifest or its catalog has problems."""

    code = "manifest_invalid"
    status = 422

    def __init__(self, problems: list[Problem] | tuple[Problem, ...], *, truncated: bool = False) -> None:
        self.problems = tuple(problems)
        self.truncated = truncated
        count = f"{len(self.problems)}{' or more' if truncated else ''}"
        super().__init__(
            f"{count} problem{'s' if len(self.problems) != 1 else ''} in the manifest or its catalog."
        )


class SpendRefusedError(DarkroomError):
    """This would cost more than its budgets allow."""

    code = "spend_refused"
    status = 402


class NotFoundError(DarkroomError):
    """There is no such thing."""

    code = "not_found"
    status = 404


class ConflictError(DarkroomError):
    """The present state does not allow this."""

    code = "conflict"
    status = 409


class UnauthorizedError(DarkroomError):
    """A valid API key is needed."""

    code = "unauthorized"
    status = 401


class TooLargeError(DarkroomError):
    """This is over a size limit of the service."""

    code = "too_large"
    status = 413


class AlreadyStoredError(DarkroomError):
    """Something is already stored under this key."""

    code = "already_stored"
    status = 409


class UnavailableError(DarkroomError):
    """A part that Darkroom needs does not answer."""

    code = "unavailable"
    status = 503
