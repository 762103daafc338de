from __future__ import annotations

import os
from pathlib import Path

import polars as pl
import pytest

from pipeline.batch.sources import Source, check_sources, look_at, named_paths
from pipeline.durations import MINUTE, SECOND
from pipeline.errors import ConfigError, ReplayError
from pipeline.recordings.inputs import Input
from pipeline.schema import TIME
from tests.pipeline.batch.histories import START_MS, market, write_dump


def test_named_paths_tell_symbol_and_file_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a.csv", "B=b.csv", "c.csv", "d.csv"):
        Path(name).touch()
    inputs = ["a.csv", "B=b.csv", "ETHBTC=c.csv", "ETH/BTC=d.csv"]
    assert named_paths(inputs, "XRPUSDT") == [
        (tmp_path / "a.csv", "a.csv", "XRPUSDT"),
        (tmp_path / "B=b.csv", "B=b.csv", "XRPUSDT"),
        (tmp_path / "c.csv", "c.csv", "ETHBTC"),
        (tmp_path / "d.csv", "d.csv", "ETH/BTC"),
    ]


def test_named_paths_lists_every_problem(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.touch()
    with pytest.raises(ConfigError) as caught:
        named_paths([str(path), f"s={path}", f"{tmp_path}/none.csv", str(tmp_path)], None)
    assert caught.value.problems == (
        "expected the venue's upper-case name such as BTCUSDT or BTC/USD, found 's'",
        f"expected each file once, found {path} again",
        f"expected a file, found none at {tmp_path}/none.csv",
        f"expected a file, found none at {tmp_path}",
    )


def test_look_at_a_dump_finds_its_first_row(tmp_path: Path) -> None:
    path = write_dump(tmp_path / "BTCUSDT-aggTrades-2023-11-14.csv", market(3, first_id=7))
    os.utime(path, ns=(5, 5))
    found = look_at(path, "given.csv", None)
    assert (found.file, found.changed_ns, found.size) == ("given.csv", 5, path.stat().st_size)
    assert found.firsts == {"BTCUSDT": (START_MS * 1000, 7)}


def recording(path: Path, rows: int) -> Path:
    """Parquet of two symbols, the second from the middle on."""
    history = market(rows)
    table = pl.DataFrame(
        {
            "symbol": ["BTCUSDT" if at < rows // 2 else "ETHUSDT" for at in range(rows)],
            "trade_id": [row.trade_id for row in history],
            "time": [row.time_ms * 1000 for row in history],
            "price": [float(row.price) for row in history],
        }
    ).select(
        "symbol",
        "trade_id",
        pl.col("trade_id").alias("first_id"),
        pl.col("trade_id").alias("last_id"),
        pl.col("time").cast(TIME).alias("event_time"),
        "price",
        pl.lit(1.0).alias("quantity"),
        pl.lit(value=True).alias("buyer_is_maker"),
    )
    table.write_parquet(path, row_group_size=rows // 4, compression="uncompressed")
    return path


def test_look_at_a_recording_finds_the_first_row_of_each_symbol(tmp_path: Path) -> None:
    found = look_at(recording(tmp_path / "a.parquet", 4_000), "a.parquet", None)
    firsts = {symbol: trade_id for symbol, (_, trade_id) in found.firsts.items()}
    assert firsts == {"BTCUSDT": 1, "ETHUSDT": 2_001}


def test_look_at_a_recording_damaged_in_the_middle_finds_what_is_before(tmp_path: Path) -> None:
    path = recording(tmp_path / "a.parquet", 400_000)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle:-20_000] = bytes(len(content) - middle - 20_000)
    path.write_bytes(content)
    assert look_at(path, "a.parquet", None).firsts == {"BTCUSDT": (START_MS * 1000, 1)}


@pytest.mark.parametrize("text", ["", "no,rows,at,all\n"])
def test_look_at_a_file_without_rows_is_an_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "BTCUSDT-aggTrades-2023-11-14.csv"
    path.write_text(text)
    with pytest.raises(ReplayError, match=r"BTCUSDT-aggTrades-2023-11-14\.csv"):
        look_at(path, path.name, None)


def test_look_at_a_file_for_a_name_no_venue_has_is_an_error(tmp_path: Path) -> None:
    path = write_dump(tmp_path / "a.csv", market(3))
    with pytest.raises(ReplayError, match="expected the venue's upper-case name"):
        look_at(path, path.name, "../ETC")


def test_check_sources_names_klines_of_another_length_and_how_to_take_them() -> None:
    klines = Input(Path("a.zip"), "A", "klines", MINUTE, None, 1)
    with pytest.raises(ConfigError) as caught:
        check_sources([Source("a.zip", klines, {"A": (0, 0)}, 1, 1)], SECOND, "c.yaml")
    assert str(caught.value) == (
        "c.yaml: sampling.every: expected 1m, the length of the klines in a.zip, found 1s: "
        "--set sampling.every=1m"
    )


def trades_of(symbol: str) -> Source:
    return Source("t", Input(Path("t"), symbol, "trades", None, None, 1), {symbol: (0, 0)}, 1, 1)


def test_check_sources_with_both_kinds_of_a_symbol_is_an_error() -> None:
    klines = Source("k", Input(Path("k"), "A", "klines", SECOND, None, 1), {"A": (0, 0)}, 1, 1)
    with pytest.raises(ConfigError, match="either trades or klines of A, found both"):
        check_sources([klines, trades_of("A")], SECOND, "c.yaml")
    check_sources([klines, trades_of("B")], SECOND, "c.yaml")
