from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipeline.errors import ReplayError
from pipeline.recordings.inputs import open_input
from pipeline.schema import TRADES
from tests.pipeline.recordings.samples import read, write

AT = datetime(2023, 11, 14, 22, 14, tzinfo=UTC)
RECEIVED = AT + timedelta(milliseconds=80)
ROWS: list[tuple[Any, ...]] = [
    ("ABCUSDT", 5, 9, 9, AT, RECEIVED, 0.1, 0.3, True),
    ("XYZUSDT", 1, 1, 2, AT, RECEIVED, 64000.01, 2.0, False),
    ("ABCUSDT", 6, 10, 10, AT, RECEIVED, 0.2, 0.4, False),
]


def written(folder: Path, rows: list[tuple[Any, ...]], **columns: pl.Expr) -> Path:
    path = folder / "any[1].parquet"
    frame = pl.DataFrame(rows, schema=TRADES, orient="row").with_columns(**columns)
    frame.write_parquet(path, row_group_size=2)
    return path


def test_parquet_of_several_symbols_reads_in_file_order(tmp_path: Path) -> None:
    path = written(tmp_path, ROWS, more=pl.lit("ignored"))

    source = open_input(path)
    found = read(path)

    assert (source.kind, source.symbol, source.rows, source.every_us) == ("trades", None, 3, None)
    assert found.rows.schema == TRADES
    assert found.rows.rows() == [(*row[:5], AT, *row[6:]) for row in ROWS]


def test_parquet_without_receive_times_reads(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pl.DataFrame(ROWS, schema=TRADES, orient="row").drop("receive_time").write_parquet(path)
    assert read(path).rows["receive_time"].to_list() == [AT] * 3


def test_bad_rows_of_parquet_are_rejected_alone(tmp_path: Path) -> None:
    early = datetime(1970, 1, 20, tzinfo=UTC)
    bad = [
        (None, 7, 11, 11, AT, AT, 0.1, 0.3, True),
        ("ABCUSDT", 7, 11, 11, AT, AT, None, 0.3, True),
        ("ABCUSDT", 7, 11, 11, early, AT, 0.1, 0.3, True),
        ("ABCUSDT", 7, 11, 11, AT, AT, float("nan"), 0.3, True),
    ]

    found = read(written(tmp_path, [*ROWS, *bad]))

    assert found.rows["trade_id"].to_list() == [5, 1, 6]
    assert found.reasons == [
        "row 4: expected a symbol of upper-case letters and digits, found none",
        "row 5: expected a value of price, found a null",
        "row 6: expected microseconds from 2009 to 2100, found 1641600000000",
        "row 7: expected a price from 1e-08 to 9.2e+10, found nan",
    ]
    assert found.rejected["payload"][1] == (
        '{"symbol":"ABCUSDT","trade_id":7,"first_id":11,"last_id":11,"price":null,'
        '"quantity":0.3,"buyer_is_maker":true,"time_us":1700000040000000}'
    )


def test_parquet_of_other_columns_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, ROWS, price=pl.col("price").cast(pl.String))
    with pytest.raises(ReplayError, match=r"the columns of TRADES, found others for \['price'\]"):
        open_input(path)


def test_parquet_that_is_damaged_inside_gives_the_rows_before(tmp_path: Path) -> None:
    rows = pl.DataFrame(ROWS[:1], schema=TRADES, orient="row")
    many = pl.concat([rows] * 200_000).with_columns(trade_id=pl.int_range(200_000))
    path = tmp_path / "a.parquet"
    many.write_parquet(path, row_group_size=50_000)
    broken = bytearray(path.read_bytes())
    place = len(broken) * 9 // 10
    broken[place : place + 1_000] = bytes(1_000)
    path.write_bytes(broken)

    found = read(path, rows=65_536)

    assert found.rows["trade_id"].to_list() == list(range(131_072))
    assert found.error is not None
    assert found.error.startswith(f"{path}: expected a whole file, found it damaged: ")
    assert found.error.endswith(", after row 131072")


def feather(folder: Path, **columns: pl.Expr) -> Path:
    path = folder / "BTC_USDT_USDT-1m-futures.feather"
    frame = pl.DataFrame(
        {
            "date": [AT, AT + timedelta(minutes=1)],
            "open": [1.5, 1.5],
            "high": [1.75, 2.5],
            "low": [1.25, 1.5],
            "close": [1.5, 2.0],
            "volume": [10.0, 0.0],
        }
    ).with_columns(pl.col("date").cast(pl.Datetime("ns", "UTC")))
    frame.with_columns(**columns).write_ipc(path, compression="lz4")
    return path


def test_feather_klines_become_bars(tmp_path: Path) -> None:
    path = feather(tmp_path)

    source = open_input(path)

    assert (source.kind, source.symbol, source.rows) == ("klines", "BTCUSDT", 2)
    assert source.every_us == 60_000_000
    then = AT + timedelta(minutes=1)
    assert read(path).rows.rows() == [
        ("BTCUSDT", AT, 1.5, 1.75, 1.25, 1.5, 10.0, None, None, None, None, True, 0),
        ("BTCUSDT", then, 1.5, 2.5, 1.5, 2.0, 0.0, None, None, None, None, True, 0),
    ]


def test_feather_with_a_null_rejects_the_row(tmp_path: Path) -> None:
    path = feather(tmp_path, low=pl.when(pl.col("volume") > 0).then(pl.col("low")))
    assert read(path).reasons == ["row 2: expected a value of low, found a null"]


def test_feather_of_other_columns_is_refused(tmp_path: Path) -> None:
    path = feather(tmp_path, date=pl.lit("today"), volume=pl.lit(1))
    with pytest.raises(ReplayError, match=r"found others for \['date', 'volume'\]"):
        open_input(path)


@pytest.mark.parametrize("name", ["a.parquet", "a-1m.feather"])
@pytest.mark.parametrize("content", [b"", b"PAR1", b"ARROW1" * 100])
def test_file_that_is_no_table_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    with pytest.raises(ReplayError, match=f"{name}: expected whole "):
        open_input(write(tmp_path, name, content), "ABCUSDT")


def test_feather_that_polars_panics_over_is_refused(tmp_path: Path) -> None:
    path = feather(tmp_path)
    path.write_bytes(path.read_bytes().replace(b"UTC", b"UTU"))
    with pytest.raises(ReplayError, match=r"expected whole feather, found .*parse time"):
        open_input(path)
