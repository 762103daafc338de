"""Files that others recorded, read by us and, independently, by the standard library."""

from __future__ import annotations

import csv
import gzip
import json

import polars as pl
import pytest

from pipeline.recordings.inputs import open_input
from tests.pipeline.recordings.samples import read
from tests.recorded import DATA, needs_recordings

pytestmark = needs_recordings


@pytest.mark.parametrize(
    ("folder", "pattern", "files", "rows"),
    [
        ("klines-2021-05-19", "*-1m.json.gz", 20, 858_304),
        ("klines-2021-09", "*-1m.json.gz", 18, 776_777),
        ("klines-2023-summer-quiet", "*-1m-futures.feather", 18, 861_051),
        ("klines-2024-08-05", "*-1m.feather", 2, 86_417),
        ("klines-isda-futures", "*-1m-*.csv.gz", 13, 529_920),
        ("ticks-freqtrade", "*-1m.feather", 2, 16_150),
    ],
)
def test_klines_of_a_set_read_whole(folder: str, pattern: str, files: int, rows: int) -> None:
    paths = sorted((DATA / folder).glob(pattern))

    found = 0
    for path in paths:
        source = open_input(path)
        bars = read(path)
        assert (source.kind, source.every_us) == ("klines", 60_000_000)
        assert (bars.error, bars.reasons) == (None, [])
        found += bars.rows.height

    assert (len(paths), found) == (files, rows)


def test_freqtrade_klines_are_those_of_the_file() -> None:
    path = DATA / "klines-2021-05-19/BTC_USDT-1m.json.gz"
    recorded = json.loads(gzip.decompress(path.read_bytes()))

    bars = read(path).rows

    columns = ("open", "high", "low", "close", "volume")
    found = bars.select(pl.col("open_time").dt.epoch("ms"), *columns).rows()
    assert found == [tuple(row) for row in recorded]
    assert bars["symbol"].unique().to_list() == ["BTCUSDT"]


def test_vision_klines_are_those_of_the_file() -> None:
    path = DATA / "klines-isda-futures/NEARUSDT-1m-2024-02.csv.gz"
    recorded = csv.DictReader(gzip.decompress(path.read_bytes()).decode().splitlines())

    bars = read(path).rows

    columns = ("open", "high", "low", "close", "volume", "notional", "trades")
    names = ("open", "high", "low", "close", "volume", "quote_volume", "count")
    assert bars.select(pl.col("open_time").dt.epoch("ms"), *columns).rows() == [
        (int(row["open_time"]), *(float(row[name]) for name in names)) for row in recorded
    ]


def test_feather_of_five_minutes_tells_its_length() -> None:
    path = DATA / "ticks-freqtrade/XRP_ETH-5m.feather"
    assert open_input(path).every_us == 300_000_000
    assert read(path).rows.height == 706


def test_freqtrade_trades_are_those_of_the_file() -> None:
    path = DATA / "ticks-freqtrade/XRP_OLD-trades.json.gz"
    recorded = [row["info"] for row in json.loads(gzip.decompress(path.read_bytes()))]

    trades = read(path, rows=5_000)

    assert (trades.error, trades.reasons) == (None, [])
    assert trades.rows.drop("receive_time").with_columns(
        pl.col("event_time").dt.epoch("ms")
    ).rows() == [
        ("XRPETH", *(one[name] for name in "aflT"), float(one["p"]), float(one["q"]), one["m"])
        for one in recorded
    ]
    assert len(recorded) == 12_477


def test_freqtrade_trades_of_another_shape_are_refused() -> None:
    # `[ms, id, null, side, price, amount, cost]` has neither first nor last id.
    found = read(DATA / "ticks-freqtrade/XRP_ETH-trades.json.gz")

    assert found.error is not None
    assert "row 1: expected [ms,open,high,low,close,volume]" in found.error
