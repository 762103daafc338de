"""Makes TRADES and BARS for tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from pipeline.schema import BARS, TRADES
from pipeline.trade_columns import TradeColumns

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

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


def bars_frame(*rows: tuple[int, float, int], symbol: str = "AUSDT") -> pl.DataFrame:
    """Return BARS of (second, close, trades) as a venue has them.

    It repeats the close where there are no trades, and tells no ids.
    """
    return pl.DataFrame(
        [
            {
                "symbol": symbol,
                "open_time": second * 1_000_000,
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
        schema=BARS,
        schema_overrides={"open_time": pl.Int64},
    ).cast(BARS)  # type: ignore[arg-type]  # a schema is one


def trade_columns(
    rows: Sequence[tuple[int, int, float, float, float]],
    *,
    live: bool = True,
    after_loss: Sequence[bool] = (),
) -> TradeColumns:
    """Return trades of (symbol_index, trade_id, seconds, price, quantity)."""
    index, ids, seconds, price, quantity = np.array(rows, dtype=np.float64).reshape(-1, 5).T
    event_us = np.rint(seconds * 1e6).astype(np.int64)
    return TradeColumns(
        index.astype(np.int32),
        ids.astype(np.int64),
        event_us,
        event_us + 40_000,
        price.copy(),
        quantity.copy(),
        np.zeros(len(rows), dtype=np.bool_),
        np.full(len(rows), live),
        np.array([*after_loss] or [False] * len(rows), dtype=np.bool_),
    )
