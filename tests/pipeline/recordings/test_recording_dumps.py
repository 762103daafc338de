from __future__ import annotations

import random
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline.schema import BARS, REJECTED, TRADES
from tests.pipeline.recordings.samples import AGGREGATES, KLINES, T0_MS, read, write

AT = datetime(2023, 11, 14, 22, 14, tzinfo=UTC)
LATER = datetime(2023, 11, 14, 22, 14, 0, 47_000, tzinfo=UTC)
EXPECTED = [
    ("ABCUSDT", 7, 21, 23, AT, AT, 0.01633102, 4.70443515, True),
    ("ABCUSDT", 8, 24, 24, LATER, LATER, 64000.01, 1.0, False),
    ("ABCUSDT", 9, 25, 31, LATER, LATER, 64000.0, 12345678901.25, True),
]

IN_MICROSECONDS = AGGREGATES.replace("40000,", "40000000,").replace("40047,", "40047000,")
FUTURES = (
    "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker\n"
    + "".join(line.rpartition(",")[0] + "\n" for line in AGGREGATES.splitlines())
)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("ABCUSDT-aggTrades-2023-11-14.csv", AGGREGATES),
        ("ABCUSDT-aggTrades-2023-11-14.csv", AGGREGATES.rstrip("\n")),
        ("ABCUSDT-aggTrades-2023-11-14.csv", AGGREGATES.replace("\n", "\r\n")),
        ("ABCUSDT-aggTrades-2023-11-14.csv", AGGREGATES.rstrip("\n") + ",\n"),
        ("ABCUSDT-aggTrades-2023-11-14.csv.gz", IN_MICROSECONDS),
        ("ABCUSDT-aggTrades-2023-11-14.csv", IN_MICROSECONDS.replace("40000000", "40000")),
        ("ABCUSDT-aggTrades-2023-11-14.zip", FUTURES),
    ],
)
def test_aggregates_of_every_layout_read_alike(tmp_path: Path, name: str, text: str) -> None:
    found = read(write(tmp_path, name, text))

    assert found.rows.schema == TRADES
    assert found.rows.rows() == EXPECTED
    assert found.rejected.schema == REJECTED
    assert found.reasons == []
    assert found.chunks[-1].next_row == 3


SPOT_SINGLES = f"7,2.50,4.0,10.0,{T0_MS},True,True\n8,2.25,1.5,3.375,{T0_MS + 47},False,True\n"
FUTURES_SINGLES = (
    "id,price,qty,quote_qty,time,is_buyer_maker\n"
    f"7,2.50,4.0,10.0,{T0_MS},true\n8,2.25,1.5,3.375,{T0_MS + 47},false\n"
)


@pytest.mark.parametrize("text", [SPOT_SINGLES, FUTURES_SINGLES])
def test_single_trades_are_aggregates_of_one(tmp_path: Path, text: str) -> None:
    found = read(write(tmp_path, "ABCUSDT-trades-2023-11-14.csv", text))

    assert found.rows.rows() == [
        ("ABCUSDT", 7, 7, 7, AT, AT, 2.5, 4.0, True),
        ("ABCUSDT", 8, 8, 8, LATER, LATER, 2.25, 1.5, False),
    ]


HEADER = (
    "open_time,open,high,low,close,volume,close_time,quote_volume,count,"
    "taker_buy_volume,taker_buy_quote_volume,ignore\n"
)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("ABCUSDT-1m-2023-11.csv", KLINES),
        ("ABCUSDT-1m-2023-11.zip", HEADER + KLINES),
        ("ABCUSDT-1m-2023-11.csv.gz", KLINES.replace("00000,1.5", "00000000,1.5")),
    ],
)
def test_klines_become_bars(tmp_path: Path, name: str, text: str) -> None:
    found = read(write(tmp_path, name, text))

    then = datetime(2023, 11, 14, 22, 15, tzinfo=UTC)
    assert found.rows.schema == BARS
    assert found.rows.rows() == [
        ("ABCUSDT", AT, 1.5, 1.75, 1.25, 1.5, 10.0, 15.5, 12, None, None, True, 0),
        ("ABCUSDT", then, 1.5, 2.5, 1.5, 2.0, 0.0, 0.0, 0, None, None, True, 0),
    ]


