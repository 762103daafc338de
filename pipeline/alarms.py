"""How often there is an alarm, and for how long: an alert that never ends is no alert."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

from pipeline.durations import HOUR

if TYPE_CHECKING:
    from collections.abc import Sequence


class AlarmLoad(NamedTuple):
    """What alarms asked of whoever watches a symbol.

    Attributes:
        per_hour: Episodes that started.
        share: Of the time, in which an episode was open.
    """

    per_hour: float
    share: float


def alarm_loads(
    alerts: pl.DataFrame, symbols: Sequence[str], since_us: int, until_us: int
) -> dict[str, AlarmLoad]:
    """Return the load of each symbol over [since_us, until_us).

    Args:
        alerts: ALERTS, the newest row of each; those that were retracted do not count.
        symbols: Of whom to tell.
        since_us: Inclusive.
        until_us: Exclusive, later than `since_us`.
    """
    span_us = until_us - since_us
    start, end = (pl.col(name).dt.timestamp("us") for name in ("start_time", "end_time"))
    open_us = end.fill_null(until_us).clip(upper_bound=until_us) - start.clip(lower_bound=since_us)
    found: dict[str, tuple[Any, ...]] = {
        symbol: tuple(row)
        for symbol, *row in alerts.filter(pl.col("status") != "retracted")
        .group_by("symbol")
        .agg(
            ((start >= since_us) & (start < until_us)).sum().alias("started"),
            open_us.clip(lower_bound=0).sum().alias("open_us"),
        )
        .iter_rows()
    }
    loads = {}
    for symbol in symbols:
        started, in_alarm_us = found.get(symbol, (0, 0))
        loads[symbol] = AlarmLoad(started * HOUR / span_us, in_alarm_us / span_us)
    return loads
