from __future__ import annotations

from datetime import UTC, datetime

import pytest

from pipeline.errors import VenueError
from pipeline.schema import BARS, TRADES
from pipeline.venues.binance_rest import parse_bars, parse_instruments, parse_time, parse_trades
from pipeline.venues.protocol import Instrument

# The examples of the venue's documentation.
TRADE = (
    b'{"a":26129,"p":"0.01633102","q":"4.70443515","f":27781,"l":27783,'
    b'"T":1498793709153,"m":true,"M":true}'
)
BAR = (
    b'[1499040000000,"0.01634790","0.80000000","0.01575800","0.01577100","148976.11427815",'
    b'1499644799999,"2434.19055334",308,"1756.87402397","28.46694368","0"]'
)


@pytest.mark.parametrize("server_time", [b"1499827319559", b"1499827319559000"])
def test_parse_time_of_either_unit_gives_microseconds(server_time: bytes) -> None:
    assert parse_time(b'{"serverTime":' + server_time + b"}") == 1_499_827_319_559_000


def test_parse_instruments_takes_the_tick_size_of_the_price_filter() -> None:
    body = (
        b'{"timezone":"UTC","symbols":['
        b'{"symbol":"ETHBTC","status":"TRADING","quoteAsset":"BTC","filters":['
        b'{"filterType":"LOT_SIZE","stepSize":"0.001"},'
        b'{"filterType":"PRICE_FILTER","minPrice":"0.00000100","tickSize":"0.00000100"}]},'
        b'{"symbol":"LUNAUSDT","status":"BREAK","quoteAsset":"USDT","filters":['
        b'{"filterType":"PRICE_FILTER","tickSize":"0.01000000"}]}]}'
    )

    assert parse_instruments(body) == [
        Instrument("ETHBTC", trading=True, tick_size=0.000001, quote_asset="BTC", code="ETHBTC"),
        Instrument("LUNAUSDT", trading=False, tick_size=0.01, quote_asset="USDT", code="LUNAUSDT"),
    ]


def test_parse_instruments_without_a_tick_size_names_the_symbol() -> None:
    body = b'{"symbols":[{"symbol":"ETHBTC","status":"TRADING","quoteAsset":"BTC","filters":[]}]}'

    with pytest.raises(VenueError, match="ETHBTC: expected a filter with a tickSize"):
        parse_instruments(body)


def test_parse_instruments_with_a_name_that_is_no_text_says_what_was_found() -> None:
    body = b'{"symbols":[{"symbol":"\xff","status":"TRADING","quoteAsset":"BTC","filters":[]}]}'

    with pytest.raises(VenueError, match="expected a listing of symbols"):
        parse_instruments(body)


def test_parse_trades_gives_rows_in_id_order() -> None:
    page = b"[" + TRADE + b"," + TRADE.replace(b"26129", b"26128") + b"]"

    frame = parse_trades(page, "BNBBTC", 1_500_000_000_000_007)

    assert frame.schema == TRADES
    assert frame["trade_id"].to_list() == [26128, 26129]
    assert frame.row(1) == (
        "BNBBTC",
        26129,
        27781,
        27783,
        datetime(2017, 6, 30, 3, 35, 9, 153_000, tzinfo=UTC),
        datetime(2017, 7, 14, 2, 40, 0, 7, tzinfo=UTC),
        0.01633102,
        4.70443515,
        True,
    )


def test_parse_trades_of_an_empty_page_gives_no_rows() -> None:
    frame = parse_trades(b"[]", "BNBBTC", 0)

    assert frame.schema == TRADES
    assert frame.is_empty()


def test_parse_trades_leaves_out_what_is_not_sound() -> None:
    page = (
        b"["
        + TRADE.replace(b"26129", b"26130")
        + b","
        + TRADE.replace(b'"4.70443515"', b'"0"').replace(b"26129", b"26131")
        + b","
        + TRADE
        + b"]"
    )

    trades = parse_trades(page, "BNBBTC", 1_700_000_000_000_000)

    assert trades["trade_id"].to_list() == [26129, 26130]


def test_parse_bars_gives_rows_in_time_order() -> None:
    later = BAR.replace(b"1499040000000", b"1499644800000")

    frame = parse_bars(b"[" + later + b"," + BAR + b"]", "BNBBTC")

    assert frame.schema == BARS
    assert frame["open_time"].to_list() == [
        datetime(2017, 7, 3, tzinfo=UTC),
        datetime(2017, 7, 10, tzinfo=UTC),
    ]
    assert frame.row(0) == (
        "BNBBTC",
        datetime(2017, 7, 3, tzinfo=UTC),
        0.0163479,
        0.8,
        0.015758,
        0.015771,
        148976.11427815,
        2434.19055334,
        308,
        None,
        None,
        True,
        0,
    )


def test_parse_bars_without_trades_keeps_zero_volume() -> None:
    quiet = b'[1499040000000,"1.5","1.5","1.5","1.5","0.0",1499040000999,"0.0",0,"0","0","0"]'

    frame = parse_bars(b"[" + quiet + b"]", "BNBBTC")

    assert frame.select("close", "volume", "notional", "trades").row(0) == (1.5, 0.0, 0.0, 0)


def test_parse_bars_of_an_empty_page_gives_no_rows() -> None:
    assert parse_bars(b"[]", "BNBBTC").schema == BARS


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"", "expected a page of bars, found : Input data was truncated"),
        (b"\xff", "expected a page of bars"),
        (b'{"code":-1121,"msg":"Invalid symbol."}', "Expected `array`, got `object`"),
        (b'[[1499040000000,"1"]]', "Expected `array` of at least length 9"),
        (BAR.join([b"[", b"]"]).replace(b"0.80000000", b"nan"), "Expected `float`"),
        (BAR.join([b"[", b"]"]).replace(b"0.80000000", b"0"), "Expected `float` > 0.0"),
        (BAR.join([b"[", b"]"]).replace(b"2434.19055334", b"-1"), "Expected `float` >= 0.0"),
    ],
)
def test_parse_bars_of_anything_else_says_what_was_found(body: bytes, problem: str) -> None:
    with pytest.raises(VenueError, match=problem):
        parse_bars(body, "BNBBTC")


def test_parse_error_of_a_long_body_quotes_its_beginning() -> None:
    with pytest.raises(VenueError) as caught:
        parse_time(b'"' + b"x" * 10_000 + b'"')

    assert len(str(caught.value)) < 400
