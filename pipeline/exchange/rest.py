"""REST: a request in; status, headers and body out, as Binance documents each endpoint."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from pipeline.durations import MILLISECOND, SECOND
from pipeline.exchange import listing_info, tickers
from pipeline.exchange.decimals import E8, decimal_text
from pipeline.exchange.klines import INTERVALS, floor_time
from pipeline.exchange.parameters import BadRequestError, Parameters, invalid
from pipeline.exchange.trades import fills
from pipeline.exchange.weights import WEIGHT_PER_MINUTE, RequestWeights
from pipeline.exchange.wire import kline_row, level_texts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pipeline.exchange.trades import Trades
    from pipeline.exchange.venue import Exchange

PREFIX = "/api/v3/"


@dataclass(frozen=True, slots=True)
class Request:
    """One GET under PREFIX.

    Attributes:
        endpoint: What follows PREFIX, such as `aggTrades`.
        query: Names and values, decoded.
        unit_us: Microseconds in a unit of the times of the answer: 1000, or 1 when it was asked.
        address: Whose budget of weight is charged.
    """

    endpoint: str
    query: Sequence[tuple[str, str]]
    unit_us: int
    address: str


@dataclass(frozen=True, slots=True)
class Response:
    """An answer: JSON in `body`."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def respond(exchange: Exchange, weights: RequestWeights, request: Request, now_us: int) -> Response:
    """Answer a request. `now_us` is the real clock of the request budget, not the venue's."""
    endpoint = ENDPOINTS.get(request.endpoint)
    if endpoint is None:
        return Response(404, {}, _error(-1000, f"Unknown path {PREFIX}{request.endpoint}."))
    instead = exchange.faults.refusal()
    if instead is not None:
        return _refused(*instead)
    weigh, answer = endpoint
    status, body, weight = 200, b"", 1
    try:
        parameters = Parameters(request.query)
        weight = weigh(parameters)
        body = msgspec.json.encode(answer(exchange, parameters, request.unit_us))
        parameters.all_read()
    except BadRequestError as refusal:
        status, body = 400, _error(refusal.code, str(refusal))
    spent = weights.spend(request.address, weight, now_us)
    headers = {"X-MBX-USED-WEIGHT-1M": str(spent.used)}
    if spent.retry_after_s is None:
        return Response(status, headers, body)
    headers["Retry-After"] = str(spent.retry_after_s)
    if spent.banned:
        return Response(418, headers, _banned(exchange.now_us + spent.retry_after_s * SECOND))
    return Response(429, headers, _error(-1003, _TOO_MUCH))


_TOO_MUCH = (
    f"Too much request weight used; current limit is {WEIGHT_PER_MINUTE} request weight "
    "per 1 MINUTE. Please use WebSocket Streams for live updates to avoid polling the API."
)


def _banned(until_us: int) -> bytes:
    return _error(
        -1003,
        f"Way too much request weight used; IP banned until {until_us // MILLISECOND}. "
        "Please use WebSocket Streams for live updates to avoid bans.",
    )


def _refused(status: int, retry_after_s: int) -> Response:
    """Return what a fault puts in the place of an answer."""
    headers = {"Retry-After": str(retry_after_s)} if status in {418, 429} else {}
    return Response(status, headers, _error(-1003 if headers else -1000, "Switched on by a fault."))


def _error(code: int, message: str) -> bytes:
    return msgspec.json.encode({"code": code, "msg": message})


def _weight(weight: int) -> Callable[[Parameters], int]:
    return lambda _parameters: weight


def _ping(_exchange: Exchange, _parameters: Parameters, _unit_us: int) -> object:
    return {}


