"""What every test gets: no address but this machine's."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import pytest

from actors.loopback import is_loopback

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def stay_here(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fail a test that dials out, unless it is marked `live`."""
    if request.node.get_closest_marker("live") is not None:
        yield
        return
    connect = socket.socket.connect
    here = {address[4][0] for address in socket.getaddrinfo(socket.gethostname(), None)}

    def guarded(self: socket.socket, address: Any) -> None:  # noqa: ANN401 - as the socket's own
        is_inet = self.family in {socket.AF_INET, socket.AF_INET6}
        if is_inet and not is_loopback(address[0]) and address[0] not in here:
            pytest.fail(f"expected no connection beyond this machine, found {address}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)
    yield
