from __future__ import annotations

import gzip
import json
import zipfile
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from pipeline.durations import MINUTE
from pipeline.errors import ReplayError
from pipeline.exchange.admin import ledger
from pipeline.exchange.clock import MarketClock
from pipeline.exchange.faults import read_fault
from pipeline.exchange.klines import CLOSE, HIGH, LOTS, OPEN_US
from pipeline.exchange.replay import open_replay
from pipeline.exchange.venue import Exchange
from pipeline.schema import TRADES
from tests.recorded import DATA, needs_recordings

RECORDED = DATA / "ticks-freqtrade/XRP_OLD-trades.json.gz"

#: The same two trades in every format.
AGGREGATES = (
    "26129,0.01633102,4.70443515,27781,27783,1498793709153,True,True\n"
    "26131,0.01633200,1.00000000,27790,27790,1498793709200,False,True\n"
)
IN_MICROSECONDS = AGGREGATES.replace("9153,", "9153000,").replace("9200,", "9200000,")
FUTURES = (
    "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker\n"
    + AGGREGATES.replace(",True\n", "\n").replace("True", "true").replace("False", "false")
)
OBJECTS = [
    {"e": "aggTrade", "E": 1498793709153, "s": "ABCUSDT", "a": 26129, "p": "0.01633102"}
    | {"q": "4.70443515", "f": 27781, "l": 27783, "T": 1498793709153, "m": True, "M": True},
    {"e": "aggTrade", "E": 1498793709200, "s": "ABCUSDT", "a": 26131, "p": "0.01633200"}
    | {"q": "1.00000000", "f": 27790, "l": 27790, "T": 1498793709200, "m": False, "M": True},
]
LINES = "\n".join(json.dumps(one) for one in OBJECTS)
WRAPPED = "\n".join(json.dumps({"stream": "abcusdt@aggTrade", "data": one}) for one in OBJECTS)
FREQTRADE = json.dumps([{"info": one, "symbol": "ABC/USDT"} for one in OBJECTS])

# `sha256sum` over both ledger lines, and over the second.
BOTH = "b23b13fefd0a450ee3013eb0deaf4b779ea12ac9e27852dda2cf8efc57a89126"
SECOND = "18cb4670f519c64e8fb75168a70b9a80a45bc6543ed4531965ffdb4d77ea8d5c"

EXPECTED = [
    [26129, 27781, 27783, 1498793709153000, 1_633_102, 470_443_515, 1],
    [26131, 27790, 27790, 1498793709200000, 1_633_200, 100_000_000, 0],
]


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    if name.endswith(".gz"):
        path.write_bytes(gzip.compress(text.encode()))
    elif name.endswith(".zip"):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(name.replace(".zip", ".csv"), text)
    else:
        path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("ABCUSDT-aggTrades-2017-06-30.csv", AGGREGATES),
        ("ABCUSDT-aggTrades-2017-06-30.csv.gz", IN_MICROSECONDS),
        ("ABCUSDT-aggTrades-2017-06-30.zip", FUTURES),
        ("raw.jsonl", LINES),
        ("raw.jsonl.gz", WRAPPED),
        ("ABC_OLD.json", FREQTRADE),
    ],
)
def test_replay_reads_every_format_alike(tmp_path: Path, name: str, text: str) -> None:
    replay = open_replay([write(tmp_path, name, text)])

    issued = replay.advance(1498793709200001)

    assert [listing.symbol for listing in replay.listings] == ["ABCUSDT"]
    assert issued["ABCUSDT"].columns.T.tolist() == EXPECTED
    assert replay.start_us == replay.history_start_us == 1498793709153000


def test_replay_reads_single_trades_as_aggregates_of_one(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "ABCUSDT-trades-2017-06-30.csv",
        "7,2.50,4.0,10.0,1498793709153,True,True\n8,2.25,1.5,3.375,1498793709160,False,True\n",
    )

    issued = open_replay([path]).advance(2 * 10**15)["ABCUSDT"]

    assert issued.columns.T.tolist() == [
        [7, 7, 7, 1498793709153000, 250_000_000, 400_000_000, 1],
        [8, 8, 8, 1498793709160000, 225_000_000, 150_000_000, 0],
    ]


def test_replay_reads_parquet_of_several_symbols(tmp_path: Path) -> None:
    when = datetime(2024, 1, 1, tzinfo=UTC)
    rows = [
        ("ABCUSDT", 5, 9, 9, when, when, 0.1, 0.3, True),
        ("XYZUSDT", 1, 1, 2, when, when, 64000.01, 2.0, False),
    ]
    path = tmp_path / "any.parquet"
    pl.DataFrame(rows, schema=TRADES, orient="row").write_parquet(path)

    issued = open_replay([path]).advance(2 * 10**15)

    assert issued["ABCUSDT"].columns.T.tolist() == [
        [5, 9, 9, 1704067200000000, 10_000_000, 30_000_000, 1]
    ]
    assert issued["XYZUSDT"].price_e8.tolist() == [6_400_001_000_000]


