"""A key that was garbled on the way is refused in a sentence."""

from __future__ import annotations

import pytest

from cli.client import ServiceClient
from cli.exits import WrongUsageError


@pytest.mark.parametrize("key", ["kéy", "a\nb"])
def test_a_key_that_no_header_can_carry_is_wrong_usage(key: str) -> None:
    with pytest.raises(WrongUsageError, match="copy it again"):
        ServiceClient("http://127.0.0.1:1", key)
