"""One open page: sends it what it has not seen, no faster than it paints."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import polars as pl

from pipeline.durations import SECOND
from viz.alerts import alert_columns
from viz.columns import detail_columns, spark_columns
from viz.pacing import Pacer

if TYPE_CHECKING:
    from collections.abc import Callable

    from bokeh.models import ColumnDataSource

    from viz.link import Link
    from viz.state import BoardView

PULL_MS = 250

#: How far back the sparklines of the overview reach.
SPARK_S = 150

#: Bars of one step close this far apart at most, unless a symbol has just started.
SPARK_LATE_US = 15 * SECOND

#: Document events a tick, each of which is one websocket message: the tick and two of the rest.
EVENTS_PER_TICK = 3


class BoardSession:
    """Keeps one page's models up with the view that `look` returns.

    Every method runs on the document's own loop with its lock held. What is not sent in a tick is
    not queued: it stays what the page has not seen, and is part of a later, newer one.
    """

    def __init__(
        self,
        look: Callable[[], BoardView],
        link: Link,
        *,
        spark: ColumnDataSource,
        detail: ColumnDataSource,
        alerts: ColumnDataSource,
        symbol: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._look = look
        self._link = link
        self._spark = spark
        self._detail = detail
        self._alerts = alerts
        self._clock = clock
        self._pacer = Pacer()
        # Whoever was sent longest ago comes first, so that none waits for ever.
        self._parts: list[Callable[[BoardView], bool]] = [
            self._send_detail,
            self._send_spark,
            self._send_alerts,
        ]
        link.symbol = symbol
        self._restart(look())
        link.on_change("painted_ms", self._on_painted)
        link.on_change("symbol", self._on_choice)
        link.on_change("window_s", self._on_choice)

    def pull(self) -> None:
        """Send the newest tick and what else fits, unless the page is behind or hidden."""
        view = self._look()
        now_s = self._clock()
        if not self._link.visible or view.stamp_ms == self._stamp_ms:
            return
        if not self._pacer.may_send(now_s):
            return
        if view.epoch != self._epoch:
            self._restart(view)
        else:
            self._send(view)
        self._pacer.sent(view.stamp_ms, now_s)
        if self._link.rate_hz != self._pacer.rate_hz:
            self._link.rate_hz = self._pacer.rate_hz

    def _send(self, view: BoardView) -> None:
        self._link.tick = view.tick_json
        self._stamp_ms = view.stamp_ms
        room = EVENTS_PER_TICK - 1
        for part in tuple(self._parts):
            if room > 0 and part(view):
                self._parts.remove(part)
                self._parts.append(part)
                room -= 1

    def _restart(self, view: BoardView) -> None:
        if view.plan is not None and self._link.symbol not in view.plan.symbols:
            self._link.symbol = view.plan.symbols[0]
        self._epoch = view.epoch
        self._stamp_ms = view.stamp_ms
        self._link.plan = view.plan_json
        self._replace_spark(view)
        self._replace_detail(view)
        self._alerts_version = view.alerts_version
        self._alerts.data = alert_columns(view.alerts)
        self._link.tick = view.tick_json

    def _send_alerts(self, view: BoardView) -> bool:
        if view.alerts_version == self._alerts_version:
            return False
        self._alerts_version = view.alerts_version
        self._alerts.data = alert_columns(view.alerts)
        return True

    def _replace_spark(self, view: BoardView) -> None:
        self._spark_rows = view.rows
        rows = _recent(view.history, view, SPARK_S)
        rows = rows.unique(["symbol", "open_time"], keep="last").sort("open_time")
        self._spark.data = dict(spark_columns(rows))
        self._spark_newest_us = _newest_us(rows)

    def _send_spark(self, view: BoardView) -> bool:
        rows = _recent(view.rows_since(self._spark_rows), view, SPARK_S)
        self._spark_rows = view.rows
        if rows.is_empty() or view.plan is None:
            return False
        is_late = rows["open_time"].to_physical()[0] < self._spark_newest_us - SPARK_LATE_US
        if is_late or (rows["revision"] > 0).any():
            # A symbol that starts late brings its past, and a restated row takes another's place.
            # The rollover takes rows from the front, so the source stays in order of time.
            self._replace_spark(view)
            return True
        self._spark_newest_us = max(self._spark_newest_us, _newest_us(rows))
        steps = SPARK_S * SECOND // view.plan.every_us
        self._spark.stream(dict(spark_columns(rows)), rollover=steps * len(view.plan.symbols))
        return True

    def _replace_detail(self, view: BoardView) -> None:
        rows = self._of_symbol(_recent(view.history, view, self._link.window_s))
        columns = detail_columns(rows.unique("open_time", keep="last"), every_us=_every_us(view))
        self._detail.data = dict(columns)
        self._detail_rows = view.rows
        self._detail_ms = columns["t"][-1] if len(columns["t"]) > 0 else None

    def _send_detail(self, view: BoardView) -> bool:
        rows = self._of_symbol(view.rows_since(self._detail_rows))
        self._detail_rows = view.rows
        if rows.is_empty():
            return False
        every_us = _every_us(view)
        columns = detail_columns(rows, every_us=every_us, after_ms=self._detail_ms)
        times_ms = columns["t"]
        if self._detail_ms is None or times_ms[0] <= self._detail_ms:
            # A row was restated or came late: lines are drawn in the order of the source.
            self._replace_detail(view)
            return True
        self._detail.stream(dict(columns), rollover=self._link.window_s * SECOND // every_us)
        self._detail_ms = times_ms[-1]
        return True

    def _of_symbol(self, rows: pl.DataFrame) -> pl.DataFrame:
        return rows.filter(pl.col("symbol") == self._link.symbol)

    def _on_painted(self, _name: str, _old: float, painted_ms: float) -> None:
        self._pacer.painted(painted_ms)

    def _on_choice(self, _name: str, _old: object, _new: object) -> None:
        # The reader waits for this one: it does not wait for the next tick.
        self._replace_detail(self._look())


def _recent(rows: pl.DataFrame, view: BoardView, reach_s: int) -> pl.DataFrame:
    open_ms = pl.col("open_time").dt.timestamp("us") / 1e3
    now_ms = open_ms.max() if view.tick.venue_ms is None else view.tick.venue_ms
    return rows.filter(open_ms > now_ms - reach_s * 1e3)


def _newest_us(rows: pl.DataFrame) -> int:
    return 0 if rows.is_empty() else int(rows["open_time"].to_physical().to_numpy().max())


def _every_us(view: BoardView) -> int:
    # Before the first snapshot there is no plan, and there are no rows either.
    return SECOND if view.plan is None else view.plan.every_us
