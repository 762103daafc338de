from __future__ import annotations

import polars as pl
import pytest

from pipeline.alarms import AlarmLoad, alarm_loads
from pipeline.durations import HOUR, MINUTE
from pipeline.schema import ALERTS, TIME


def alerts(*rows: tuple[str, int, int | None, str]) -> pl.DataFrame:
    """ALERTS of symbol, start, end (in minutes) and status."""
    known = pl.DataFrame(
        [
            (symbol, start * MINUTE, None if end is None else end * MINUTE, status)
            for symbol, start, end, status in rows
        ],
        schema={"symbol": pl.String, "start_time": TIME, "end_time": TIME, "status": pl.String},
        orient="row",
    )
    missing = [pl.lit(None, kind).alias(n) for n, kind in ALERTS.items() if n not in known.columns]
    return known.with_columns(missing).select(ALERTS.names())


def test_load_of_two_hours_counts_what_started_and_how_long_it_was_open() -> None:
    log = alerts(
        ("A", 70, 76, "closed"),
        ("A", 100, 103, "closed"),
        ("A", 110, 140, "retracted"),
        ("B", 170, None, "open"),
        ("D", 100, 120, "closed"),
    )
    found = alarm_loads(log, ["A", "B", "C"], HOUR, 3 * HOUR)
    assert found == {
        "A": AlarmLoad(1.0, 9 / 120),
        "B": AlarmLoad(0.5, 10 / 120),
        "C": AlarmLoad(0.0, 0.0),
    }


@pytest.mark.parametrize(
    ("start", "end", "per_hour", "share"),
    [
        (50, 66, 0.0, 6 / 60),  # started before
        (50, 60, 0.0, 0.0),  # and ended
        (60, 60, 1.0, 0.0),
        (119, 130, 1.0, 1 / 60),
        (120, 130, 0.0, 0.0),
        (20, None, 0.0, 1.0),
    ],
)
def test_load_counts_only_what_is_in_the_span(
    start: int, end: int | None, per_hour: float, share: float
) -> None:
    log = alerts(("A", start, end, "open" if end is None else "closed"))
    found = alarm_loads(log, ["A"], HOUR, 2 * HOUR)["A"]
    assert found == pytest.approx(AlarmLoad(per_hour, share))
