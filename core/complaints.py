"""What is wrong with settings, in the words of the variables that set them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from schemas.wording import names_beside, nearest, sentence

_PREFIX = "DARKROOM_"


def misspelled(variables: Iterable[str], settings: type[BaseModel]) -> Iterator[str]:
    """Variables that nobody reads, as their group does not exist or a `_` is missing: a limit that holds for nobody would
    be worse than none.

    Args:
        variables: names, also those of others.
    """
    for name_set in sorted(variables):
        group, mark, name = name_set.upper().removeprefix(_PREFIX).partition("__")
        if not name_set.upper().startswith(_PREFIX):
            continue
        if joined := _joined(f"{group}{mark}{name}".lower(), settings):
            yield f"{name_set}: there is no such setting; did you mean {joined}?"
        elif mark and group.lower() not in settings.model_fields:
            near = nearest(group.lower(), settings.model_fields)
            hint = f"; did you mean {_PREFIX}{near.upper()}__{name}?" if near else ""
            yield f"{name_set}: there is no such group of settings{hint}"


def _joined(name: str, settings: type[BaseModel]) -> str | None:
    """The variable that was meant by a setting's name which follows that of its group after a single `_`."""
    for group, field in settings.model_fields.items():
        setting, kind = name.removeprefix(f"{group}_"), field.annotation
        if setting == name or setting.startswith("_"):
            continue
        known = kind.model_fields if isinstance(kind, type) and issubclass(kind, BaseModel) else None
        if known is None or setting in known:  # any lane may be named
            return variable((group, setting))
    return None


def complaint(found: Any, settings: type[BaseModel], patterns: Mapping[str, str]) -> str:
    """A problem with the variable to set; of a group that is missing as a whole, its required ones.

    Args:
        found: as pydantic tells it.
        patterns: what the patterns of settings mean.
    """
    loc: tuple[int | str, ...] = found["loc"]
    if not loc:  # of several settings together; it names the one to change
        return sentence(found)
    if (
        name := str(loc[0])
    ) not in settings.model_fields:  # variables were looked at before: it is in the file
        near = nearest(name, settings.model_fields)
        return f"[{name}]: there is no such group of settings" + (f"; did you mean [{near}]?" if near else "")
    group = settings.model_fields[name].annotation if len(loc) == 1 else None
    if not (isinstance(group, type) and issubclass(group, BaseModel)):
        return f"{variable(loc)}: {_sentence(found, settings, patterns)}"
    required = {name: field for name, field in group.model_fields.items() if field.is_required()}
    return "; ".join(_missing((*loc, name), field.examples) for name, field in required.items())


def _sentence(found: Any, settings: type[BaseModel], patterns: Mapping[str, str]) -> str:
    if found["type"] == "missing":
        return "it is missing; set it"
    if found["type"] != "extra_forbidden":
        return sentence(found, patterns)
    known = names_beside(settings, found["loc"])
    if near := nearest(str(found["loc"][-1]), known):
        return f"there is no such setting; did you mean {variable((*found['loc'][:-1], near))}?"
    return f"there is no such setting here; there are {', '.join(known)}"


def _missing(loc: tuple[int | str, ...], examples: list[Any] | None) -> str:
    """With a line that would mend it."""
    line = f", such as: export {variable(loc)}={examples[0]}" if examples else ""
    return f"{variable(loc)}: it is missing; set it{line}"


def variable(loc: tuple[int | str, ...]) -> str:
    """The name that sets what is at this place."""
    return _PREFIX + "__".join(str(part).upper() for part in loc)
