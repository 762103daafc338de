from __future__ import annotations

import gzip
import json
import tempfile
from pathlib import Path

import hypothesis.strategies as st
import polars as pl
import pytest
from hypothesis import given, settings

from pipeline.errors import ReplayError
from pipeline.recordings.inputs import Input, open_input, read_chunks
from tests.pipeline.recordings.samples import AGGREGATES, KLINES, T0_MS, read, write


@pytest.mark.parametrize(
    ("name", "text", "kind", "every_us", "first_number"),
    [
        ("ABCUSDT-aggTrades-2023.csv", AGGREGATES, "trades", None, 1),
        ("ABCUSDT-1m-2023.zip", KLINES, "klines", 60_000_000, 1),
        ("ABCUSDT-1m-2023.csv.gz", "open_time,open\n" + KLINES, "klines", 60_000_000, 2),
        ("ABCUSDT-1h-2023.csv", KLINES, "klines", 3_600_000_000, 1),
    ],
)
def test_open_input_tells_what_a_file_holds(
    tmp_path: Path, name: str, text: str, kind: str, every_us: int | None, first_number: int
) -> None:
    path = write(tmp_path, name, text)
    assert open_input(path) == Input(path, "ABCUSDT", kind, every_us, None, first_number)  # type: ignore[arg-type]


def test_open_input_without_a_length_in_the_name_takes_the_most_common_step(
    tmp_path: Path,
) -> None:
    hours = [0, 2, 1, 5, 6, 7, 7, 8]
    klines = [[T0_MS + hour * 3_600_000, 1.0, 1.0, 1.0, 1.0, 1.0] for hour in hours]
    path = write(tmp_path, "a.json", json.dumps(klines))

    assert open_input(path, "ABCUSDT").every_us == 3_600_000_000


def test_open_input_of_one_bar_without_a_length_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", KLINES.splitlines()[0])
    with pytest.raises(ReplayError, match="expected the length of a bar in the file name"):
        open_input(path, "ABCUSDT")


def test_symbol_given_overrides_the_name(tmp_path: Path) -> None:
    path = write(tmp_path, "ABCUSDT-aggTrades-2023.csv", AGGREGATES)
    assert read(path, "XYZUSDT").rows["symbol"].unique().to_list() == ["XYZUSDT"]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.csv", AGGREGATES, "expected a symbol in the rows, in a file name"),
        ("ABCUSDT-trades.csv", "1,2,3\n", "expected id,price,quantity.* found '1,2,3'"),
        ("ABCUSDT-trades.csv", "id,price\n", "expected id,price,quantity.* found ''"),
        ("ABCUSDT-trades.csv", " \n\n", "found an empty file"),
        ("ABCUSDT-trades.txt", AGGREGATES, "expected a file that ends in .* found '.txt'"),
    ],
)
def test_file_that_cannot_be_told_is_refused(
    tmp_path: Path, name: str, text: str, said: str
) -> None:
    path = write(tmp_path, name, text)
    with pytest.raises(ReplayError, match=said) as caught:
        open_input(path)
    assert str(caught.value).startswith(str(path))


def test_parquet_without_rows_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    read(write(tmp_path, "A_B-trades.csv", AGGREGATES)).rows.clear().write_parquet(path)
    with pytest.raises(ReplayError, match="expected trades or klines, found none"):
        open_input(path)


@pytest.mark.parametrize("name", ["a.csv", "a.zip", "a.json.gz", "a.parquet", "a.feather"])
def test_file_that_is_missing_says_so(tmp_path: Path, name: str) -> None:
    with pytest.raises(ReplayError, match=f"{name}: expected a recording, found no such file"):
        open_input(tmp_path / name)


def test_read_chunks_starts_and_stops_where_it_is_told(tmp_path: Path) -> None:
    path = write(tmp_path, "ABCUSDT-aggTrades.csv", "x\n" + AGGREGATES * 10)
    source = open_input(path)

    first, second = read_chunks(source, 4, start_row=7, stop_row=13)

    assert first.rows["trade_id"].to_list() == [8, 9, 7, 8]
    assert second.rows["trade_id"].to_list() == [9, 7]
    assert (first.next_row, second.next_row) == (11, 13)


