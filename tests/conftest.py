"""What every test gets: this machine only, one Ray cluster, and commands that end with it."""

from __future__ import annotations

import os
import secrets
import socket
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings

from actors.loopback import is_loopback
from tests.commands import Command

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

# How fast an example is made says how busy the machine is, not whether the code is right.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")


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


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the address of a cluster that this process started."""
    import ray  # noqa: PLC0415 - a second, only for the tests that need it

    from actors.session import join_cluster, leave_cluster  # noqa: PLC0415 - as above

    # Not the user's own token.
    token = tmp_path_factory.mktemp("ray") / "token"
    token.write_text(secrets.token_hex(32))
    os.environ["RAY_AUTH_TOKEN_PATH"] = str(token)
    join_cluster("local")
    yield ray.get_runtime_context().gcs_address
    leave_cluster()


@pytest.fixture
def command(tmp_path: Path) -> Iterator[Callable[..., Command]]:
    """Start `python -m pipeline ...`; it is ended with the test."""
    started: list[Command] = []

    def start(
        *arguments: str, program: str | None = None, env: dict[str, str] | None = None
    ) -> Command:
        log = tmp_path / f"stderr-{len(started)}.log"
        started.append(Command(*arguments, log=log, program=program, env=env))
        return started[-1]

    yield start
    for one in reversed(started):
        one.end()
