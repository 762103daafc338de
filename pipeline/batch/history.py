"""One symbol's history through the engine, with what is found on the way."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from pipeline.batch.report import TOLD, FileReport, Halt, Relist
from pipeline.batch.survey import BarSurvey, TradeSurvey
from pipeline.engine import ShardEngine
from pipeline.report import COUNTS
from pipeline.times import time_at
from pipeline.windows import MAX_RETURN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from pipeline.analysis import StepResult
    from pipeline.config import Config

#: No step spans more of the grid, however few its rows: what it makes is bounded by time too.
_STEP_SPAN = 100_000


@dataclass(frozen=True, slots=True)
class State:
    """All that a symbol's history needs to be continued.

    Attributes:
        engine: From `ShardEngine.snapshot`.
        survey: From `carried` of the survey.
        last_close: Of the newest bar; null for none.
    """

    engine: pl.DataFrame
    survey: list[int]
    last_close: float | None


class SymbolHistory:
    """Feeds one symbol to an engine; no result depends on how the rows are cut.

    Args:
        symbol: Whose rows.
        config: What to compute.
        file: Where the rows are from.
        before: Where the history stood; null at its start.

    Attributes:
        report: What the rows have shown; `settle` completes it.
    """

    def __init__(self, symbol: str, config: Config, file: str, before: State | None) -> None:
        self.report = FileReport(file)
        self._symbol = symbol
        self._step_us = config.sampling.step_us
        self._max_held = config.actors.max_held_trades
        self._engine = ShardEngine([symbol], config)
        self._carried = None if before is None else before.survey
        self._last_close = None if before is None else before.last_close
        if before is not None:
            self._engine.restore(before.engine)
        self._before = self.counts()

    def trades(self, trades: pl.DataFrame) -> Iterator[StepResult]:
        """Take TRADES in file order; return what they make known, in order."""
        # The compiled survey takes no read-only arrays, which is what Polars lends.
        ids = trades["trade_id"].to_numpy(writable=True)
        times_us = trades["event_time"].to_physical().to_numpy(writable=True)
        survey = TradeSurvey(self._max_held, self._carried)
        found = survey.look(ids, times_us, TOLD)
        self._carried = survey.carried
        self.report.rows += len(ids)
        self.report.backward_times += found.backward_times
        self.report.microsecond_times += found.microsecond_times
        halts = [
            Halt(time_at(start_us), time_at(end_us)) for start_us, end_us in found.halts_us.tolist()
        ]
        self.report.halts.add(halts, found.halts)
        # The engine reads its own Enum at no cost.
        own = trades.with_columns(pl.lit(self._symbol, pl.Enum([self._symbol])).alias("symbol"))
        for run in found.runs:
            if run.restarts_after is not None:
                at, first_id = time_at(int(times_us[run.start])), int(ids[run.start])
                self.report.relists.add([Relist(at, run.restarts_after, first_id)])
                yield self._told(self._engine.relist(self._symbol))
            for start, stop in self._spans(times_us, run.start, run.stop):
                yield self._told(self._engine.step(own[start:stop]))

    def bars(self, bars: pl.DataFrame) -> Iterator[StepResult]:
        """Take BARS of a venue in file order; return what they make known, in order."""
        open_us = bars["open_time"].to_physical().to_numpy()
        step_us = self._step_us
        assert step_us is not None  # noqa: S101 - klines are checked to go with the grid
        survey = BarSurvey(step_us, self._carried)
        found = survey.look(open_us)
        self._carried = survey.carried
        self.report.rows += len(open_us)
        self.report.backward_times += found.backward_times
        self.report.halts.add(
            [
                Halt(time_at(start_us), time_at(end_us), (end_us - start_us) // step_us)
                for start_us, end_us in found.halts_us.tolist()
            ]
        )
        for start, stop in self._spans(open_us, 0, len(open_us)):
            yield self._told(self._engine.extend(bars[start:stop]))

    def reject(self, rejected: pl.DataFrame) -> None:
        """Count REJECTED rows, whatever symbol they name."""
        self._engine.reject(rejected.with_columns(symbol=pl.lit(self._symbol)))
        self.report.reject(rejected)

    def finish(self) -> StepResult:
        """End the history: nothing comes after it."""
        return self._told(self._engine.finish())

    def settle(self) -> None:
        """Add to the report what only the counts of the symbol show, once all rows are in."""
        after = self.counts()
        grown = {name: after[name] - self._before[name] for name in COUNTS}  # type: ignore[operator]  # counts are never null
        self.report.duplicates += int(grown["duplicates"])
        self.report.late += int(grown["late"])
        self.report.lost += int(grown["lost"])
        self.report.implausible_ids += int(grown["rejected"]) - sum(self.report.rejected.values())

    def counts(self) -> dict[str, int | float | None]:
        """Return what HEALTH says of the symbol."""
        (row,) = self._engine.health(venue_us=None).iter_rows(named=True)
        return {name: row[name] for name in ("first_id", "last_id", *COUNTS, "last_price")}

    def state(self) -> State:
        """Return where the history stands."""
        return State(self._engine.snapshot(), self._carried or [], self._last_close)

    def _told(self, result: StepResult) -> StepResult:
        """Note what a result shows."""
        ranges = self._engine.losses().get(self._symbol, [])
        self.report.lost_ranges.add(ranges)
        close = result.bars["close"].fill_null(np.nan).to_numpy()
        if len(close):
            before = np.nan if self._last_close is None else self._last_close
            moves = np.abs(np.log(close / np.concatenate([[before], close[:-1]])))
            within = (result.bars["high"] / result.bars["low"]).log().fill_null(0.0).to_numpy()
            moves = np.fmax(moves, within)
            absurd = result.bars["open_time"].filter(pl.Series(moves > MAX_RETURN))
            self.report.absurd_returns.add(absurd.to_list())
            self._last_close = None if np.isnan(close[-1]) else float(close[-1])
        return result

    def _spans(
        self, times_us: NDArray[np.int64], start: int, stop: int
    ) -> Iterator[tuple[int, int]]:
        """Cut rows [start, stop) so that none of the cuts spans too much of the grid."""
        if self._step_us is None:
            yield start, stop
            return
        newest_us = np.maximum.accumulate(times_us[start:stop])
        cuts = np.flatnonzero(np.diff(newest_us // (_STEP_SPAN * self._step_us))) + 1 + start
        yield from pairwise([start, *cuts.tolist(), stop])
