"""The payloads of the streams, byte for byte in Binance's field order, and their frames."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.durations import DAY
from pipeline.exchange.decimals import E8, decimal_text
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
    OPEN_US,
    TAKER_LOTS,
    TAKER_NOTIONAL,
)
from pipeline.exchange.ledger import Issued
from pipeline.exchange.trades import fills

if TYPE_CHECKING:
    from pipeline.exchange.book import Book, Change, Quote, Side
    from pipeline.exchange.trades import Int64Array, Listing
    from pipeline.exchange.venue import Day

_JSON = ("false", "true")


def agg_trade_messages(symbol: str, issued: Issued, unit_us: int, skew_us: int = 0) -> list[bytes]:
    """Return one `aggTrade` a trade; its event time is its trade time, and `skew_us` more."""
    trades, skew = issued.trades, skew_us // unit_us
    rows = zip(
        (trades.time_us // unit_us).tolist(),
        trades.trade_id.tolist(),
        issued.prices,
        issued.quantities,
        trades.first_id.tolist(),
        trades.last_id.tolist(),
        trades.buyer_is_maker.tolist(),
        strict=True,
    )
    return [
        f'{{"e":"aggTrade","E":{time + skew},"s":"{symbol}","a":{trade_id},"p":"{price}",'
        f'"q":"{quantity}","f":{first_id},"l":{last_id},"T":{time},'
        f'"m":{_JSON[maker]},"M":true}}'.encode()
        for time, trade_id, price, quantity, first_id, last_id, maker in rows
    ]


def trade_messages(listing: Listing, issued: Issued, unit_us: int, skew_us: int = 0) -> list[bytes]:
    """Return one `trade` a fill; its event time is its trade time, and `skew_us` more."""
    raw, skew = Issued.of(fills(issued.trades, listing.lot_e8)), skew_us // unit_us
    rows = zip(
        (raw.trades.time_us // unit_us).tolist(),
        raw.trades.trade_id.tolist(),
        raw.prices,
        raw.quantities,
        raw.trades.buyer_is_maker.tolist(),
        strict=True,
    )
    return [
        f'{{"e":"trade","E":{time + skew},"s":"{listing.symbol}","t":{trade_id},"p":"{price}",'
        f'"q":"{quantity}","T":{time},"m":{_JSON[maker]},"M":true}}'.encode()
        for time, trade_id, price, quantity, maker in rows
    ]


def book_ticker_message(symbol: str, quote: Quote) -> bytes:
    """Return a `bookTicker`, which has neither a type nor a time."""
    return (
        f'{{"u":{quote.update_id},"s":"{symbol}","b":"{decimal_text(quote.bid_e8)}",'
        f'"B":"{decimal_text(quote.bid_quantity_e8)}","a":"{decimal_text(quote.ask_e8)}",'
        f'"A":"{decimal_text(quote.ask_quantity_e8)}"}}'
    ).encode()


def level_texts(side: Side) -> list[tuple[str, str]]:
    """Return prices and sizes as they are printed."""
    prices, sizes = side.prices_e8.tolist(), side.sizes_e8.tolist()
    return [
        (decimal_text(price), decimal_text(size)) for price, size in zip(prices, sizes, strict=True)
    ]


def _levels_json(side: Side) -> str:
    return ",".join(f'["{price}","{size}"]' for price, size in level_texts(side))


def depth_update_message(symbol: str, change: Change, event: int) -> bytes:
    """Return a `depthUpdate`: the levels that changed, a size of zero where nobody is left."""
    return (
        f'{{"e":"depthUpdate","E":{event},"s":"{symbol}","U":{change.first_id},'
        f'"u":{change.after.update_id},"b":[{_levels_json(change.bids)}],'
        f'"a":[{_levels_json(change.asks)}]}}'
    ).encode()


def partial_depth_message(book: Book, levels: int) -> bytes:
    """Return the best levels, which have neither a type nor a time nor a symbol."""
    return (
        f'{{"lastUpdateId":{book.update_id},"bids":[{_levels_json(book.bids.best(levels))}],'
        f'"asks":[{_levels_json(book.asks.best(levels))}]}}'
    ).encode()


def lots_text(listing: Listing, lots: int) -> str:
    """Print a sum of lots in the base currency."""
    return decimal_text(lots * listing.lot_e8)


def notional_text(listing: Listing, notional: int) -> str:
    """Print a sum of ticks times lots in the quote currency."""
    return decimal_text(notional * listing.tick_e8 * listing.lot_e8 // E8)


def kline_message(
    listing: Listing,
    interval: str,
    bar: list[int],
    *,
    close_us: int,
    closed: bool,
    now_us: int,
    unit_us: int,
) -> bytes:
    """Return a `kline` of one bar that ends at `close_us` (exclusive)."""
    return (
        f'{{"e":"kline","E":{now_us // unit_us},"s":"{listing.symbol}","k":{{'
        f'"t":{bar[OPEN_US] // unit_us},"T":{close_us // unit_us - 1},'
        f'"s":"{listing.symbol}","i":"{interval}","f":{bar[FIRST_ID]},"L":{bar[LAST_ID]},'
        f'"o":"{decimal_text(bar[OPEN])}","c":"{decimal_text(bar[CLOSE])}",'
        f'"h":"{decimal_text(bar[HIGH])}","l":"{decimal_text(bar[LOW])}",'
        f'"v":"{lots_text(listing, bar[LOTS])}","n":{bar[COUNT]},"x":{_JSON[closed]},'
        f'"q":"{notional_text(listing, bar[NOTIONAL])}",'
        f'"V":"{lots_text(listing, bar[TAKER_LOTS])}",'
        f'"Q":"{notional_text(listing, bar[TAKER_NOTIONAL])}","B":"0"}}}}'
    ).encode()


def kline_row(listing: Listing, bar: list[int], every_us: int, unit_us: int) -> list[int | str]:
    """Return the twelve elements of a REST kline."""
    return [
        bar[OPEN_US] // unit_us,
        decimal_text(bar[OPEN]),
        decimal_text(bar[HIGH]),
        decimal_text(bar[LOW]),
        decimal_text(bar[CLOSE]),
        lots_text(listing, bar[LOTS]),
        (bar[OPEN_US] + every_us) // unit_us - 1,
        notional_text(listing, bar[NOTIONAL]),
        bar[COUNT],
        lots_text(listing, bar[TAKER_LOTS]),
        notional_text(listing, bar[TAKER_NOTIONAL]),
        "0",
    ]


def day_change(listing: Listing, bar: Int64Array) -> tuple[str, str, str]:
    """Return the change over a bar, the change in percent, and the volume-weighted price."""
    opened_e8, closed_e8 = int(bar[OPEN]), int(bar[CLOSE])
    change_e8 = closed_e8 - opened_e8
    weighted_e8 = int(bar[NOTIONAL]) * listing.tick_e8 // int(bar[LOTS])
    return (
        decimal_text(change_e8),
        f"{100 * change_e8 / opened_e8:.3f}",
        decimal_text(weighted_e8),
    )


def ticker_message(listing: Listing, day: Day, now_us: int, unit_us: int) -> bytes:
    """Return a `24hrTicker`."""
    bar, quote = day.bar.tolist(), day.quote
    change, percent, weighted = day_change(listing, day.bar)
    return (
        f'{{"e":"24hrTicker","E":{now_us // unit_us},"s":"{listing.symbol}","p":"{change}",'
        f'"P":"{percent}","w":"{weighted}","x":"{decimal_text(day.previous_close_e8)}",'
        f'"c":"{decimal_text(bar[CLOSE])}",'
        f'"Q":"{decimal_text(int(day.last.quantity_e8[0]))}",'
        f'"b":"{decimal_text(quote.bid_e8)}","B":"{decimal_text(quote.bid_quantity_e8)}",'
        f'"a":"{decimal_text(quote.ask_e8)}","A":"{decimal_text(quote.ask_quantity_e8)}",'
        f'"o":"{decimal_text(bar[OPEN])}","h":"{decimal_text(bar[HIGH])}",'
        f'"l":"{decimal_text(bar[LOW])}","v":"{lots_text(listing, bar[LOTS])}",'
        f'"q":"{notional_text(listing, bar[NOTIONAL])}",'
        f'"O":{(now_us - DAY) // unit_us},"C":{now_us // unit_us},'
        f'"F":{bar[FIRST_ID]},"L":{bar[LAST_ID]},"n":{bar[COUNT]}}}'
    ).encode()


def mini_ticker_message(listing: Listing, day: Day, now_us: int, unit_us: int) -> bytes:
    """Return a `24hrMiniTicker`."""
    bar = day.bar.tolist()
    return (
        f'{{"e":"24hrMiniTicker","E":{now_us // unit_us},"s":"{listing.symbol}",'
        f'"c":"{decimal_text(bar[CLOSE])}","o":"{decimal_text(bar[OPEN])}",'
        f'"h":"{decimal_text(bar[HIGH])}","l":"{decimal_text(bar[LOW])}",'
        f'"v":"{lots_text(listing, bar[LOTS])}","q":"{notional_text(listing, bar[NOTIONAL])}"}}'
    ).encode()


def shutdown_message(now_us: int, unit_us: int) -> bytes:
    """Return a `serverShutdown`; combined it comes on the stream `!serverShutdown`."""
    return b'{"e":"serverShutdown","E":%d}' % (now_us // unit_us)


def combined(stream: str, message: bytes) -> bytes:
    """Wrap a message as a combined connection receives it."""
    return b'{"stream":"%b","data":%b}' % (stream.encode(), message)


def frame(message: bytes, opcode: int = 0x1) -> bytes:
    """Return the unmasked, unfragmented WebSocket frame of a message (RFC 6455, 5.2).

    The default opcode is text; 0x9 is ping and 0xA pong.
    """
    length = len(message)
    if length < 126:
        return bytes((0x80 | opcode, length)) + message
    if length < 65536:
        return bytes((0x80 | opcode, 126, length >> 8, length & 0xFF)) + message
    return bytes((0x80 | opcode, 127)) + length.to_bytes(8, "big") + message
