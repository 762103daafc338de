from __future__ import annotations

import pytest

from actors.loopback import is_loopback_url


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("ws://127.0.0.1:9001/stream?streams=a", True),
        ("http://127.1.2.3", True),
        ("http://localhost:8000/api", True),
        ("wss://[::1]:9443", True),
        ("wss://data-stream.binance.vision/stream", False),
        ("http://10.127.0.1", False),
        ("http://localhost.example", False),
    ],
)
def test_is_loopback_looks_at_the_host_only(url: str, expected: bool) -> None:  # noqa: FBT001 - a table of cases
    assert is_loopback_url(url) is expected
