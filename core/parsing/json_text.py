"""Strict JSON: what Python's parser lets through although producers never mean it is refused here."""

from __future__ import annotations

import json
import math
import re
from typing import Any, NoReturn

from core.parsing.limits import MAX_DEPTH
from schemas.errors import ManifestError, Problem

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]:\n]')


def parse_json(text: str) -> Any:
    """The data written in `text`.

    Raises:
        ManifestError: it is not JSON, repeats a key, nests too deeply, or holds a number or a text that is none.
    """
    try:
        data = json.loads(text, parse_constant=_no_constant, parse_float=_finite)
        json.dumps(data, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        raise _refused("syntax", f"line {error.lineno}, column {error.colno}: {error.msg}") from None
    except RecursionError:
        raise _too_deep() from None
    except UnicodeEncodeError:
        raise _refused("not_unicode", r"a text holds half of a surrogate pair (\ud800 to \udfff)") from None
    except ValueError as error:
        raise _refused("not_a_number", str(error)) from None
    if problems := _repeated_keys(text):
        raise ManifestError(problems)
    return data


def _repeated_keys(text: str) -> list[Problem]:
    """Keys written twice in one object; `text` is known to be JSON.

    Raises:
        ManifestError: it nests too deeply.
    """
    problems: list[Problem] = []
    levels: list[dict[str, int]] = []  # per open object or list: its keys, and their lines
    line, last, last_line = 1, '""', 1
    for found in _TOKEN.finditer(text):
        token = found[0]
        if token == "\n":
            line += 1
        elif token in "{[":
            levels.append({})
            if len(levels) > MAX_DEPTH:
                raise _too_deep()
        elif token in "}]":
            levels.pop()
        elif token == ":":
            problems += _repetition(levels[-1], json.loads(last), last_line)
        else:
            last, last_line = token, line
    return problems


def _repetition(keys: dict[str, int], key: str, line: int) -> list[Problem]:
    """Notes a key of an object; a problem when the object already has it."""
    if key not in keys:
        keys[key] = line
        return []
    return [
        Problem(
            "", "duplicate_key", f"line {line}: the key '{key[:100]}' was already written on line {keys[key]}"
        )
    ]


def _finite(text: str) -> float:
    if math.isfinite(number := float(text)):
        return number
    raise ValueError(f"the number {text[:40]} is too large")


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a number in JSON")


def _too_deep() -> ManifestError:
    return _refused("too_deep", f"it is nested more than {MAX_DEPTH} levels deep")


def _refused(code: str, sentence: str) -> ManifestError:
    return ManifestError([Problem("", code, sentence)])
