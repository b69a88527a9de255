"""Which URLs are asked, how they are spelled for the wire, and that a refusal repeats nothing of them."""

from __future__ import annotations

import pytest

from core.settings import FetchSettings
from workers.fetching.errors import FetchError
from workers.fetching.urls import checked_url

STRICT = FetchSettings()
OPEN = FetchSettings(allow_http=True, allow_private=True)


@pytest.mark.parametrize(
    ("written", "asked"),
    [
        ("https://cdn.example/a.png", "https://cdn.example/a.png"),
        ("HTTPS://CDN.Example/A.png", "https://cdn.example/A.png"),
        ("https://cdn.example", "https://cdn.example"),
        ("https://cdn.example:443/a", "https://cdn.example/a"),
        ("https://cdn.example/a#b", "https://cdn.example/a"),
        ("https://cdn.example/shoe red.png", "https://cdn.example/shoe%20red.png"),
        ("https://cdn.example/größe", "https://cdn.example/gr%C3%B6%C3%9Fe"),
        ("https://b.example/k%2Fy?X-Sig=a%2Fb%3D&t=%2B1", "https://b.example/k%2Fy?X-Sig=a%2Fb%3D&t=%2B1"),
        ("https://my_bucket.s3.example/a@b", "https://my_bucket.s3.example/a@b"),
        ("https://xn--bcher-kva.example/", "https://xn--bcher-kva.example/"),
        ("https://8.8.8.8/a", "https://8.8.8.8/a"),
        ("https://[2606:4700::1111]/a", "https://[2606:4700::1111]/a"),
    ],
)
def test_a_plain_url_is_asked_as_it_is_written(written: str, asked: str) -> None:
    assert str(checked_url(written, STRICT)) == asked


@pytest.mark.parametrize(
    ("written", "advice"),
    [
        ("http://cdn.example/a", "Only https:// is fetched."),
        ("ftp://cdn.example/a", "Only https:// is fetched."),
        ("cdn.example/a", "of the form https://host/path"),
        ("https://user:secret@cdn.example/", "use a signed URL"),
        ("https://bücher.example/", "xn--"),
        ("https://cdn.example:8443/", "Only the standard port of https, 443"),
        ("https://192.168.0.7/", "leads to a private address. Use a public address."),
        ("https://[fe80::1]/", "leads to a link-local address"),
        ("https://localhost/", "leads to a loopback address"),
        ("https://box.localhost/", "leads to a loopback address"),
    ],
)
def test_a_refusal_says_what_to_write_instead(written: str, advice: str) -> None:
    with pytest.raises(FetchError, match=advice):
        checked_url(written, STRICT)


def test_a_refusal_never_repeats_the_url() -> None:
    with pytest.raises(FetchError) as refused:
        checked_url("https://user:hunter2@cdn.example/x?signature=s3cr3t", STRICT)
    assert not any(word in str(refused.value) for word in ("user:", "hunter2", "s3cr3t", "cdn.example"))


@pytest.mark.parametrize(
    "url", ["http://cdn.example:8080/a", "https://10.0.0.1:9000/a", "http://localhost:1/"]
)
def test_private_networks_may_use_any_port(url: str) -> None:
    assert str(checked_url(url, OPEN)) == url


@pytest.mark.parametrize(
    "url", ["http://user@10.0.0.1/", "http://127.1/", "http://0x7f000001/", "file:///etc/hosts"]
)
def test_private_networks_do_not_lift_the_other_rules(url: str) -> None:
    with pytest.raises(FetchError):
        checked_url(url, OPEN)
