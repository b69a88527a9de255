"""What is wrong with settings, in the words of the variables that set them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel

_PREFIX = "DARKROOM_"


def misspelled(variables: Iterable[str], settings: type[BaseModel]) -> Iterator[str]:
    """Variables of groups that do not exist: a limit that nobody reads would be worse than none.

    Args:
        variables: names, also those of others.
    """
    for name_set in sorted(variables):
        group, mark, name = name_set.upper().removeprefix(_PREFIX).partition("__")
        if name_set.upper().startswith(_PREFIX) and mark and group.lower() not in settings.model_fields:
            near = _nearest(group.lower(), settings)
            hint = f"; did you mean {_PREFIX}{near.upper()}__{name}?" if near else ""
            yield f"{name_set}: there is no such group of settings{hint}"


def _nearest(group: str, settings: type[BaseModel]) -> str | None:
    return next(iter(get_close_matches(group, settings.model_fields, n=1)), None)


def complaint(found: Any, settings: type[BaseModel]) -> str:
    """A problem with the variable to set; of a group that is missing as a whole, its required ones.

    Args:
        found: as pydantic tells it.
    """
    loc: tuple[int | str, ...] = found["loc"]
    if not loc:  # of several settings together; it names the one to change
        return _sentence(found)
    if (
        name := str(loc[0])
    ) not in settings.model_fields:  # variables were looked at before: it is in the file
        near = _nearest(name, settings)
        return f"[{name}]: there is no such group of settings" + (f"; did you mean [{near}]?" if near else "")
    group = settings.model_fields[name].annotation if len(loc) == 1 else None
    if not (isinstance(group, type) and issubclass(group, BaseModel)):
        return f"{variable(loc)}: {_sentence(found)}"
    required = [name for name, field in group.model_fields.items() if field.is_required()]
    return ", ".join(variable((*loc, name)) for name in required) + ": it is missing; set it"


def _sentence(found: Any) -> str:
    if found["type"] == "extra_forbidden":
        return "there is no such setting; look for a misspelled name"
    return str(found["msg"]).removeprefix("Value error, ")


def variable(loc: tuple[int | str, ...]) -> str:
    """The name that sets what is at this place."""
    return _PREFIX + "__".join(str(part).upper() for part in loc)
