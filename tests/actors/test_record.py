"""`record` as a user starts it, at the built-in exchange and at a Kraken on loopback."""

from __future__ import annotations

import gzip
import json
import signal
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl
import pytest
import yaml

from actors.cli import main
from actors.exchange.server import ExchangeServer
from actors.rest import RestClient, fetch_trades
from pipeline.config import Config
from pipeline.exchange.replay import open_replay
from pipeline.market import SyntheticMarket
from pipeline.venues.registry import venue_for
from tests.actors.kraken_server import SYMBOL, KrakenServer
from tests.commands import Command
from tests.pipeline.batch.histories import run_here, table
from tests.waiting import wait_until

SYMBOLS = ["BTCUSDT", "ETHUSDT"]


@pytest.fixture
def exchange() -> Iterator[str]:
    """Serve a market; yield host and port."""
    market = SyntheticMarket(SYMBOLS, seed=3, start_us=time.time_ns() // 1000, trades_per_s=400.0)
    server = ExchangeServer(market, host="127.0.0.1", port=0, speed=1.0, admin=True)
    yield f"127.0.0.1:{server.start()}"
    server.stop()


def command(out: Path, url: str, *options: str, symbols: list[str] = SYMBOLS) -> list[str]:
    settings = {
        "symbols": f"[{', '.join(symbols)}]",
        "overrides": "{}",
        "venue.websocket_url": f"ws://{url}",
        "venue.rest_url": f"http://{url}",
        "storage.directory": str(out.with_suffix(".data")),
    }
    sets = [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]
    return [*options, "--out", str(out), *sets]


@contextmanager
def recording(
    out: Path, url: str, *options: str, config: str = "demo", symbols: list[str] = SYMBOLS
) -> Iterator[Command]:
    arguments = command(out, url, *options, symbols=symbols)
    process = Command("record", f"configs/{config}.yaml", *arguments, log=out.with_suffix(".log"))
    try:
        yield process
    finally:
        process.end()


def recorded(out: Path) -> pl.DataFrame:
    parts = [pl.read_parquet(file) for file in sorted((out / "trades").iterdir())]
    return pl.concat(parts).sort("symbol", "trade_id")


def frames(out: Path) -> list[dict[str, str]]:
    lines = [
        line
        for file in sorted((out / "raw").iterdir())
        for line in gzip.decompress(file.read_bytes()).splitlines()
    ]
    return [json.loads(json.loads(line)["frame"]) for line in lines]


def issued(url: str, trades: pl.DataFrame) -> pl.DataFrame:
    """Return what the exchange says it has issued in the span of recorded ids."""
    venue = venue_for("exchange", websocket_url="ws://unused", rest_url=f"http://{url}")
    spans = trades.group_by("symbol", maintain_order=True).agg(
        first=pl.col("trade_id").min(), last=pl.col("trade_id").max()
    )
    return pl.concat(
        [
            fetch_trades(venue, RestClient(), symbol, from_id=first, to_id=last, start_us=0)
            for symbol, first, last in spans.iter_rows()
        ]
    )


def test_recording_gives_batch_and_replay_what_the_exchange_issued(
    tmp_path: Path, exchange: str
) -> None:
    out = tmp_path / "out"
    with recording(out, exchange, "--for", "4s", "--part", "1s") as process:
        assert process.wait() == 0, process.errors

    trades = recorded(out)
    truth = issued(exchange, trades)
    assert trades.drop("receive_time").equals(truth.drop("receive_time"), null_equal=True)
    told = [frame["data"] for frame in frames(out)]
    assert len(told) == trades.height > 500
    assert {(trade["s"], trade["a"]) for trade in told} == set(
        trades.select("symbol", "trade_id").iter_rows()
    )

    truth.write_parquet(tmp_path / "truth.parquet")
    config = Config.model_validate({"symbols": SYMBOLS})
    files = sorted((out / "trades").iterdir())
    assert len(files) >= 3
    run_here(tmp_path / "recorded", *files, config=config)
    run_here(tmp_path / "issued", tmp_path / "truth.parquet", config=config)
    for name in ("bars", "features"):
        assert table(tmp_path / "recorded", name).equals(table(tmp_path / "issued", name))

    # What the exchange plays again, and serves over REST, is recorded again.
    server = ExchangeServer(open_replay(files), host="127.0.0.1", port=0, speed=4.0, admin=True)
    url = f"127.0.0.1:{server.start()}"
    try:
        with recording(tmp_path / "again", url, "--for", "5s") as process:
            assert process.wait() == 0, process.errors
        served = issued(url, trades)
    finally:
        server.stop()
    again = recorded(tmp_path / "again")
    assert again.drop("receive_time").equals(trades.drop("receive_time"))
    assert served.drop("receive_time").equals(trades.drop("receive_time"))


def test_recording_by_a_rule_is_of_the_markets_that_it_chooses_at_the_start(
    tmp_path: Path, exchange: str
) -> None:
    out = tmp_path / "out"
    arguments = command(out, exchange, "--for", "3s")
    rule = ("--set", "symbols={quote: USDT, top: 1}")
    process = Command("record", "configs/demo.yaml", *arguments, *rule, log=tmp_path / "log")
    try:
        assert process.wait() == 0, process.errors
    finally:
        process.end()
    assert recorded(out)["symbol"].unique().to_list() == ["BTCUSDT"]


def test_check_of_what_the_venue_lists_names_the_markets_of_a_rule_and_their_price_steps(
    tmp_path: Path, exchange: str, capsys: pytest.CaptureFixture[str]
) -> None:
    _, _, *sets = command(tmp_path / "out", exchange)
    rule = ("--set", "symbols={quote: USDT, top: 1}")
    assert main(["check", "configs/demo.yaml", "--live", *sets, *rule]) == 0
    effective = yaml.safe_load(capsys.readouterr().out)
    assert effective["symbols"] == ["BTCUSDT"]
    assert effective["overrides"]["BTCUSDT"]["detector"]["tick"] == 0.01
    assert Config.model_validate(effective).symbols == ("BTCUSDT",)


def test_check_of_what_nothing_lists_says_that_no_venue_runs(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["check", "configs/demo.yaml", "--live"]) == 2
    assert "venue: expected a venue that runs, found none" in capsys.readouterr().err


def test_recording_that_is_interrupted_has_complete_files(tmp_path: Path, exchange: str) -> None:
    out = tmp_path / "out"
    with recording(out, exchange) as process:
        wait_until(lambda: any((out / ".part").glob("*")), "a first frame")
        process.interrupt()
        assert process.wait() == 130, process.errors
        assert " 1 parts, 0 repeated trades, 0 rejected" in process.line_with("frames")

    assert recorded(out).height == len(frames(out)) > 0
    assert list((out / ".part").iterdir()) == []


def test_recording_that_is_killed_loses_no_more_than_its_last_part(
    tmp_path: Path, exchange: str
) -> None:
    out = tmp_path / "out"
    with recording(out, exchange, "--part", "1s") as process:
        wait_until(lambda: len(list((out / "trades").glob("*"))) >= 2, "two parts")
        process._process.send_signal(signal.SIGKILL)
        process.wait()

    before = recorded(out)
    assert issued(exchange, before).height == before.height
    with recording(out, exchange, "--for", "2s") as process:
        assert process.wait() == 0, process.errors
    after = recorded(out)
    assert after.height > before.height
    assert after.join(before, on=["symbol", "trade_id"], how="semi").equals(before)


def test_recording_of_two_in_one_directory_is_refused(tmp_path: Path, exchange: str) -> None:
    out = tmp_path / "out"
    with recording(out, exchange):
        wait_until((out / ".part").exists, "the first recording")
        with recording(out, exchange) as second:
            assert second.wait() == 1
            assert "another recording is made here" in second.errors


def test_recording_of_a_market_with_a_slash_goes_through_batch(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with (
        KrakenServer() as server,
        recording(out, server.url, "--for", "2s", config="kraken", symbols=[SYMBOL]) as process,
    ):
        assert process.wait() == 0, process.errors
    trades = recorded(out)
    ids = trades["trade_id"].to_list()
    assert ids == list(range(ids[0], ids[-1] + 1))

    config = Config.model_validate({"venue": {"name": "kraken"}, "symbols": [SYMBOL]})
    run_here(tmp_path / "batch", *(out / "trades").iterdir(), config=config)

    assert [path.name for path in (tmp_path / "batch/bars").iterdir()] == ["symbol=BTC%2FUSD"]
    bars = pl.read_parquet(tmp_path / "batch/bars", hive_partitioning=True)
    assert bars["symbol"].unique().to_list() == [SYMBOL]
    assert bars["trades"].sum() == len(ids)
    # The exchange speaks Binance's protocol, which has no slash in its names.
    replay = open_replay(sorted((out / "trades").iterdir()))
    assert [listing.symbol for listing in replay.listings] == ["BTCUSD"]


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ([], "venue: expected a venue that runs, found none: give websocket_url and rest_url"),
        (["--part", "0s"], "expected a part of 1s to 1d, found 0s"),
        (["--part", "2d"], "expected a part of 1s to 1d, found 2d"),
        (["--keep-gb", "0"], "expected more than 0 GB to keep, found 0"),
        (["--keep-gb", "nan"], "expected more than 0 GB to keep, found nan"),
    ],
)
def test_record_refuses_what_cannot_be(
    tmp_path: Path, arguments: list[str], problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["record", "configs/demo.yaml", "--out", str(tmp_path / "x"), *arguments]) == 2
    assert problem in " ".join(capsys.readouterr().err.replace("│", "").split())


