"""The streaming extractor says what json.loads and b64decode say, wherever the chunks are cut."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from itertools import pairwise

import pybase64
from hypothesis import given
from hypothesis import strategies as st

from workers.images.stream import REST_LIMIT_BYTES, Extracted, Picture, PictureExtractor

PICTURE = bytes(range(256)) * 40
ENCODED = base64.b64encode(PICTURE).decode()
USAGE = {"input_tokens": 3, "output_tokens": 196}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
fields = st.dictionaries(st.text(max_size=10).filter(lambda name: name != "data"), json_values, max_size=3)
strings = st.binary(max_size=200).map(lambda raw: base64.b64encode(raw).decode()) | st.text(max_size=60)
serializers = st.sampled_from(
    [
        json.dumps,
        lambda value: json.dumps(value, ensure_ascii=False),
        lambda value: json.dumps(value, indent=2),
        lambda value: json.dumps(value, separators=(" ,\n", "\t: ")),
        lambda value: json.dumps(value).replace("/", r"\/"),
        lambda value: json.dumps(value).replace("+", r"\u002b"),
    ]
)


def extracted(body: bytes, cuts: list[int]) -> tuple[bytes, Extracted]:
    """What comes out when the body arrives cut at these places."""
    written = bytearray()
    extractor = PictureExtractor(written.extend)
    for start, end in pairwise([0, *sorted(cuts), len(body)]):
        extractor.feed(body[start:end])
    return bytes(written), extractor.close()


def decoded(text: str) -> bytes | None:
    try:
        return pybase64.b64decode(text, validate=True)
    except ValueError:
        return None


@given(fields, st.lists(strings, max_size=3), fields, serializers, st.data())
def test_any_chunking_gives_what_json_and_base64_give(
    before: dict[str, object],
    texts: list[str],
    after: dict[str, object],
    serialize: Callable[[object], str],
    data: st.DataObject,
) -> None:
    answer = {**before, "data": [{"b64_json": text} for text in texts], **after}
    body = serialize(answer).encode("utf-8", "surrogatepass")
    cuts = data.draw(st.lists(st.integers(0, len(body)), max_size=12))

    written, result = extracted(body, cuts)

    first = next((text for text in texts if text), None)
    expected = Picture.MISSING if first is None else Picture.BROKEN
    if first is not None and decoded(first) is not None:
        expected = Picture.WHOLE
        assert written == decoded(first)
    assert result.picture is expected
    assert json.loads(result.rest) == {**answer, "data": [{"b64_json": ""} for _ in texts]}


@given(st.integers(min_value=0), st.integers(min_value=0))
def test_an_answer_cut_off_anywhere_never_parses_as_complete(end: int, cut: int) -> None:
    body = json.dumps({"data": [{"b64_json": ENCODED[:400]}], "usage": USAGE}).encode()
    body = body[: end % len(body)]

    _, result = extracted(body, [cut % (len(body) + 1)])

    assert not is_json(result.rest)


def test_one_byte_at_a_time_is_a_chunking_too() -> None:
    body = json.dumps({"data": [{"b64_json": ENCODED}], "usage": USAGE}, indent=1).encode()

    written, result = extracted(body, list(range(len(body))))

    assert written == PICTURE
    assert json.loads(result.rest)["usage"] == USAGE


def test_a_null_picture_is_passed_over() -> None:
    body = json.dumps({"data": [{"b64_json": None}, {"b64_json": ENCODED}]}).encode()

    written, result = extracted(body, [])

    assert (written, result.picture) == (PICTURE, Picture.WHOLE)


def test_a_prompt_that_quotes_the_field_is_not_taken_for_it() -> None:
    body = json.dumps({"prompt": '{"b64_json": "QUFB"}', "data": [{"b64_json": ENCODED}]}).encode()

    written, _ = extracted(body, [])

    assert written == PICTURE


def test_text_after_padding_is_broken_even_at_a_block_border() -> None:
    body = b'{"data":[{"b64_json":"QUE=QUFB"}]}'
    border = body.index(b"QUFB")

    _, result = extracted(body, [border])

    assert result.picture is Picture.BROKEN


def test_the_text_of_a_broken_picture_is_kept_as_it_came() -> None:
    body = b'{"data":[{"b64_json":"QUFB*not base64*QUFB"}]}'

    written, result = extracted(body, [body.index(b"*")])

    assert (written, result.picture) == (b"AAA*not base64*QUFB", Picture.BROKEN)


def test_an_escape_that_json_does_not_have_breaks_the_picture_only() -> None:
    body = rb'{"data":[{"b64_json":"QUFB\u00zzQUFB"}],"usage":null}'

    written, result = extracted(body, [])

    assert result.picture is Picture.BROKEN
    assert json.loads(result.rest) == {"data": [{"b64_json": ""}], "usage": None}
    assert written == rb"AAA\u00zzQUFB"


def test_what_stands_beside_the_picture_is_capped() -> None:
    body = json.dumps({"padding": "x" * (2 * REST_LIMIT_BYTES), "data": [{"b64_json": ENCODED}]}).encode()

    written, result = extracted(body, list(range(0, len(body), 1000)))

    assert len(result.rest) == REST_LIMIT_BYTES
    assert written == PICTURE


def test_endless_white_space_after_the_key_is_not_hoarded() -> None:
    _, result = extracted(b'{"b64_json"' + b" " * (4 * REST_LIMIT_BYTES), list(range(0, 262_144, 8192)))

    assert len(result.rest) == REST_LIMIT_BYTES


def is_json(text: bytes) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
