"""One hub a process: pulls the pipeline once a tick, however many pages are open."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

from pipeline.errors import ClusterError
from viz.state import BoardState, BoardView

if TYPE_CHECKING:
    from pipeline.board import BoardSource

logger = logging.getLogger(__name__)

INTERVAL_S = 0.25

#: Between attempts to reach a pipeline that did not answer: doubled from the interval up to this.
BACK_OFF_LIMIT_S = 5.0


class Hub:
    """Keeps the newest `BoardView` of one source.

    A thread of its own replaces the view every tick, reachable or not, so that ages go on growing
    and a lost pipeline is shown as lost. Readers take `view` and never wait.
    """

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        self._view = _view_now(BoardState())

    @property
    def view(self) -> BoardView:
        """The newest view."""
        return self._view

    @property
    def running(self) -> bool:
        """Whether a source was given and `stop` was not called since."""
        return self._thread is not None

    @property
    def age_s(self) -> float:
        """Seconds since the view was made."""
        return time.time() - self._view.stamp_ms / 1e3

    def start(self, source: BoardSource, interval_s: float = INTERVAL_S) -> None:
        """Pull `source` every `interval_s` from now on.

        Raises:
            RuntimeError: A source is being pulled already.
        """
        if self._thread is not None:
            raise RuntimeError("this hub already has a source: stop it first")
        self._stopping.clear()
        self._view = _view_now(BoardState())
        self._thread = threading.Thread(
            target=self._run, args=(source, interval_s), name="board-hub", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Stop pulling and wait for a pull under way to end; a hub without a source is left be."""
        if self._thread is None:
            return
        self._stopping.set()
        self._thread.join()
        self._thread = None

    def _run(self, source: BoardSource, interval_s: float) -> None:
        state = BoardState()
        since = 0
        back_off_s = interval_s
        pull_at_s = time.monotonic()
        while True:
            if time.monotonic() >= pull_at_s:
                try:
                    since = _pull(source, state, since)
                    back_off_s = interval_s
                except ClusterError as error:
                    logger.warning("board source unreachable retry_s=%.2f: %s", back_off_s, error)
                    state.fail(str(error))
                    pull_at_s = time.monotonic() + back_off_s
                    back_off_s = min(2 * back_off_s, BACK_OFF_LIMIT_S)
            self._view = _view_now(state)
            if self._stopping.wait(interval_s):
                return


def _pull(source: BoardSource, state: BoardState, since: int) -> int:
    snapshot = source.snapshot(since)
    if state.forgets(snapshot):
        # A restarted coordinator was asked in the numbers of the one before it: ask for all.
        snapshot = source.snapshot(0)
    state.apply(snapshot, time.monotonic())
    return snapshot.version


def _view_now(state: BoardState) -> BoardView:
    return state.view(now_s=time.monotonic(), stamp_ms=time.time_ns() // 1_000_000)


#: The hub of this process. Bokeh runs `main.py` anew for every page: this module is imported once.
HUB = Hub()
