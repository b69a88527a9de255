"""The usage report of one account: pictures by the minute, as the provider counts them.

Source: developers.openai.com/api/reference, `GET /organization/usage/images`, read 2026-11-21. How far the report lags
behind is not published: see `DARKROOM_LANES__<NAME>__USAGE_LAG_S`.
"""

from __future__ import annotations

from typing import Any

import httpx

from schemas.errors import UnavailableError

MOST_BUCKETS = 1440
"""Minutes in one page at most."""

_TIMEOUT_S = 30.0
_PAGES = 10


class UsageReport:
    """Asks one account for what it counted.

    Args:
        base_url: such as `https://api.openai.com/v1`.
        api_key_id: the provider's name of the key that makes pictures; without it all of the account's count.
    """

    def __init__(self, base_url: str, admin_key: str, *, api_key_id: str | None = None) -> None:
        self._url = f"{base_url.rstrip('/')}/organization/usage/images"
        self._filter = {} if api_key_id is None else {"api_key_ids": api_key_id}
        self._http = httpx.AsyncClient(
            trust_env=False,
            timeout=_TIMEOUT_S,
            headers={"Authorization": f"Bearer {admin_key}", "User-Agent": "darkroom"},
        )

    async def images(self, first: int, end: int) -> int:
        """How many pictures it has counted so far from minute `first` up to minute `end`, both since the epoch.

        Raises:
            UnavailableError: it does not answer, or not with a report.
        """
        query: dict[str, str | int] = {
            "start_time": first * 60,
            "end_time": end * 60,
            "bucket_width": "1m",
            "limit": MOST_BUCKETS,
            **self._filter,
        }
        total: int = 0
        for _ in range(_PAGES):
            answer = await self._ask(query)
            try:
                total += sum(
                    int(result["images"]) for bucket in answer["data"] for result in bucket["results"]
                )
                cursor = answer["next_page"] if answer["has_more"] else None
            except (LookupError, TypeError, ValueError) as error:
                raise UnavailableError("The usage report does not look as it is documented.") from error
            if cursor is None:
                return total
            query["page"] = cursor
        raise UnavailableError(f"The usage report has more than {_PAGES} pages for {end - first} minutes.")

    async def aclose(self) -> None:
        await self._http.aclose()

    async def _ask(self, query: dict[str, str | int]) -> Any:
        try:
            answer = await self._http.get(self._url, params=query)
        except httpx.HTTPError as error:
            raise UnavailableError(f"The usage report does not answer: {type(error).__name__}.") from error
        if answer.status_code in (401, 403):
            raise UnavailableError(
                f"The usage report is refused ({answer.status_code}); the lane's ADMIN_KEY has to be an admin key "
                "of its account, with the right to read usage."
            )
        if answer.status_code != httpx.codes.OK:
            raise UnavailableError(f"The usage report answers {answer.status_code}.")
        try:
            return answer.json()
        except ValueError as error:
            raise UnavailableError("The usage report is not JSON.") from error
