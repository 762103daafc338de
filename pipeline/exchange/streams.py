"""Stream names, and what each stream says about a step of the exchange's clock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from pipeline.durations import SECOND
from pipeline.exchange import wire
from pipeline.exchange.klines import COUNT, INTERVALS, OPEN_US, floor_time

if TYPE_CHECKING:
    from collections.abc import Container

    from pipeline.exchange.venue import Exchange, Step

Kind = Literal["aggTrade", "trade", "bookTicker", "kline", "ticker", "miniTicker"]


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream that carries data. Names of others are accepted and stay silent."""

    name: str
    symbol: str
    kind: Kind
    interval: str = ""  # of a kline


def parse_stream(name: str, symbols: Container[str]) -> Stream | None:
    """Return the stream of a name such as `btcusdt@kline_1m`, or null when it carries nothing."""
    lower, _, kind_name = name.partition("@")
    symbol = lower.upper()
    if lower != lower.lower() or symbol not in symbols:
        return None
    if kind_name.startswith("kline_"):
        interval = kind_name.removeprefix("kline_")
        return Stream(name, symbol, "kline", interval) if interval in INTERVALS else None
    for kind in get_args(Kind):
        if kind_name == kind and kind != "kline":
            return Stream(name, symbol, kind)
    return None


def messages(exchange: Exchange, stream: Stream, step: Step, unit_us: int) -> list[bytes]:
    """Return what `stream` sends for a step, times in units of `unit_us` (1000 or 1)."""
    market = exchange.markets[stream.symbol]
    issued = step.issued.get(stream.symbol)
    if stream.kind == "kline":
        return _kline_messages(exchange, stream, step, unit_us)
    if stream.kind in {"ticker", "miniTicker"}:
        return _day_messages(exchange, stream, step, unit_us)
    if issued is None:
        return []
    if stream.kind in {"aggTrade", "trade"}:
        skew_us = exchange.faults.skew_us
        if stream.kind == "aggTrade":
            found = wire.agg_trade_messages(stream.symbol, issued, unit_us, skew_us)
        else:
            found = wire.trade_messages(market.listing, issued, unit_us, skew_us)
        return exchange.faults.on_messages(stream.symbol, f"{stream.name} {unit_us}", found)
    quote = market.quote()
    return [] if quote is None else [wire.book_ticker_message(stream.symbol, quote)]


def _crosses(step: Step, period_us: int) -> bool:
    return step.from_us // period_us != step.until_us // period_us


def _kline_messages(exchange: Exchange, stream: Stream, step: Step, unit_us: int) -> list[bytes]:
    """Every bar that closed in the step, then the open one if it has trades."""
    every_us = INTERVALS[stream.interval]
    if not _crosses(step, SECOND if every_us == SECOND else 2 * SECOND):
        return []
    market = exchange.markets[stream.symbol]
    bars = market.bars.bars(
        every_us, floor_time(step.from_us, every_us), floor_time(step.until_us, every_us)
    )
    return [
        wire.kline_message(
            market.listing,
            stream.interval,
            bar,
            close_us=bar[OPEN_US] + every_us,
            now_us=step.until_us,
            unit_us=unit_us,
        )
        for bar in bars.T.tolist()
        if bar[OPEN_US] + every_us <= step.until_us or bar[COUNT] > 0
    ]


def _day_messages(exchange: Exchange, stream: Stream, step: Step, unit_us: int) -> list[bytes]:
    if not _crosses(step, SECOND):
        return []
    market = exchange.markets[stream.symbol]
    day = market.day(step.until_us)
    if day is None:
        return []
    if stream.kind == "ticker":
        return [wire.ticker_message(market.listing, day, step.until_us, unit_us)]
    return [wire.mini_ticker_message(market.listing, day, step.until_us, unit_us)]
