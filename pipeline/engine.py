"""The engine of a shard: trades in, bars, features, scores and alerts out. It is handed time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from pipeline.analysis import Analysis, StepResult, join_results
from pipeline.bars import BarBuilder
from pipeline.conditions import FeedState, conditions
from pipeline.continuity import PartsCheck
from pipeline.digest import TradeDigest
from pipeline.durations import SECOND
from pipeline.healing import Progress
from pipeline.health import Tallies, health_frame
from pipeline.ledger import Ledger
from pipeline.marks import ENDED, NEVER
from pipeline.restating import Restating
from pipeline.snapshot import restore_stages, snapshot_frame
from pipeline.trade_columns import NO_TRADES, TradeColumns
from pipeline.trade_samples import TradeSamples

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from pipeline.closed_bars import Sampler
    from pipeline.config import Config
    from pipeline.snapshot import Stage
    from pipeline.venues.protocol import Continuity


class ShardEngine:
    """Bars, windows, features and detection for the symbols of one shard.

    For each symbol the trades are applied in id order, whatever order they come in: those behind a
    hole wait until it is healed or given up, and the symbol's clock waits with them. What a
    sequence of calls makes known does not depend on how its rows are cut into steps, as long as no
    clock is handed in.

    A symbol is fed with trades (`step`) or with bars (`extend`). Bars before its first trade are
    its history.

    A trade that comes after its bar was published, because it had to be fetched, restates that bar
    and all that follows from it, under higher revisions, so that in the end everything is as if it
    had come in its turn.

    Args:
        symbols: Of the shard.
        config: What to compute.
        continuity: How rows of the venue follow each other; null does not check what is in them.
        restates: Whether to keep what restating needs. Without it, and where every trade is a
            sample, such trades are counted as late. History is not healed, and does without.

    Attributes:
        symbols: Of the shard, in index order.
        rejected_unnamed: Rejected messages that name none of them.
    """

    def __init__(
        self,
        symbols: Sequence[str],
        config: Config,
        *,
        continuity: Continuity | None = None,
        restates: bool = False,
    ) -> None:
        self.symbols = tuple(symbols)
        self.rejected_unnamed = 0
        self._symbol_type = pl.Enum(self.symbols)
        self._quiet_after_s = config.sampling.forward_fill / SECOND
        self._index = {symbol: at for at, symbol in enumerate(self.symbols)}
        self._ledger = Ledger(len(self.symbols), config.actors.max_held_trades)
        self._tallies = Tallies(len(self.symbols))
        self._parts = None if continuity is None else PartsCheck(len(self.symbols), continuity)
        self._digests = [TradeDigest() for _ in self.symbols] if config.actors.digest else []
        self._sampler = self._sampler_of(config)
        self._analysis = Analysis(self.symbols, config)
        self._restating: Restating | None = None
        if restates and config.sampling.restate_within and isinstance(self._sampler, BarBuilder):
            self._restating = Restating(
                self.symbols,
                self._sampler,
                self._analysis,
                self._ledger,
                self._tallies,
                config.sampling,
            )
        #: What a snapshot carries.
        self._stages: dict[str, Stage] = {
            "ledger": self._ledger,
            "tallies": self._tallies,
            "sampler": self._sampler,
            **self._analysis.stages,
        }

    def learn(self, bars: pl.DataFrame) -> None:
        """Apply bars from before what `anchor` will tell of: windows and thresholds know them.

        Nothing is published, and no alert of then is told, but that of an episode which goes on.
        Memory grows with the bars of a call: a long past comes in pages.

        Args:
            bars: BARS of symbols that are not anchored yet, as `extend` takes them.
        """
        self._analysis.publish(self._sampler.extend(bars, self._symbol_type))

    def anchor(self, symbol: str, open_us: int, history: pl.DataFrame) -> StepResult:
        """Start a symbol at a grid step, with every trade from there on to come.

        Args:
            symbol: One of the shard's, before its first trade.
            open_us: Open time of the first bar to build from trades.
            history: BARS of the steps just before, after those it has learnt from, in time order;
                may be empty.

        Returns:
            What the history says, as if it had been built from trades.
        """
        index = self._index[symbol]
        if history.is_empty():
            self._sampler.anchor(index, open_us)
        closed = self._sampler.extend(history, self._symbol_type)
        self._tallies.price(closed)
        told = self._analysis.publish(closed)
        # What lies in the past is shown, and not counted as found by this run.
        self._analysis.alerts[index] = 0
        if self._restating is not None:
            self._restating.begin(index)
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
            trades: TRADES from the stream in arrival order, of this shard's symbols. Quickest with
                a symbol column that is the shard's `pl.Enum(symbols)`.
            backfilled: TRADES fetched for `holes`.
            clock_us: The venue's clock up to which every trade of a symbol without holes is here;
                null lets only event times close bars.
            skew_us: The venue's clock less the one that stamped `receive_time`.
        """
        sides = bool(self._digests)  # nothing else depends on them
        rows = TradeColumns.from_frame(trades, self._symbol_type, live=True, sides=sides)
        if self._parts is not None:
            parts = trades["first_id"].to_numpy(), trades["last_id"].to_numpy()
            for one in self._parts.breaks(rows.symbol_index, rows.trade_id, *parts):
                self._tallies.breaks[one.symbol_index] += 1
        if backfilled is not None and backfilled.height:
            # Fetched first: what starts a symbol comes before what the stream said since.
            fetched = TradeColumns.from_frame(
                backfilled, self._symbol_type, live=False, sides=sides
            )
            rows = TradeColumns.join([fetched, rows])
        clocks = np.full(len(self.symbols), NEVER if clock_us is None else clock_us)
        return self._apply(rows, clocks, skew_us)

    def extend(self, bars: pl.DataFrame) -> StepResult:
        """Apply bars of symbols that are fed with bars, and publish the steps up to them.

        A step that is missing, and one without volume, is a step without trades, as if built from
        trades. A bar that is not after the newest published is late, and dropped.

        Args:
            bars: BARS on the grid, in time order for each symbol; `notional`, `trades` and ids may
                be null, and stay null.

        Raises:
            ValueError: Every trade is a sample, and bars do not tell theirs.
        """
        closed = self._sampler.extend(bars, self._symbol_type)
        self._tallies.close(closed)
        self._tallies.price(closed)
        return self._analysis.publish(closed)

    def finish(self) -> StepResult:
        """Take it that history has ended: nothing that is missing will come any more.

        Every hole is given up, and every open bar is closed up to that of its symbol's newest
        trade, inclusive.
        """
        return self._finish(range(len(self.symbols)))

    def relist(self, symbol: str) -> StepResult:
        """Take it that the venue numbers a symbol's trades anew.

        What there is of the symbol is finished as by `finish`, then one bar without a price breaks
        the series: no return spans the break, and windows start anew. In HEALTH `first_id` and
        `last_id` are null until the next trade, and from then on those of the new range; the counts
        go on: `live + backfilled + pending + lost` is the number of ids of all its ranges together.
        """
        index = self._index[symbol]
        finished = self._finish([index])
        self._ledger.relist(index)
        closed = self._sampler.relist(index)
        self._tallies.close(closed)
        broken = self._analysis.publish(closed)
        self._analysis.forget(index)
        if self._restating is not None:
            self._restating.begin(index)
        return join_results([finished, broken])

    def holes(self) -> dict[str, list[tuple[int, int]]]:
        """Return the missing id ranges of every symbol that has any, both ends inclusive."""
        indexes = np.flatnonzero(self._ledger.pending).tolist()
        return {self.symbols[index]: self._ledger.holes(index) for index in indexes}

    def lost(self) -> dict[str, list[tuple[int, int]]]:
        """Return the ids that are lost, of every symbol that has any; both ends inclusive.

        Of each the newest 10,000 ranges, oldest first. One that comes after all is lost no more.
        """
        indexes = np.flatnonzero(self._ledger.lost).tolist()
        return {self.symbols[index]: self._ledger.lost_ranges(index) for index in indexes}

    def losses(self) -> dict[str, list[tuple[int, int]]]:
        """Return and forget the id ranges that were given up since the last call.

        Both ends are inclusive. Of each symbol that lost any, the newest 10,000, oldest first.
        """
        return {self.symbols[index]: lost for index, lost in self._ledger.losses().items()}

    def progress(self) -> dict[str, Progress]:
        """Return how far each symbol has come."""
        known = zip(
            self._ledger.last_id.tolist(), self._tallies.last_trade_us.tolist(), strict=True
        )
        return {
            symbol: Progress(*(None if number == NEVER else number for number in numbers))
            for symbol, numbers in zip(self.symbols, known, strict=True)
        }

    def forget_beyond(self, symbol: str, last_id: int) -> None:
        """Drop what is held of a symbol beyond the venue's newest id: such ids are broken data."""
        self._ledger.forget_beyond(self._index[symbol], last_id)

    def expect(self, symbol: str, first_id: int, last_id: int) -> None:
        """Take it that the venue has issued these ids of a symbol, both ends inclusive.

        A symbol without a trade yet starts at `first_id`.
        """
        self._ledger.expect(self._index[symbol], first_id, last_id)

    def give_up(self, symbol: str, last_id: int) -> None:
        """Declare a symbol's missing ids up to `last_id` lost.

        What waited for them joins the next step.
        """
        self._ledger.give_up(self._index[symbol], last_id)

    def retune(self, config: Config) -> None:
        """Take other rules for episodes; open ones keep the scores they started under.

        They hold from the next row on, and for what is told again of rows before.

        Args:
            config: What it was made with, but for thresholds of detectors.
        """
        self._analysis.retune([config.detector_of(symbol) for symbol in self.symbols])

    def snapshot(self) -> pl.DataFrame:
        """Return all that later results depend on: one row a symbol, list columns of numbers.

        Not carried: digests, and the count of rejected messages that name no symbol.
        """
        return snapshot_frame(self.symbols, self._stages)

    def restore(self, snapshot: pl.DataFrame) -> None:
        """Continue the symbols that a snapshot, or rows of several, has a row of.

        The snapshots may be of any shards with the same configuration. A restored engine has no
        digest: `sha256` is null from here on.
        """
        restore_stages(snapshot, self.symbols, self._stages)
        self._digests = []
        if self._restating is not None:
            for index in range(len(self.symbols)):
                self._restating.begin(index)

    def reject(self, rejected: pl.DataFrame) -> None:
        """Count REJECTED rows for the health of their symbols.

        What names no symbol belongs to the only one there is, or else to `rejected_unnamed`.
        """
        for symbol, count in rejected["symbol"].value_counts().iter_rows():
            named = self.symbols[0] if symbol is None and len(self.symbols) == 1 else symbol
            if named in self._index:
                self._tallies.rejected[self._index[named]] += count
            else:
                self.rejected_unnamed += count

    def health(self, *, venue_us: int | None, feed: FeedState | None = None) -> pl.DataFrame:
        """Return HEALTH.

        Args:
            venue_us: The venue's clock; null while it is unknown.
            feed: Of the connection that carries these symbols; null in history.
        """
        health = health_frame(
            self.symbols,
            self._ledger,
            self._tallies,
            venue_us=venue_us,
            feed=FeedState() if feed is None else feed,
            analysis=self._analysis,
            sha256=[digest.hexdigest() for digest in self._digests] or None,
        )
        if feed is None:
            return health
        losing = [] if self._restating is None else self._restating.losing()
        words = conditions(health, feed, losing, quiet_after_s=self._quiet_after_s)
        return health.with_columns(words)

    def _sampler_of(self, config: Config) -> Sampler:
        sampling = config.sampling
        if sampling.every == "trade":
            return TradeSamples(self.symbols, lateness_us=sampling.lateness)
        return BarBuilder(
            self.symbols,
            every_us=sampling.every,
            lateness_us=sampling.lateness,
            forward_fill_us=sampling.forward_fill,
            silence_us=config.silence_us,
        )

    def _finish(self, indexes: Sequence[int]) -> StepResult:
        """Give up the holes of some symbols, apply what waited, and close what is open."""
        clocks = np.full(len(self.symbols), NEVER)
        for index in indexes:
            clocks[index] = ENDED
            self._ledger.give_up(index, int(self._ledger.last_id[index]))
        return self._apply(NO_TRADES, clocks, skew_us=0)

    def _apply(self, rows: TradeColumns, clocks_us: NDArray[np.int64], skew_us: int) -> StepResult:
        admitted, recovered = self._ledger.admit(rows), self._ledger.recovered()
        clocks_us[self._ledger.pending > 0] = NEVER
        if self._restating is None:
            self._tallies.late += np.bincount(recovered.symbol_index, minlength=len(self.symbols))
        else:
            is_newest = self._restating.is_newest(recovered)
            if is_newest.any():
                newest = recovered.take(np.flatnonzero(is_newest))
                admitted = TradeColumns.join([newest, admitted])
        closed = self._sampler.push(admitted, clocks_us, self._ledger.tail_lost)
        self._tallies.trade(admitted, skew_us)
        self._tallies.close(closed)
        if self._digests:
            for index in np.unique(admitted.symbol_index).tolist():
                mine = np.flatnonzero(admitted.symbol_index == index)
                self._digests[index].update(admitted.take(mine))
        told = self._analysis.publish(closed)
        if self._restating is None:
            return told
        again = self._restating.follow(admitted, closed, told, recovered, is_newest)
        return join_results([told, *again])