def _time(exchange: Exchange, _parameters: Parameters, unit_us: int) -> object:
    return {"serverTime": (exchange.now_us + exchange.faults.skew_us) // unit_us}


def _agg_trades(exchange: Exchange, parameters: Parameters, unit_us: int) -> object:
    trades = exchange.served(parameters.symbol(exchange.listed))
    from_id = parameters.integer("fromId")
    start_us, until_us = parameters.start_us("startTime"), parameters.until_us("endTime")
    limit = parameters.limit(default=500, most=1000)
    if from_id is not None and (start_us is not None or until_us is not None):
        raise BadRequestError(-1128, "Combination of optional parameters invalid.")
    if until_us is not None:
        trades, _ = trades.split_at(until_us)
    if from_id is not None:
        trades = trades[int(np.searchsorted(trades.trade_id, from_id)) :][:limit]
    elif start_us is not None:
        trades = trades.split_at(start_us)[1][:limit]
    else:
        trades = trades[-limit:]
    return [
        {
            "a": trade_id,
            "p": decimal_text(price_e8),
            "q": decimal_text(quantity_e8),
            "f": first_id,
            "l": last_id,
            "T": time_us // unit_us,
            "m": bool(maker),
            "M": True,
        }
        for trade_id, first_id, last_id, time_us, price_e8, quantity_e8, maker in _rows(trades)
    ]


def _raw_trades(exchange: Exchange, parameters: Parameters, unit_us: int) -> object:
    symbol = parameters.symbol(exchange.listed)
    limit = parameters.limit(default=500, most=1000)
    lot_e8 = exchange.markets[symbol].listing.lot_e8
    newest = fills(exchange.served(symbol)[-limit:], lot_e8)[-limit:]
    return [
        {
            "id": trade_id,
            "price": decimal_text(price_e8),
            "qty": decimal_text(quantity_e8),
            "quoteQty": decimal_text(price_e8 * quantity_e8 // E8),
            "time": time_us // unit_us,
            "isBuyerMaker": bool(maker),
            "isBestMatch": True,
        }
        for trade_id, _first, _last, time_us, price_e8, quantity_e8, maker in _rows(newest)
    ]


def _rows(trades: Trades) -> list[list[int]]:
    rows: list[list[int]] = trades.columns.T.tolist()
    return rows


def _klines(exchange: Exchange, parameters: Parameters, unit_us: int) -> object:
    market = exchange.markets[parameters.symbol(exchange.listed)]
    interval = parameters.mandatory("interval")
    start_us, until_us = parameters.start_us("startTime"), parameters.until_us("endTime")
    limit = parameters.limit(default=500, most=1000)
    if parameters.text("timeZone") not in {None, "0", "00:00", "+00:00"}:
        raise invalid("timeZone")
    if interval not in INTERVALS:
        raise BadRequestError(-1120, "Invalid interval.")
    every_us = INTERVALS[interval]
    newest_us = exchange.now_us if until_us is None else min(until_us - 1, exchange.now_us)
    last_us = floor_time(newest_us, every_us)
    if start_us is None:
        first_us = last_us - (limit - 1) * every_us
    else:
        # The first bar that opens at or after the start.
        first_us = floor_time(start_us + every_us - 1, every_us)
    bars = market.bars.bars(every_us, first_us, last_us)[:, :limit]
    return [kline_row(market.listing, bar, every_us, unit_us) for bar in bars.T.tolist()]


def _depth(exchange: Exchange, parameters: Parameters, _unit_us: int) -> object:
    market = exchange.markets[parameters.symbol(exchange.listed)]
    limit = _depth_limit(parameters)
    book = market.book()
    if book is None:
        return {"lastUpdateId": 0, "bids": [], "asks": []}
    return {
        "lastUpdateId": book.update_id,
        "bids": level_texts(book.bids.best(limit)),
        "asks": level_texts(book.asks.best(limit)),
    }


def _depth_limit(parameters: Parameters) -> int:
    limit = parameters.integer("limit")
    if limit == 0:
        raise invalid("limit")
    return 100 if limit is None else min(limit, 5000)


def _depth_weight(parameters: Parameters) -> int:
    limit = _depth_limit(parameters)
    return next(weight for most, weight in _DEPTH_WEIGHTS if limit <= most)


_DEPTH_WEIGHTS = ((100, 5), (500, 25), (1000, 50), (5000, 250))

#: Path under PREFIX -> (its weight, its answer).
ENDPOINTS: Mapping[
    str, tuple[Callable[[Parameters], int], Callable[[Exchange, Parameters, int], object]]
] = {
    "ping": (_weight(1), _ping),
    "time": (_weight(1), _time),
    "exchangeInfo": (_weight(20), listing_info.exchange_info),
    "aggTrades": (_weight(4), _agg_trades),
    "trades": (_weight(25), _raw_trades),
    "klines": (_weight(2), _klines),
    "depth": (_depth_weight, _depth),
    "ticker/24hr": (tickers.day_weight, tickers.day),
    "ticker/bookTicker": (tickers.quote_weight, tickers.quotes),
    "ticker/price": (tickers.quote_weight, tickers.prices),
}