@pytest.mark.parametrize(
    "text",
    [
        "0.00000001",
        "64000.01",
        "22517998.13685249",
        "123456789.12",
        "92000000000",
        "45035996.27371",
    ],
)
def test_replay_keeps_sizes_to_the_last_place(tmp_path: Path, text: str) -> None:
    row = f"1,2.50,{text},1,1,1700000000001,True,True\n"

    issued = open_replay([f"ABCUSDT={write(tmp_path, 'a.csv', row)}"]).advance(2 * 10**15)

    assert issued["ABCUSDT"].quantity_e8.tolist() == [int(Decimal(text) * 10**8)]


def test_replay_of_klines_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, "ABCUSDT-1m.json", "[[1700000040000, 1.5, 1.5, 1.5, 1.5, 1.0]]")
    with pytest.raises(ReplayError, match="expected trades, found klines"):
        open_replay([path])


def test_replay_joins_the_files_of_a_symbol_in_any_order(tmp_path: Path) -> None:
    first, second = AGGREGATES.splitlines()
    late = write(tmp_path, "b.csv", second)
    early = write(tmp_path, "a.csv", first)

    replay = open_replay([f"ABCUSDT={late}", f"ABCUSDT={early}"])

    assert replay.advance(2 * 10**15)["ABCUSDT"].trade_id.tolist() == [26129, 26131]


def test_replay_guesses_the_steps_of_the_market(tmp_path: Path) -> None:
    text = "1,2.50,4.0,1,1,1700000000001,True,True\n2,2.25,1.5,2,2,1700000000002,True,True\n"
    (listing,) = open_replay([f"XRPETH={write(tmp_path, 'x.csv', text)}"]).listings

    assert (listing.base_asset, listing.quote_asset) == ("XRP", "ETH")
    assert (listing.tick_e8, listing.lot_e8) == (25_000_000, 50_000_000)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.csv", "", "found an empty file"),
        ("a.jsonl", "", "expected trades, found none"),
        ("a.json", "[]", "expected trades, found none"),
        ("a.txt", AGGREGATES, "expected a file that ends in"),
        ("a.csv", AGGREGATES[:-40], "row 2: expected 8 fields, found"),
        ("a.csv", AGGREGATES[:-3], "row 2: expected true or false, found 'Tr'"),
        ("a.csv", AGGREGATES.replace("26131", "26128"), "row 2: expected id > 26129, found 26128"),
        ("a.csv", AGGREGATES.replace("9200,", "9100,"), "row 2: expected time_us >= 14987937091"),
        ("a.csv", AGGREGATES.replace("0.01633200", "abc"), "row 2: expected a decimal"),
        ("a.csv", AGGREGATES.replace("0.01633200", "0.0"), "row 2: expected a price above zero"),
        ("a.csv", AGGREGATES.replace("1.00000000", "0"), "row 2: expected a size above zero"),
        ("a.csv", AGGREGATES.replace("0.01633200", "0.016332001"), "row 2: .*at most 8 places"),
        ("a.csv", AGGREGATES.replace("27783", "27780"), "row 1: expected first id <= last id"),
        ("a.csv", FUTURES.replace("26131", "x"), "row 3: expected a whole number, found 'x'"),
        ("a.csv", "1,2,3\n", "expected id,price,quantity"),
        ("a.jsonl", LINES[:-20], "row 2: expected raw aggTrades"),
        ("a.jsonl", LINES.replace('"q"', '"Q"'), "row 1: .*found one missing"),
        ("a.jsonl", LINES.replace("0.01633200", "-1"), "row 2: expected a price above zero"),
        ("a.json", FREQTRADE[:-9], "expected raw aggTrades"),
        ("a.parquet", "PAR1", "expected whole Parquet"),
    ],
)
def test_replay_of_a_bad_file_names_file_row_and_reason(
    tmp_path: Path, name: str, text: str, said: str
) -> None:
    path = write(tmp_path, name, text)

    with pytest.raises(ReplayError, match=said) as caught:
        open_replay([f"ABCUSDT={path}"])

    assert str(path) in str(caught.value)


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.zip", "a.jsonl", "a.parquet"])
def test_replay_of_a_missing_file_says_so(tmp_path: Path, name: str) -> None:
    with pytest.raises(ReplayError, match=f"{name}: .*no such file"):
        open_replay([tmp_path / name])


