"""The one budget of a pipeline, whatever process asks; a ban outlives the run that was told it."""

from __future__ import annotations

import logging
import os
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

import msgspec

from pipeline.budget import Ban, Budget, Lease, Spending
from pipeline.durations import SECOND
from pipeline.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.venues.protocol import Limits

logger = logging.getLogger(__name__)


#: In storage.directory: until when which venue wants no requests.
BANS_FILE = "bans.json"


class BudgetPort(Protocol):
    """Where a process asks: the keeper itself, or its actor.

    Every call may raise ConnectionError: the actor does not answer.
    """

    def lease(self, asked: int, least: int, *, unspent: int, used: int | None) -> Lease:
        """See BudgetKeeper."""

    def close(self, seconds: float, reason: str) -> None:
        """See BudgetKeeper."""

    def dial_wait_s(self) -> float:
        """See BudgetKeeper."""


class _Record(msgspec.Struct):
    """A ban, as the file has it: until when in UTC, and why."""

    until: datetime
    reason: str


class BudgetKeeper:
    """Keeps the books, and bans in a file; its methods are called one at a time.

    Args:
        limits: What the venue takes.
        venue: The address that bans, such as the host of its REST url.
        path: The file; null: bans are forgotten with this object.

    Raises:
        ConfigError: The file is not one that an earlier run has written.
    """

    def __init__(self, limits: Limits, venue: str = "", path: Path | None = None) -> None:
        self._venue = venue
        self._path = path
        # A clock that is set while the pipeline runs moves no ban.
        self._start_us = (time.time_ns() - time.monotonic_ns()) // 1000
        record = None if path is None else _read(path).get(venue)
        ban = None if record is None else Ban(_microseconds(record.until), record.reason)
        self._budget = Budget(limits, ban)

    def lease(self, asked: int, least: int, *, unspent: int, used: int | None) -> Lease:
        """Return weight to be spent within a second.

        Args:
            asked: As much would do for a while.
            least: Less is of no use.
            unspent: What is left of the lease before.
            used: The newest count by the venue since then; null for none.
        """
        now_us = self._now_us()
        self._budget.give_back(unspent)
        if used is not None:
            self._budget.count(used, now_us)
        return self._budget.lease(asked, least, now_us)

    def close(self, seconds: float, reason: str) -> None:
        """Take it that the venue wants no requests for so long; every process will hear it."""
        now_us = self._now_us()
        self._budget.close(now_us + round(seconds * SECOND), reason)
        ban = self._budget.ban(now_us)
        if ban is not None:
            logger.error("requests stopped seconds=%.0f reason=%s", seconds, reason)
            self._write(ban, now_us)

    def dial_wait_s(self) -> float:
        """Return 0, and count an attempt to connect; or how long to wait before asking again."""
        return self._budget.dial_wait_s(self._now_us())

    def spending(self) -> Spending:
        """Return how much is used."""
        return self._budget.spending(self._now_us())

    def _now_us(self) -> int:
        return self._start_us + time.monotonic_ns() // 1000

    def _write(self, ban: Ban, now_us: int) -> None:
        if self._path is None:
            return
        record = _Record(datetime.fromtimestamp(ban.until_us / SECOND, UTC), ban.reason)
        try:
            records = {
                venue: known
                for venue, known in _read(self._path).items()
                if _microseconds(known.until) > now_us
            }
            self._path.parent.mkdir(parents=True, exist_ok=True)
            draft = self._path.with_suffix(f".{os.getpid()}.tmp")
            draft.write_bytes(msgspec.json.encode(records | {self._venue: record}))
            draft.replace(self._path)
        except OSError as error:
            logger.error("a ban is not kept for the next run: %s", error)  # noqa: TRY400 - it says all


def _read(path: Path) -> dict[str, _Record]:
    """Return the bans of a file by venue; none where there is no file."""
    if not path.exists():
        return {}
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, _Record])
    except msgspec.MsgspecError as error:
        problem = f"expected what an earlier run has written, found something else: {error}"
        raise ConfigError(str(path), [problem]) from error


def _microseconds(time_: datetime) -> int:
    return round(time_.timestamp() * SECOND)
