import pytest

from schemas.errors import ManifestError
from service.manifest_text import manifest_data


def refusal(content: bytes, media_type: str | None = "application/yaml") -> tuple[str, str]:
    with pytest.raises(ManifestError) as caught:
        manifest_data(content, media_type)
    (problem,) = caught.value.problems
    return problem.code, problem.detail


@pytest.mark.parametrize(
    ("content", "media_type"),
    [
        (b'{"a": 1}', "application/json"),
        (b"a: 1", "application/yaml"),
        (b'{"a": 1}', None),
        (b"a: 1", None),
        (b'\n {"a": 1}', ""),
        (b"a: 1", "application/octet-stream"),
        (b"\xef\xbb\xbfa: 1", "application/yaml"),
        (b'\xef\xbb\xbf{"a": 1}', "application/json"),
        (b"a: 1\r\n", "text/yaml"),
    ],
)
def test_json_and_yaml_are_told_apart_by_their_type_or_by_their_look(
    content: bytes, media_type: str | None
) -> None:
    assert manifest_data(content, media_type) == {"a": 1}


def test_what_is_sent_as_json_must_be_json() -> None:
    assert refusal(b"a: 1", "application/json")[0] == "syntax"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"a: 1\nb: caf\xe9\n", "line 2: byte 11 is not UTF-8"),
        ("a: 1".encode("utf-16"), "line 1: byte 0 is not UTF-8"),
        (b"\x1f\x8b\x08", "byte 1 is not UTF-8"),
        (b"a: \xed\xa0\x80", "byte 3 is not UTF-8"),
    ],
    ids=["latin-1", "utf-16", "gzip", "a surrogate"],
)
def test_what_is_not_utf8_is_told_with_its_place(content: bytes, sentence: str) -> None:
    code, detail = refusal(content)

    assert code == "not_utf8"
    assert sentence in detail


@pytest.mark.parametrize("content", [b"", b"  \n\n", b"\xef\xbb\xbf"])
def test_an_empty_text_is_called_empty(content: bytes) -> None:
    assert refusal(content)[0] == "empty"


@pytest.mark.parametrize(
    ("content", "media_type"),
    [(b"[]", "application/json"), (b"- a", None), (b"# only this", None), (b"a", None)],
)
def test_a_manifest_is_one_mapping(content: bytes, media_type: str | None) -> None:
    assert refusal(content, media_type)[0] == "not_a_mapping"
