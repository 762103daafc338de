"""What the board remembers of a pipeline: a bounded fold of its snapshots, without a clock."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
import polars as pl

from pipeline.board import SAMPLES, volatility_baseline
from pipeline.durations import MINUTE, SECOND
from pipeline.schema import HEALTH
from viz.alerts import LOG, add_alerts, count_since, severity_ranks
from viz.tick import FRESH, Tick, cell_frame, judge, plan_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.board import BoardPlan, BoardSnapshot

RECENT_US = 15 * MINUTE

#: How often the median of the history is taken anew.
BASELINE_S = 5.0

#: The history is appended to without copying, and made whole again after this many appends.
HISTORY_CHUNKS = 64


@dataclass(frozen=True, slots=True)
class BoardView:
    """The board at one moment: never changed once made, so that sessions share it without a lock.

    Attributes:
        epoch: Changes when everything shown before must be forgotten.
        stamp_ms: The wall clock when it was made.
        plan: None before the first snapshot.
        plan_json: `viz.tick.Plan` as JSON, empty before the first snapshot.
        tick: What every session sends.
        tick_json: `tick` as JSON, made once for all sessions.
        rows: Sample rows applied in this epoch.
        history: SAMPLES in the order applied, `symbol` as an enum in plan order, and `row`, which
            counts from 0 in each epoch: `row >= n` is what a session that has seen n rows lacks.
        alerts: `viz.alerts.LOG` rows by start time.
        alerts_version: Changes with `alerts`.
    """

    epoch: int
    stamp_ms: int
    plan: BoardPlan | None
    plan_json: str
    tick: Tick
    tick_json: str
    rows: int
    history: pl.DataFrame
    alerts: pl.DataFrame
    alerts_version: int

    def rows_since(self, rows: int) -> pl.DataFrame:
        """Return the history from row number `rows` on."""
        if rows >= self.rows:
            return self.history.clear()
        return self.history.slice(int(self.history["row"].search_sorted(rows)))


class BoardState:
    """Everything remembered of one pipeline; owned by one thread.

    The history keeps one row a symbol and grid step within `plan.history_us` of the newest one,
    plus a tenth of that before it is cut; the alert log is bounded by `viz.alerts.LOG_ROWS`.
    """

    def __init__(self) -> None:
        self._epoch = 0
        self._forget()

    def _forget(self) -> None:
        self._incarnation: str | None = None
        self._plan: BoardPlan | None = None
        self._plan_json = ""
        self._symbols: tuple[str, ...] = ()
        self._history_us = 0
        self._history_rows = 0
        self._rows = 0
        self._history = SAMPLES.to_frame()
        self._latest = SAMPLES.to_frame()
        self._baseline = volatility_baseline(self._latest)
        self._baseline_at_s = -math.inf
        self._health = HEALTH.to_frame()
        self._connected: Mapping[str, bool] = {}
        self._alerts = LOG.to_frame()
        self._alerts_version = 0
        self._trades_per_s = 0.0
        self._market_score: float | None = None
        self._restarts = 0
        self._venue_us: int | None = None
        self._moved_at_s = -math.inf
        self._failure: str | None = None

    def forgets(self, snapshot: BoardSnapshot) -> bool:
        """Return whether `snapshot` is of another incarnation than the one remembered."""
        return self._incarnation is not None and snapshot.incarnation != self._incarnation

    def fail(self, reason: str) -> None:
        """Remember that the pipeline could not be reached."""
        self._failure = reason

    def apply(self, snapshot: BoardSnapshot, now_s: float) -> None:
        """Take in a snapshot; one of another incarnation must be whole (asked with 0)."""
        if self.forgets(snapshot):
            self._forget()
        if self._incarnation is None:
            self._begin(snapshot)
        self._failure = None
        self._health = snapshot.health
        self._connected = snapshot.connected
        self._trades_per_s = snapshot.trades_per_s
        self._market_score = snapshot.market_score
        self._restarts = snapshot.restarts
        if snapshot.venue_us != self._venue_us:
            self._venue_us = snapshot.venue_us
            self._moved_at_s = now_s
        if not snapshot.samples.is_empty():
            self._append(snapshot.samples)
        if not snapshot.alerts.is_empty():
            self._alerts = add_alerts(self._alerts, snapshot.alerts, self._history)
            self._alerts_version += 1
        if now_s - self._baseline_at_s >= BASELINE_S:
            self._baseline = volatility_baseline(
                self._history.with_columns(pl.col("symbol").cast(pl.String))
            )
            self._baseline_at_s = now_s

    def _begin(self, snapshot: BoardSnapshot) -> None:
        plan = snapshot.plan
        self._epoch += 1
        self._incarnation = snapshot.incarnation
        self._plan = plan
        self._plan_json = plan_json(plan)
        self._symbols = plan.symbols
        self._history_us = plan.history_us
        self._history_rows = len(plan.symbols) * (plan.history_us // plan.every_us)
        self._history = (
            SAMPLES.to_frame()
            .with_columns(pl.col("symbol").cast(pl.Enum(plan.symbols)))
            .insert_column(0, pl.Series("row", [], pl.Int64))
        )

    def _append(self, samples: pl.DataFrame) -> None:
        self._latest = (
            pl.concat([self._latest, samples])
            .sort("open_time", maintain_order=True)
            .unique("symbol", keep="last", maintain_order=True)
        )
        numbers = pl.int_range(self._rows, self._rows + samples.height, dtype=pl.Int64)
        numbered = samples.select(
            numbers.alias("row"),
            pl.col("symbol").cast(pl.Enum(self._symbols)),
            pl.exclude("symbol"),
        )
        self._rows += samples.height
        history = pl.concat([self._history, numbered], rechunk=False)
        if history.n_chunks() > HISTORY_CHUNKS:
            history = history.rechunk()
        self._history = self._cut(history)

    def _cut(self, history: pl.DataFrame) -> pl.DataFrame:
        if history.height <= self._history_rows * 1.1:
            return history
        time_us = pl.col("open_time").dt.timestamp("us")
        return (
            history.filter(time_us > time_us.max() - self._history_us)
            .unique(["symbol", "open_time"], keep="last", maintain_order=True)
            .rechunk()
        )

    def view(self, *, now_s: float, stamp_ms: int) -> BoardView:
        """Return what to show at `now_s`, on the clock of `apply`."""
        tick = self._tick(now_s=now_s, stamp_ms=stamp_ms)
        return BoardView(
            epoch=self._epoch,
            stamp_ms=stamp_ms,
            plan=self._plan,
            plan_json=self._plan_json,
            tick=tick,
            tick_json=msgspec.json.encode(tick).decode(),
            rows=self._rows,
            history=self._history,
            alerts=self._alerts,
            alerts_version=self._alerts_version,
        )

    def _known(self) -> pl.DataFrame:
        connected = [self._connected.get(symbol) for symbol in self._symbols]
        known = pl.DataFrame(
            {"symbol": self._symbols, "connected": connected},
            schema={"symbol": pl.String, "connected": pl.Boolean},
        )
        for reported in (
            self._health.select(
                "symbol", "last_price", "last_trade_time", "condition", "bid", "ask", "imbalance"
            ),
            self._latest.select("symbol", "volatility", "score", "direction", "regime"),
            self._baseline,
        ):
            known = known.join(reported, on="symbol", how="left", maintain_order="left")
        return known

    def _enter(self) -> list[float]:
        """Return the score each symbol's episodes start from: as reported, or as configured."""
        written = {} if self._plan is None else self._plan.enter
        reported = dict(self._health.select("symbol", "enter").iter_rows())
        return [reported.get(symbol, written[symbol]) for symbol in self._symbols]

    def _tick(self, *, now_s: float, stamp_ms: int) -> Tick:
        venue_us = self._venue_us
        silent_s = max(0.0, now_s - self._moved_at_s)
        # Before the first snapshot there is no symbol to be stale.
        stale_s = 0.0 if self._plan is None else self._plan.forward_fill_us / SECOND
        cells = cell_frame(self._known(), venue_us=venue_us, silent_s=silent_s, stale_s=stale_s)
        state, reason = judge(
            failure=self._failure,
            states=cells["state"].to_list(),
            silent_s=silent_s,
            venue_us=venue_us,
        )
        ranks = severity_ranks(self._alerts)
        return Tick(
            stamp_ms=stamp_ms,
            state=state,
            reason=reason,
            venue_ms=None if venue_us is None else venue_us / 1e3,
            age_s=cells.select(pl.col("age_s").min()).item(),
            trades_per_s=round(self._trades_per_s, 1),
            live=int(cells["state"].is_in(FRESH).sum()),
            recent_alerts=0
            if venue_us is None
            else count_since(self._alerts, venue_us - RECENT_US),
            market_score=None if self._market_score is None else round(self._market_score, 2),
            restarts=self._restarts,
            price=cells["price"].to_list(),
            volatility=cells["volatility"].to_list(),
            enter=self._enter(),
            score=cells["score"].to_list(),
            baseline=cells["baseline"].to_list(),
            elevated=cells["elevated"].to_list(),
            regime=cells["regime"].to_list(),
            symbol_age_s=cells["age_s"].to_list(),
            symbol_state=cells["state"].to_list(),
            spread_bp=cells["spread_bp"].to_list(),
            imbalance=cells["imbalance"].to_list(),
            severity=[ranks.get(symbol, 0) for symbol in self._symbols],
        )
