"""The ticker endpoints: the last day, the best prices, the last price."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.durations import DAY
from pipeline.exchange.decimals import decimal_text
from pipeline.exchange.klines import (
    CLOSE,
    COUNT,
    FIRST_ID,
    HIGH,
    LAST_ID,
    LOTS,
    LOW,
    NOTIONAL,
    OPEN,
)
from pipeline.exchange.parameters import invalid
from pipeline.exchange.wire import day_change, lots_text, notional_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipeline.exchange.parameters import Parameters
    from pipeline.exchange.venue import Exchange, Market

_ZERO = decimal_text(0)


def day_weight(parameters: Parameters) -> int:
    """Return the weight of `ticker/24hr`: by the number of symbols asked for."""
    asked = _asked(parameters)
    if asked is not None and asked <= 20:
        return 2
    return 40 if asked is not None and asked <= 100 else 80


def quote_weight(parameters: Parameters) -> int:
    """Return the weight of the two light tickers: one symbol, or more."""
    return 2 if _asked(parameters) == 1 and parameters.text("symbol") is not None else 4


def day(exchange: Exchange, parameters: Parameters, unit_us: int) -> object:
    """Answer `ticker/24hr`, the full form or the mini one."""
    kind = parameters.text("type")
    if kind not in {None, "FULL", "MINI"}:
        raise invalid("type")
    return _answer(
        exchange,
        parameters,
        lambda symbol, market: _day(symbol, market, exchange.now_us, unit_us, mini=kind == "MINI"),
    )


def quotes(exchange: Exchange, parameters: Parameters, _unit_us: int) -> object:
    """Answer `ticker/bookTicker`."""
    return _answer(exchange, parameters, _quote)


def prices(exchange: Exchange, parameters: Parameters, _unit_us: int) -> object:
    """Answer `ticker/price`."""
    return _answer(
        exchange,
        parameters,
        lambda symbol, market: {
            "symbol": symbol,
            "price": decimal_text(market.last_price_e8() or 0),
        },
    )


def _asked(parameters: Parameters) -> int | None:
    """Return how many symbols are asked for before it is known whether they exist."""
    if parameters.text("symbol") is not None:
        return 1
    several = parameters.text("symbols")
    return None if several is None else several.count(",") + 1


def _answer(
    exchange: Exchange,
    parameters: Parameters,
    row: Callable[[str, Market], dict[str, object]],
) -> object:
    """Return one row for `symbol`, else a list of them."""
    asked = parameters.symbols(exchange.listed)
    symbols = list(exchange.listed) if asked is None else asked
    rows = [row(symbol, exchange.markets[symbol]) for symbol in symbols]
    return rows[0] if parameters.text("symbol") is not None else rows


def _quote(symbol: str, market: Market) -> dict[str, object]:
    quote = market.quote()
    sizes = (
        (0, 0, 0, 0)
        if quote is None
        else (quote.bid_e8, quote.bid_quantity_e8, quote.ask_e8, quote.ask_quantity_e8)
    )
    names = ("bidPrice", "bidQty", "askPrice", "askQty")
    return {"symbol": symbol, **dict(zip(names, map(decimal_text, sizes), strict=True))}


def _day(
    symbol: str, market: Market, now_us: int, unit_us: int, *, mini: bool
) -> dict[str, object]:
    found = market.day(now_us)
    times = {"openTime": (now_us - DAY) // unit_us, "closeTime": now_us // unit_us}
    if found is None:
        # No trade in a day: zeros, and ids that say so.
        bar = [0] * 12
        bar[FIRST_ID] = bar[LAST_ID] = -1
        change, percent, weighted, previous, last_quantity = _ZERO, "0.000", _ZERO, _ZERO, _ZERO
    else:
        bar = found.bar.tolist()
        change, percent, weighted = day_change(market.listing, found.bar)
        previous = decimal_text(found.previous_close_e8)
        last_quantity = decimal_text(int(found.last.quantity_e8[0]))
    full = {
        "priceChange": change,
        "priceChangePercent": percent,
        "weightedAvgPrice": weighted,
        "prevClosePrice": previous,
        "lastQty": last_quantity,
    } | _quote(symbol, market)
    summary = {
        "symbol": symbol,
        "lastPrice": decimal_text(bar[CLOSE]),
        "openPrice": decimal_text(bar[OPEN]),
        "highPrice": decimal_text(bar[HIGH]),
        "lowPrice": decimal_text(bar[LOW]),
        "volume": lots_text(market.listing, bar[LOTS]),
        "quoteVolume": notional_text(market.listing, bar[NOTIONAL]),
        **times,
        "firstId": bar[FIRST_ID],
        "lastId": bar[LAST_ID],
        "count": bar[COUNT],
    }
    return summary if mini else full | summary