def test_record_of_a_name_the_venue_has_not_says_so(
    tmp_path: Path, exchange: str, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = command(tmp_path / "out", exchange, symbols=["NONEUSDT"])

    assert main(["record", "configs/demo.yaml", *arguments]) == 2
    assert "symbols: expected names that exchange lists, found NONEUSDT" in capsys.readouterr().err


def test_record_asks_nothing_while_an_earlier_one_was_banned(
    tmp_path: Path, exchange: str, capsys: pytest.CaptureFixture[str]
) -> None:
    fault = {"fault": "rest_status", "status": 418, "retry_after_s": 60, "count": 1}
    request = urllib.request.Request(
        f"http://{exchange}/admin/faults",
        data=json.dumps(fault).encode(),
        headers={"Content-Type": "application/json"},
        method="POST",
    )
    urllib.request.urlopen(request, timeout=10).close()  # noqa: S310 - as above
    kept = ["--set", f"storage.directory={tmp_path / 'data'}"]
    arguments = [*command(tmp_path / "out", exchange), *kept, "--for", "1s"]
    assert main(["record", "configs/demo.yaml", *arguments]) == 1
    assert "HTTP 418" in capsys.readouterr().err
    # The fault is over; what was said of a minute holds.
    assert main(["record", "configs/demo.yaml", *arguments]) == 1
    error = capsys.readouterr().err
    assert "not sent, " in error
    assert "HTTP 418" in error
