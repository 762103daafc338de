"""What a recorded trade must be, and TRADES of those that are."""

from __future__ import annotations

import polars as pl

from pipeline.recordings.checks import TIME_CHECK, Check, amount_checks
from pipeline.schema import TIME, TRADES

_CHECKS = [
    *amount_checks("price", "price"),
    *amount_checks("quantity", "size"),
    Check(
        "a notional up to 1e19",
        pl.col("price") * pl.col("quantity"),
        pl.col("price") * pl.col("quantity") <= 1e19,
    ),
    Check("an id of zero or more", pl.col("trade_id"), pl.col("trade_id") >= 0),
    Check("an id below 2^62", pl.col("trade_id"), pl.col("trade_id") < 2**62),
    Check("a first id of zero or more", pl.col("first_id"), pl.col("first_id") >= 0),
    Check("first id <= last id", pl.col("first_id"), pl.col("first_id") <= pl.col("last_id")),
    TIME_CHECK,
]

# Of one market: BTCUSDT, or BTC/USD where a venue writes base and quote apart.
_NAME = r"^[\p{Lu}\p{Lo}\p{N}_]+(/[\p{Lu}\p{Lo}\p{N}_]+)?$"


def trade_checks(symbol: str | None, *, told: bool) -> list[Check]:
    """Return what must hold for each row.

    Args:
        symbol: Whose trades they are; null where each row tells.
        told: Whether rows have a symbol; one that has none is of `symbol`.
    """
    if not told:
        return list(_CHECKS)
    found = pl.col("symbol")
    if symbol is None:
        named = found.str.contains(_NAME).fill_null(value=False)
        return [*_CHECKS, Check("a symbol of upper-case letters and digits", found, named)]
    same = (found == symbol).fill_null(value=True)
    return [*_CHECKS, Check(f"a trade of {symbol}", found, same)]


def trades_frame(values: pl.DataFrame, symbol: str | None) -> pl.DataFrame:
    """Return TRADES of sound rows; they were received when they were matched."""
    time = pl.col("time_us").cast(TIME)
    columns = {
        "symbol": pl.col("symbol") if symbol is None else pl.lit(symbol),
        "event_time": time,
        "receive_time": time,
    }
    return values.select(columns.get(name, pl.col(name)).alias(name) for name in TRADES)
