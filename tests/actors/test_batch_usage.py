"""What `cryptoctopus batch` refuses before it starts anything."""

from __future__ import annotations

import fcntl
import gzip
from pathlib import Path

import pytest

from actors.cli import main
from pipeline.batch.folder import BatchFolder

DEMO = str(Path(__file__).parents[2] / "configs" / "demo.yaml")

TRADE = "1,100.0,1.0,1,1,1700000000000,True,True\n"
KLINES = "".join(
    f"{1_700_000_040_000 + 60_000 * n},1,1,1,1,5,{1_700_000_099_999 + 60_000 * n},5,3,2,2,0\n"
    for n in range(3)
)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "BTCUSDT-aggTrades-2023-11-14.csv").write_text(TRADE)
    (tmp_path / "BTCUSDT-1m-2023-11.csv").write_text(KLINES)
    (tmp_path / "ETHUSDT-aggTrades-2023-11-14.csv.gz").write_bytes(gzip.compress(b"")[:-4])
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "code", "reasons"),
    [
        (["{}/none.csv", "{}/nothing.csv"], 2, ["none.csv", "nothing.csv"]),
        (["{}/BTCUSDT-aggTrades-2023-11-14.csv"] * 2, 2, ["expected each file once"]),
        (["{}/BTCUSDT-1m-2023-11.csv"], 2, ["--set sampling.every=1m"]),
        (
            [
                "{}/BTCUSDT-1m-2023-11.csv",
                "{}/BTCUSDT-aggTrades-2023-11-14.csv",
                "--set",
                "sampling.every=1m",
                "--set",
                "features=[realized_vol_1h]",
            ],
            2,
            ["expected either trades or klines of BTCUSDT, found both"],
        ),
        (["{}/ETHUSDT-aggTrades-2023-11-14.csv.gz"], 1, ["ETHUSDT-aggTrades-2023-11-14.csv.gz"]),
        (["{}/BTCUSDT-aggTrades-2023-11-14.csv", "--symbol", "a b"], 2, ["'a b'"]),
        (
            ["{}/BTCUSDT-aggTrades-2023-11-14.csv", "--symbol", "XUSDT"],
            2,
            ["expected --symbol XUSDT for files that name no other"],
        ),
        (["{}/BTCUSDT-aggTrades-2023-11-14.csv", "--workers", "0"], 2, ["--workers"]),
        ([], 2, ["INPUT", "FILE"]),
    ],
)
def test_batch_that_cannot_be_done_says_why(
    capsys: pytest.CaptureFixture[str],
    files: Path,
    arguments: list[str],
    code: int,
    reasons: list[str],
) -> None:
    given = [argument.format(files) for argument in arguments]
    assert main(["batch", DEMO, *given, "--out", str(files / "out")]) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert any(reason in captured.err for reason in reasons)
    assert "Traceback" not in captured.err
    assert not (files / "out" / "summary.json").exists()


def test_batch_in_a_directory_where_another_works_says_so(
    capsys: pytest.CaptureFixture[str], files: Path
) -> None:
    folder = BatchFolder(files / "out")
    folder.open()
    path = files / "BTCUSDT-aggTrades-2023-11-14.csv"
    with folder.lock_path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert main(["batch", DEMO, str(path), "--out", str(files / "out")]) == 1
    assert "another batch works here" in capsys.readouterr().err
