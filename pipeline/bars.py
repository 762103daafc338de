"""Rows -> one bar a symbol and grid step, exactly: from trades, or from the bars of a venue.

Prices stay as they came; quantities and notionals of trades are summed as integers in 1e-8 and
1e-16 units, so that a bar does not depend on how its trades were cut into batches and equals the
venue's own.

A bar [open_time, open_time + every) closes when the symbol's clock has passed its end by the
allowed lateness. The clock is the newest event time of the symbol, or what the caller says it is at
least. A trade of a closed bar is late: it is counted and changes nothing.

A symbol is fed with trades or with bars. (Bars may come before its first trade: a history. No bar
can then be ahead of an open one.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from pipeline.bar_loop import go_on, take_bars, take_clocks, take_trades
from pipeline.bar_records import BAR, LIMITS, OPEN_BAR, SYMBOL
from pipeline.closed_bars import BarColumns, closed_bars
from pipeline.marks import NEVER, NONE, ONWARD
from pipeline.restate_loop import insert_all

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from pipeline.closed_bars import ClosedBars
    from pipeline.trade_columns import TradeColumns

#: So many bars at most are published at once: half a megabyte of records.
_PIECE = 4096

_MARKS = ["next_step", "traded_step", "last_step", "broken_from", "broken_until", "lost_from"]
_PRICES = ["open", "high", "low", "close"]
_IDS = ["trades", "first_id", "last_id"]
_SUMS = ["volume_high", "volume_low", "notional_high", "notional_low"]


class BarBuilder:
    """The open bars of a shard.

    Args:
        symbols: Their names, in index order.
        every_us: The grid step.
        lateness_us: How long after its end a bar waits.
        forward_fill_us: How long a close stays valid without a trade; then prices are null.
        silence_us: After so long without a trade no bars are published until the next trade.

    Attributes:
        keeps_records: Whether bars that close with trades come with their records.
    """

    def __init__(
        self,
        symbols: Sequence[str],
        *,
        every_us: int,
        lateness_us: int,
        forward_fill_us: int,
        silence_us: int,
    ) -> None:
        self._names = pl.Series(symbols, dtype=pl.String)
        self._every_us = every_us
        steps = forward_fill_us // every_us, silence_us // every_us
        self._limits = np.array([(every_us, lateness_us, *steps)], dtype=LIMITS)[0]
        self._symbols = np.empty(len(symbols), dtype=SYMBOL)
        # As many slots as bars can be open, and a power of two, so that no division finds one.
        slots = 1 << (lateness_us // every_us + 1).bit_length()
        self._open = np.zeros((len(symbols), slots), dtype=OPEN_BAR)
        self._piece = np.empty(_PIECE, dtype=BAR)
        self.keeps_records = False
        for index in range(len(symbols)):
            self._begin(index)

    def anchor(self, index: int, open_us: int) -> None:
        """Take it that the first bar of a symbol opens at `open_us`; if it had one, it goes on."""
        if self.next_step(index) == NEVER:
            go_on(self._symbols[index], open_us // self._every_us, self._limits)

    def push(
        self, trades: TradeColumns, clock_us: NDArray[np.int64], lost: NDArray[np.bool_]
    ) -> ClosedBars:
        """Add trades, then close what the clocks have passed.

        Args:
            trades: In id order for each symbol.
            clock_us: Per symbol, the least its clock now shows; ENDED closes what is open up to
                the bar of its newest trade, inclusive.
            lost: Per symbol, whether what follows its newest trade is lost, up to its next one.
        """
        rows = (
            trades.symbol_index,
            trades.event_us,
            trades.trade_id,
            trades.price,
            trades.quantity,
            trades.after_loss,
            np.zeros(len(trades), dtype=np.bool_),
        )
        late = np.zeros(len(self._symbols), dtype=np.int64)
        columns = BarColumns(len(trades) // 4 + 2 * len(self._symbols))
        records = [
            *self._publish(take_trades, rows, len(trades), late, columns),
            *self._publish(take_clocks, (clock_us, lost), len(clock_us), late, columns),
        ]
        kept = np.concatenate(records) if records else np.empty(0, dtype=BAR)
        return columns.closed(self._names, late, rows[-1], kept)

    def extend(self, bars: pl.DataFrame, symbol_type: pl.Enum) -> ClosedBars:
        """Add BARS, in time order for each symbol; a step that is missing had no trades.

        A bar traded if it has a volume. One without is published as a step without trades, whatever
        prices it has. One that is not after the newest published is late.

        Args:
            bars: BARS; `notional`, `trades` and ids may be null, and stay null.
            symbol_type: The symbols of the shard.
        """
        rows = (
            bars["symbol"].cast(symbol_type).to_physical().to_numpy().astype(np.int32),
            bars["open_time"].to_physical().to_numpy(),
            tuple(bars[name].to_numpy() for name in (*_PRICES, "volume", "notional")),
            tuple(bars[name].fill_null(NONE).to_numpy() for name in _IDS),
            bars["complete"].to_numpy(),
        )
        late = np.zeros(len(self._symbols), dtype=np.int64)
        columns = BarColumns(2 * bars.height + 1)
        self._publish(take_bars, rows, bars.height, late, columns)
        return columns.closed(self._names, late)

    def relist(self, index: int) -> ClosedBars:
        """Break the series of a symbol of which nothing is open, by one bar without a price.

        It is that of the next step: a trade in it will be late. Nothing more is published before
        the next trade.
        """
        symbol = self._symbols[index]
        bars = np.zeros(0 if symbol["next_step"] == NEVER else 1, dtype=BAR)
        for bar in bars:
            step = int(symbol["next_step"])
            bar["symbol_index"], bar["open_us"] = index, step * self._every_us
            bar["open"] = bar["high"] = bar["low"] = bar["close"] = np.nan
            bar["first_id"] = bar["last_id"] = NONE
            broken = symbol["broken_from"] <= step <= symbol["broken_until"]
            bar["complete"] = not (broken or symbol["lost_from"] <= step)
            self._begin(index)
            go_on(symbol, step + 1, self._limits)
        return closed_bars(bars, self._names, np.zeros(len(self._symbols), dtype=np.int64))

    @property
    def limits(self) -> np.void:
        """LIMITS of every symbol."""
        limits: np.void = self._limits
        return limits

    def next_step(self, index: int) -> int:
        """Return the step that a symbol publishes next; NEVER before its first."""
        return int(self._symbols[index]["next_step"])

    def open_bars(self, index: int) -> NDArray[np.int64]:
        """Return the bars of a symbol that are open: rows of steps, first and last trade ids."""
        bars = self._open[index]
        slots, next_step = len(bars), self.next_step(index)
        used = np.flatnonzero(bars["trades"])
        steps = next_step + (used - next_step) % slots
        return np.array([steps, bars["first_id"][used], bars["last_id"][used]], dtype=np.int64)

    def ahead(self, trades: TradeColumns) -> NDArray[np.int64]:
        """Return, row by row, how many steps after the next to be published a trade is."""
        next_steps = self._symbols["next_step"][trades.symbol_index]
        return np.asarray(trades.event_us // self._every_us - next_steps)

    @property
    def open_steps(self) -> int:
        """How many steps from the next to be published on can be open."""
        return self._open.shape[1]

    def insert(self, index: int, trades: TradeColumns) -> None:
        """Add trades of a symbol to open bars, each at the place of its id."""
        symbol, slots = self._symbols[index], self._open.shape[1]
        steps = trades.event_us // self._every_us
        insert_all(self._open[index], steps % slots, trades.trade_id, trades.price, trades.quantity)
        symbol["open_bars"] = np.count_nonzero(self._open[index]["trades"])
        symbol["last_step"] = max(symbol["last_step"], int(steps.max()))

    def go_on_from(self, index: int, told: np.void) -> None:
        """Take over what was the last price when all that is published was published again."""
        self._symbols[index]["close"] = told["close"]
        self._symbols[index]["traded_step"] = told["traded_step"]

    def note_lost(self, index: int, missing: Sequence[tuple[int, int]], *, tail_lost: bool) -> None:
        """Take it that, of a symbol, nothing else is lost.

        Args:
            index: Of the symbol.
            missing: The steps in which lost trades can be, both ends inclusive.
            tail_lost: Whether what follows its newest trade is lost.
        """
        symbol = self._symbols[index]
        ahead = [span for span in missing if symbol["next_step"] <= span[1] < ONWARD]
        symbol["broken_from"] = min((first for first, _ in ahead), default=NEVER)
        symbol["broken_until"] = max((last for _, last in ahead), default=NEVER)
        if not tail_lost:
            symbol["lost_from"] = ONWARD

    def snapshot(self, index: int) -> dict[str, NDArray[np.generic]]:
        """Return what is known of a symbol as arrays."""
        symbol = self._symbols[index]
        slots = self._open.shape[1]
        steps = [] if symbol["next_step"] == NEVER else symbol["next_step"] + np.arange(slots)
        steps = np.array([s for s in steps if self._open[index, s % slots]["trades"]], np.int64)
        bars = self._open[index, steps % slots]
        return {
            "marks": np.array([symbol[name] for name in _MARKS]),
            "close": np.array([symbol["close"]]),
            "open_step": steps,
            **{f"open_{name}": bars[name].copy() for name in (*_PRICES, *_IDS, *_SUMS)},
        }

    def restore(self, index: int, arrays: Mapping[str, NDArray[np.generic]]) -> None:
        """Continue a symbol from what `snapshot` returned."""
        self._begin(index)
        symbol = self._symbols[index]
        for name, mark in zip(_MARKS, arrays["marks"], strict=True):
            symbol[name] = mark
        symbol["close"] = arrays["close"][0]
        if symbol["next_step"] != NEVER:
            go_on(symbol, symbol["next_step"], self._limits)
        slots = self._open.shape[1]
        for at, step in enumerate(arrays["open_step"].tolist()):
            bar = self._open[index, step % slots]
            for name in (*_PRICES, *_IDS, *_SUMS):
                bar[name] = arrays[f"open_{name}"][at]
        symbol["open_bars"] = len(arrays["open_step"])

    def _publish(
        self,
        loop: Callable[..., int],
        rows: tuple[object, ...],
        count: int,
        late: NDArray[np.int64],
        columns: BarColumns,
    ) -> list[NDArray[np.void]]:
        """Let a compiled loop go through `count` rows; return the records, if they are kept.

        What it publishes is written to columns piece by piece, while the processor has it at hand.
        """
        state = self._symbols, self._open, late
        cursor = np.zeros(1, dtype=np.int64)
        kept = []
        while cursor[0] < count:
            written = loop(rows, self._limits, state, self._piece, 0, cursor)
            columns.add(self._piece[:written])
            if self.keeps_records:
                kept.append(self._piece[:written].copy())
        return kept

    def _begin(self, index: int) -> None:
        """Know nothing of a symbol."""
        self._open[index]["trades"] = 0
        symbol = self._symbols[index]
        for name in SYMBOL.names or ():
            symbol[name] = NEVER
        symbol["close"], symbol["open_bars"] = np.nan, 0
        symbol["lost_from"] = symbol["closes_us"] = ONWARD
