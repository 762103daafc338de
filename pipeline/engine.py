"""The engine of a shard: trades in, bars, features, scores and alerts out. It is handed time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from pipeline.bars import TRADE_ROW, BarBuilder
from pipeline.detect.episodes import Episodes, ScoredRows, alerts_frame
from pipeline.detect.zscore import ZScore
from pipeline.digest import TradeDigest
from pipeline.features import FeatureTable
from pipeline.grid import fill_grid
from pipeline.healing import Progress
from pipeline.health import Tally, health_frame, health_row
from pipeline.ledger import TradeLedger
from pipeline.windows import Windows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from pipeline.bars import ClosedBars
    from pipeline.config import Config

_NEVER = np.iinfo(np.int64).min
_NO_TRADES = np.empty(0, dtype=TRADE_ROW)


@dataclass(frozen=True, slots=True)
class StepResult:
    """What one step made known.

    Attributes:
        bars: BARS that closed.
        features: FEATURES_HEAD, the named features, FEATURES_TAIL; row for row as `bars`.
        alerts: ALERTS that started, rose or ended.
    """

    bars: pl.DataFrame
    features: pl.DataFrame
    alerts: pl.DataFrame


class ShardEngine:
    """Bars, windows, features and detection for the symbols of one shard.

    For each symbol the trades are applied in id order, whatever order they come in: those behind a
    hole wait until it is healed or given up, and the symbol's clock waits with them.

    Attributes:
        symbols: Of the shard, in index order.
        rejected_unnamed: Rejected messages that name none of them.
    """

    def __init__(self, symbols: Sequence[str], config: Config) -> None:
        self.symbols = tuple(symbols)
        self.rejected_unnamed = 0
        self._every_us = config.sampling.every
        self._forward_fill_us = config.sampling.forward_fill
        self._symbol_type = pl.Enum(self.symbols)
        self._index = {symbol: at for at, symbol in enumerate(self.symbols)}
        self._ledgers = [TradeLedger(config.actors.max_held_trades) for _ in self.symbols]
        self._tallies = [Tally() for _ in self.symbols]
        self._digests = [TradeDigest() for _ in self.symbols] if config.actors.digest else []
        self._released: list[NDArray[np.void]] = []
        self._builder = BarBuilder(
            self.symbols,
            every_us=self._every_us,
            lateness_us=config.sampling.lateness,
            forward_fill_us=self._forward_fill_us,
            silence_us=max(config.warm_up_us, self._forward_fill_us),
        )
        detectors = [config.detector_of(symbol) for symbol in self.symbols]
        self._features = FeatureTable(config.features, every_us=self._every_us)
        self._detector = ZScore([detector.window for detector in detectors])
        self._episodes = Episodes(self.symbols, detectors, every_us=self._every_us)
        own = self._detector.windows()
        self._windows = Windows(
            [[*self._features.windows, *own[at]] for at in range(len(self.symbols))],
            self._features.half_lives,
        )

    def anchor(self, symbol: str, open_us: int, history: pl.DataFrame) -> StepResult:
        """Start a symbol at a grid step, with every trade from there on to come.

        Args:
            symbol: One of the shard's, before its first trade.
            open_us: Open time of the first bar to build from trades.
            history: BARS of the steps just before, in time order; may be empty.

        Returns:
            What the history says, as if it had been built from trades.
        """
        index = self._index[symbol]
        bars = fill_grid(history, every_us=self._every_us, forward_fill_us=self._forward_fill_us)
        traded = bars.filter(pl.col("trades") > 0)
        close, traded_us = np.nan, 0
        if not traded.is_empty():
            close, traded_us = traded["close"][-1], traded["open_time"].to_physical()[-1]
            self._tallies[index].last_price = close
        start_us = bars["open_time"].to_physical()[-1] + self._every_us if bars.height else open_us
        self._builder.anchor(index, start_us, close, traded_us)
        told = self._publish(
            bars,
            np.full(bars.height, index, dtype=np.int32),
            bars["open_time"].to_physical().to_numpy(),
            bars["close"].fill_null(np.nan).to_numpy(writable=True),
            bars["complete"].to_numpy(writable=True),
        )
        # What lies in the past is shown, and not counted as found by this run.
        self._episodes.started[index] = 0
        return told

    def step(
        self,
        trades: pl.DataFrame,
        *,
        backfilled: pl.DataFrame | None = None,
        clock_us: int | None = None,
        skew_us: int = 0,
    ) -> StepResult:
        """Apply trades, close what the clock has passed, and publish it.

        Args:
            trades: TRADES from the stream in arrival order, of this shard's symbols.
            backfilled: TRADES fetched for `holes`.
            clock_us: The venue's clock up to which every trade of a symbol without holes is here;
                null lets only event times close bars.
            skew_us: The venue's clock less the one that stamped `receive_time`.
        """
        live = self._rows(trades, live=True)
        fetched = _NO_TRADES if backfilled is None else self._rows(backfilled, live=False)
        # Fetched first: what starts a symbol comes before what the stream said since.
        ready = [*self._released, *self._admit(fetched), *self._admit(live)]
        self._released = []
        rows = np.concatenate([_NO_TRADES, *ready])
        clocks = np.full(len(self.symbols), _NEVER if clock_us is None else clock_us)
        clocks[[bool(ledger.pending) for ledger in self._ledgers]] = _NEVER
        closed = self._builder.push(rows, clocks)
        self._count(rows, closed, skew_us)
        return self._publish(
            closed.frame, closed.symbol_index, closed.open_us, closed.close, closed.complete
        )

    def holes(self) -> dict[str, list[tuple[int, int]]]:
        """Return the missing id ranges of every symbol that has any, both ends inclusive."""
        return {
            symbol: holes
            for symbol, ledger in zip(self.symbols, self._ledgers, strict=True)
            if (holes := ledger.holes())
        }

    def progress(self) -> dict[str, Progress]:
        """Return how far each symbol has come."""
        parts = zip(self.symbols, self._ledgers, self._tallies, strict=True)
        return {
            symbol: Progress(ledger.last_id, tally.last_trade_us) for symbol, ledger, tally in parts
        }

    def forget_beyond(self, symbol: str, last_id: int) -> None:
        """Drop what is held of a symbol beyond the venue's newest id: such ids are broken data."""
        self._ledgers[self._index[symbol]].forget_beyond(last_id)

    def expect(self, symbol: str, first_id: int, last_id: int) -> None:
        """Take it that the venue has issued these ids of a symbol, both ends inclusive.

        A symbol without a trade yet starts at `first_id`.
        """
        self._ledgers[self._index[symbol]].expect(first_id, last_id)

    def give_up(self, symbol: str, last_id: int) -> None:
        """Declare a symbol's missing ids up to `last_id` lost.

        What waited for them joins the next step.
        """
        index = self._index[symbol]
        self._builder.lose(index)
        self._released.append(self._ledgers[index].give_up(last_id))

    def reject(self, rejected: pl.DataFrame) -> None:
        """Count REJECTED rows for the health of their symbols.

        What names no symbol belongs to the only one there is, or else to `rejected_unnamed`.
        """
        for symbol, count in rejected["symbol"].value_counts().iter_rows():
            named = self.symbols[0] if symbol is None and len(self.symbols) == 1 else symbol
            if named in self._index:
                self._tallies[self._index[named]].rejected += count
            else:
                self.rejected_unnamed += count

    def health(self, *, venue_us: int | None, reconnects: int = 0) -> pl.DataFrame:
        """Return HEALTH.

        Args:
            venue_us: The venue's clock; null while it is unknown.
            reconnects: Of the connection that carries these symbols.
        """
        return health_frame(
            [
                health_row(
                    symbol,
                    self._ledgers[index],
                    self._tallies[index],
                    venue_us=venue_us,
                    reconnects=reconnects,
                    alerts=int(self._episodes.started[index]),
                    sha256=self._digests[index].hexdigest() if self._digests else None,
                )
                for index, symbol in enumerate(self.symbols)
            ]
        )

    def _rows(self, trades: pl.DataFrame, *, live: bool) -> NDArray[np.void]:
        rows = np.empty(trades.height, dtype=TRADE_ROW)
        rows["trade_id"] = trades["trade_id"].to_numpy()
        rows["event_us"] = trades["event_time"].to_physical().to_numpy()
        rows["receive_us"] = trades["receive_time"].to_physical().to_numpy()
        rows["price"] = trades["price"].to_numpy()
        rows["quantity"] = trades["quantity"].to_numpy()
        rows["symbol_index"] = trades["symbol"].cast(self._symbol_type).to_physical().to_numpy()
        rows["buyer_is_maker"] = trades["buyer_is_maker"].to_numpy()
        rows["live"] = live
        rows["after_loss"] = False
        return rows

    def _admit(self, rows: NDArray[np.void]) -> list[NDArray[np.void]]:
        """Return what may be applied, an array a symbol."""
        if not len(rows):
            return []
        order = np.argsort(rows["symbol_index"], kind="stable")
        rows = rows[order]
        present, starts = np.unique(rows["symbol_index"], return_index=True)
        parts = np.split(rows, starts[1:])
        return [
            self._ledgers[index].admit(part) for index, part in zip(present, parts, strict=True)
        ]

    def _count(self, rows: NDArray[np.void], closed: ClosedBars, skew_us: int) -> None:
        for index in np.unique(rows["symbol_index"]):
            mine = rows[rows["symbol_index"] == index]
            self._tallies[index].trade(mine[-1], skew_us)
            if self._digests:
                self._digests[index].update(mine)
        counts = np.bincount(closed.symbol_index, minlength=len(self.symbols))
        complete = np.bincount(
            closed.symbol_index, weights=closed.complete, minlength=len(self.symbols)
        )
        for index in np.flatnonzero((counts > 0) | (closed.late > 0)):
            tally = self._tallies[index]
            tally.late += int(closed.late[index])
            tally.bars += int(counts[index])
            tally.incomplete_bars += int(counts[index] - complete[index])

    def _publish(
        self,
        bars: pl.DataFrame,
        symbol_index: NDArray[np.int32],
        open_us: NDArray[np.int64],
        close: NDArray[np.float64],
        complete: NDArray[np.bool_],
    ) -> StepResult:
        """Advance windows, features, scores and episodes by closed bars."""
        columns = self._windows.push(symbol_index, close, complete)
        scores = self._detector.score(symbol_index, columns, len(self._features.windows))
        episodes = self._episodes.push(
            ScoredRows(symbol_index, open_us + self._every_us, close, columns.log_return, scores)
        )
        head = bars.select("symbol", "open_time").with_columns(
            pl.Series("log_return", columns.log_return).fill_nan(None)
        )
        tail = pl.DataFrame(
            {
                "score": pl.Series(scores.score).fill_nan(None),
                "direction": scores.direction,
                "horizon_s": scores.horizon_steps * (self._every_us / 1e6),
            }
        )
        features = pl.concat([head, self._features.compute(columns), tail], how="horizontal")
        return StepResult(bars, features, alerts_frame(episodes, self._detector.name))
