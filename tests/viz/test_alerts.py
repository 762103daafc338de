from __future__ import annotations

import datetime as dt
import math
from typing import Any

import polars as pl

from pipeline.schema import ALERTS, TIME
from viz.alerts import (
    LOG,
    add_alerts,
    alert_columns,
    count_since,
    severity_ranks,
)

#: 2025-01-01 00:00:00 UTC.
ZERO_MS = 1735689600000
EMPTY = LOG.to_frame()
HISTORY = pl.DataFrame(
    {
        "symbol": ["AAA", "AAA", "BBB"],
        "open_time": [
            dt.datetime(2025, 1, 1, 0, 0, second, tzinfo=dt.UTC) for second in (0, 10, 10)
        ],
        "volatility": [0.5, 0.7, None],
    },
    schema={"symbol": pl.Enum(["AAA", "BBB"]), "open_time": TIME, "volatility": pl.Float64},
)


def at(second: int) -> dt.datetime:
    return dt.datetime(2025, 1, 1, tzinfo=dt.UTC) + dt.timedelta(seconds=second)


def alerts(*rows: dict[str, Any]) -> pl.DataFrame:
    filled = []
    for row in rows:
        start = row.get("start", 10)
        filled.append(
            {
                "alert_id": row.get("id", "one"),
                "symbol": row.get("symbol", "AAA"),
                "detector": "zscore",
                "kind": "move",
                "severity": row.get("severity", "minor"),
                "scope": "market" if "parent" in row else row.get("scope", "idiosyncratic"),
                "status": row.get("status", "open"),
                "start_time": at(start),
                "end_time": at(row["end"]) if "end" in row else None,
                "peak_time": at(start),
                "peak_score": 7.123,
                "threshold": 6.0,
                "move_bp": -12.34,
                "direction": row.get("direction", -1),
                "horizon_s": 5.0,
                "samples": 300,
                "window_start": at(start - 300),
                "window_end": at(start),
                "revision": row.get("revision", 0),
                "parent_id": row.get("parent"),
                "exceeding": row.get("exceeding"),
                "members": row.get("members"),
            }
        )
    return pl.DataFrame(filled, schema=ALERTS)


def test_alert_is_marked_at_the_volatility_of_its_start() -> None:
    assert add_alerts(EMPTY, alerts({}), HISTORY)["volatility"].to_list() == [0.7]


def test_alert_between_bars_is_marked_at_the_bar_before() -> None:
    assert add_alerts(EMPTY, alerts({"start": 9}), HISTORY)["volatility"].to_list() == [0.5]


def test_alert_long_after_the_last_bar_has_no_mark() -> None:
    assert add_alerts(EMPTY, alerts({"start": 71}), HISTORY)["volatility"].to_list() == [None]


def test_alert_of_a_symbol_without_volatility_has_no_mark() -> None:
    log = add_alerts(EMPTY, alerts({"symbol": "BBB"}), HISTORY)
    assert log["volatility"].to_list() == [None]


def test_revision_replaces_the_alert_and_keeps_its_mark() -> None:
    log = add_alerts(EMPTY, alerts({}), HISTORY)
    log = add_alerts(log, alerts({"revision": 1, "status": "closed", "end": 20}), HISTORY.clear())
    assert log.select("status", "revision", "volatility").rows() == [("closed", 1, 0.7)]


def test_older_revision_after_a_newer_one_changes_nothing() -> None:
    log = add_alerts(EMPTY, alerts({"revision": 2, "status": "closed"}), HISTORY)
    log = add_alerts(log, alerts({"revision": 1, "status": "open"}), HISTORY)
    assert log["status"].to_list() == ["closed"]


def test_log_forgets_the_oldest_beyond_500() -> None:
    many = alerts(*({"id": str(number), "start": number} for number in range(700)))
    log = add_alerts(EMPTY, many, HISTORY)
    assert log.height == 500
    assert log["alert_id"][0] == "200"


def test_severity_ranks_tell_the_worst_open_alert_of_each_symbol() -> None:
    log = add_alerts(
        EMPTY,
        alerts(
            {"id": "a", "severity": "minor"},
            {"id": "b", "severity": "critical"},
            {"id": "c", "symbol": "BBB", "severity": "major"},
            {"id": "d", "symbol": "CCC", "severity": "critical", "status": "closed", "end": 11},
        ),
        HISTORY,
    )
    assert severity_ranks(log) == {"AAA": 3, "BBB": 2}


def test_count_since_includes_its_bound_and_leaves_out_retracted() -> None:
    log = add_alerts(
        EMPTY,
        alerts(
            {"id": "a", "start": 9},
            {"id": "b", "start": 10},
            {"id": "c", "start": 11},
            {"id": "d", "start": 12, "status": "retracted"},
        ),
        HISTORY,
    )
    assert count_since(log, (ZERO_MS + 10_000) * 1_000) == 2


def test_columns_of_an_open_alert_shade_past_any_window() -> None:
    columns = alert_columns(add_alerts(EMPTY, alerts({}), HISTORY))
    assert columns["start_ms"] == [ZERO_MS + 10_000]
    assert columns["shade_ms"] == [ZERO_MS + 10_000 + 86_400_000]
    assert columns["marker"] == ["inverted_triangle"]
    assert [columns["peak_score"], columns["move_bp"]] == [[7.12], [-12.3]]
    assert isinstance(columns["end_ms"][0], float)
    assert math.isnan(columns["end_ms"][0])


def test_columns_of_a_closed_alert_shade_to_its_end() -> None:
    row = {"status": "closed", "end": 20, "direction": 1}
    columns = alert_columns(add_alerts(EMPTY, alerts(row), HISTORY))
    assert columns["end_ms"] == columns["shade_ms"] == [ZERO_MS + 20_000]
    assert columns["marker"] == ["triangle"]


def test_columns_of_a_retracted_alert_have_no_mark_and_no_shade() -> None:
    row = {"status": "retracted", "end": 20}
    columns = alert_columns(add_alerts(EMPTY, alerts(row), HISTORY))
    assert columns["shade_ms"] == columns["start_ms"]
    assert isinstance(columns["volatility"][0], float)
    assert math.isnan(columns["volatility"][0])


def test_columns_hold_the_newest_200() -> None:
    many = alerts(*({"id": str(number), "start": number} for number in range(300)))
    columns = alert_columns(add_alerts(EMPTY, many, HISTORY))
    assert [columns["alert_id"][0], columns["alert_id"][-1]] == ["100", "299"]


def test_alerts_that_are_part_of_one_of_the_market_come_just_before_it() -> None:
    told = alerts(
        {"id": "before", "start": 0},
        {"id": "late", "start": 5, "parent": "market"},
        {"id": "market", "start": 2, "scope": "market", "exceeding": 2, "members": 3},
        {"id": "other", "start": 2},
        {"id": "early", "start": 1, "parent": "market"},
        {"id": "orphan", "start": 3, "parent": "gone"},
    )
    columns = alert_columns(add_alerts(EMPTY, told, HISTORY))
    assert columns["alert_id"] == ["before", "other", "early", "late", "market", "orphan"]
    assert columns["parent_id"] == ["", "", "market", "market", "", "gone"]
    assert (columns["exceeding"][4], columns["members"][4]) == (2, 3)


def test_alerts_that_are_part_of_one_of_the_market_do_not_count_beside_it() -> None:
    log = add_alerts(EMPTY, alerts({"id": "market"}, {"id": "part", "parent": "market"}), HISTORY)
    assert count_since(log, ZERO_MS * 1000) == 1
