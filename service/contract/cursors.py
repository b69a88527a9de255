"""Cursors: where the next page of a list begins, signed, so that nobody can make one up."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from functools import cached_property

from schemas.errors import Problem
from service.problems import ProblemError

_SIGNATURE_BYTES = 16


class Cursors:
    """Seals and opens cursors.

    Args:
        secret: cursors do not outlive it. Whoever holds a cursor or a link can try secrets on it, so each try is
            made to cost 16 MiB and some tens of milliseconds. The first cursor waits for that.
    """

    def __init__(self, secret: bytes) -> None:
        self._given = secret

    @cached_property
    def _secret(self) -> bytes:
        return hashlib.scrypt(self._given, salt=b"darkroom:cursor", n=2**14, r=8, p=1, dklen=32)

    def seal(self, place: str, *, of: str) -> str:
        """A cursor at `place` of the list `of` (tenant, address and filters: everything that makes it this list)."""
        return base64.urlsafe_b64encode(self._signature(place, of) + place.encode()).decode().rstrip("=")

    def open(self, cursor: str, *, of: str) -> str:
        """The place that a cursor names.

        Raises:
            ProblemError: it was not given out for this list by this service.
        """
        try:
            raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
            place = raw[_SIGNATURE_BYTES:].decode()
        except (binascii.Error, ValueError) as error:
            raise _refused("this is not a cursor") from error
        if not hmac.compare_digest(raw[:_SIGNATURE_BYTES], self._signature(place, of)):
            raise _refused("this cursor does not belong to this list")
        return place

    def _signature(self, place: str, of: str) -> bytes:
        return hmac.digest(self._secret, f"{of}\n{place}".encode(), "sha256")[:_SIGNATURE_BYTES]


def _refused(sentence: str) -> ProblemError:
    detail = "Ask for the first page again, and then for the pages that it leads to."
    return ProblemError("bad_request", detail, problems=[Problem("/query/cursor", "bad_cursor", sentence)])
