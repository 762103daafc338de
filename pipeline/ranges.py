"""Volatility from the highs and lows of minute bars, exactly, over rolling windows.

A minute's open, high, low and close are gathered from the rows that open in it. Once it has closed,
the logs of their ratios are integers in units of 2^-58, and their squares and products are summed
as integers: added as a minute enters a window, subtracted as it leaves. So a sum depends only on
the minutes in the window, and is the same to the last bit for any chunking, shard or restart.

The estimators are those of Parkinson (1980), Garman and Klass (1980) and Rogers and Satchell
(1991). Few trades a minute bias all three down, as a range is then seen only in part.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipeline.durations import MINUTE
from pipeline.marks import NEVER
from pipeline.range_loop import advance, refill

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class RangeColumns:
    """Mean variances of the log return a minute, as known after each pushed row.

    Each is [window, row]. A value is NaN until the window's minutes have passed since the minute of
    the symbol's first row, and while fewer than half of them have a price.

    Attributes:
        parkinson: From high and low.
        garman_klass: From high, low, open and close.
        rogers_satchell: From all four, and not biased by a trend.
    """

    parkinson: NDArray[np.float64]
    garman_klass: NDArray[np.float64]
    rogers_satchell: NDArray[np.float64]


class RangeSums:
    """Rolling sums over the closed minutes of every symbol of a shard.

    A row [open_us, end_us) belongs to the minute it opens in. A minute closes with the row that
    reaches its end or, where rows skip that, with the first row of a later minute; a minute without
    rows is one without a price. A row of a closed minute changes nothing.

    A row has a price where 0 < low <= open, close <= high. A minute whose high is more than e^4
    times its low holds a broken price: it counts as one without.

    Args:
        symbols: How many.
        minutes: Window lengths in minutes; the rings hold the longest.
        step_us: What counts as a minute.
    """

    def __init__(self, symbols: int, minutes: Sequence[int], step_us: int = MINUTE) -> None:
        count, reach = len(minutes), max(minutes, default=1)
        self._step_us = step_us
        self._minute = np.full(symbols, NEVER, dtype=np.int64)
        self._held = np.zeros(symbols, dtype=np.int64)
        self._prices = np.full((symbols, 4), np.nan)
        self._terms = np.zeros((symbols, reach, 3, 2), dtype=np.uint64)
        self._priced = np.zeros((symbols, reach), dtype=np.bool_)
        self._sums = np.zeros((symbols, count, 3, 3), dtype=np.uint64)
        self._samples = np.zeros((symbols, count), dtype=np.int64)
        means = np.full((symbols, count, 3), np.nan)
        self._open = (self._minute, self._held, self._prices)
        self._ring = (self._terms, self._priced)
        length = np.array(minutes, dtype=np.int64)
        self._windows = (length, self._sums, self._samples, means)

    def push(
        self,
        symbol_index: NDArray[np.int32],
        end_us: NDArray[np.int64],
        prices: NDArray[np.float64],
        open_us: NDArray[np.int64],
    ) -> RangeColumns:
        """Advance by one row after the other, in time order for each symbol.

        Args:
            symbol_index: Which symbol a row is of.
            end_us: The end of a row, exclusive; of a single trade, its time.
            prices: [4, row]: open, high, low, close, NaN where there is no price; C-contiguous.
            open_us: The start of a row, inclusive; of a single trade, its time.
        """
        out = np.empty((3, len(self._windows[0]), len(symbol_index)))
        rows = (symbol_index, end_us, open_us, prices)
        advance(self._step_us, rows, self._open, self._ring, self._windows, out)
        return RangeColumns(out[0], out[1], out[2])

    def snapshot(self, index: int) -> dict[str, NDArray[np.generic]]:
        """Return what is known of a symbol; equal where its minutes are equal.

        Returns:
            minute: The number of the open one since 1970, the least int64 before the first row.
            prices: Open, high, low and close of the open minute so far, NaN for none.
            priced: Whether a closed minute has a price, oldest first.
            terms: Six limbs a closed minute: high and low of each of its three terms.
        """
        order = self._slots(index)
        return {
            "minute": self._minute[index : index + 1].copy(),
            "prices": self._prices[index].copy(),
            "priced": self._priced[index, order],
            "terms": self._terms[index, order].ravel(),
        }

    def restore(self, index: int, held: Mapping[str, NDArray[np.generic]]) -> None:
        """Continue a symbol from the snapshot of one with the same windows."""
        self._minute[index] = held["minute"][0]
        self._held[index] = len(held["priced"])
        self._prices[index] = held["prices"]
        self._terms[index] = 0
        self._priced[index] = False
        order = self._slots(index)
        self._terms[index, order] = held["terms"].reshape(-1, 3, 2)
        self._priced[index, order] = held["priced"]
        self._sums[index] = 0
        self._samples[index] = 0
        refill(index, self._open, self._ring, self._windows)

    def _slots(self, index: int) -> NDArray[np.int64]:
        """Return where in the ring a symbol's closed minutes are, oldest first."""
        age = np.arange(self._held[index], 0, -1)
        slots: NDArray[np.int64] = (self._minute[index] - age) % self._priced.shape[1]
        return slots
