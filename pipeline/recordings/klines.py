"""What a recorded kline must be, and BARS of those that are."""

from __future__ import annotations

import sys
from collections import Counter
from typing import TYPE_CHECKING

import polars as pl

from pipeline.durations import format_duration
from pipeline.recordings.checks import TIME_CHECK, Check, amount_checks
from pipeline.schema import BARS, TIME

if TYPE_CHECKING:
    from collections.abc import Collection

# The largest number a double tells from infinity.
_MOST = sys.float_info.max

_PRICES = ("open", "high", "low", "close")


def bar_checks(every_us: int, columns: Collection[str]) -> list[Check]:
    """Return what must hold for each row.

    Args:
        every_us: The length of a bar; it opens on a whole multiple of that.
        columns: What the file has; `notional` and `trades` may be missing.
    """
    time_us, low, high = pl.col("time_us"), pl.col("low"), pl.col("high")
    grid = f"an open time on the grid of {format_duration(every_us)}"
    return [
        TIME_CHECK,
        Check(grid, time_us, time_us % every_us == 0),
        *(check for name in _PRICES for check in amount_checks(name, f"{name} price")),
        Check("low <= high", low, low <= high),
        *(
            Check(f"low <= {name} <= high", pl.col(name), pl.col(name).is_between(low, high))
            for name in ("open", "close")
        ),
        *(
            Check(f"{name} of zero or more", pl.col(name), pl.col(name).is_between(0, _MOST))
            for name in ("volume", "notional", "trades")
            if name in columns
        ),
    ]


def bars_frame(values: pl.DataFrame, symbol: str | None) -> pl.DataFrame:
    """Return BARS of sound rows; what their file does not tell is null."""
    constants = {
        "symbol": symbol,
        "notional": None,
        "trades": None,
        "first_id": None,
        "last_id": None,
        "complete": True,
        "revision": 0,
    }
    told = {"open_time": pl.col("time_us").cast(TIME)} | {
        name: pl.col(name) for name in values.columns
    }
    return values.select(
        told.get(name, pl.lit(constants.get(name), dtype)).alias(name)
        for name, dtype in BARS.items()
    )


def bar_length_us(time_us: pl.Series) -> int | None:
    """Return the most common step from one open time to a later one, null if there is none.

    Of several that are as common it is the shortest.
    """
    steps: list[int] = time_us.drop_nulls().diff().to_list()[1:]
    counts = Counter(step for step in steps if step > 0)
    return min(counts, key=lambda step: (-counts[step], step), default=None)
