"""Templates in parts: a prompt as labelled pieces, joined in one fixed order.

The order is the provider's advice: what it is for, what changes and what stays, then scene, subject, details, limits.

Source: https://developers.openai.com/cookbook, prompting of GPT image models, checked 2026-11-20.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field, model_validator

from schemas.notation import Liquid, Shape

LABELS: Mapping[str, str] = {
    "use": "Use",
    "audience": "Audience",
    "change": "Change only",
    "preserve": "Keep unchanged",
    "scene": "Scene",
    "subject": "Subject",
    "details": "Details",
    "composition": "Composition",
    "light": "Light",
    "style": "Style",
    "text": "Text, word for word",
    "constraints": "Constraints",
    "avoid": "Avoid",
}
"""Part -> the label before it in the prompt, in the order in which parts are joined."""


Part = Annotated[Liquid, Field(min_length=1)] | None


class Parts(Shape):
    """A prompt in pieces, joined in this order, each behind its label."""

    use: Part = Field(None, description="What the picture is for.")
    audience: Part = Field(None, description="Who looks at it.")
    change: Part = Field(None, description="Of an edit: the one thing that becomes different.")
    preserve: Part = Field(None, description="Of an edit: what stays as it is.")
    scene: Part = Field(None, description="Place, background, surface.")
    subject: Part = Field(None, description="What it shows.")
    details: Part = Field(None, description="What must be right about the subject.")
    composition: Part = Field(None, description="Framing, viewpoint, placement.")
    light: Part = Field(None, description="Where it comes from, and how it is.")
    style: Part = Field(None, description="Photograph, drawing, and of what kind.")
    text: Part = Field(None, description="Words in the picture, between quotation marks, and how they look.")
    constraints: Part = Field(None, description="No text, no logo, and the like.")
    avoid: Part = Field(None, description="What must not be in it.")

    @model_validator(mode="after")
    def _says_something(self) -> Parts:
        if not self.given:
            raise ValueError(f"name at least one part: {', '.join(type(self).model_fields)}")
        return self

    @property
    def given(self) -> dict[str, str]:
        """The parts that are there, in their order."""
        return {name: text for name, text in self if text is not None}


def joined(parts: Mapping[str, str]) -> str:
    """The Liquid text of a prompt in parts: each on lines of its own behind its label, in the order of `LABELS`.

    Args:
        parts: Liquid by name of the part; one that comes out empty leaves no line behind.
    """
    lines = [_line(LABELS[name], parts[name].strip()) for name in LABELS if parts.get(name, "").strip()]
    return "".join(lines).rstrip("\n")


def _line(label: str, text: str) -> str:
    if "{" not in text:
        return f"{label}: {text}\n"
    return (
        f"{{% capture part %}}{text}{{% endcapture %}}{{% assign part = part | strip %}}"
        f"{{% if part != '' %}}{label}: {{{{ part }}}}\n{{% endif %}}"
    )
