"""Exact rolling sums over the samples of many symbols: the one kernel of history and live.

A sample is the one-step log return of consecutive closes as an integer, in units of 2^-58. A window
adds what enters and takes away what leaves, in 192-bit integers: sums never drift or overflow, and
depend only on what is in the window, so that any chunking, shard or restart gives the same bits.
Floats appear once, at the end. (EWMA has infinite memory: it is a float recursion, and carried.)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipeline import window_loop as loop
from pipeline import window_tapes as layout
from pipeline.rolling_sums import ENOUGH, RollingSum, Trim, check, kinds_of, tapes_of
from pipeline.window_tapes import MAX_RETURN, MISSING, UNIT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

__all__ = [
    "ENOUGH",
    "MAX_RETURN",
    "UNIT",
    "RollingSum",
    "Samples",
    "Trim",
    "WindowColumns",
    "Windows",
]

#: Rows are grouped by symbol within blocks of so many, which fit the processor's cache.
_BLOCK = 8192


@dataclass(frozen=True, slots=True)
class Samples:
    """Rows to advance by, in time order for each symbol.

    Attributes:
        symbol_index: Which symbol a row is of.
        time_us: When it was; never before the one before it. Only durations need it.
        close: Its close; NaN where there is no price.
        complete: Whether the bar it closed was complete.
        trades: Trades in it; below zero where that is unknown.
    """

    symbol_index: NDArray[np.int32]
    time_us: NDArray[np.int64]
    close: NDArray[np.float64]
    complete: NDArray[np.bool_]
    trades: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class WindowColumns:
    """What the windows held after each row.

    Attributes:
        log_return: The sample, NaN where it is missing.
        sound: How many samples in a row, this one included, come from complete bars at both ends.
        values: Sum by sum, row by row: NaN until the window is full or while terms are too few.
        terms: Sum by sum, row by row: how many terms it has.
        ewma: Half-life by half-life: the decayed mean of squared returns, a sample or, where the
            windows know times, a second; NaN before the first.
    """

    log_return: NDArray[np.float64]
    sound: NDArray[np.int32]
    values: NDArray[np.float64]
    terms: NDArray[np.int32]
    ewma: NDArray[np.float64]


class Windows:
    """Rolling sums of every symbol of a shard.

    Args:
        sums: Per symbol, its sums: of the same kinds and horizons in the same order for each.
        half_lives: Of EWMAs: in samples, or in seconds if `timed`.
        trims: Per symbol, for `trimmed_squares`; each of those needs its `scale` before it.
        timed: Whether samples come at any time, each a trade, rather than one a grid step.

    Raises:
        ValueError: A sum cannot be had as said.
    """

    def __init__(
        self,
        sums: Sequence[Sequence[RollingSum]],
        half_lives: Sequence[float] = (),
        trims: Sequence[Trim] | None = None,
        *,
        timed: bool = False,
    ) -> None:
        symbols, count = len(sums), len(sums[0])
        for own in sums:
            check(own, sums[0], timed=timed)
        if any(life <= 0.0 for life in half_lives):
            raise ValueError(f"expected half-lives above zero, found {half_lives}")
        tapes, horizon, runs_over = tapes_of(sums, timed=timed)
        kinds = kinds_of(sums, runs_over)
        trims = [Trim()] * symbols if trims is None else trims
        self._settings = (
            tapes,
            horizon,
            kinds,
            np.array(
                [[(s.length, s.lag, s.needed, s.duration_us) for s in own] for own in sums],
                dtype=np.int64,
            ).reshape(symbols, count, 4),
            np.array([[trim.sigmas, trim.floor, trim.tick / 2] for trim in trims]),
            np.array(half_lives, dtype=np.float64),
            timed,
            int(tapes[:, layout.REACH].max()),
        )
        marks = np.zeros((symbols, 5), dtype=np.int64)
        marks[:, layout.WAS_COMPLETE] = 1
        marks[:, [layout.FIRST_US, layout.NEWEST_US]] = MISSING
        sum_state = np.zeros((symbols, count, 3), dtype=np.int64)
        sum_state[:, :, layout.LEFT] = tapes[kinds[:, layout.TAPE], layout.REACH]
        self._state = (
            np.full((symbols, int(tapes[:, layout.CAPACITY].sum())), MISSING, dtype=np.int64),
            np.tile(tapes[:, layout.REACH], (symbols, 1)),  # as if nothing were known for so long
            marks,
            np.full(symbols, np.nan),
            np.zeros((symbols, len(tapes), 2), dtype=np.int64),
            sum_state,
            np.zeros((symbols, count, 4), dtype=np.uint64),
            np.zeros((symbols, len(half_lives), 2)),
            np.zeros((layout.PIECE + 1, 3)),
        )

    def push(self, samples: Samples) -> WindowColumns:
        """Advance by one sample a row, in row order."""
        rows = len(samples.symbol_index)
        symbols, count = self._state[5].shape[:2]
        columns = WindowColumns(
            np.empty(rows),
            np.empty(rows, dtype=np.int32),
            np.empty((count, rows)),
            np.empty((count, rows), dtype=np.int32),
            np.empty((self._state[7].shape[1], rows)),
        )
        out = (columns.log_return, columns.sound, columns.values, columns.terms, columns.ewma)
        starts = np.empty(symbols + 1, dtype=np.int64)
        for first in range(0, rows, _BLOCK):
            index = samples.symbol_index[first : first + _BLOCK]
            order = np.empty(len(index), dtype=np.int64)
            layout.group(index, order, starts)
            given = (
                samples.symbol_index,
                order + first,
                samples.time_us,
                samples.close,
                samples.complete,
                samples.trades,
            )
            done = 0
            while (
                done := loop.advance(done, starts, given, self._settings, self._state, out)
            ) < len(order):
                self._grow()
        return columns

    def snapshot(self, index: int) -> dict[str, NDArray[np.generic]]:
        """Return what a symbol's windows hold, and one sample more: a function of these samples.

        (And its EWMAs.) Equal states give equal arrays, however they came about.
        """
        tapes, _, _, spans, _, _, timed, _ = self._settings
        tape, fill, marks, close, _, sums, _, ewma, _ = self._state
        marks = marks[index].copy()
        longest_us = spans[index, :, layout.DURATION_US].max(initial=0)
        by_duration = spans[index, :, layout.DURATION_US] > 0
        oldest = sums[index, by_duration, layout.LEFT].min(initial=np.iinfo(np.int64).max) - 1
        if timed and marks[layout.NEWEST_US] != MISSING:
            floor_us = marks[layout.NEWEST_US] - longest_us
            marks[layout.FIRST_US] = max(marks[layout.FIRST_US], floor_us)
        held: dict[str, NDArray[np.generic]] = {
            "marks": marks,
            "close": close[index : index + 1].copy(),
            "ewma": ewma[index].ravel().copy(),
        }
        for t, row in enumerate(tapes):
            since = min(fill[index, t] - row[layout.REACH], oldest)
            start = row[layout.START]
            held[f"tape_{t}"] = tape[index, start + since : start + fill[index, t]].copy()
        return held

    def restore(self, index: int, held: Mapping[str, NDArray[np.generic]]) -> None:
        """Continue a symbol from a snapshot of windows with the same sums."""
        marks, close, ewma = self._state[2], self._state[3], self._state[7]
        marks[index], close[index] = held["marks"], held["close"][0]
        ewma[index] = held["ewma"].reshape(ewma.shape[1:])
        lengths = np.array([len(held[f"tape_{t}"]) for t in range(len(self._settings[0]))])
        while (lengths > self._settings[0][:, layout.CAPACITY]).any():
            self._grow()
        tapes = self._settings[0]
        for t, row in enumerate(tapes):
            values = held[f"tape_{t}"]
            fill = max(len(values), int(row[layout.REACH]))  # less in a shard of shorter windows
            tape = self._state[0][index, row[layout.START] : row[layout.START] + fill]
            tape[: fill - len(values)] = MISSING
            tape[fill - len(values) :] = values
            self._state[1][index, t] = fill
        loop.recount(index, self._settings, self._state)

    def _grow(self) -> None:
        """Double the room of every tape."""
        old = self._settings[0]
        new = old.copy()
        new[:, layout.CAPACITY] *= 2
        new[:, layout.START] *= 2
        storage = np.zeros(
            (len(self._state[0]), int(new[:, layout.CAPACITY].sum())), dtype=np.int64
        )
        for before, after in zip(old, new, strict=True):
            capacity = before[layout.CAPACITY]
            storage[:, after[layout.START] : after[layout.START] + capacity] = self._state[0][
                :, before[layout.START] : before[layout.START] + capacity
            ]
        self._settings = (new, *self._settings[1:])
        self._state = (storage, *self._state[1:])
