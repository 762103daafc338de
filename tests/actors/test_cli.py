from __future__ import annotations

import socket
from pathlib import Path

import pytest
import yaml

from actors.cli import main
from pipeline.errors import ReplayError

DEMO = str(Path(__file__).parents[2] / "configs" / "demo.yaml")


def test_check_prints_the_effective_configuration(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", DEMO, "--set", "detector.enter=7.5"]) == 0
    effective = yaml.safe_load(capsys.readouterr().out)
    assert effective["detector"]["enter"] == 7.5
    assert effective["sampling"] == {
        "every": "1s",
        "lateness": "250ms",
        "forward_fill": "10s",
        "restate_within": "10m",
    }


def test_check_with_problems_lists_them_on_stderr_and_returns_2(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("symbols: [BTCUSDT]\nsampling: {every: 5}\nboards: {}\n")
    assert main(["check", str(path)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [
        f"{path}: sampling.every: expected a duration such as 100ms, found 5",
        f"{path}: boards: unknown key",
    ]


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["check"],
        ["run", DEMO, "--for", "ten"],
        ["run", DEMO, "--no-such-option"],
        ["run", "no-such-file.yaml"],
        ["exchange", DEMO, "--port", "70000"],
        ["exchange", DEMO, "--replay", "no-such-file.csv"],
        ["exchange", DEMO, "--set", "symbols=[NOSUCHUSDT]"],
        ["chaos", "--set", "symbols={quote: USDT, top: 2}"],
        ["exchange", DEMO, "--speed", "nan"],
        ["exchange", DEMO, "--speed", "inf"],
        ["exchange", DEMO, "--admin", "--host", "0.0.0.0"],  # noqa: S104 - it is refused
    ],
)
def test_bad_usage_returns_2_and_says_why_on_stderr(
    capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err != ""
    assert "Traceback" not in captured.err


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1,100.0,1.0,1,1,1700000000000,True,True\n2,100.0,1.0", "row 2"),
        (
            "1,100.0,1.0,1,1,1700000001000,True,True\n2,100.0,1.0,2,2,1700000000000,True,True\n",
            "row 2",
        ),
    ],
)
def test_exchange_with_a_truncated_or_unsorted_replay_names_file_and_row(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, text: str, reason: str
) -> None:
    path = tmp_path / "BTCUSDT-aggTrades-2025-01-01.csv"
    path.write_text(text)
    assert main(["exchange", DEMO, "--replay", str(path)]) == 2
    error = capsys.readouterr().err
    assert str(path) in error
    assert reason in error
    assert len(error.splitlines()) == 1


def test_run_with_the_board_port_taken_fails_before_anything_starts(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code = main(["run", DEMO, "--address", "local", "--set", f"board.port={port}"])
    assert code == 1
    assert capsys.readouterr().err == (
        f"board: cannot listen on 127.0.0.1:{port}: Address already in use; "
        "choose another with --set board.port=5007\n"
    )


def test_exchange_with_its_port_taken_returns_1(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["exchange", DEMO, "--port", str(port)]) == 1
    assert f"cannot listen on 127.0.0.1:{port}" in capsys.readouterr().err


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_exchange_that_fails_while_it_serves_returns_1(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ReplayError("broken")

    monkeypatch.setattr("actors.exchange.serving._WATCH_S", 0.01)
    monkeypatch.setattr("pipeline.exchange.venue.Exchange.advance", broken)
    assert main(["exchange", DEMO, "--port", "0", "--set", "exchange.history=1m"]) == 1
    assert capsys.readouterr().err.splitlines()[-1] == (
        "the exchange has ended by itself; its log says why"
    )


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("127.0.0.1:1", "Ray at 127.0.0.1:1 cannot be reached: [Errno 111] Connection refused\n"),
        ("ray.example", "Ray: expected auto, local or HOST:PORT, found 'ray.example'\n"),
    ],
)
def test_status_of_a_cluster_that_is_not_there_says_so_at_once(
    capsys: pytest.CaptureFixture[str], address: str, message: str
) -> None:
    assert main(["status", "--address", address]) == 1
    assert capsys.readouterr().err == message


def test_chaos_whose_report_cannot_be_written_says_so_before_it_plays(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["chaos", "--report", str(tmp_path / "nowhere" / "x.json")]) == 1
    assert "--report: cannot write" in capsys.readouterr().err
