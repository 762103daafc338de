"""The coordinator's actor: frames in, the board and every other reader out."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

from pipeline.changes import ChangeLog
from pipeline.collector import Collector

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    import polars as pl

    from pipeline.board import BoardPlan, BoardSnapshot, BoardSource
    from pipeline.changes import Change, Outcome
    from pipeline.config import Config
    from pipeline.config_sections import BoardConfig
    from pipeline.delivery import Envelope

logger = logging.getLogger(__name__)

#: The board is named, not imported: nothing below it knows it.
BOARD_SERVER = "viz.server:serve"


class BoardServer(Protocol):
    """A board that is being served."""

    @property
    def url(self) -> str:
        """Where to open it."""

    def stop(self) -> None:
        """Stop to serve it."""


@dataclass(frozen=True, slots=True)
class CoordinatorStatus:
    """Where a coordinator stands.

    Attributes:
        incarnation: Changes with every restart.
        stop_requested: Somebody asked the pipeline to stop.
        changes: Of thresholds, that somebody asked for.
    """

    incarnation: str
    stop_requested: bool
    changes: tuple[Change, ...]


class Coordinator:
    """Applies the frames of all shards, and serves the board from a thread of its own.

    Its methods may be called from several threads.

    Args:
        plan: What the board is told once.
        config: What the pipeline runs.
    """

    def __init__(self, plan: BoardPlan, config: Config) -> None:
        self._config = config
        self._lock = threading.Lock()
        self._incarnation = uuid.uuid4().hex
        self._collector = Collector(plan, self._incarnation, _now_us())
        self._restarts: Mapping[str, int] = {"symbol_actors": 0, "coordinator": 0}
        self._board: BoardServer | None = None
        self._stop_requested = False
        self._changes = ChangeLog()

    def push(self, envelope: Envelope) -> int:
        """Apply a frame unless it was applied before; return the producer's watermark."""
        with self._lock:
            return self._collector.apply(envelope, _now_us())

    def snapshot(self, since: int) -> BoardSnapshot:
        """Return what changed after a version; see BoardSource."""
        with self._lock:
            return self._collector.snapshot(since, _now_us())

    def bars(self, since: int = 0) -> pl.DataFrame:
        """Return the BARS applied after a version, as far back as the history reaches."""
        with self._lock:
            return self._collector.bars(since)

    def market(self, since: int = 0) -> pl.DataFrame:
        """Return the MARKET rows known after a version, as far back as the history reaches."""
        with self._lock:
            return self._collector.market(since)

    def residuals(self, since: int = 0) -> pl.DataFrame:
        """Return the RESIDUALS known after a version, as far back as the history reaches."""
        with self._lock:
            return self._collector.residuals(since)

    def regime_changes(self) -> pl.DataFrame:
        """Return the newest REGIME_CHANGES, by time."""
        with self._lock:
            return self._collector.regime_changes()

    def correlations(self) -> pl.DataFrame:
        """Return CORRELATIONS as they now are."""
        with self._lock:
            return self._collector.correlations()

    def report(self) -> dict[str, Any]:
        """Return the run report so far."""
        with self._lock:
            report = self._collector.report(_now_us(), self._restarts)
            return report | {"changes": self._changes.report()}

    def config(self) -> Config:
        """Return what the pipeline runs."""
        return self._config

    def replan(self, plan: BoardPlan, config: Config) -> None:
        """Take another plan; boards then start anew."""
        with self._lock:
            self._config = config
            self._collector.replan(plan)

    def forget_shard(self, shard: str) -> None:
        """Forget the clocks of a shard that has ended."""
        with self._lock:
            self._collector.forget_shard(shard)

    def note_restarts(self, restarts: Mapping[str, int]) -> None:
        """Take how many actors were restarted since the start."""
        with self._lock:
            self._restarts = dict(restarts)
            self._collector.note_restarts(sum(restarts.values()))

    def status(self) -> CoordinatorStatus:
        """Return where it stands."""
        with self._lock:
            changes = tuple(self._changes.open())
        return CoordinatorStatus(self._incarnation, self._stop_requested, changes)

    def ask_change(
        self, *, asked: datetime, by: str, symbol: str | None, settings: Sequence[str], why: str
    ) -> int:
        """Ask whoever supervises the pipeline to change thresholds; return the change's number."""
        with self._lock:
            return self._changes.ask(asked=asked, by=by, symbol=symbol, settings=settings, why=why)

    def settle_change(self, outcome: Outcome, plan: BoardPlan, config: Config) -> None:
        """Take what became of a change, and what the pipeline runs now."""
        with self._lock:
            self._changes.settle(outcome)
        if outcome.refused is None:
            self.replan(plan, config)

    def change_outcome(self, number: int) -> Outcome | None:
        """Return what became of a change; null while nobody has settled it."""
        with self._lock:
            return self._changes.outcome(number)

    def request_stop(self) -> None:
        """Ask whoever supervises the pipeline to stop it."""
        self._stop_requested = True

    def serve_board(self, board: BoardConfig) -> str:
        """Serve the board and return its address; a second call changes nothing.

        Raises:
            CryptoctopusError: The address cannot be listened on.
        """
        if self._board is None:
            module, _, name = BOARD_SERVER.partition(":")
            serve: Callable[..., BoardServer] = getattr(import_module(module), name)
            source: BoardSource = self
            self._board = serve(
                source, host=board.host, port=board.port, origins=list(board.origins)
            )
            logger.info("board served url=%s", self._board.url)
        return self._board.url

    def close(self) -> None:
        """Stop serving the board."""
        if self._board is not None:
            self._board.stop()
            self._board = None


def _now_us() -> int:
    return time.time_ns() // 1000
