"""Makes TRADES for tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from pipeline.schema import TRADES

if TYPE_CHECKING:
    from collections.abc import Iterable

START_US = 1_700_000_000_000_000  # a whole second


def trades_frame(rows: Iterable[tuple[str, int, float, float, float]]) -> pl.DataFrame:
    """Return TRADES of (symbol, trade_id, seconds after START_US, price, quantity)."""
    return (
        pl.DataFrame(
            [
                {
                    "symbol": symbol,
                    "trade_id": trade_id,
                    "first_id": trade_id,
                    "last_id": trade_id,
                    "event_time": START_US + round(seconds * 1e6),
                    "receive_time": START_US + round(seconds * 1e6) + 40_000,
                    "price": price,
                    "quantity": quantity,
                    "buyer_is_maker": False,
                }
                for symbol, trade_id, seconds, price, quantity in rows
            ],
            schema_overrides={"event_time": pl.Int64, "receive_time": pl.Int64},
        ).cast(TRADES)
        if (rows := list(rows))
        else TRADES.to_frame()
    )