@pytest.mark.parametrize("name", ["a.csv.gz", "a.zip"])
def test_replay_of_half_an_archive_is_refused(tmp_path: Path, name: str) -> None:
    path = write(tmp_path, name, AGGREGATES * 50)
    path.write_bytes(path.read_bytes()[:-30])

    with pytest.raises(ReplayError, match="expected a whole file"):
        open_replay([f"ABCUSDT={path}"])


def test_replay_without_a_symbol_asks_for_one(tmp_path: Path) -> None:
    with pytest.raises(ReplayError, match="or as SYMBOL=FILE, found none"):
        open_replay([write(tmp_path, "a.csv", AGGREGATES)])


def test_replay_of_nothing_is_refused() -> None:
    with pytest.raises(ReplayError, match="at least one recording"):
        open_replay([])


def test_replay_of_overlapping_files_is_refused(tmp_path: Path) -> None:
    one, two = (write(tmp_path, name, AGGREGATES) for name in ("a.csv", "b.csv"))

    with pytest.raises(ReplayError, match=r"a\.csv, .*b\.csv, row 3: expected id > 26131"):
        open_replay([f"ABCUSDT={one}", f"ABCUSDT={two}"])


@needs_recordings
def test_replay_of_real_trades_prints_them_as_the_venue_did() -> None:
    raw = [row["info"] for row in json.loads(gzip.decompress(RECORDED.read_bytes()))]
    exchange = Exchange(open_replay([RECORDED]))

    step = exchange.advance(2 * 10**15)

    issued = step.issued["XRPETH"]
    assert issued.prices == [one["p"] for one in raw]
    assert issued.quantities == [one["q"] for one in raw]
    assert issued.trades.trade_id.tolist() == [one["a"] for one in raw]
    assert len(raw) == 12_477


@needs_recordings
def test_replay_makes_the_klines_the_venue_published() -> None:
    exchange = Exchange(open_replay([RECORDED]))
    exchange.advance(1570965600000000)
    first_us = 1570752000000000 + MINUTE  # the first whole minute
    bars = exchange.markets["XRPETH"].bars.bars(MINUTE, first_us, 1570965540000000)

    made = pl.DataFrame(
        {
            "date": bars[OPEN_US] // 1000,
            "high": bars[HIGH] / 1e8,
            "close": bars[CLOSE] / 1e8,
            "volume": bars[LOTS] * 1.0,
        }
    )
    published = pl.read_ipc(RECORDED.parent / "XRP_ETH-1m.feather").with_columns(
        pl.col("date").dt.epoch("ms")
    )
    both = made.join(published, on="date", suffix="_published")

    assert both.height > 2400
    for name in ("high", "close", "volume"):
        assert (both[name] - both[f"{name}_published"]).abs().max() < 1e-9  # type: ignore[operator]


def test_ledger_hashes_the_lines_as_sent(tmp_path: Path) -> None:
    exchange = Exchange(open_replay([write(tmp_path, "raw.jsonl", LINES)]))
    assert json.loads(ledger(exchange, []).body) == {
        "ABCUSDT": {
            "first_id": None,
            "last_id": None,
            "sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        }
    }

    exchange.advance(2 * 10**15)

    # Lines such as 26129,0.01633102,4.70443515,1498793709153,true
    assert json.loads(ledger(exchange, []).body) == {
        "ABCUSDT": {"first_id": 26129, "last_id": 26131, "sha256": BOTH}
    }
    part = [("symbol", "ABCUSDT"), ("first_id", "26130"), ("last_id", "30000")]
    assert json.loads(ledger(exchange, part).body) == {
        "ABCUSDT": {"first_id": 26131, "last_id": 26131, "sha256": SECOND, "served_sha256": SECOND}
    }
    assert ledger(exchange, part[:1]).status == 400


def test_ledger_of_a_range_also_hashes_what_is_left_of_it_without_the_lost(tmp_path: Path) -> None:
    exchange = Exchange(open_replay([write(tmp_path, "raw.jsonl", LINES)]))
    exchange.faults.switch_on(read_fault({"fault": "lose", "count": 1}, {"ABCUSDT"}))
    exchange.advance(2 * 10**15)
    part = [("symbol", "ABCUSDT"), ("first_id", "1"), ("last_id", "30000")]
    (entry,) = json.loads(ledger(exchange, part).body).values()
    assert (entry["sha256"], entry["served_sha256"]) == (BOTH, SECOND)


def test_clock_stands_until_it_is_started_and_then_runs_at_its_speed() -> None:
    clock = MarketClock(1000, speed=60.0)

    assert (clock.read(500), clock.running) == (1000, False)
    clock.start(600)
    assert (clock.read(610), clock.running) == (1600, True)
    assert clock.read(611) == 1660
