from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from pipeline.exchange.replay import Replay
from pipeline.exchange.streams import Stream, messages, parse_stream
from pipeline.exchange.venue import Exchange
from pipeline.exchange.wire import combined, frame

if TYPE_CHECKING:
    from pipeline.exchange.trades import Trades

T0_US = 1_700_000_040_000_000


def sent(trades: Trades, name: str, *until_s: float, unit_us: int = 1000) -> list[str]:
    """Return what a stream says while the clock goes from T0 + 0.1 s through the given times."""
    exchange = Exchange(Replay({"ABCUSDT": trades}))
    stream = parse_stream(name, exchange.markets)
    assert stream is not None
    found: list[bytes] = []
    for seconds in until_s:
        step = exchange.advance(T0_US + round(seconds * 1_000_000))
        found += messages(exchange, stream, step, unit_us)
    return [message.decode() for message in found]


def test_agg_trade_is_byte_for_byte_as_documented(trades: Trades) -> None:
    assert sent(trades, "abcusdt@aggTrade", 0.2) == [
        (
            '{"e":"aggTrade","E":1700000040100,"s":"ABCUSDT","a":11,"p":"100.00000000",'
            '"q":"1.00000000","f":101,"l":101,"T":1700000040100,"m":false,"M":true}'
        ),
        (
            '{"e":"aggTrade","E":1700000040100,"s":"ABCUSDT","a":12,"p":"100.01000000",'
            '"q":"1.50000000","f":102,"l":104,"T":1700000040100,"m":false,"M":true}'
        ),
    ]


def test_agg_trade_in_microseconds_keeps_them(trades: Trades) -> None:
    message = json.loads(sent(trades, "abcusdt@aggTrade", 0.2, unit_us=1)[1])
    assert message["T"] == message["E"] == 1_700_000_040_100_400


def test_trade_is_sent_once_a_fill(trades: Trades) -> None:
    found = sent(trades, "abcusdt@trade", 0.2)

    assert found[3] == (
        '{"e":"trade","E":1700000040100,"s":"ABCUSDT","t":104,"p":"100.01000000",'
        '"q":"0.50000000","T":1700000040100,"m":false,"M":true}'
    )
    assert [json.loads(one)["t"] for one in found] == [101, 102, 103, 104]


def test_book_ticker_has_the_last_trade_on_its_side_of_the_spread(trades: Trades) -> None:
    # The aggressor bought at 100.01, then sold at 99.99; one tick is 0.01.
    bought, sold = map(json.loads, sent(trades, "abcusdt@bookTicker", 0.2, 3))

    assert list(bought) == ["u", "s", "b", "B", "a", "A"]
    assert (bought["b"], bought["a"]) == ("100.00000000", "100.01000000")
    assert (sold["b"], sold["a"]) == ("99.99000000", "100.00000000")
    assert sold["u"] == 105


def test_kline_sends_each_closed_bar_and_then_the_open_one(trades: Trades) -> None:
    found = sent(trades, "abcusdt@kline_1m", 10, 62)

    assert found[0] == (
        '{"e":"kline","E":1700000050000,"s":"ABCUSDT","k":{"t":1700000040000,"T":1700000099999,'
        '"s":"ABCUSDT","i":"1m","f":101,"L":105,"o":"100.00000000","c":"99.99000000",'
        '"h":"100.01000000","l":"99.99000000","v":"2.50200000","n":5,"x":false,'
        '"q":"250.21498000","V":"2.50000000","Q":"250.01500000","B":"0"}}'
    )
    assert [(json.loads(one)["k"]["t"], json.loads(one)["k"]["x"]) for one in found] == [
        (1_700_000_040_000, False),
        (1_700_000_040_000, True),
        (1_700_000_100_000, False),
    ]


def test_kline_of_a_second_without_a_trade_closes_flat(trades: Trades) -> None:
    found = [json.loads(one)["k"] for one in sent(trades, "abcusdt@kline_1s", 1, 2)]

    assert [(bar["x"], bar["n"], bar["f"], bar["c"]) for bar in found] == [
        (True, 4, 101, "100.01000000"),
        (True, 0, -1, "100.01000000"),
    ]


def test_kline_between_two_updates_is_silent(trades: Trades) -> None:
    assert sent(trades, "abcusdt@kline_1m", 0.5, 1.5) == []


def test_ticker_tells_the_last_day_once_a_second(trades: Trades) -> None:
    (found,) = sent(trades, "abcusdt@ticker", 0.5, 3)

    assert found.startswith(
        '{"e":"24hrTicker","E":1700000043000,"s":"ABCUSDT","p":"-0.01000000","P":"-0.010",'
        '"w":"100.00598721","x":"100.00000000","c":"99.99000000","Q":"0.00200000",'
        '"b":"99.99000000","B":"'
    )
    assert found.endswith(
        '"o":"100.00000000","h":"100.01000000","l":"99.99000000","v":"2.50200000",'
        '"q":"250.21498000","O":1699913643000,"C":1700000043000,"F":101,"L":105,"n":5}'
    )


def test_mini_ticker_is_as_documented(trades: Trades) -> None:
    assert sent(trades, "abcusdt@miniTicker", 3) == [
        (
            '{"e":"24hrMiniTicker","E":1700000043000,"s":"ABCUSDT","c":"99.99000000",'
            '"o":"100.00000000","h":"100.01000000","l":"99.99000000","v":"2.50200000",'
            '"q":"250.21498000"}'
        )
    ]


@pytest.mark.parametrize(
    "name",
    ["0", "abcusdt", "ABCUSDT@aggTrade", "abcusdt@kline", "abcusdt@kline_7m", "x@trade", "@", ""],
)
def test_stream_names_without_data_are_junk(name: str) -> None:
    assert parse_stream(name, {"ABCUSDT"}) is None


def test_stream_name_is_read_into_its_parts() -> None:
    expected = Stream("abcusdt@kline_5m", "ABCUSDT", "kline", "5m")
    assert parse_stream("abcusdt@kline_5m", {"ABCUSDT"}) == expected


def test_combined_wraps_a_message_with_its_stream() -> None:
    assert combined("a@trade", b'{"e":1}') == b'{"stream":"a@trade","data":{"e":1}}'


@pytest.mark.parametrize(
    ("length", "header"),
    [(125, b"\x81\x7d"), (126, b"\x81\x7e\x00\x7e"), (65536, b"\x81\x7f" + (65536).to_bytes(8))],
)
def test_frame_has_the_header_of_its_length(length: int, header: bytes) -> None:
    assert frame(b"x" * length) == header + b"x" * length


def test_frame_of_a_ping_has_its_opcode() -> None:
    assert frame(b"42", 0x9) == b"\x89\x0242"
