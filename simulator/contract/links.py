"""Reading a picture that a call names by its address, as the provider does: over the network, within limits.

The provider takes https:// alone. A rehearsal has its storage on this machine, without a certificate: so http:// is taken
from here, and from nowhere else. Limits of time and redirects are guesses; nothing is published.
"""

from urllib.parse import urlsplit

import aiohttp

from simulator.contract.errors import ApiError, bad_request

MAX_REDIRECTS = 3
_TIMEOUT = aiohttp.ClientTimeout(total=20, connect=5)
_HERE = ("127.0.0.1", "localhost", "::1")


def is_taken(url: str) -> bool:
    """Whether an address is one that is read at all."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _HERE)


async def download(url: str, param: str, *, max_bytes: int) -> tuple[bytes, str]:
    """The bytes behind an address, one more than `max_bytes` at most, and the media type that its server names.

    Raises:
        ApiError: the 400 for what cannot be had.
    """
    try:
        async with (
            aiohttp.ClientSession(timeout=_TIMEOUT, trust_env=False) as session,
            session.get(url, max_redirects=MAX_REDIRECTS) as response,
        ):
            if response.status != 200:
                raise _failed(param)
            kept = bytearray()
            async for chunk in response.content.iter_any():
                kept += chunk
                if len(kept) > max_bytes:
                    break
            return bytes(kept[: max_bytes + 1]), response.content_type
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        raise _failed(param) from error


def _failed(param: str) -> ApiError:
    return bad_request("failed_to_download_image", param, "Failed to download the image from the URL.")
