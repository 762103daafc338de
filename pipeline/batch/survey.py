"""Look at rows in file order, before the engine sees them: halts, steps back, a new numbering.

The rules hold for rows one after another, with what they need carried from chunk to chunk and from
file to file: no result depends on where the rows were cut.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.compiled import compiled
from pipeline.durations import HOUR, MILLISECOND, MINUTE
from pipeline.ledger_loop import MAX_JUMP
from pipeline.marks import NEVER

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Ids that follow each other over a longer time without a trade: the venue halted.
HALT_US = MINUTE

#: The numbering starts anew only after so long without a trade.
RELIST_US = HOUR

# What is carried: the row before, the newest id with its time, and what was counted in this call.
_PREVIOUS_ID, _PREVIOUS_US, _NEWEST_ID, _NEWEST_US, _BACKWARD, _MICROSECOND, _HALTS = range(7)


@dataclass(frozen=True, slots=True)
class Run:
    """Rows [start, stop) of a chunk that belong to one numbering.

    Attributes:
        start: Its first row.
        stop: The row after its last.
        restarts_after: The newest id of the numbering that ended just before; null if none did.
    """

    start: int
    stop: int
    restarts_after: int | None


@dataclass(frozen=True, slots=True)
class TradeFindings:
    """What a chunk of trades showed.

    Attributes:
        runs: The chunk cut where a numbering starts anew.
        backward_times: Rows with an earlier time than the row before.
        microsecond_times: Rows whose time is not a whole millisecond.
        halts: How many.
        halts_us: The first of them: time of the last trade before, and of the first after.
    """

    runs: list[Run]
    backward_times: int
    microsecond_times: int
    halts: int
    halts_us: NDArray[np.int64]


class TradeSurvey:
    """Surveys the trades of one symbol.

    A row starts a new numbering when its id is out of reach of the newest one (back by more than
    `max_held` or to below half of it, or ahead by what no market trades) and its time is more than
    an hour after that of the newest id.

    Args:
        max_held: How far back a row may still be one that was merely late.
        carried: From `carried` of the survey that this one continues.
    """

    def __init__(self, max_held: int, carried: list[int] | None = None) -> None:
        self._max_held = max_held
        self._marks = np.zeros(7, dtype=np.int64)
        self._marks[:4] = NEVER if carried is None else carried

    @property
    def carried(self) -> list[int]:
        """What a later survey needs to go on."""
        return [int(mark) for mark in self._marks[:4]]

    def look(self, ids: NDArray[np.int64], times_us: NDArray[np.int64], told: int) -> TradeFindings:
        """Survey rows in file order; tell at most `told` halts in full."""
        self._marks[4:] = 0
        halts_us = np.empty((told, 2), dtype=np.int64)
        runs: list[Run] = []
        start, restarts_after = 0, None
        while start < len(ids):
            stop = _walk((ids, times_us), start, self._max_held, self._marks, halts_us)
            if stop > start:
                runs.append(Run(start, stop, restarts_after))
            if stop < len(ids):
                restarts_after = int(self._marks[_NEWEST_ID])
                self._marks[_NEWEST_ID] = NEVER
            start = stop
        halts = int(self._marks[_HALTS])
        return TradeFindings(
            runs=runs,
            backward_times=int(self._marks[_BACKWARD]),
            microsecond_times=int(self._marks[_MICROSECOND]),
            halts=halts,
            halts_us=halts_us[: min(halts, told)],
        )


@dataclass(frozen=True, slots=True)
class BarFindings:
    """What a chunk of a venue's bars showed.

    Attributes:
        backward_times: Rows with an earlier open time than the row before.
        halts_us: Runs of missing rows: open time of the first missing, and of the next there is.
    """

    backward_times: int
    halts_us: NDArray[np.int64]


class BarSurvey:
    """Surveys the bars of one symbol.

    Args:
        every_us: Their length.
        carried: From `carried` of the survey that this one continues.
    """

    def __init__(self, every_us: int, carried: list[int] | None = None) -> None:
        self._every_us = every_us
        self._before_us, self._newest_us = carried or (NEVER, NEVER)

    @property
    def carried(self) -> list[int]:
        """What a later survey needs to go on."""
        return [self._before_us, self._newest_us]

    def look(self, open_us: NDArray[np.int64]) -> BarFindings:
        """Survey rows in file order, at least one."""
        before = np.concatenate([[self._before_us], open_us[:-1]])
        newest = np.maximum.accumulate(np.concatenate([[self._newest_us], open_us]))
        due = newest[:-1] + self._every_us
        missing = (newest[:-1] != NEVER) & (open_us > due)
        self._before_us, self._newest_us = int(open_us[-1]), int(newest[-1])
        return BarFindings(
            backward_times=int(np.count_nonzero(open_us < before)),
            halts_us=np.column_stack([due[missing], open_us[missing]]),
        )


@compiled("int64(Tuple((int64[::1], int64[::1])), int64, int64, int64[::1], int64[:, ::1])")
def _walk(rows: Any, start: Any, max_held: Any, marks: Any, halts_us: Any) -> Any:  # noqa: ANN401 - compiled: the signature has the types
    """Walk from `start` to the row that starts a new numbering, or to the end."""
    ids, times_us = rows
    previous_id, previous_us = marks[_PREVIOUS_ID], marks[_PREVIOUS_US]
    newest_id, newest_us = marks[_NEWEST_ID], marks[_NEWEST_US]
    at = start
    while at < len(ids):
        trade_id, time_us = ids[at], times_us[at]
        if newest_id == NEVER:
            newest_id, newest_us = trade_id, time_us
        elif time_us > newest_us + RELIST_US and (
            trade_id < newest_id - max_held
            or 2 * trade_id < newest_id
            or trade_id >= newest_id + MAX_JUMP
        ):
            break
        elif newest_id < trade_id < newest_id + MAX_JUMP:
            newest_id, newest_us = trade_id, time_us
        if previous_us != NEVER:
            marks[_BACKWARD] += time_us < previous_us
            if trade_id == previous_id + 1 and time_us - previous_us > HALT_US:
                if marks[_HALTS] < len(halts_us):
                    halts_us[marks[_HALTS], 0] = previous_us
                    halts_us[marks[_HALTS], 1] = time_us
                marks[_HALTS] += 1
        marks[_MICROSECOND] += time_us % MILLISECOND != 0
        previous_id, previous_us = trade_id, time_us
        at += 1
    marks[_PREVIOUS_ID], marks[_PREVIOUS_US] = previous_id, previous_us
    marks[_NEWEST_ID], marks[_NEWEST_US] = newest_id, newest_us
    return at
