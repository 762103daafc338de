"""Binance's aggregate trades as rows, and what makes a row sound."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec
import numpy as np
import polars as pl

from pipeline.durations import HOUR
from pipeline.schema import TIME, TRADES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

# The venue counts prices and quantities in whole 1e-8, held in 63 bits.
_MIN_AMOUNT = 1e-8
_MAX_AMOUNT = (2**63 - 1) * 1e-8

# A time is milliseconds or microseconds: 1e15 is the year 33658 in one and 2001 in the other.
_FIRST_MICROSECONDS = 10**15
_EARLIEST_US = 1_262_304_000_000_000  # 2010-01-01, before any venue
_LATEST_US = 4_102_444_800_000_000  # 2100-01-01

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


def trades_frame(
    trades: Sequence[AggregateTrade], symbols: Sequence[str], receive_us: Sequence[int]
) -> tuple[pl.DataFrame, dict[int, str]]:
    """Return TRADES in the given order, and of each row that is not sound the reason.

    Works on columns without expressions: starting a query would cost more than a small batch does.
    """
    price = _numbers("price", [trade.price for trade in trades])
    quantity = _numbers("quantity", [trade.quantity for trade in trades])
    first_id = pl.Series("first_id", [trade.first_id for trade in trades], dtype=pl.Int64)
    last_id = pl.Series("last_id", [trade.last_id for trade in trades], dtype=pl.Int64)
    event_us = pl.Series(
        "event_time", [microseconds(trade.time) for trade in trades], dtype=pl.Int64
    )
    frame = pl.DataFrame(
        [
            pl.Series("symbol", symbols, dtype=pl.String),
            pl.Series("trade_id", [trade.trade_id for trade in trades], dtype=pl.Int64),
            first_id,
            last_id,
            event_us.cast(TIME),
            pl.Series("receive_time", receive_us, dtype=pl.Int64).cast(TIME),
            price,
            quantity,
            pl.Series(
                "buyer_is_maker", [trade.buyer_is_maker for trade in trades], dtype=pl.Boolean
            ),
        ],
        schema=TRADES,
    )
    checks = {
        "price: expected a number of 1e-8 to 9.2e10": _within(price, _MIN_AMOUNT, _MAX_AMOUNT),
        "quantity: expected a number of 1e-8 to 9.2e10": _within(
            quantity, _MIN_AMOUNT, _MAX_AMOUNT
        ),
        "first_id: expected at most last_id": first_id.to_numpy() <= last_id.to_numpy(),
        "event_time: expected 2010 to 2100, in milliseconds or microseconds": _within(
            event_us, _EARLIEST_US, _LATEST_US
        ),
        # One such row would close every bar up to it: what follows would come too late.
        "event_time: expected at most an hour after it was received": event_us.to_numpy()
        <= np.asarray(receive_us, dtype=np.int64) + HOUR,
    }
    faults: dict[int, str] = {}
    for reason, sound in checks.items():
        if not sound.all():
            for row in np.flatnonzero(~sound).tolist():
                faults.setdefault(row, reason)
    return frame, faults


def _numbers(name: str, texts: Sequence[str]) -> pl.Series:
    """Return Float64; null for a text that is no number."""
    return pl.Series(name, texts, dtype=pl.String).cast(pl.Float64, strict=False)


def _within(values: pl.Series, low: float, high: float) -> NDArray[np.bool_]:
    """Say which values are in [low, high]; null and NaN are not."""
    numbers = values.to_numpy()
    return (numbers >= low) & (numbers <= high)
