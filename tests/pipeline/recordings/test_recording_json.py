from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline.errors import ReplayError
from pipeline.recordings.inputs import open_input
from tests.pipeline.recordings.samples import T0_MS, read, write

AT = datetime(2023, 11, 14, 22, 14, tzinfo=UTC)
OBJECTS = [
    {"e": "aggTrade", "E": T0_MS, "s": "ABCUSDT", "a": 7, "p": "0.01633102", "q": "4.70443515"}
    | {"f": 21, "l": 23, "T": T0_MS, "m": True, "M": True},
    {"e": "aggTrade", "E": T0_MS, "s": "ABCUSDT", "a": 8, "p": "64000.01", "q": "1.00000000"}
    | {"f": 24, "l": 24, "T": T0_MS * 1000, "m": False, "M": True},
]
BARE = [{name: one[name] for name in one if name != "s"} for one in OBJECTS]
LINES = "\n".join(json.dumps(one) for one in OBJECTS)
EXPECTED = [
    ("ABCUSDT", 7, 21, 23, AT, AT, 0.01633102, 4.70443515, True),
    ("ABCUSDT", 8, 24, 24, AT, AT, 64000.01, 1.0, False),
]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("raw.jsonl", LINES),
        ("raw.json", LINES + "\n"),
        ("raw.jsonl.gz", "\n".join(json.dumps({"stream": "x", "data": one}) for one in OBJECTS)),
        ("raw.json", json.dumps(OBJECTS)),
        ("raw.json.gz", json.dumps(OBJECTS, indent=2)),
        ("raw.json", json.dumps(OBJECTS, separators=(",", ":")) + "\n"),
        ("raw.json", json.dumps([{"info": one, "symbol": "ABC/USDT"} for one in BARE])),
        ("raw.json", json.dumps([{"info": one, "symbol": "ABC/USDT:USDT"} for one in BARE])),
        ("ABCUSDT-aggTrades.json", json.dumps(BARE)),
    ],
)
def test_raw_trades_of_every_shape_read_alike(tmp_path: Path, name: str, text: str) -> None:
    found = read(write(tmp_path, name, text))

    assert (found.error, found.reasons) == (None, [])
    assert found.rows.rows() == EXPECTED


def line(**changes: object) -> str:
    return json.dumps(OBJECTS[0] | changes)


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ("", "expected raw aggTrades: Input data was truncated"),
        ("{", "expected raw aggTrades: Input data was truncated"),
        ("[1,2]", "expected raw aggTrades: Expected `object`, got `array`"),
        (line(p=1.5), "expected raw aggTrades: Expected `str | null`, got `float` - at `$.p`"),
        (line(a=2**70), "expected raw aggTrades: "),
        (line(T=-5), "expected raw aggTrades: Expected `int` >= 0 - at `$.T`"),
        ('{"x":' + "[" * 100_000, "expected raw aggTrades: maximum recursion depth"),
        (line(q=None), "expected raw aggTrades with the fields a p q f l T m, found one missing"),
        (line(p="abc"), "expected a decimal, found 'abc'"),
        (line(q="1,5"), "expected a decimal, found '1,5'"),
        (line(p="0"), "expected a price above zero, found 0"),
        (line(s=None), "expected a symbol of upper-case letters and digits, found none"),
        (line(s="../x"), "expected a symbol of upper-case letters and digits, found ../x"),
    ],
)
def test_bad_line_is_rejected_alone(tmp_path: Path, bad: str, reason: str) -> None:
    found = read(write(tmp_path, "raw.jsonl", f"{LINES}\n{bad}\n{LINES}\n"))

    assert found.rows["trade_id"].to_list() == [7, 8, 7, 8]
    (said,) = found.reasons
    assert said.startswith(f"row 3: {reason}")
    assert found.rejected["payload"].to_list() == [bad[:300]]


def test_line_longer_than_a_piece_reads(tmp_path: Path) -> None:
    found = read(write(tmp_path, "raw.jsonl", f"{line(x='y' * 300_000)}\n{LINES}"), rows=1)
    assert found.rows["trade_id"].to_list() == [7, 7, 8]


def test_line_that_is_no_text_is_rejected(tmp_path: Path) -> None:
    bad = line(s="#").encode().replace(b"#", b"\xff")
    found = read(write(tmp_path, "raw.jsonl", LINES.encode() + b"\n" + bad))
    assert found.reasons[0].startswith("row 3: expected raw aggTrades: 'utf-8' codec can't decode")


def test_rejected_row_names_the_symbol_it_tells(tmp_path: Path) -> None:
    found = read(write(tmp_path, "raw.jsonl", f"{LINES}\n{line(s='XYZUSDT', p='-1')}"))
    assert found.rejected["symbol"].to_list() == ["XYZUSDT"]


