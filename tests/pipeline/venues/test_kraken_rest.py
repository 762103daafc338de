from __future__ import annotations

from datetime import UTC, datetime

import pytest

from pipeline.errors import VenueDisconnected, VenueError
from pipeline.schema import BARS, TRADES
from pipeline.venues.kraken_rest import parse_bars, parse_instruments, parse_time, parse_trades
from pipeline.venues.protocol import Instrument

# The examples of the venue's documentation.
TRADES_BODY = b"""{"error": [], "result": {"XXBTZUSD": [
    ["30243.40000", "0.34507674", 1688669597.8277369, "b", "m", "", 61044952],
    ["30243.30000", "0.00376960", 1688669598.2804112, "s", "l", "", 61044953],
    ["30243.30000", "0.01235716", 1688669602.698379, "s", "m", "", 61044956]
  ], "last": "1688671969993150842"}}"""
BARS_BODY = b"""{"error": [], "result": {"XXBTZUSD": [
    [1688671200, "30306.1", "30306.2", "30305.7", "30305.7", "30306.1", "3.39243896", 23],
    [1688671260, "30304.5", "30304.5", "30300.0", "30300.0", "30300.0", "4.42996871", 18],
    [1688671320, "30300.3", "30300.4", "30291.4", "30291.4", "30294.7", "2.13024789", 25]
  ], "last": 1688672160}}"""


def test_parse_time_gives_microseconds() -> None:
    body = (
        b'{"error":[],"result":{"unixtime":1688669448,"rfc1123":"Thu, 06 Jul 23 18:50:48 +0000"}}'
    )

    assert parse_time(body) == 1_688_669_448_000_000


def test_parse_trades_gives_rows_in_id_order() -> None:
    trades = parse_trades(TRADES_BODY, "BTC/USD", 1_700_000_000_000_000)

    received = datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
    assert trades.schema == TRADES
    assert trades.rows() == [
        (
            "BTC/USD",
            61044952,
            61044952,
            61044952,
            datetime(2023, 7, 6, 18, 53, 17, 827_737, tzinfo=UTC),
            received,
            30243.4,
            0.34507674,
            False,
        ),
        (
            "BTC/USD",
            61044953,
            61044953,
            61044953,
            datetime(2023, 7, 6, 18, 53, 18, 280_411, tzinfo=UTC),
            received,
            30243.3,
            0.0037696,
            True,
        ),
        (
            "BTC/USD",
            61044956,
            61044956,
            61044956,
            datetime(2023, 7, 6, 18, 53, 22, 698_379, tzinfo=UTC),
            received,
            30243.3,
            0.01235716,
            True,
        ),
    ]


@pytest.mark.parametrize(
    "time", [b"1E+999999", b"-1", b"0", b'"NaN"', b"1688669598.2804112E9", b"1e-999999"]
)
def test_parse_trades_leaves_out_a_time_that_is_none(time: bytes) -> None:
    body = TRADES_BODY.replace(b"1688669598.2804112", time)

    trades = parse_trades(body, "BTC/USD", 1_700_000_000_000_000)

    assert trades["trade_id"].to_list() == [61044952, 61044956]


def test_parse_trades_of_a_market_without_any_gives_none() -> None:
    body = b'{"error":[],"result":{"XXBTZUSD":[],"last":"0"}}'

    assert parse_trades(body, "BTC/USD", 0).rows() == []


def test_parse_trades_without_ids_is_no_page() -> None:
    body = b'{"error":[],"result":{"X":[["1.0","1.0",1688669597.1,"b","m",""]],"last":"0"}}'

    with pytest.raises(VenueError, match="expected a page of trades"):
        parse_trades(body, "BTC/USD", 0)


def test_parse_bars_leaves_out_the_open_one() -> None:
    bars = parse_bars(BARS_BODY, "BTC/USD")

    assert bars.schema == BARS
    assert bars.rows() == [
        (
            "BTC/USD",
            datetime(2023, 7, 6, 19, 20, tzinfo=UTC),
            30306.1,
            30306.2,
            30305.7,
            30305.7,
            3.39243896,
            30306.1 * 3.39243896,
            23,
            None,
            None,
            True,
            0,
        ),
        (
            "BTC/USD",
            datetime(2023, 7, 6, 19, 21, tzinfo=UTC),
            30304.5,
            30304.5,
            30300.0,
            30300.0,
            4.42996871,
            30300.0 * 4.42996871,
            18,
            None,
            None,
            True,
            0,
        ),
    ]


def test_parse_instruments_names_them_as_the_stream_does() -> None:
    body = (
        b'{"error":[],"result":{'
        b'"XXBTZUSD":{"altname":"XBTUSD","wsname":"XBT/USD","pair_decimals":1,'
        b'"tick_size":"0.1","status":"online"},'
        b'"XDGEUR":{"altname":"XDGEUR","wsname":"XDG/EUR","pair_decimals":7,'
        b'"tick_size":"0.0000001","status":"cancel_only"},'
        b'"ETHUSDT":{"altname":"ETHUSDT","wsname":"ETH/USDT","pair_decimals":2},'
        b'"XXBTZUSD.d":{"altname":"XBTUSD.d","pair_decimals":1}}}'
    )

    assert parse_instruments(body) == [
        Instrument("BTC/USD", trading=True, tick_size=0.1, quote_asset="USD", code="XXBTZUSD"),
        Instrument(
            "DOGE/EUR", trading=False, tick_size=0.0000001, quote_asset="EUR", code="XDGEUR"
        ),
        Instrument("ETH/USDT", trading=True, tick_size=0.01, quote_asset="USDT", code="ETHUSDT"),
    ]


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        ("EQuery:Unknown asset pair", VenueError),
        ("EGeneral:Invalid arguments", VenueError),
        ("EGeneral:Too many requests", VenueDisconnected),
        ("EAPI:Rate limit exceeded", VenueDisconnected),
        ("EService:Unavailable", VenueDisconnected),
        ("EService:Busy", VenueDisconnected),
    ],
)
def test_parse_of_an_error_says_whether_to_ask_again(error: str, raised: type[VenueError]) -> None:
    body = f'{{"error":["{error}"]}}'.encode()

    with pytest.raises(VenueError, match=f"expected a page of trades, found {error}") as caught:
        parse_trades(body, "BTC/USD", 0)

    assert type(caught.value) is raised
