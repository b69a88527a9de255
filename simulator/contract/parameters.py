"""What a call may ask for, model by model, and the provider's words when it may not.

The first thing wrong is answered, as the provider does. Sources: openai-openapi commit f85dbe2 (2026-08-21),
openai-python 3.52.0, the image-generation guide (2026-11); messages as recorded by users where no official text exists.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from simulator.contract.errors import ApiError, bad_request, unsupported_value
from simulator.contract.models import MODELS_BY_ID, Model
from simulator.contract.uploads import Incoming, Upload

MAX_PROMPT_CHARACTERS = 32_000
MAX_REFERENCES = 16
MAX_EDGE_PX = 3840
MAX_ASPECT = 3
MIN_PIXELS, MAX_PIXELS = 655_360, 8_294_400

_SHARED = frozenset(
    {
        "model",
        "prompt",
        "n",
        "size",
        "quality",
        "background",
        "output_format",
        "output_compression",
        "moderation",
        "stream",
        "partial_images",
        "user",
        "safety_identifier",
    }
)
_SIZE = re.compile(r"([1-9][0-9]{0,4})x([1-9][0-9]{0,4})")
_NOT_HASHED = frozenset({"model", "safety_identifier", "references", "mask"})


@dataclass(frozen=True, slots=True)
class ImageRequest:
    """A call that may be answered, every default filled in and `auto` decided.

    Attributes:
        asked_model: the id as it was sent, alias or snapshot.
        output_compression: 0-100, None for png.
        references: in the order they were sent.
    """

    path: str
    model: Model
    asked_model: str
    prompt: str
    n: int
    width_px: int
    height_px: int
    quality: str
    complexity: str
    transparent: bool
    output_format: str
    output_compression: int | None
    moderation: str
    stream: bool
    partial_images: int
    safety_identifier: str | None
    references: tuple[Upload, ...] = ()
    mask: Upload | None = None

    @property
    def size(self) -> str:
        return f"{self.width_px}x{self.height_px}"

    @property
    def digest(self) -> str:
        """Sha256 of everything that decides the picture; equal requests have equal digests."""
        asked = {name: getattr(self, name) for name in self.__slots__ if name not in _NOT_HASHED}
        asked["references"] = [reference.digest for reference in self.references]
        asked["mask"] = self.mask.digest if self.mask else None
        return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


def check(incoming: Incoming) -> ImageRequest:
    """Turn what arrived into a request that may be answered.

    Raises:
        ApiError: the 400 for the first thing that is wrong.
    """
    raw = {name: value for name, value in incoming.parameters.items() if value is not None}
    model = _model(raw)
    _refuse_unknown(raw, model, incoming)
    output_format = _choice(raw, "output_format", ("png", "jpeg", "webp"), "png")
    background = _choice(raw, "background", ("transparent", "opaque", "auto"), "auto")
    if background == "transparent" and output_format == "jpeg":
        message = "Transparent background is not supported for output format 'jpeg'. Use 'png' or 'webp'."
        raise bad_request("invalid_value", "background", message)
    width_px, height_px = _size(raw)
    quality = _choice(raw, "quality", (*model.qualities, "auto"), "auto")
    if incoming.is_edit:
        _check_references(incoming.references, incoming.mask)
    return ImageRequest(
        path=incoming.path,
        model=model,
        asked_model=str(raw["model"]),
        prompt=_prompt(raw),
        n=_integer(raw, "n", 1, 10, 1),
        width_px=width_px,
        height_px=height_px,
        quality="high" if quality == "auto" else quality,
        complexity=_choice(raw, "complexity", ("low", "medium", "high"), "high"),
        transparent=background == "transparent",
        output_format=output_format,
        output_compression=_compression(raw, output_format),
        moderation=_choice(raw, "moderation", ("auto", "low"), "auto"),
        stream=_boolean(raw, "stream"),
        partial_images=_integer(raw, "partial_images", 0, 3, 0),
        safety_identifier=_safety_identifier(raw),
        references=incoming.references,
        mask=incoming.mask,
    )


def _model(raw: Mapping[str, object]) -> Model:
    # Without a model the provider falls back to one that is shut down, which ends the same way.
    asked = raw.get("model", "dall-e-2")
    if not isinstance(asked, str) or asked not in MODELS_BY_ID:
        raise unsupported_value("model", asked, tuple(MODELS_BY_ID))
    return MODELS_BY_ID[asked]


def _refuse_unknown(raw: Mapping[str, object], model: Model, incoming: Incoming) -> None:
    known = _SHARED | ({"complexity"} if model.has_complexity else set())
    if incoming.is_edit:
        known |= {"input_fidelity"}
    for name in raw:
        if name not in known:
            raise bad_request("unknown_parameter", name, f"Unknown parameter: '{name}'.")
    if "input_fidelity" in raw and model.fixes_input_fidelity:
        message = (
            f"The 'input_fidelity' parameter is not supported for model '{model.alias}'; it is always high."
        )
        raise bad_request("invalid_value", "input_fidelity", message)
    _choice(raw, "input_fidelity", ("low", "high"), "high")


def _prompt(raw: Mapping[str, object]) -> str:
    if "prompt" not in raw:
        raise bad_request(
            "missing_required_parameter",
            "prompt",
            "Missing required parameter: 'prompt'.",
        )
    prompt = _string(raw, "prompt")
    if not prompt:
        message = (
            "Invalid 'prompt': empty string. Expected a string with minimum length 1, but got an empty string "
            "instead."
        )
        raise bad_request("empty_string", "prompt", message)
    if len(prompt) > MAX_PROMPT_CHARACTERS:
        message = (
            f"Invalid 'prompt': string too long. Expected a string with maximum length {MAX_PROMPT_CHARACTERS}, "
            f"but got a string with length {len(prompt)} instead."
        )
        raise bad_request("string_above_max_length", "prompt", message)
    return prompt


def _size(raw: Mapping[str, object]) -> tuple[int, int]:
    size = _string(raw, "size") if "size" in raw else "auto"
    if size == "auto":
        return 1024, 1024
    match = _SIZE.fullmatch(size)
    if match is None:
        raise _invalid_size(size, "Expected 'auto' or a size in the form WIDTHxHEIGHT.")
    width_px, height_px = int(match[1]), int(match[2])
    problem = size_problem(width_px, height_px)
    if problem is not None:
        raise _invalid_size(size, problem)
    return width_px, height_px


def size_problem(width_px: int, height_px: int) -> str | None:
    """The first rule a size breaks, in the provider's words; None for a valid size."""
    longest, shortest, pixels = (
        max(width_px, height_px),
        min(width_px, height_px),
        width_px * height_px,
    )
    if width_px % 16 or height_px % 16:
        return "Width and height must both be divisible by 16."
    if longest > MAX_EDGE_PX:
        return f"The longest edge must be less than or equal to {MAX_EDGE_PX}."
    if longest > MAX_ASPECT * shortest:
        return "The aspect ratio must be between 1:3 and 3:1."
    if pixels < MIN_PIXELS:
        return "Requested resolution is below the current minimum pixel budget."
    if pixels > MAX_PIXELS:
        return "Requested resolution is above the current maximum pixel budget."
    return None


