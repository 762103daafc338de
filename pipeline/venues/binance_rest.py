"""What the answers of Binance's REST endpoints mean."""

from __future__ import annotations

from typing import Annotated

import msgspec
import polars as pl

from pipeline.errors import VenueError
from pipeline.schema import BARS, TIME
from pipeline.venues.answers import Volume, decode_answer
from pipeline.venues.binance_trades import AggregateTrade, aggregates_frame, microseconds
from pipeline.venues.protocol import Instrument
from pipeline.venues.rows import without

_Price = Annotated[float, msgspec.Meta(gt=0.0)]
_Size = Annotated[float, msgspec.Meta(ge=0.0)]
_Unsigned = Annotated[int, msgspec.Meta(ge=0)]


class _Time(msgspec.Struct, rename="camel"):
    server_time: _Unsigned


class _Filter(msgspec.Struct, rename="camel"):
    """One of many rules; only the one about prices has a tick size."""

    tick_size: _Price | None = None


class _Symbol(msgspec.Struct, rename="camel"):
    symbol: str
    status: str
    filters: list[_Filter]
    quote_asset: str


class _Day(msgspec.Struct, rename="camel"):
    """A day's ticker; numbers are texts, as everywhere."""

    symbol: str
    quote_volume: Volume


class _Listing(msgspec.Struct):
    symbols: list[_Symbol]


class _Bar(msgspec.Struct, array_like=True):
    """The head of a kline; three more values about takers follow."""

    open_time: _Unsigned
    open: _Price
    high: _Price
    low: _Price
    close: _Price
    volume: _Size
    close_time: _Unsigned
    notional: _Size
    trades: _Unsigned


def parse_time(body: bytes) -> int:
    """Return the venue's clock in microseconds.

    Raises:
        VenueError: The body does not say it.
    """
    return microseconds(decode_answer(body, _Time, "the server time").server_time)


def parse_instruments(body: bytes) -> list[Instrument]:
    """Return the listed instruments.

    Raises:
        VenueError: The body is not a listing, or an instrument has no tick size.
    """
    listing = decode_answer(body, _Listing, "a listing of symbols")
    return [
        Instrument(
            listed.symbol,
            trading=listed.status == "TRADING",
            tick_size=_tick_size(listed),
            quote_asset=listed.quote_asset,
            code=listed.symbol,
        )
        for listed in listing.symbols
    ]


def parse_volumes(body: bytes) -> dict[str, float]:
    """Return the volume of each market in its quote asset.

    Raises:
        VenueError: The body does not say them.
    """
    days = decode_answer(body, list[_Day], "the tickers of a day")
    return {day.symbol: day.quote_volume for day in days}


def parse_trades(body: bytes, symbol: str, receive_us: int) -> pl.DataFrame:
    """Return a page as TRADES, in id order; a trade that is not sound is left out.

    Raises:
        VenueError: The body is not a page of trades.
    """
    trades = decode_answer(body, list[AggregateTrade], "a page of trades")
    frame, faults = aggregates_frame(trades, [symbol] * len(trades), [receive_us] * len(trades))
    return without(frame, faults).sort("trade_id")


def parse_bars(body: bytes, symbol: str) -> pl.DataFrame:
    """Return a page as BARS, in time order; ids are null, `complete` is true.

    Raises:
        VenueError: The body is not a page of bars.
    """
    bars = decode_answer(body, list[_Bar], "a page of bars")
    return (
        pl.DataFrame(
            {
                "open_us": [microseconds(bar.open_time) for bar in bars],
                "open": [bar.open for bar in bars],
                "high": [bar.high for bar in bars],
                "low": [bar.low for bar in bars],
                "close": [bar.close for bar in bars],
                "volume": [bar.volume for bar in bars],
                "notional": [bar.notional for bar in bars],
                "trades": [bar.trades for bar in bars],
            },
            schema_overrides={"open_us": pl.Int64, "trades": pl.Int64},
        )
        .select(
            pl.lit(symbol).alias("symbol"),
            pl.col("open_us").cast(TIME).alias("open_time"),
            pl.col("open", "high", "low", "close", "volume", "notional").cast(pl.Float64),
            pl.col("trades"),
            pl.lit(None, dtype=pl.Int64).alias("first_id"),
            pl.lit(None, dtype=pl.Int64).alias("last_id"),
            pl.lit(True).alias("complete"),  # noqa: FBT003 - a literal of a frame
            pl.lit(0, dtype=pl.Int32).alias("revision"),
        )
        .select(BARS.names())
        .sort("open_time")
    )


def _tick_size(listed: _Symbol) -> float:
    for rule in listed.filters:
        if rule.tick_size is not None:
            return rule.tick_size
    raise VenueError(f"{listed.symbol}: expected a filter with a tickSize, found none")
