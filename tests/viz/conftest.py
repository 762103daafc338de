"""Boards of recorded data: folded without a clock, or served on a free port."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.viz.recorded_board import RecordedBoard
from viz.server import BoardServer, serve
from viz.state import BoardState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class HandClock:
    """A clock in microseconds that a test moves."""

    def __init__(self) -> None:
        self.now_us = 0

    def __call__(self) -> int:
        return self.now_us


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def board(clock: HandClock) -> RecordedBoard:
    """Twelve symbols and 200 bars of each, which move when the clock does."""
    return RecordedBoard(12, history_s=200, clock=clock)


@pytest.fixture
def state(board: RecordedBoard) -> BoardState:
    """What is remembered after the first snapshot, at second 0 of its clock."""
    state = BoardState()
    state.apply(board.snapshot(0), 0.0)
    return state


@pytest.fixture
def serve_board() -> Iterator[Callable[[RecordedBoard], BoardServer]]:
    """Serve a board for the length of a test; one at a time, as in a process that owns data."""
    servers: list[BoardServer] = []

    def start(source: RecordedBoard) -> BoardServer:
        server = serve(source, host="127.0.0.1", port=0)
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.stop()
