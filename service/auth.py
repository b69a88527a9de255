"""Who asks: a bearer key into a tenant. Every look-up behind it starts with that tenant."""

from __future__ import annotations

import hmac
from typing import Annotated

from fastapi import Depends, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import SecretStr

from schemas.errors import UnauthorizedError
from service.equipment import Desk

DEFAULT_TENANT = "default"

_bearer = HTTPBearer(auto_error=False, scheme_name="key", description="The API key of a tenant.")


async def tenant_of(
    desk: Desk, credentials: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)]
) -> str:
    """The tenant of the key that came with the request.

    Raises:
        UnauthorizedError: there is none, it is not a key of ours, or this service has no key set.
    """
    key = desk.settings.service.bootstrap_key
    if key is None or not key.get_secret_value():
        raise UnauthorizedError(
            "This service has no API key, so it serves nobody. Set DARKROOM_SERVICE__BOOTSTRAP_KEY and restart it."
        )
    if credentials is None:
        raise UnauthorizedError("This needs a key; send it as `Authorization: Bearer <key>`.")
    if not is_known(key, credentials.credentials):
        raise UnauthorizedError("This key is not known here.")
    return DEFAULT_TENANT


def is_known(key: SecretStr | None, given: str) -> bool:
    """Whether what was given is the key, compared in constant time. Where there is none, nothing is."""
    known = key.get_secret_value() if key is not None else ""
    return known != "" and hmac.compare_digest(given.encode(), known.encode())


def is_let_in(key: SecretStr | None, authorization: str) -> bool:
    """The same of a whole `Authorization` header, for what is decided before a request is looked into."""
    scheme, _, given = authorization.partition(" ")
    return scheme.lower() == "bearer" and is_known(key, given)


Tenant = Annotated[str, Depends(tenant_of)]