def test_trade_of_another_symbol_than_asked_for_is_rejected(tmp_path: Path) -> None:
    path = write(tmp_path, "raw.jsonl", f"{LINES}\n{line(s='XYZUSDT')}\n{line(s=None)}")

    found = read(path, "ABCUSDT")

    assert found.rows["symbol"].to_list() == ["ABCUSDT"] * 3
    assert found.reasons == ["row 3: expected a trade of ABCUSDT, found XYZUSDT"]


def test_several_symbols_are_told_by_the_rows(tmp_path: Path) -> None:
    path = write(tmp_path, "BTCUSDT-aggTrades.jsonl", f"{LINES}\n{line(s='币安USDT')}")

    assert open_input(path).symbol is None
    assert read(path).rows["symbol"].to_list() == ["ABCUSDT", "ABCUSDT", "币安USDT"]


def test_bad_element_of_an_array_is_rejected_alone(tmp_path: Path) -> None:
    text = f'[{line()}, {{"a": NaN}}, {line(a=8)}]'

    found = read(write(tmp_path, "raw.json", text))

    assert found.rows["trade_id"].to_list() == [7, 8]
    assert found.reasons[0].startswith("row 2: expected raw aggTrades: JSON is malformed")


@pytest.mark.parametrize("cut", range(1, 30, 4))
def test_array_that_is_cut_off_gives_its_whole_elements(tmp_path: Path, cut: int) -> None:
    text = json.dumps(OBJECTS)

    found = read(write(tmp_path, "raw.json", text[:-cut]))

    assert found.error is not None
    assert found.error.endswith("to the end of an array, found it cut off, after row 1")
    assert found.rows["trade_id"].to_list() == [7]
    assert found.reasons == []


KLINES = [[T0_MS, 1.5, 1.75, 1.25, 1.5, 10.0], [T0_MS + 60_000, 1.5, 2.5, 1.5, 2, 0]]


@pytest.mark.parametrize("name", ["ABC_USDT-1m.json", "ABC_USDT_USDT-1m-futures.json.gz"])
def test_freqtrade_klines_become_bars_without_what_they_do_not_tell(
    tmp_path: Path, name: str
) -> None:
    found = read(write(tmp_path, name, json.dumps(KLINES)))

    then = datetime(2023, 11, 14, 22, 15, tzinfo=UTC)
    assert found.rows.rows() == [
        ("ABCUSDT", AT, 1.5, 1.75, 1.25, 1.5, 10.0, None, None, None, None, True, 0),
        ("ABCUSDT", then, 1.5, 2.5, 1.5, 2.0, 0.0, None, None, None, None, True, 0),
    ]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ("[1, 2]", "expected [ms,open,high,low,close,volume]: Expected `array` of length 6"),
        (f"[{T0_MS}, 1.5, NaN, 1.5, 1.5, 1]", "expected [ms,open,high,low,close,volume]: JSON is"),
        (f"[{T0_MS}, 1.5, null, 1.5, 1.5, 1]", "expected [ms,open,high,low,close,volume]: Expect"),
        (f"[{T0_MS}, 1.5, 1.5, 1.6, 1.5, 1]", "expected low <= high, found 1.6"),
    ],
)
def test_bad_kline_of_an_array_is_rejected_alone(tmp_path: Path, bad: str, reason: str) -> None:
    first, second = (json.dumps(kline) for kline in KLINES)

    found = read(write(tmp_path, "ABC_USDT-1m.json", f"[{first}, {bad}, {second}]"))

    assert found.rows.height == 2
    assert found.reasons[0].startswith(f"row 2: {reason}")


@pytest.mark.parametrize("cut", [1, 2, 9, 30])
def test_klines_that_are_cut_off_give_the_whole_ones(tmp_path: Path, cut: int) -> None:
    found = read(write(tmp_path, "ABC_USDT-1m.json", json.dumps(KLINES)[:-cut]))

    assert (found.rows.height, found.reasons) == (1, [])
    assert found.error is not None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "expected trades, found none"),
        ("[ ]\n", "expected trades, found none"),
        ('{"a": 1}', "row 1: expected raw aggTrades with the fields a p q f l T m, found one miss"),
        ("[1, 2]", r"expected raw aggTrades or an array of klines, found '\[1, 2\]'"),
        ('[["a"]]', r"row 1: expected \[ms,open,high,low,close,volume\]"),
    ],
)
def test_json_of_another_kind_is_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ReplayError, match=said):
        open_input(write(tmp_path, "a.json", text), "ABCUSDT")
