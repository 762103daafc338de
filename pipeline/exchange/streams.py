"""Stream names, and what each stream says about a step of the exchange's clock."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from pipeline.durations import MILLISECOND, SECOND
from pipeline.exchange import wire
from pipeline.exchange.klines import COUNT, INTERVALS, OPEN_US, floor_time

if TYPE_CHECKING:
    from collections.abc import Container

    from pipeline.exchange.venue import Exchange, Step

Kind = Literal["aggTrade", "trade", "bookTicker", "depth", "kline", "ticker", "miniTicker"]

_DEPTH = re.compile(r"depth(5|10|20)?(?:@(100|1000)ms)?")


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream that carries data. Names of others are accepted and stay silent."""

    name: str
    symbol: str
    kind: Kind
    interval: str = ""  # of a kline
    every_us: int = 0  # of a depth
    levels: int = 0  # of a depth; 0: all that changed


def parse_stream(name: str, symbols: Container[str]) -> Stream | None:
    """Return the stream of a name such as `btcusdt@kline_1m`, or null when it carries nothing."""
    lower, _, kind_name = name.partition("@")
    symbol = lower.upper()
    if lower != lower.lower() or symbol not in symbols:
        return None
    if kind_name.startswith("kline_"):
        interval = kind_name.removeprefix("kline_")
        return Stream(name, symbol, "kline", interval) if interval in INTERVALS else None
    depth = _DEPTH.fullmatch(kind_name)
    if depth is not None:
        levels, every_ms = (0 if text is None else int(text) for text in depth.groups())
        every_us = (every_ms or 1000) * MILLISECOND
        return Stream(name, symbol, "depth", every_us=every_us, levels=levels)
    for kind in get_args(Kind):
        if kind_name == kind and kind != "kline":
            return Stream(name, symbol, kind)
    return None


def messages(exchange: Exchange, stream: Stream, step: Step, unit_us: int) -> list[bytes]:
    """Return what `stream` sends for a step, times in units of `unit_us` (1000 or 1)."""
    if stream.kind in {"aggTrade", "trade", "bookTicker"}:
        found = _trade_messages(exchange, stream, step, unit_us)
    elif stream.kind == "depth":
        found = _depth_messages(exchange, stream, step, unit_us)
    elif stream.kind == "kline":
        found = _kline_messages(exchange, stream, step, unit_us)
    else:
        found = _day_messages(exchange, stream, step, unit_us)
    return exchange.faults.on_messages(stream.symbol, f"{stream.name} {unit_us}", found)


def _trade_messages(exchange: Exchange, stream: Stream, step: Step, unit_us: int) -> list[bytes]:
    market, skew_us = exchange.markets[stream.symbol], exchange.faults.skew_us
    issued = step.issued.get(stream.symbol)
    if issued is None:
        return []
    if stream.kind == "aggTrade":
        return wire.agg_trade_messages(stream.symbol, issued, unit_us, skew_us)
    if stream.kind == "trade":
        return wire.trade_messages(market.listing, issued, unit_us, skew_us)
    quote = market.quote()
    return [] if quote is None else [wire.book_ticker_message(stream.symbol, quote)]


def _depth_messages(exchange: Exchange, stream: Stream, step: Step, unit_us: int) -> list[bytes]:
    """One for each period that ended in the step and in which the book changed."""
    every_us, skew_us = stream.every_us, exchange.faults.skew_us
    if not _crosses(step, every_us):
        return []
    times_us = np.arange(floor_time(step.from_us, every_us), step.until_us + 1, every_us)
    return [
        wire.partial_depth_message(change.after, stream.levels)
        if stream.levels
        else wire.depth_update_message(stream.symbol, change, (at_us + skew_us) // unit_us)
        for at_us, change in exchange.markets[stream.symbol].changes(times_us)
    ]


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
            closed=bar[OPEN_US] + every_us <= step.until_us,
            now_us=step.until_us + exchange.faults.skew_us,
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
    now_us = step.until_us + exchange.faults.skew_us
    if stream.kind == "ticker":
        return [wire.ticker_message(market.listing, day, now_us, unit_us)]
    return [wire.mini_ticker_message(market.listing, day, now_us, unit_us)]
