"""What the answers of Kraken's public REST endpoints mean: `{"error": [...], "result": ...}`."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, TypeVar

import msgspec
import polars as pl

from pipeline.durations import SECOND
from pipeline.errors import VenueDisconnected, VenueError
from pipeline.schema import BARS, TIME
from pipeline.venues.answers import Volume, decode_answer
from pipeline.venues.protocol import Instrument
from pipeline.venues.rows import trades_frame, without

# The REST side and the older names of pairs keep two codes of their own.
_OWN_CODES = {"BTC": "XBT", "DOGE": "XDG"}
_COMMON_CODES = {own: common for common, own in _OWN_CODES.items()}

# Errors that pass: the venue is busy, or counts too many requests. All others are a no.
_PASSING = ("EService:", "EAPI:Rate limit", "EGeneral:Too many", "EGeneral:Temporary lockout")

_Unsigned = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


class _Envelope(msgspec.Struct):
    error: list[str]
    result: msgspec.Raw = msgspec.Raw(b"null")


class _Time(msgspec.Struct):
    unixtime: _Unsigned


class _Pair(msgspec.Struct):
    """`wsname` is missing for the few pairs that are not streamed."""

    pair_decimals: Annotated[int, msgspec.Meta(ge=0, le=20)]
    wsname: str | None = None
    status: str = "online"
    tick_size: Annotated[float, msgspec.Meta(gt=0.0)] | None = None


class _Day(msgspec.Struct):
    """A ticker; its pairs of values are of today, and of the last 24 hours."""

    volume: tuple[Volume, Volume] = msgspec.field(name="v")
    mean_price: tuple[Volume, Volume] = msgspec.field(name="p")


class _Trade(msgspec.Struct, array_like=True):
    """A trade; `time` is seconds, of which a decimal loses no microsecond."""

    price: str
    volume: str
    time: Decimal
    side: str
    kind: str
    remark: str
    trade_id: _Unsigned


class _Bar(msgspec.Struct, array_like=True):
    time: _Unsigned
    open: float
    high: float
    low: float
    close: float
    average: float
    volume: float
    trades: _Unsigned


_Result = TypeVar("_Result")


def rest_name(symbol: str) -> str:
    """Return how REST calls a market such as `BTC/USD`: `XBTUSD`."""
    return "".join(_OWN_CODES.get(code, code) for code in symbol.split("/"))


def parse_time(body: bytes) -> int:
    """Return the venue's clock in microseconds, cut down to whole seconds.

    Raises:
        VenueError: The body does not say it.
    """
    return _result(body, _Time, "the server time").unixtime * SECOND


def parse_instruments(body: bytes) -> list[Instrument]:
    """Return the instruments that are streamed.

    Raises:
        VenueError: The body is not a listing.
    """
    pairs = _result(body, dict[str, _Pair], "a listing of pairs")
    return [
        Instrument(
            "/".join(codes),
            trading=pair.status == "online",
            # The step is one unit of the last decimal, where it is not told.
            tick_size=pair.tick_size or float(Decimal(1).scaleb(-pair.pair_decimals)),
            quote_asset=codes[-1],
            code=code,
        )
        for code, pair in pairs.items()
        if pair.wsname is not None
        for codes in [[_COMMON_CODES.get(asset, asset) for asset in pair.wsname.split("/")]]
    ]


def parse_volumes(body: bytes) -> dict[str, float]:
    """Return the volume of each market in its quote asset, by the name the listing has for it.

    Raises:
        VenueError: The body does not say them.
    """
    days = _result(body, dict[str, _Day], "the tickers of a day")
    return {code: day.volume[1] * day.mean_price[1] for code, day in days.items()}


def parse_trades(body: bytes, symbol: str, receive_us: int) -> pl.DataFrame:
    """Return a page as TRADES, in id order; a trade that is not sound is left out.

    Raises:
        VenueError: The body is not a page of trades.
    """
    trades = _page(body, list[_Trade], "a page of trades")
    trade_id = [trade.trade_id for trade in trades]
    frame, faults = trades_frame(
        {
            "symbol": [symbol] * len(trades),
            "trade_id": trade_id,
            "first_id": trade_id,
            "last_id": trade_id,
            "event_time": [_microseconds(trade.time) for trade in trades],
            "receive_time": [receive_us] * len(trades),
            "price": _numbers([trade.price for trade in trades]),
            "quantity": _numbers([trade.volume for trade in trades]),
            "buyer_is_maker": [trade.side == "s" for trade in trades],
        }
    )
    return without(frame, faults).sort("trade_id")


def parse_bars(body: bytes, symbol: str) -> pl.DataFrame:
    """Return a page as BARS, in time order, without the last one, which is still open.

    Raises:
        VenueError: The body is not a page of bars.
    """
    bars = _page(body, list[_Bar], "a page of bars")[:-1]
    columns = {
        "symbol": [symbol] * len(bars),
        "open_time": pl.Series([bar.time * SECOND for bar in bars], dtype=pl.Int64).cast(TIME),
        "open": [bar.open for bar in bars],
        "high": [bar.high for bar in bars],
        "low": [bar.low for bar in bars],
        "close": [bar.close for bar in bars],
        "volume": [bar.volume for bar in bars],
        # The venue tells the mean price of what was traded instead.
        "notional": [bar.average * bar.volume for bar in bars],
        "trades": [bar.trades for bar in bars],
        "first_id": [None] * len(bars),
        "last_id": [None] * len(bars),
        "complete": [True] * len(bars),
        "revision": [0] * len(bars),
    }
    return pl.DataFrame(columns, schema=BARS).sort("open_time")


def _microseconds(seconds: Decimal) -> int:
    """Return the nearest microsecond; zero, which no trade has, for what is no time."""
    sound = seconds.is_finite() and 0 <= seconds < 10**10
    return round(seconds * SECOND) if sound else 0


def _numbers(texts: list[str]) -> pl.Series:
    """Return the nearest doubles; null for a text that is no number."""
    return pl.Series(texts, dtype=pl.String).cast(pl.Float64, strict=False)


def _page(body: bytes, rows: type[_Result], what: str) -> _Result:
    """Return the rows of a page: what stands beside the cursor `last`, under the market's name."""
    result = _result(body, dict[str, msgspec.Raw], what)
    pages = [page for name, page in result.items() if name != "last"]
    if len(pages) != 1:
        raise VenueError(f"expected {what}, found {len(pages)} of them")
    return decode_answer(bytes(pages[0]), rows, what)


def _result(body: bytes, result: type[_Result], what: str) -> _Result:
    """Return what an answer holds.

    Raises:
        VenueDisconnected: The venue is busy: ask again later.
        VenueError: It says no, or the answer is something else.
    """
    envelope: _Envelope = decode_answer(body, _Envelope, what)
    if envelope.error:
        text = f"expected {what}, found {', '.join(envelope.error)}"
        passing = all(error.startswith(_PASSING) for error in envelope.error)
        raise VenueDisconnected(text) if passing else VenueError(text)
    return decode_answer(bytes(envelope.result), result, what)
