"""Healing what was published: a trade that had been missing joins its bar, and all follows anew.

Of every symbol it is known how it stood at two points of the recent past, and which bars were
published since. When a trade of a bar that is out comes after all, the symbol goes back to the last
point before it, and bars, windows, features, scores and episodes are made again from there: the
same, to the last bit, as if the trade had come in its turn. What is different is told again under a
higher revision; an alert that there is no reason for any more is retracted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from pipeline.analysis import StepResult, join_results
from pipeline.bar_records import BAR
from pipeline.closed_bars import closed_bars
from pipeline.detect.episodes import open_since_us
from pipeline.eras import SAMPLER, Era
from pipeline.lost_spans import LostSpans, id_runs, mark_complete
from pipeline.marks import NEVER, ONWARD
from pipeline.restated_bars import bars_again
from pipeline.retelling import AlertLog
from pipeline.trade_columns import TradeColumns

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from pipeline.analysis import Analysis
    from pipeline.bars import BarBuilder
    from pipeline.closed_bars import ClosedBars
    from pipeline.config_sections import SamplingConfig
    from pipeline.eras import Stand
    from pipeline.health import Tallies
    from pipeline.ledger import Ledger
    from pipeline.lost_spans import Spans


class Restating:
    """The recent past of a shard's symbols, ready to be told again.

    Args:
        symbols: In index order.
        builder: Makes their bars.
        analysis: Makes what follows from bars.
        ledger: Knows which ids are lost.
        tallies: Count what is told again, and what comes too late even for that.
        sampling: How far back bars are told again: at least `restate_within`, at most twice that.
    """

    def __init__(
        self,
        symbols: Sequence[str],
        builder: BarBuilder,
        analysis: Analysis,
        ledger: Ledger,
        tallies: Tallies,
        sampling: SamplingConfig,
    ) -> None:
        self._symbols = symbols
        self._names = pl.Series(symbols, dtype=pl.String)
        self._builder = builder
        builder.keeps_records = True
        self._analysis = analysis
        self._ledger = ledger
        self._tallies = tallies
        self._every_us = int(builder.limits["every_us"])
        self._reach_us = sampling.restate_within
        self._eras = [Era(NEVER, [self._stand(index) for index in range(len(symbols))])]
        self._revisions: dict[tuple[int, int], int] = {}  # by symbol and step, where above zero
        self._alerts = AlertLog()
        self._newest_us = np.full(len(symbols), NEVER)  # event time of any applied trade

    def begin(self, index: int) -> None:
        """Take it that nothing a symbol has published can change any more."""
        for era in self._eras:
            era.replace(index, np.empty(0, dtype=BAR))
            era.stands[index] = self._stand(index)
        self._alerts.forget(self._symbols[index])

    def losing(self) -> list[str]:
        """Return the symbols with lost ids of bars that could be told again."""
        return [
            self._symbols[index]
            for index in np.flatnonzero(self._ledger.lost).tolist()
            if any(last >= self._oldest_id(index) for _, last in self._ledger.lost_ranges(index))
        ]

    def _oldest_id(self, index: int) -> int:
        """Return the first id in the bars that could be told again; ONWARD without one."""
        firsts = (era.bars_of(index) for era in self._eras)
        traded = [bars["first_id"][bars["trades"] > 0] for bars in firsts]
        return int(np.concatenate(traded).min(initial=ONWARD))

    def is_newest(self, recovered: TradeColumns) -> NDArray[np.bool_]:
        """Say which of recovered trades are of bars later than any that can be open.

        They have higher ids than all that were applied: they can be applied as usual.
        """
        return self._builder.ahead(recovered) >= self._builder.open_steps

    def follow(
        self,
        applied: TradeColumns,
        closed: ClosedBars,
        told: StepResult,
        recovered: TradeColumns,
        is_newest: NDArray[np.bool_],
    ) -> list[StepResult]:
        """Remember what was applied and published; return what has to be told again.

        Args:
            applied: Trades in id order for each symbol; the newest of the recovered among them.
            closed: The bars that closed with them.
            told: What was published of those.
            recovered: Trades of ids that had been lost, in no order.
            is_newest: Which of these are among the applied.
        """
        self._remember(closed, told)
        late = np.flatnonzero(closed.is_late & ~applied.live)
        late = late[~self._late_anyway(applied, late)]
        np.maximum.at(self._newest_us, applied.symbol_index, applied.event_us)
        self._tallies.late -= np.bincount(applied.symbol_index[late], minlength=len(self._symbols))
        trades = TradeColumns.join([recovered, applied.take(late)])
        is_placed = np.concatenate([is_newest, np.zeros(len(late), dtype=np.bool_)])
        again = []
        for index in np.unique(trades.symbol_index).tolist():
            mine = np.flatnonzero(trades.symbol_index == index)
            mine = mine[np.argsort(trades.trade_id[mine])]
            again.append(self._place(index, trades.take(mine), is_placed[mine]))
        return again

    def _remember(self, closed: ClosedBars, told: StepResult) -> None:
        if not len(closed.records):
            return
        era, newest_us = self._eras[-1], int(closed.open_us.max())
        era.append(closed.records)
        self._alerts.follow(told.alerts)
        if era.began_us == NEVER:
            era.began_us = newest_us
        if newest_us - era.began_us >= self._reach_us:
            stands = [self._stand(index) for index in range(len(self._symbols))]
            self._eras = [era, Era(newest_us, stands)]
            self._forget()

    def _forget(self) -> None:
        """Forget what is out of reach."""
        oldest = [self._eras[0].next_step(index) for index in range(len(self._symbols))]
        for index, symbol in enumerate(self._symbols):
            held = self._eras[0].stands[index]["episodes"]
            self._alerts.forget_ended(symbol, self._end_us(oldest[index]), open_since_us(held))
        self._revisions = {
            (index, step): revision
            for (index, step), revision in self._revisions.items()
            if step >= oldest[index]
        }

    def _late_anyway(self, applied: TradeColumns, rows: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Say of rows whether they would have come after their bar whatever way they had come."""
        late = np.zeros(len(rows), dtype=np.bool_)
        for at, row in enumerate(rows.tolist()):
            index = int(applied.symbol_index[row])
            before = applied.event_us[:row][applied.symbol_index[:row] == index]
            newest_us = max(int(self._newest_us[index]), int(before.max(initial=NEVER)))
            end_us = (int(applied.event_us[row]) // self._every_us + 1) * self._every_us
            late[at] = newest_us >= end_us + int(self._builder.limits["lateness_us"])
        return late

    def _place(self, index: int, trades: TradeColumns, is_placed: NDArray[np.bool_]) -> StepResult:
        """Put trades of a symbol, in id order, where they belong; return what is told again."""
        self._ledger.close_tail(index)
        steps = trades.event_us // self._every_us
        is_open = ~is_placed & (steps >= self._builder.next_step(index))
        is_late = ~is_placed & (steps < self._eras[0].next_step(index))
        self._tallies.late[index] += np.count_nonzero(is_late)
        if is_open.any():
            self._builder.insert(index, trades.take(np.flatnonzero(is_open)))
        heal = trades.take(np.flatnonzero(~is_placed & ~is_open & ~is_late))
        published = np.concatenate([era.bars_of(index) for era in self._eras])
        others = self._builder.open_bars(index)
        healed = LostSpans(published, others, self._every_us).of(id_runs(trades.trade_id))
        others = np.concatenate([others, [steps, trades.trade_id, trades.trade_id]], axis=1)
        lost = self._ledger.lost_ranges(index)
        missing = LostSpans(published, others, self._every_us).of(lost)
        again = self._heal(index, heal, healed, missing)
        tail_lost = bool(self._ledger.tail_lost[index])
        self._builder.note_lost(index, missing, tail_lost=tail_lost)
        return again

    def _heal(self, index: int, trades: TradeColumns, healed: Spans, missing: Spans) -> StepResult:
        """Add trades to bars that are out, and return all that is different for it."""
        steps = trades.event_us // self._every_us
        oldest = min([*steps.tolist(), *(since for since, _ in healed)])
        eras = range(len(self._eras))
        first = max([0, *(at for at in eras if self._eras[at].next_step(index) <= oldest)])
        stand = self._eras[first].stands[index]
        before = np.concatenate([era.bars_of(index) for era in self._eras[first:]])
        past = self._alerts.after(
            self._symbols[index],
            self._end_us(self._eras[first].next_step(index)),
            open_since_us(stand["episodes"]),
        )
        for name, stage in self._analysis.stages.items():
            stage.restore(index, stand[name])
        results, after = [], []
        for at in eras[first:]:
            bars = self._bars_of_era(index, at, trades)
            mark_complete(bars, before, every_us=self._every_us, healed=healed, missing=missing)
            self._eras[at].replace(index, bars)
            after.append(bars)
            results.append(self._publish(bars))
            if at < eras[-1]:
                self._eras[at + 1].stands[index] |= self._analysis_stand(index)
        return self._different(index, before, np.concatenate(after), join_results(results), past)

    def _bars_of_era(self, index: int, at: int, trades: TradeColumns) -> NDArray[np.void]:
        """Return the bars of an era with trades added; the next begins as this one then ends."""
        era, is_last = self._eras[at], at == len(self._eras) - 1
        until = self._builder.next_step(index) if is_last else self._eras[at + 1].next_step(index)
        steps = trades.event_us // self._every_us
        mine = trades.take(np.flatnonzero((steps >= era.next_step(index)) & (steps < until)))
        published = era.bars_of(index)
        traded = published[published["trades"] > 0]
        base, limits = era.stands[index][SAMPLER], self._builder.limits
        bars, symbol = bars_again(base, traded, mine, until=until, limits=limits)
        bars["symbol_index"] = index
        if is_last:
            self._builder.go_on_from(index, symbol)
        else:
            following = self._eras[at + 1].stands[index][SAMPLER]
            following["marks"][1], following["close"][0] = symbol["traded_step"], symbol["close"]
        return bars

    def _publish(self, bars: NDArray[np.void]) -> StepResult:
        none_late = np.zeros(len(self._symbols), dtype=np.int64)
        return self._analysis.publish(closed_bars(bars, self._names, none_late))

    def _different(
        self,
        index: int,
        before: NDArray[np.void],
        after: NDArray[np.void],
        told: StepResult,
        past: Mapping[str, dict[str, Any]],
    ) -> StepResult:
        """Return the rows from the first changed bar on, and the alerts that are not as told."""
        first = _first_difference(before, after)
        revisions = []
        for step in (after["open_us"][first:] // self._every_us).tolist():
            revisions.append(self._revisions.get((index, step), 0) + 1)
            self._revisions[index, step] = revisions[-1]
        self._tallies.restated[index] += len(revisions)
        self._tallies.bars[index] += len(after) - len(before)
        self._tallies.incomplete_bars[index] += int(
            np.count_nonzero(after["complete"] == 0) - np.count_nonzero(before["complete"] == 0)
        )
        alerts = self._alerts.retell(past, told.alerts, self._analysis.open_alert(index))
        for row in alerts.filter(pl.col("status") == "open").iter_rows(named=True):
            self._analysis.number_open_alert(index, row["revision"])
        return StepResult(
            told.bars[first:].with_columns(pl.Series("revision", revisions, dtype=pl.Int32)),
            told.features[first:],
            alerts,
        )

    def _stand(self, index: int) -> Stand:
        return {SAMPLER: self._builder.snapshot(index), **self._analysis_stand(index)}

    def _analysis_stand(self, index: int) -> Stand:
        return {name: stage.snapshot(index) for name, stage in self._analysis.stages.items()}

    def _end_us(self, step: int) -> int:
        """Return when the bar before a step ended."""
        return 0 if step == NEVER else step * self._every_us


def _first_difference(before: NDArray[np.void], after: NDArray[np.void]) -> int:
    """Return the first row of `after` that is not as before; its length if there is none."""
    same = min(len(before), len(after))
    different = np.zeros(same, dtype=np.bool_)
    for name in BAR.names or ():
        one, other = before[name][:same], after[name][:same]
        unequal = one != other
        if one.dtype == np.float64:
            unequal &= ~(np.isnan(one) & np.isnan(other))
        different |= unequal
    return int(different.argmax()) if different.any() else same
