"""Raw messages as JSON: `aggTrade` objects, and klines as freqtrade keeps them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import msgspec
import polars as pl

from pipeline.recordings.recording import microseconds

if TYPE_CHECKING:
    from pipeline.recordings.recording import Kind

_Whole = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]

_TRADE_COLUMNS = pl.Schema(
    {
        "symbol": pl.String(),
        "trade_id": pl.Int64(),
        "first_id": pl.Int64(),
        "last_id": pl.Int64(),
        "time_us": pl.Int64(),
        "price": pl.String(),
        "quantity": pl.String(),
        "buyer_is_maker": pl.Boolean(),
    }
)
_KLINE_COLUMNS = pl.Schema(
    {"time_us": pl.Int64()}
    | dict.fromkeys(("open", "high", "low", "close", "volume"), pl.Float64())
)

# What the decoder raises for a line that is not what it should be.
_UNDECODABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


class _Trade(msgspec.Struct, gc=False):
    a: _Whole | None = None
    p: str | None = None
    q: str | None = None
    f: _Whole | None = None
    l: _Whole | None = None  # noqa: E741 - the venue's name
    T: _Whole | None = None
    m: bool | None = None
    s: str | None = None


class _Record(_Trade):
    """A trade, bare or inside a combined stream's `data` or freqtrade's `info`."""

    data: _Trade | None = None
    info: _Trade | None = None
    symbol: str | None = None  # freqtrade's: BTC/USDT or BTC/USDT:USDT


_NO_RECORD = _Record()
_NO_KLINE = (None,) * len(_KLINE_COLUMNS)


class TradeFormat:
    """One `aggTrade` a line: bare, under `data` of a combined stream, or under `info`."""

    kind: ClassVar[Kind] = "trades"
    header: ClassVar[bool] = False

    def __init__(self) -> None:
        self._decoder = msgspec.json.Decoder(_Record)

    def values(self, lines: bytes) -> pl.DataFrame:
        """Read whole lines, see `Block.values`."""
        records = [self._record(line) for line in lines.split(b"\n")[:-1]]
        trades = [record.data or record.info or record for record in records]
        pairs = zip(trades, records, strict=True)
        return pl.DataFrame(
            {
                "symbol": [_symbol(trade, record) for trade, record in pairs],
                "trade_id": [trade.a for trade in trades],
                "first_id": [trade.f for trade in trades],
                "last_id": [trade.l for trade in trades],
                "time_us": [trade.T for trade in trades],
                "price": [trade.p for trade in trades],
                "quantity": [trade.q for trade in trades],
                "buyer_is_maker": [trade.m for trade in trades],
            },
            schema=_TRADE_COLUMNS,
        ).with_columns(
            pl.col("price", "quantity").cast(pl.Float64, strict=False),
            microseconds(pl.col("time_us")),
        )

    def fault(self, line: bytes) -> str:
        """Say what is wrong with a line that `values` does not read."""
        undecodable = _undecodable(self._decoder, line)
        if undecodable is not None:
            return f"expected raw aggTrades: {undecodable}"
        record = self._decoder.decode(line)
        trade = record.data or record.info or record
        if None in (trade.a, trade.p, trade.q, trade.f, trade.l, trade.T, trade.m):
            return "expected raw aggTrades with the fields a p q f l T m, found one missing"
        price = self.values(line + b"\n")["price"][0]
        return f"expected a decimal, found {trade.p if price is None else trade.q!r}"

    def _record(self, line: bytes) -> _Record:
        try:
            return self._decoder.decode(line)
        except _UNDECODABLE:
            return _NO_RECORD


class KlineFormat:
    """One `[ms, open, high, low, close, volume]` a line."""

    kind: ClassVar[Kind] = "klines"
    header: ClassVar[bool] = False

    def __init__(self) -> None:
        self._decoder = msgspec.json.Decoder(tuple[_Whole, float, float, float, float, float])

    def values(self, lines: bytes) -> pl.DataFrame:
        """Read whole lines, see `Block.values`."""
        rows = [self._row(line) for line in lines.split(b"\n")[:-1]]
        return pl.DataFrame(rows, schema=_KLINE_COLUMNS, orient="row").with_columns(
            microseconds(pl.col("time_us"))
        )

    def fault(self, line: bytes) -> str:
        """Say what is wrong with a line that `values` does not read."""
        return f"expected [ms,open,high,low,close,volume]: {_undecodable(self._decoder, line)}"

    def _row(self, line: bytes) -> tuple[float | None, ...]:
        try:
            return self._decoder.decode(line)
        except _UNDECODABLE:
            return _NO_KLINE


def _undecodable(decoder: msgspec.json.Decoder[Any], line: bytes) -> str | None:
    """Say why a line cannot be decoded; null where it can."""
    try:
        decoder.decode(line)
    except _UNDECODABLE as error:
        return str(error)
    return None


def _symbol(trade: _Trade, record: _Record) -> str | None:
    if trade.s is not None or record.symbol is None:
        return trade.s
    return record.symbol.partition(":")[0].replace("/", "")
