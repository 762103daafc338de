from __future__ import annotations

import polars as pl

from pipeline.grid import fill_grid
from pipeline.schema import BARS

S = 1_000_000


def bars(*rows: tuple[int, float, int]) -> pl.DataFrame:
    """BARS of (second, close, trades); a bar without trades repeats a close, as a venue's do."""
    return pl.DataFrame(
        [
            {
                "symbol": "A",
                "open_time": second * S,
                "open": close,
                "high": close,
                "low": close,
                "close": close,
                "volume": float(trades),
                "notional": close * trades,
                "trades": trades,
                "first_id": None,
                "last_id": None,
                "complete": True,
                "revision": 0,
            }
            for second, close, trades in rows
        ],
        schema_overrides={"open_time": pl.Int64, "first_id": pl.Int64, "last_id": pl.Int64},
    ).cast(BARS)


def filled(frame: pl.DataFrame) -> list[tuple[int, float | None, int]]:
    grid = fill_grid(frame, every_us=S, forward_fill_us=2 * S)
    assert grid.schema == BARS
    seconds = (grid["open_time"].to_physical() // S).to_list()
    return list(zip(seconds, grid["close"].to_list(), grid["trades"].to_list(), strict=True))


def test_fill_grid_adds_missing_steps_and_fills_prices_while_they_hold() -> None:
    assert filled(bars((10, 5.0, 1), (15, 6.0, 2))) == [
        (10, 5.0, 1),
        (11, 5.0, 0),
        (12, 5.0, 0),
        (13, None, 0),
        (14, None, 0),
        (15, 6.0, 2),
    ]


def test_fill_grid_takes_away_prices_that_a_venue_repeats_for_too_long() -> None:
    assert filled(bars((10, 5.0, 1), (11, 5.0, 0), (12, 5.0, 0), (13, 5.0, 0)))[-1] == (13, None, 0)


def test_fill_grid_has_no_price_before_the_first_trade() -> None:
    assert filled(bars((10, 5.0, 0), (11, 6.0, 1))) == [(10, None, 0), (11, 6.0, 1)]


def test_fill_grid_of_nothing_is_nothing() -> None:
    assert filled(BARS.to_frame()) == []


def test_fill_grid_takes_missing_steps_for_steps_without_trades() -> None:
    frame = bars((10, 5.0, 1), (12, 6.0, 2)).with_columns(complete=pl.col("trades") == 1)
    grid = fill_grid(frame, every_us=S, forward_fill_us=2 * S)
    assert grid["complete"].to_list() == [True, True, False]
    assert grid.drop("open_time").row(1, named=True) == {
        "symbol": "A",
        "open": 5.0,
        "high": 5.0,
        "low": 5.0,
        "close": 5.0,
        "volume": 0.0,
        "notional": 0.0,
        "trades": 0,
        "first_id": None,
        "last_id": None,
        "complete": True,
        "revision": 0,
    }
