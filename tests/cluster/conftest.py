"""One Ray cluster for the session, and commands that end with their test."""

from __future__ import annotations

import os
import secrets
from typing import TYPE_CHECKING

import pytest

from tests.cluster.commands import Command

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


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
