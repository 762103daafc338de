from __future__ import annotations

import gzip
import json
import shutil
import zlib
from pathlib import Path

import polars as pl

from pipeline.durations import MINUTE, SECOND
from pipeline.recordings.inputs import open_input, read_chunks
from pipeline.recordings.recorder import Recorder
from pipeline.schema import TIME, TRADES

START_US = 1_767_225_600_000_000  # 2026-01-01T00:00:00Z


def trades(*ids: int, symbol: str = "BTCUSDT", at_us: int = START_US) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "symbol": [symbol] * len(ids),
            "trade_id": ids,
            "first_id": ids,
            "last_id": ids,
            "event_time": pl.Series([at_us] * len(ids), dtype=pl.Int64).cast(TIME),
            "receive_time": pl.Series([at_us] * len(ids), dtype=pl.Int64).cast(TIME),
            "price": [1.5] * len(ids),
            "quantity": [2.0] * len(ids),
            "buyer_is_maker": [True] * len(ids),
        },
        schema=TRADES,
    )


def recorder(path: Path, *, keep_bytes: int = 10**9) -> Recorder:
    return Recorder(path, part_us=MINUTE, keep_bytes=keep_bytes)


def names(path: Path, folder: str) -> list[str]:
    return sorted(file.name for file in (path / folder).iterdir())


def lines(file: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in gzip.decompress(file.read_bytes()).splitlines()]


def ids(path: Path) -> list[int]:
    return [
        trade_id
        for file in sorted((path / "trades").iterdir())
        for chunk in read_chunks(open_input(file), 100)
        for trade_id in chunk.rows["trade_id"]
    ]


def test_recorder_writes_frames_as_they_came(tmp_path: Path) -> None:
    made = recorder(tmp_path)
    made.add([b'{"a":1}', b'"\xff'], [START_US, START_US + 1], trades())
    made.close()

    assert names(tmp_path, "raw") == ["20260101T000000000000Z.jsonl.gz"]
    assert lines(tmp_path / "raw" / "20260101T000000000000Z.jsonl.gz") == [
        {"receive_us": START_US, "frame": '{"a":1}'},
        {"receive_us": START_US + 1, "frame_base64": "Iv8="},
    ]
    assert names(tmp_path, "trades") == []
    assert names(tmp_path, ".part") == []


def test_recorder_starts_a_part_at_each_multiple_of_its_length(tmp_path: Path) -> None:
    made = recorder(tmp_path)
    for number, second in enumerate((59, 59.5, 60, 185)):
        made.add([b"x"], [START_US + int(second * SECOND)], trades(number + 1))
    made.close()

    stems = ["20260101T000059000000Z", "20260101T000100000000Z", "20260101T000305000000Z"]
    assert names(tmp_path, "raw") == [f"{stem}.jsonl.gz" for stem in stems]
    assert names(tmp_path, "trades") == [f"{stem}.parquet" for stem in stems]
    assert ids(tmp_path) == [1, 2, 3, 4]
    assert made.recorded.parts == 3


def test_recorder_of_nothing_leaves_no_file(tmp_path: Path) -> None:
    made = recorder(tmp_path)
    made.add([], [], trades())
    made.close()

    assert [file for file in tmp_path.rglob("*") if file.is_file()] == []


def test_recorder_writes_each_id_once_and_in_order(tmp_path: Path) -> None:
    made = recorder(tmp_path)
    made.add([b"x"], [START_US], trades(7, 9, 8, 9))
    made.add([b"x"], [START_US + MINUTE], trades(8, 9, 10))
    made.add([b"x"], [START_US + MINUTE], trades(3, symbol="ETHUSDT"))
    made.close()

    assert ids(tmp_path) == [7, 8, 9, 10, 3]
    assert made.recorded.trades == {"BTCUSDT": 4, "ETHUSDT": 1}
    assert made.recorded.repeated == 3


def test_recorder_that_is_killed_leaves_its_frames_to_be_read(tmp_path: Path) -> None:
    going_on = recorder(tmp_path / "going on")
    going_on.add([b"1"], [START_US], trades(1))
    going_on.add([b"2"], [START_US + MINUTE], trades(2))
    going_on.add([b"3"], [START_US + MINUTE + SECOND], trades(3))
    killed = tmp_path / "killed"
    shutil.copytree(tmp_path / "going on", killed)
    going_on.close()

    assert ids(killed) == [1]
    recorder(killed)

    cut = killed / "raw" / "20260101T000100000000Z-cut.jsonl.gz"
    assert names(killed, "raw") == ["20260101T000000000000Z.jsonl.gz", cut.name]
    text = zlib.decompressobj(31).decompress(cut.read_bytes())
    assert [json.loads(line)["frame"] for line in text.splitlines()] == ["2", "3"]


def test_recorder_beyond_its_bound_lets_the_oldest_files_leave_first(tmp_path: Path) -> None:
    unbound = recorder(tmp_path / "all")
    for minute in range(4):
        unbound.add([b"x"], [START_US + minute * MINUTE], trades(minute + 1))
    unbound.close()
    sizes = {
        folder: [
            (tmp_path / "all" / folder / name).stat().st_size
            for name in names(tmp_path / "all", folder)
        ]
        for folder in ("raw", "trades")
    }

    # Room for all but the first two frames' files and the first trades' file.
    room = sum(sizes["raw"][2:]) + sum(sizes["trades"][1:])
    bound = recorder(tmp_path / "bound", keep_bytes=room)
    for minute in range(4):
        bound.add([b"x"], [START_US + minute * MINUTE], trades(minute + 1))
    bound.close()

    assert len(names(tmp_path / "bound", "raw")) == 2
    assert ids(tmp_path / "bound") == [2, 3, 4]
    assert bound.recorded.removed == 3


def test_recorder_ends_a_part_that_holds_too_much(tmp_path: Path, monkeypatch: object) -> None:
    monkeypatch.setattr("pipeline.recordings.recorder.MAX_TRADES", 2)  # type: ignore[attr-defined]
    made = recorder(tmp_path)
    for number in range(3):
        made.add([b"x"], [START_US + number], trades(2 * number + 1, 2 * number + 2))
    made.close()

    assert names(tmp_path, "trades") == [
        f"20260101T00000000000{number}Z.parquet" for number in range(3)
    ]