def test_read_chunks_behind_the_end_gives_nothing(tmp_path: Path) -> None:
    source = open_input(write(tmp_path, "ABCUSDT-aggTrades.csv", AGGREGATES))
    assert list(read_chunks(source, 10, start_row=3)) == []
    assert list(read_chunks(source, 10, start_row=2, stop_row=2)) == []


def test_read_chunks_that_stops_before_damage_does_not_meet_it(tmp_path: Path) -> None:
    path = tmp_path / "ABCUSDT-aggTrades.csv.gz"
    path.write_bytes(gzip.compress(AGGREGATES.encode() * 10)[:-9])

    (chunk,) = read_chunks(open_input(path), 100, stop_row=6)

    assert chunk.rows.height == 6


# Good rows, bad rows, empty rows, wide rows, and what is no text at all.
LINES = st.lists(
    st.one_of(
        st.sampled_from([line.encode() for line in AGGREGATES.splitlines()]),
        st.binary(max_size=60).map(lambda some: some.replace(b"\n", b",")),
        st.builds(
            lambda line, place, some: line[:place] + some + line[place + 1 :],
            st.sampled_from([line.encode() for line in AGGREGATES.splitlines()]),
            st.integers(0, 60),
            st.sampled_from([b"", b",", b"-", b"9", b".", b"\r", b'"', b"\xff", b"\x00", b"e5"]),
        ),
    ),
    max_size=60,
)


@settings(deadline=None, max_examples=100)
@given(lines=LINES, rows=st.integers(1, 70), start=st.integers(0, 61), packed=st.booleans())
def test_chunks_of_any_size_from_any_row_join_to_the_same(
    lines: list[bytes], rows: int, start: int, *, packed: bool
) -> None:
    text = b"\n".join([AGGREGATES.splitlines()[0].encode(), *lines, b""])
    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder), "A.csv.gz" if packed else "A.csv", text)
        whole = read(path, "ABCUSDT")
        parts = read(path, "ABCUSDT", rows, stop_row=start)
        later = read(path, "ABCUSDT", rows, start_row=start)

    assert whole.rows.height + whole.rejected.height == len(lines) + 1
    chunks = [*parts.chunks, *later.chunks]
    assert pl.concat([chunk.rows for chunk in chunks]).equals(whole.rows)
    assert pl.concat([chunk.rejected for chunk in chunks]).equals(whole.rejected)


@settings(deadline=None, max_examples=60)
@given(lines=LINES)
def test_rejected_rows_are_named_and_shown_as_they_stand(lines: list[bytes]) -> None:
    texts = [AGGREGATES.splitlines()[0].encode(), *lines]
    with tempfile.TemporaryDirectory() as folder:
        found = read(write(Path(folder), "A.csv", b"\n".join([*texts, b""])), "ABCUSDT")

    for reason, payload in found.rejected.select("reason", "payload").iter_rows():
        number = int(reason.removeprefix("row ").partition(":")[0])
        assert payload == texts[number - 1].decode(errors="replace").rstrip("\r")


@pytest.mark.parametrize("name", ["many.csv", "many.csv.gz", "many.jsonl", "many.json"])
def test_file_of_many_pieces_reads_every_row_once(tmp_path: Path, name: str) -> None:
    """Longer than the pieces it is read in, and lines that cross their ends."""
    count = 40_000
    if ".csv" in name:
        rows = [f"{i},64000.01,1.5,{i},{i},{T0_MS},True,True" for i in range(count)]
        text = "\n".join(rows)
    else:
        rows = [
            f'{{"a":{i},"p":"64000.01","q":"1.5","f":{i},"l":{i},"T":{T0_MS},"m":true}}'
            for i in range(count)
        ]
        text = "\n".join(rows) if name.endswith("l") else f"[{', '.join(rows)}]"
    path = write(tmp_path, name, text)

    whole, parts = read(path, "ABCUSDT"), read(path, "ABCUSDT", rows=700)
    rest = read(path, "ABCUSDT", rows=700, start_row=31_234)

    assert len(parts.chunks) > 57
    assert whole.rows["trade_id"].to_list() == list(range(count))
    assert parts.rows.equals(whole.rows)
    assert rest.rows["trade_id"].to_list() == list(range(31_234, count))
