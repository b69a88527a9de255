"""Which URLs are asked at all. Strict on purpose: what two parsers could read differently is refused."""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from urllib.parse import quote

from yarl import URL

from core.settings import FetchSettings
from workers.fetching.addresses import refusal_of
from workers.fetching.errors import FetchError

_URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<authority>[^/?#]*)(?P<path>[^#]*)(?:#.*)?")
_AUTHORITY = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<name>[A-Za-z0-9._-]{1,253}))(?::[0-9]{1,5})?")
_LABEL = re.compile(r"[A-Za-z0-9_-]{1,63}")
_NUMBER = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*")
# Parsers drop some of these silently, and read a backslash as they like.
_CONTROLS = re.compile(r"[\x00-\x1f\x7f\\]")
_PORTS = {"https": 443, "http": 80}
_KEPT = "!$%&'()*+,-./:;=?@[]_~"  # stands in a URL as it is; decoding any of it could break a signature


def checked_url(text: str, settings: FetchSettings) -> URL:
    """The URL to ask, as it was written, but for its fragment.

    Only spaces and letters of other scripts in path and query are percent-encoded. A host in another script
    must come in its `xn--` form. An address instead of a name is judged at once; what names lead to, where it is dialled.

    Raises:
        FetchError: this URL is not asked; the message never repeats it.
    """
    found = _URL.fullmatch(text)
    if found is None or _CONTROLS.search(text):
        raise FetchError("This is not a URL of the form https://host/path.")
    scheme = found["scheme"].lower()
    _check_scheme(scheme, allow_http=settings.allow_http)
    _check_authority(found["authority"])
    try:
        url = URL(f"{scheme}://{found['authority'].lower()}{quote(found['path'], safe=_KEPT)}", encoded=True)
        port = url.port
    except ValueError:
        raise FetchError("This is not a URL of the form https://host/path.") from None
    if port != _PORTS[scheme] and not settings.allow_private:
        raise FetchError(f"Only the standard port of {scheme}, {_PORTS[scheme]}, is fetched from.")
    if not settings.allow_private:
        _check_reach(url.raw_host or "")
    return url


def _check_scheme(scheme: str, *, allow_http: bool) -> None:
    if scheme == "https" or (scheme == "http" and allow_http):
        return
    raise FetchError(
        "Only https:// is fetched." if not allow_http else "Only https:// and http:// are fetched."
    )


def _check_authority(authority: str) -> None:
    if "@" in authority:
        raise FetchError("A URL with a user name or password in it is not fetched; use a signed URL instead.")
    found = _AUTHORITY.fullmatch(authority)
    if found is None or not (_is_v6(found["v6"]) if found["v6"] else _is_name_or_v4(found["name"])):
        raise FetchError(
            "The host of this URL is not plain. Write it as a name in ASCII (xn-- for other scripts), "
            "as four decimal numbers, or as an IPv6 address in brackets."
        )


def _check_reach(host: str) -> None:
    """Source: https://www.rfc-editor.org/rfc/rfc6761#section-6.3 (names that are loopback), checked 2026-11-21."""
    is_address = ":" in host or _NUMBER.fullmatch(host.rpartition(".")[2])
    refusal = refusal_of(host) if is_address else None
    if host == "localhost" or host.endswith(".localhost"):
        refusal = "a loopback address"
    if refusal is not None:
        raise FetchError(f"{host} is not fetched: it leads to {refusal}. Use a public address.")


def _is_v6(text: str) -> bool:
    try:
        IPv6Address(text)
    except AddressValueError:
        return False
    return True


def _is_name_or_v4(host: str) -> bool:
    """A name, or an IPv4 address in its one canonical form: a host that ends in a number is never a name."""
    labels = host.split(".")
    if not _NUMBER.fullmatch(labels[-1]):
        return all(_LABEL.fullmatch(label) for label in labels)
    try:
        IPv4Address(host)
    except AddressValueError:
        return False
    return True