GOOD = f"8,64000.01,1.0,24,24,{T0_MS},False,True"


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ("8,64000.01,1.0", "expected 8 fields, found 3"),
        (GOOD + ",9", "expected 8 fields, found 9"),
        (GOOD.removesuffix(",True"), "expected 8 fields, found 7"),
        ("", "expected 8 fields, found 1"),
        (
            "trade_id,price,quantity,f,l,time,maker,best",
            "expected a whole number, found 'trade_id'",
        ),
        (GOOD.replace("8,6", "8.0,6"), "expected a whole number, found '8.0'"),
        (GOOD.replace("8,6", "99999999999999999999,6"), "expected a whole number, found '9999"),
        (GOOD.replace("64000.01", "abc"), "expected a decimal, found 'abc'"),
        (GOOD.replace("64000.01", ""), "expected a decimal, found ''"),
        (GOOD.replace("64000.01", '"64000.01"'), "expected a decimal, found '\"64000.01\"'"),
        (GOOD.replace("False", "Fals"), "expected true or false, found 'Fals'"),
        (GOOD.replace("True", "Tr"), "expected true or false, found 'Tr'"),
        (GOOD.replace("64000.01", "-1"), "expected a price above zero, found -1"),
        (GOOD.replace("64000.01", "0.0"), "expected a price above zero, found 0"),
        (GOOD.replace("64000.01", "nan"), "expected a price from 1e-08 to 9.2e+10, found nan"),
        (GOOD.replace("64000.01", "inf"), "expected a price from 1e-08 to 9.2e+10, found inf"),
        (GOOD.replace(",1.0,", ",0,"), "expected a size above zero, found 0"),
        (GOOD.replace(",1.0,", ",-0.5,"), "expected a size above zero, found -0.5"),
        (
            GOOD.replace(",1.0,", ",1e-9,"),
            "expected a size from 1e-08 to 9.2e+10, found 0.000000001",
        ),
        (GOOD.replace("24,24", "25,24"), "expected first id <= last id, found 25"),
        (GOOD.replace("24,24", "-1,24"), "expected a first id of zero or more, found -1"),
        (GOOD.replace("8,6", "-8,6"), "expected an id of zero or more, found -8"),
        (
            GOOD.replace(str(T0_MS), "1230767999999"),
            "expected microseconds from 2009 to 2100, found 1230767999999000",
        ),
        (
            GOOD.replace(str(T0_MS), "4102444800000"),
            "expected microseconds from 2009 to 2100, found 4102444800000000",
        ),
        (
            GOOD.replace(str(T0_MS), str(T0_MS * 10**6)),
            "expected microseconds from 2009 to 2100, found 1700000040000000000",
        ),
    ],
)
def test_bad_row_of_a_dump_is_rejected_alone(tmp_path: Path, bad: str, reason: str) -> None:
    lines = [GOOD, bad, GOOD]

    found = read(write(tmp_path, "ABCUSDT-aggTrades.csv", "\n".join(lines) + "\n"))

    assert found.rows["trade_id"].to_list() == [8, 8]
    ((symbol, said, payload, received),) = found.rejected.rows()
    assert said.startswith(f"row 2: {reason}")
    assert (symbol, payload, received) == ("ABCUSDT", bad, None)


@pytest.mark.parametrize("at", [1_230_768_000_000, 4_102_444_799_999])
def test_times_at_the_ends_of_what_is_possible_are_read(tmp_path: Path, at: int) -> None:
    path = write(tmp_path, "ABCUSDT-aggTrades.csv", GOOD.replace(str(T0_MS), str(at)))
    assert read(path).rows["event_time"].dt.epoch("ms").to_list() == [at]


