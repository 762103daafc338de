"""Rows of many symbols -> whole steps of the market, although some symbols are later than others.

A step is whole when every symbol that is expected, and has begun, has told it or a later one. It is
taken with what there is once any symbol has told a step two seconds later. Rows of a step that was
taken are too late and left out. So what a step holds is a function of the rows alone, in whatever
order and pieces they come, as long as none is later than that.

At the start symbols bring their history one after the other: until all that are expected have
begun, or for half a minute on the clock that is handed in, every step waits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipeline.durations import SECOND
from pipeline.marks import NEVER, ONWARD
from pipeline.window_tapes import MISSING, UNIT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import polars as pl
    from numpy.typing import NDArray

#: How much later than a step the newest row may be while the step waits for other symbols.
WAIT_US = 2 * SECOND

#: How long steps wait for symbols that have not begun, after the first row of any.
START_WAIT_US = 30 * SECOND

#: Rows that wait; when there are more, symbols that have not begun are not waited for.
MAX_ROWS = 2_000_000

#: So many steps at most are taken at once.
_BLOCK = 512


@dataclass(frozen=True, slots=True)
class Steps:
    """Steps of the market in time order, each with a column a symbol.

    Attributes:
        open_us: When a step opens.
        returns: Of each symbol, in units of 2^-58; MISSING where a price is not known, or where the
            bar or the one before it misses trades.
        scores: Of each symbol, signed by the tested return; NaN where unknown.
        trades: Of the symbols with a return, together; -1 where no count is known.
    """

    open_us: NDArray[np.int64]
    returns: NDArray[np.int64]
    scores: NDArray[np.float64]
    trades: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Rows:
    """Rows as they came: of which symbol, and what a bar and its features say."""

    symbol_index: NDArray[np.int64]
    open_us: NDArray[np.int64]
    returns: NDArray[np.int64]
    scores: NDArray[np.float64]
    complete: NDArray[np.bool_]
    trades: NDArray[np.int64]

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> _Rows:
        return _Rows(*(getattr(self, name)[rows] for name in _COLUMNS))


_COLUMNS = ("symbol_index", "open_us", "returns", "scores", "complete", "trades")


class MarketSteps:
    """The rows of steps that are not whole yet.

    Args:
        symbols: That are expected.
        every_us: The grid step.

    Attributes:
        symbols: All there were, in the order of the columns.
        late: Rows that were left out because their step was taken before.
    """

    def __init__(self, symbols: Sequence[str], every_us: int) -> None:
        self.symbols: list[str] = []
        self.late = 0
        self._every_us = every_us
        self._index: dict[str, int] = {}
        self._newest = np.empty(0, dtype=np.int64)
        self._complete = np.empty(0, dtype=np.bool_)  # of the step taken last
        self._expected = np.empty(0, dtype=np.bool_)
        self._taken_us = NEVER
        self._began_us: int | None = None  # on the clock that is handed in
        self._held: list[_Rows] = []
        self.expect(symbols)

    def add(self, symbols: Iterable[str]) -> None:
        """Give each symbol that is new the next column; it is not waited for until expected."""
        new = [symbol for symbol in symbols if symbol not in self._index]
        self._index |= {symbol: len(self.symbols) + at for at, symbol in enumerate(new)}
        self.symbols += new
        self._newest = np.append(self._newest, np.full(len(new), NEVER))
        self._complete = np.append(self._complete, np.zeros(len(new), dtype=np.bool_))
        self._expected = np.append(self._expected, np.zeros(len(new), dtype=np.bool_))

    def expect(self, symbols: Sequence[str]) -> None:
        """Wait for these symbols, and for no other; a new one gets the next column."""
        self.add(symbols)
        self._expected[:] = False
        self._expected[[self._index[symbol] for symbol in symbols]] = True

    def push(self, bars: pl.DataFrame, features: pl.DataFrame, now_us: int) -> Iterator[Steps]:
        """Add rows of symbols that have a column; return the steps they make whole.

        Args:
            bars: BARS, in time order for each symbol. A row of a step that still waits takes the
                place of the one told before.
            features: Row for row, the features.
            now_us: A clock of whoever calls.
        """
        if bars.is_empty():
            return
        if self._began_us is None:
            self._began_us = now_us
        rows = _rows_of(bars, features, self._index)
        np.maximum.at(self._newest, rows.symbol_index, rows.open_us)
        self._hold(rows)
        yield from self._take(self._whole_until_us(now_us))

    def finish(self) -> Iterator[Steps]:
        """Return the steps that still wait."""
        yield from self._take(ONWARD)

    def _hold(self, rows: _Rows) -> None:
        late = rows.open_us <= self._taken_us
        if late.any():
            self.late += int(np.count_nonzero(late))
            rows = rows.take(~late)
        self._held.append(rows)

    def _whole_until_us(self, now_us: int) -> int:
        """Return the newest step that is whole, or has waited long enough."""
        assert self._began_us is not None  # noqa: S101 - there is a row
        has_begun = self._newest != NEVER
        held = sum(len(rows.open_us) for rows in self._held)
        waits = now_us - self._began_us < START_WAIT_US and held <= MAX_ROWS
        if waits and (self._expected & ~has_begun).any():
            return NEVER
        told_us = self._newest[self._expected & has_begun].min(initial=ONWARD)
        newest_us = self._newest.max()
        return int(max(min(told_us, newest_us), newest_us - WAIT_US))

    def _take(self, until_us: int) -> Iterator[Steps]:
        """Return the held steps up to a time, inclusive."""
        if not any((rows.open_us <= until_us).any() for rows in self._held):
            return
        rows = _joined(self._held)
        due = rows.open_us <= until_us
        self._held = [rows.take(~due)] if not due.all() else []
        rows = rows.take(np.flatnonzero(due))
        rows = rows.take(np.argsort(rows.open_us, kind="stable"))
        steps_us, firsts = np.unique(rows.open_us, return_index=True)
        ends = np.append(firsts, len(rows.open_us))
        for first in range(0, len(steps_us), _BLOCK):
            block_us = steps_us[first : first + _BLOCK]
            own = rows.take(np.arange(ends[first], ends[first + len(block_us)]))
            yield self._block(block_us, own)

    def _block(self, open_us: NDArray[np.int64], rows: _Rows) -> Steps:
        shape = len(open_us), len(self.symbols)
        place = np.searchsorted(open_us, rows.open_us), rows.symbol_index
        returns = np.full(shape, MISSING)
        scores, trades = np.full(shape, np.nan), np.full(shape, -1)
        complete = np.zeros((len(open_us) + 1, len(self.symbols)), dtype=np.bool_)
        complete[0] = self._complete
        # Where a step was told twice, the later row stays.
        returns[place], scores[place], trades[place] = rows.returns, rows.scores, rows.trades
        complete[place[0] + 1, place[1]] = rows.complete
        follows = np.diff(open_us, prepend=self._taken_us) == self._every_us
        sound = complete[1:] & complete[:-1] & follows[:, None]
        returns[~sound] = MISSING
        counted = (returns != MISSING) & (trades >= 0)
        self._taken_us, self._complete = int(open_us[-1]), complete[-1]
        total = np.where(counted, trades, 0).sum(axis=1)
        return Steps(open_us, returns, scores, np.where(counted.any(axis=1), total, -1))


def _rows_of(bars: pl.DataFrame, features: pl.DataFrame, index: dict[str, int]) -> _Rows:
    log_return = features["log_return"].to_numpy()  # null is NaN
    known = ~np.isnan(log_return)
    returns = np.full(len(log_return), MISSING)
    returns[known] = np.rint(log_return[known] / UNIT).astype(np.int64)
    trades = bars["trades"]
    return _Rows(
        np.array([index[symbol] for symbol in bars["symbol"].to_list()], dtype=np.int64),
        bars["open_time"].to_physical().to_numpy(),
        returns,
        features["score"].to_numpy() * features["direction"].to_numpy(),
        bars["complete"].to_numpy(),
        (trades.fill_null(-1) if trades.null_count() else trades).to_numpy(),
    )


def _joined(held: list[_Rows]) -> _Rows:
    if len(held) == 1:
        return held[0]
    return _Rows(*(np.concatenate([getattr(rows, name) for rows in held]) for name in _COLUMNS))
