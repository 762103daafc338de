"""What the coordinator knows: frames applied once, histories, the newest health, the alert log."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from statistics import median_high
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from pipeline.alarms import alarm_loads
from pipeline.board import SAMPLES, BoardPlan, BoardSnapshot
from pipeline.crosssection import CrossSection
from pipeline.delivery import Inbox, from_ipc
from pipeline.durations import HOUR, SECOND
from pipeline.history import History
from pipeline.latency import RecentLatencies, counted
from pipeline.regime_changes import RegimeChanges
from pipeline.report import run_report, timing_report
from pipeline.schema import ALERTS, BARS, CORRELATIONS, HEALTH, MARKET, MARKET_SYMBOL, RESIDUALS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pipeline.clock import Skew
    from pipeline.delivery import Envelope, Payload, Timing

#: However long and wide a history is asked for, it holds no more rows than this.
MAX_HISTORY_ROWS = 2_000_000

#: The alert log keeps so many; then the oldest leaves.
MAX_ALERTS = 1_000

#: How often there are alarms is told of so long, or of all of a shorter run.
LOAD_US = HOUR

#: The rate of trades is taken over so long.
_RATE_US = 5 * SECOND


@dataclass(frozen=True, slots=True)
class _Logged:
    version: int
    row: dict[str, Any]


class Collector:
    """The state of one coordinator, from start to restart.

    Args:
        plan: What the board is told once.
        incarnation: A name no other coordinator of this pipeline had.
        started_us: The coordinator's clock.
    """

    def __init__(self, plan: BoardPlan, incarnation: str, started_us: int) -> None:
        self._plan = plan
        self._incarnation = incarnation
        self._started_us = started_us
        self._inbox = Inbox()
        self._version = 0
        reach_us = plan.history_us
        self._bars = History(BARS, reach_us=reach_us, max_rows=MAX_HISTORY_ROWS)
        self._samples = History(SAMPLES, reach_us=reach_us, max_rows=MAX_HISTORY_ROWS)
        self._market = History(MARKET, reach_us=reach_us, max_rows=MAX_HISTORY_ROWS)
        self._residuals = History(RESIDUALS, reach_us=reach_us, max_rows=MAX_HISTORY_ROWS)
        self._market_score: float | None = None
        self._crosssection: CrossSection | None = None
        if plan.crosssection is not None:
            self._crosssection = CrossSection(plan.crosssection, plan.watched)
        self._regime_changes = RegimeChanges(plan.every_us)
        self._newest: dict[str, int] = {}  # by symbol: the newest bar's open time or trade id
        self._alerts: dict[str, _Logged] = {}
        self._health: dict[str, dict[str, Any]] = {}
        self._lost_ranges: dict[str, Sequence[tuple[int, int]]] = {}
        self._connected: dict[str, bool] = {}
        self._reconnects: dict[str, int] = {}
        self._venue_us: dict[str, int] = {}  # by shard
        self._unnamed: dict[str, int] = {}  # by shard
        self._live: deque[tuple[int, int]] = deque()  # when, trades since the report before
        self._restarts = 0
        self._plans = 0  # that took the place of the first
        self._latencies = RecentLatencies()
        self._skews: dict[str, Skew] = {}  # by shard

    def apply(self, envelope: Envelope, now_us: int) -> int:
        """Apply a frame unless it was applied before; return the producer's watermark.

        One that cannot be applied raises, and is not counted: its producer sends it again.
        """
        if self._inbox.accepts(envelope):
            self._version += 1
            self._apply(envelope.payload, now_us)
            self._reconnects[envelope.shard] = envelope.payload.reconnects
            self._unnamed[envelope.shard] = envelope.payload.rejected_unnamed
            if envelope.payload.venue_us is not None:
                self._venue_us[envelope.shard] = envelope.payload.venue_us
            if envelope.payload.timing is not None:
                self._time(envelope.shard, envelope.payload.timing, now_us)
            self._inbox.count(envelope)
        return self._inbox.watermark(envelope.shard)

    def replan(self, plan: BoardPlan) -> None:
        """Take another plan; boards then start anew, with all that is known."""
        self._plan = plan
        if self._crosssection is not None and plan.crosssection is not None:
            self._crosssection.expect(plan.watched)
            self._crosssection.retune(plan.crosssection.detector)
        self._plans += 1
        self._version += 1

    def forget_shard(self, shard: str) -> None:
        """Forget the clocks of a shard that has ended; its counts stay in the report."""
        self._venue_us.pop(shard, None)
        self._skews.pop(shard, None)

    def note_restarts(self, restarts: int) -> None:
        """Take how many actors were restarted since the start."""
        self._restarts = restarts

    def snapshot(self, since: int, now_us: int) -> BoardSnapshot:
        """Return what changed after a version, of the markets in the plan.

        A coordinator that was restarted has the first plan until it is sent the newest, and may be
        told before of markets that entered later; the new plan then makes boards ask for all.
        """
        planned = self._plan.symbols
        told = {*planned, MARKET_SYMBOL}
        alerts = [
            logged.row
            for logged in self._alerts.values()
            if logged.version > since and logged.row["symbol"] in told
        ]
        return BoardSnapshot(
            incarnation=f"{self._incarnation}/{self._plans}",
            version=self._version,
            taken_us=now_us,
            # The middle one: a shard whose clock is wrong does not speak for all.
            venue_us=median_high(self._venue_us.values()) if self._venue_us else None,
            plan=self._plan,
            samples=self._samples.since(since).filter(pl.col("symbol").is_in(planned)),
            alerts=pl.DataFrame(alerts, schema=ALERTS, orient="row"),
            health=self.health(),
            connected={name: on for name, on in self._connected.items() if name in planned},
            trades_per_s=self._trades_per_s(now_us),
            restarts=self._restarts,
            market_score=self._market_score,
        )

    def bars(self, since: int = 0) -> pl.DataFrame:
        """Return the BARS applied after a version, as far back as the history reaches."""
        return self._bars.since(since)

    def market(self, since: int = 0) -> pl.DataFrame:
        """Return the MARKET rows known after a version, as far back as the history reaches."""
        return self._market.since(since)

    def residuals(self, since: int = 0) -> pl.DataFrame:
        """Return the RESIDUALS known after a version, as far back as the history reaches."""
        return self._residuals.since(since)

    def regime_changes(self) -> pl.DataFrame:
        """Return the newest REGIME_CHANGES, by time."""
        return self._regime_changes.frame()

    def correlations(self) -> pl.DataFrame:
        """Return CORRELATIONS as they now are; no pair where nothing is said of the market."""
        if self._crosssection is None:
            return CORRELATIONS.to_frame()
        return self._crosssection.correlations()

    def health(self) -> pl.DataFrame:
        """Return the newest HEALTH row of every symbol that has reported, in the plan's order."""
        rows = [
            self._health[symbol] | {"condition": self._plan.ended[symbol]}
            if symbol in self._plan.ended
            else self._health[symbol]
            for symbol in self._plan.symbols
            if symbol in self._health
        ]
        return pl.DataFrame(rows, schema=HEALTH, orient="row")

    def report(self, now_us: int, restarts: Mapping[str, int]) -> dict[str, Any]:
        """Return the run report so far."""
        seconds = (now_us - self._started_us) / SECOND
        surest = min(self._skews.values(), key=lambda skew: skew.error_us, default=None)
        alerts = pl.DataFrame(
            [logged.row for logged in self._alerts.values()], schema=ALERTS, orient="row"
        )
        since_us = max(self._started_us, now_us - LOAD_US)
        symbols = [*self._plan.symbols, MARKET_SYMBOL]
        report = run_report(
            self._plan.venue,
            seconds,
            self.health(),
            self._lost_ranges,
            reconnects=sum(self._reconnects.values()),
            rejected_unnamed=sum(self._unnamed.values()),
            restarts=restarts,
            loads=alarm_loads(alerts, symbols, since_us, max(now_us, since_us + 1)),
            regime_changes=self._regime_changes.counts(),
        )
        return report | timing_report(self._latencies.percentiles_ms(now_us), surest)

    def _time(self, shard: str, timing: Timing, now_us: int) -> None:
        applied = counted(np.array([now_us - timing.made_us]))
        self._latencies.add({**timing.latencies, "apply": applied}, now_us)
        if timing.skew is not None:
            self._skews[shard] = timing.skew

    def _apply(self, payload: Payload, now_us: int) -> None:
        # All of it is read before any of it is taken.
        bars, features = from_ipc(payload.bars), from_ipc(payload.features)
        alerts, health = from_ipc(payload.alerts), from_ipc(payload.health)
        if bars.height:
            new = self._is_new(bars)
            bars, features = bars.filter(new), features.filter(new)
            self._bars.append(self._version, bars)
            samples = self._as_samples(bars, features)
            self._samples.append(self._version, samples)
            self._regime_changes.push(samples)
        if self._crosssection is not None and (bars.height or alerts.height):
            alerts = self._compare(bars, features, alerts, now_us)
        for row in alerts.iter_rows(named=True):
            self._alerts[row["alert_id"]] = _Logged(self._version, row)
            if len(self._alerts) > MAX_ALERTS:
                del self._alerts[next(iter(self._alerts))]
        arrived = 0
        for row in health.iter_rows(named=True):
            # Counts start anew with an actor, and all at once with a coordinator.
            known = self._health.get(row["symbol"], row)
            arrived += max(0, row["live"] - known["live"])
            self._health[row["symbol"]] = row
            self._lost_ranges[row["symbol"]] = payload.lost_ranges.get(row["symbol"], [])
            self._connected[row["symbol"]] = payload.connected
        self._live.append((now_us, arrived))
        while now_us - self._live[0][0] > _RATE_US and len(self._live) > 1:
            self._live.popleft()

    def _compare(
        self, bars: pl.DataFrame, features: pl.DataFrame, alerts: pl.DataFrame, now_us: int
    ) -> pl.DataFrame:
        """Put what is new beside that of the other symbols; return all alerts to tell of."""
        assert self._crosssection is not None  # noqa: S101 - whoever calls has looked
        found = self._crosssection.push(bars, features, alerts, now_us)
        self._market.append(self._version, found.market)
        self._residuals.append(self._version, found.residuals)
        if found.market.height:
            score, direction = found.market.select("market_score", "direction").row(-1)
            self._market_score = None if score is None else score * direction
        return found.alerts

    def _is_new(self, bars: pl.DataFrame) -> pl.Series:
        """Say which bars are new, or restated: an actor that starts again tells its past again."""
        place = bars["last_id" if self._plan.by_trade else "open_time"].to_physical()
        known = bars["symbol"].replace_strict(self._newest, default=None, return_dtype=pl.Int64)
        new = (place > known).fill_null(value=True) | (bars["revision"] > 0)
        for symbol, newest in bars.select("symbol", place).group_by("symbol").max().iter_rows():
            self._newest[symbol] = max(newest, self._newest.get(symbol, newest))
        return new

    def _as_samples(self, bars: pl.DataFrame, features: pl.DataFrame) -> pl.DataFrame:
        samples = features.select(
            "symbol",
            "open_time",
            bars["close"],
            pl.col(self._plan.headline).alias("volatility"),
            "score",
            "direction",
            bars["complete"],
            "regime",
            "regime_change",
            bars["revision"],
        )
        if not self._plan.by_trade:
            return samples
        step = pl.col("open_time").dt.truncate(f"{self._plan.every_us}us")
        return samples.with_columns(step).unique(
            ["symbol", "open_time"], keep="last", maintain_order=True
        )

    def _trades_per_s(self, now_us: int) -> float:
        recent = [(when, arrived) for when, arrived in self._live if now_us - when <= _RATE_US]
        if len(recent) < 2 or recent[-1][0] == recent[0][0]:
            return 0.0
        arrived = sum(count for _, count in recent[1:])
        return arrived * SECOND / (recent[-1][0] - recent[0][0])