def test_bytes_that_are_no_text_are_rejected_and_shown(tmp_path: Path) -> None:
    content = GOOD.encode() + b"\n\xff\xfe,\x00\n" + GOOD.encode() + b",\xff\n"

    found = read(write(tmp_path, "ABCUSDT-aggTrades.csv", content))

    assert found.reasons == [
        "row 2: expected 8 fields, found 2",
        "row 3: expected 8 fields, found 9",
    ]
    assert found.rejected["payload"].to_list() == ["\ufffd\ufffd,\x00", GOOD + ",\ufffd"]


def test_payload_of_a_long_row_is_cut(tmp_path: Path) -> None:
    text = f"{GOOD}\n{'x' * 1000}\n"
    (payload,) = read(write(tmp_path, "ABCUSDT-aggTrades.csv", text)).rejected["payload"]
    assert payload == "x" * 300


def test_row_numbers_count_the_header(tmp_path: Path) -> None:
    text = f"a,b,c,d,e,f,g,h\n{GOOD}\n1,2\n"
    assert read(write(tmp_path, "ABCUSDT-aggTrades.csv", text)).reasons == [
        "row 3: expected 8 fields, found 2"
    ]


def test_first_row_that_is_bad_is_no_header(tmp_path: Path) -> None:
    found = read(write(tmp_path, "ABCUSDT-aggTrades.csv", f"x{GOOD}\n{GOOD}\n"))
    assert found.reasons == ["row 1: expected a whole number, found 'x8'"]


KLINE = KLINES.splitlines()[0]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (KLINE.replace("1.75", "1.0"), "low <= high, found 1.25"),
        (KLINE.replace("1.5,1.75", "1.8,1.75"), "low <= open <= high, found 1.8"),
        (KLINE.replace("1.25,1.5", "1.25,1.2"), "low <= close <= high, found 1.2"),
        (KLINE.replace("1.25,", "0,"), "a low price above zero, found 0"),
        (KLINE.replace(",10.0,", ",-1,"), "volume of zero or more, found -1"),
        (KLINE.replace(",10.0,", ",inf,"), "volume of zero or more, found inf"),
        (KLINE.replace("15.5", "nan"), "notional of zero or more, found nan"),
        (KLINE.replace(",12,", ",-12,"), "trades of zero or more, found -12"),
        (KLINE.replace(",12,", ",,"), "a whole number, found ''"),
        (KLINE.replace(str(T0_MS), str(T0_MS + 1)), "an open time on the grid of 1m, found 17000"),
        (KLINE.replace(str(T0_MS), "60000"), "microseconds from 2009 to 2100, found 60000000"),
        (KLINE.rpartition(",")[0], "12 fields, found 11"),
    ],
)
def test_bad_kline_is_rejected_alone(tmp_path: Path, bad: str, reason: str) -> None:
    found = read(write(tmp_path, "ABCUSDT-1m-2023.csv", f"{KLINES}{bad}\n"))

    assert found.rows.height == 2
    assert found.reasons[0].startswith(f"row 3: expected {reason}")
    assert len(found.reasons) == 1


def test_numbers_are_the_nearest_doubles_of_their_texts(tmp_path: Path) -> None:
    source = random.Random(20240805)  # noqa: S311 - test data
    texts = [
        f"{source.randrange(10 ** source.randrange(1, 10)) + 1}.{source.randrange(10**8):08d}"
        for _ in range(20_000)
    ]
    rows = "".join(f"{i},{text},{text},1,1,{T0_MS},True,True\n" for i, text in enumerate(texts))

    found = read(write(tmp_path, "ABCUSDT-aggTrades.csv", rows)).rows

    assert found["price"].to_list() == found["quantity"].to_list() == [float(t) for t in texts]
