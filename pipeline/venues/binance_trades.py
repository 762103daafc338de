"""Binance's aggregate trades as rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec
import polars as pl

from pipeline.venues.rows import trades_frame

if TYPE_CHECKING:
    from collections.abc import Sequence

# A time is milliseconds or microseconds: 1e15 is the year 33658 in one and 2001 in the other.
_FIRST_MICROSECONDS = 10**15

_Unsigned = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


class AggregateTrade(
    msgspec.Struct,
    gc=False,  # holds no containers: one object less for the collector to walk
    rename={
        "trade_id": "a",
        "price": "p",
        "quantity": "q",
        "first_id": "f",
        "last_id": "l",
        "time": "T",
        "buyer_is_maker": "m",
    },
):
    """An aggregate trade as REST lists it; on a stream it also has a kind and a symbol."""

    trade_id: _Unsigned
    price: str
    quantity: str
    first_id: _Unsigned
    last_id: _Unsigned
    time: _Unsigned
    buyer_is_maker: bool


def microseconds(time: int) -> int:
    """Return a time in microseconds, whichever unit it came in."""
    return time if time >= _FIRST_MICROSECONDS else time * 1_000


def aggregates_frame(
    trades: Sequence[AggregateTrade], symbols: Sequence[str], receive_us: Sequence[int]
) -> tuple[pl.DataFrame, dict[int, str]]:
    """Return TRADES in the given order, and of each row that is not sound the reason."""
    return trades_frame(
        {
            "symbol": symbols,
            "trade_id": [trade.trade_id for trade in trades],
            "first_id": [trade.first_id for trade in trades],
            "last_id": [trade.last_id for trade in trades],
            "event_time": [microseconds(trade.time) for trade in trades],
            "receive_time": receive_us,
            "price": _numbers([trade.price for trade in trades]),
            "quantity": _numbers([trade.quantity for trade in trades]),
            "buyer_is_maker": [trade.buyer_is_maker for trade in trades],
        }
    )


def _numbers(texts: Sequence[str]) -> pl.Series:
    """Return the nearest doubles; null for a text that is no number."""
    return pl.Series(texts, dtype=pl.String).cast(pl.Float64, strict=False)