def _invalid_size(size: str, problem: str) -> ApiError:
    return bad_request("invalid_value", "size", f"Invalid size '{size}'. {problem}")


def _compression(raw: Mapping[str, object], output_format: str) -> int | None:
    compression = _integer(raw, "output_compression", 0, 100, 100)
    if output_format != "png":
        return compression
    if "output_compression" in raw and compression != 100:
        message = "Compression less than 100 is not supported for PNG output format."
        raise bad_request("invalid_value", "output_compression", message)
    return None


def _safety_identifier(raw: Mapping[str, object]) -> str | None:
    """Whom the call is made for; the deprecated `user` counts where the identifier is missing or empty."""
    given = [_string(raw, name) for name in ("safety_identifier", "user") if name in raw]
    return next((name for name in given if name), None)


def _check_references(references: Sequence[Upload], mask: Upload | None) -> None:
    if not references:
        raise bad_request(
            "missing_required_parameter",
            "image",
            "Missing required parameter: 'image'.",
        )
    if len(references) > MAX_REFERENCES:
        message = (
            f"Invalid 'image': array too long. Expected an array with maximum length {MAX_REFERENCES}, "
            f"but got an array with length {len(references)} instead."
        )
        raise bad_request("array_above_max_length", "image", message)
    if mask is None:
        return
    if mask.format != "PNG" or not mask.has_alpha:
        raise bad_request(
            "invalid_image_format",
            "mask",
            "The mask must be a PNG with an alpha channel.",
        )
    if (mask.width_px, mask.height_px) != (
        references[0].width_px,
        references[0].height_px,
    ):
        raise bad_request(
            "invalid_value",
            "mask",
            "The mask must have the same size as the first image.",
        )


def _choice(raw: Mapping[str, object], name: str, supported: Sequence[str], default: str) -> str:
    if name not in raw:
        return default
    value = _string(raw, name)
    if value not in supported:
        raise unsupported_value(name, value, supported)
    return value


def _string(raw: Mapping[str, object], name: str) -> str:
    value = raw[name]
    if not isinstance(value, str):
        raise _invalid_type(name, "a string", value)
    return value


def _boolean(raw: Mapping[str, object], name: str) -> bool:
    value = raw.get(name, False)
    if not isinstance(value, bool):
        raise _invalid_type(name, "a boolean", value)
    return value


def _integer(raw: Mapping[str, object], name: str, least: int, most: int, default: int) -> int:
    value = raw.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool):
        raise _invalid_type(name, "an integer", value)
    if value < least:
        message = f"integer below minimum value. Expected a value >= {least}, but got {value} instead."
        raise bad_request("integer_below_min_value", name, f"Invalid '{name}': {message}")
    if value > most:
        message = f"integer above maximum value. Expected a value <= {most}, but got {value} instead."
        raise bad_request("integer_above_max_value", name, f"Invalid '{name}': {message}")
    return value


def _invalid_type(name: str, expected: str, value: object) -> ApiError:
    kinds = {
        str: "a string",
        bool: "a boolean",
        int: "an integer",
        float: "a decimal",
        list: "an array",
    }
    got = kinds.get(type(value), "an object")
    return bad_request(
        "invalid_type",
        name,
        f"Invalid type for '{name}': expected {expected}, but got {got} instead.",
    )
