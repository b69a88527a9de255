"""What goes out, byte for byte, and what is read of a usage."""

from __future__ import annotations

import json
from email import message_from_bytes
from email.policy import HTTP
from pathlib import Path

import pytest

from schemas.image import ImageFormat, ImageRequest, Reference, Usage
from workers.images.wire import MultipartBody, edit_body, json_body, usage_from

DETAILED = {
    "total_tokens": 260,
    "input_tokens": 60,
    "output_tokens": 200,
    "input_tokens_details": {"text_tokens": 10, "image_tokens": 50},
    "output_tokens_details": {"image_tokens": 196, "text_tokens": 4},
}


def request(**changes: object) -> ImageRequest:
    settled = {
        "model": "gpt-image-2",
        "prompt": "Ein Krug, 壺",
        "size": "1024x1024",
        "quality": "low",
        "format": ImageFormat.JPEG,
        "client_request_id": "batch_1:0:1",
    }
    return ImageRequest(**{**settled, **changes})  # type: ignore[arg-type]


async def sent(body: MultipartBody) -> bytes:
    return b"".join([block async for block in body])


def test_only_parameters_that_are_set_are_sent() -> None:
    assert json.loads(json_body(request())) == {
        "model": "gpt-image-2",
        "prompt": "Ein Krug, 壺",
        "n": 1,
        "size": "1024x1024",
        "quality": "low",
        "output_format": "jpeg",
    }


def test_every_parameter_has_its_name_on_the_wire() -> None:
    body = json.loads(
        json_body(request(compression=0, background="opaque", moderation="low", complexity="high"))
    )

    assert body["output_compression"] == 0
    assert (body["background"], body["moderation"], body["complexity"]) == ("opaque", "low", "high")


@pytest.mark.asyncio
async def test_an_edit_is_a_form_with_its_files(tmp_path: Path) -> None:
    first, second, mask = (tmp_path / name for name in ("1", "2", "mask"))
    first.write_bytes(b"\x89PNG first")
    second.write_bytes(b"RIFF second" * 100_000)
    mask.write_bytes(b"\x89PNG mask")
    references = (Reference(first, "a", "image/png", "1"), Reference(second, "b", "image/webp", "2"))

    body = edit_body(request(references=references, mask=Reference(mask, "c", "image/png", "3")))
    content = await sent(body)

    assert int(body.headers["Content-Length"]) == len(content)
    head = f"Content-Type: {body.headers['Content-Type']}\r\n\r\n".encode()
    form = message_from_bytes(head + content, policy=HTTP)
    parts = [(part.get_param("name", header="content-disposition"), part) for part in form.iter_parts()]
    assert [(name, part.get_filename(), part.get_content_type()) for name, part in parts[-3:]] == [
        ("image[]", "image-0.png", "image/png"),
        ("image[]", "image-1.webp", "image/webp"),
        ("mask", "mask.png", "image/png"),
    ]
    payloads = {name: part.get_payload(decode=True) for name, part in parts}
    assert payloads["prompt"] == "Ein Krug, 壺".encode()
    assert payloads["n"] == b"1"
    assert payloads["image[]"] == b"RIFF second" * 100_000


def test_a_missing_reference_is_found_before_anything_is_sent(tmp_path: Path) -> None:
    lost = Reference(tmp_path / "lost.png", "a", "image/png", "lost")

    with pytest.raises(FileNotFoundError):
        edit_body(request(references=(lost,)))


def test_a_prompt_is_not_part_of_the_text_of_a_request() -> None:
    assert "Krug" not in repr(request())


def test_a_detailed_usage_is_taken_as_it_is() -> None:
    assert usage_from(DETAILED, edit=True) == Usage(10, 50, 196, 4)


def test_output_without_details_is_all_picture() -> None:
    usage = usage_from({"input_tokens": 7, "output_tokens": 196}, edit=False)

    assert usage == Usage(input_text_tokens=7, output_image_tokens=196)


def test_input_of_an_edit_without_details_counts_at_the_dearer_price() -> None:
    assert usage_from({"input_tokens": 7, "output_tokens": 1}, edit=True) == Usage(0, 7, 1, 0)


@pytest.mark.parametrize(
    "value",
    [
        None,
        {},
        [],
        "many",
        {"output_tokens": "196"},
        {"output_tokens": None},
        {"output_tokens": -1},
        {"output_tokens": True},
        {**DETAILED, "input_tokens_details": []},
        {**DETAILED, "output_tokens_details": {"image_tokens": "x"}},
    ],
)
def test_a_usage_of_strange_types_is_no_usage(value: object) -> None:
    assert usage_from(value, edit=False) is None
