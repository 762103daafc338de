"""The pipeline as a user runs it, on a real cluster and against the real exchange on loopback."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import ray

from actors import deployment
from actors.allowance import Allowance
from actors.client import PipelineClient, find_pipeline
from actors.exchange.server import ExchangeServer
from actors.supervise import Pipeline
from pipeline.config import Config
from pipeline.durations import MINUTE
from pipeline.errors import VenueDisconnected
from pipeline.market import SyntheticMarket
from pipeline.venues.protocol import Limits
from tests.actors.kraken_server import SYMBOL, KrakenServer
from tests.cluster.conftest import RecordedRun
from tests.commands import Command
from tests.waiting import wait_until

pytestmark = pytest.mark.cluster

Start = Callable[..., Command]


def small(folder: Path, **sections: object) -> Path:
    """A configuration of two symbols that warms up in a moment."""
    path = folder / "small.yaml"
    raw = {
        "symbols": ["BTCUSDT", "ETHUSDT"],
        "features": ["realized_vol_1m"],
        "exchange": {"history": "5m"},
        "board": {"port": 0},
        "storage": {"directory": str(folder / "data")},
        **sections,
    }
    path.write_text(json.dumps(raw), encoding="utf-8")  # JSON is YAML
    return path


def pipeline_of_the_cluster() -> PipelineClient:
    found = find_pipeline()
    assert found is not None
    return found


def nothing_is_left() -> bool:
    return deployment.actors_named() == {}


def pid_of(actor: Any) -> int:  # noqa: ANN401 - a handle
    pid: int = ray.get(actor.__ray_call__.remote(lambda _: os.getpid()), timeout=30)
    return pid


def test_run_for_a_while_serves_the_board_reports_and_leaves_nothing(
    cluster: str, command: Start, tmp_path: Path
) -> None:
    report_path = tmp_path / "report.json"
    run = command(
        "run", str(small(tmp_path)), "--for", "12s", "--report", str(report_path),
        "--address", cluster,
    )  # fmt: skip
    url = run.line_with("board: ").removeprefix("board: ")
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - loopback
        assert b"Cryptoctopus" in answer.read()
    assert run.wait() == 0, run.errors
    report = json.loads(report_path.read_text())
    assert report["seconds"] >= 12
    assert report["restarts"] == {"symbol_actors": 0, "coordinator": 0}
    for symbol in ("BTCUSDT", "ETHUSDT"):
        row = report["symbols"][symbol]
        ids = row["last_id"] - row["first_id"] + 1
        assert row["live"] + row["backfilled"] == ids > 10
        assert (row["pending"], row["lost"], row["duplicates"], row["late"]) == (0, 0, 0, 0)
        assert row["bars"] > 2
    assert nothing_is_left()


def test_run_of_kraken_goes_from_its_protocol_to_the_board_and_the_report(
    cluster: str, command: Start, tmp_path: Path
) -> None:
    report_path = tmp_path / "report.json"
    with KrakenServer() as server:
        urls = {"websocket_url": f"ws://{server.url}", "rest_url": f"http://{server.url}"}
        config = small(tmp_path, symbols=[SYMBOL], venue={"name": "kraken", **urls})
        run = command(
            "run", str(config), "--for", "8s", "--report", str(report_path), "--address", cluster
        )
        url = run.line_with("board: ").removeprefix("board: ")
        with urllib.request.urlopen(f"{url}?s=BTC%2FUSD", timeout=10) as answer:  # noqa: S310 - loopback
            assert b"Cryptoctopus" in answer.read()
        wait_until(lambda: pipeline_of_the_cluster().report()["totals"]["live"] > 50, "live trades")
        server.cut()
        assert run.wait() == 0, run.errors
    row = json.loads(report_path.read_text())["symbols"]["BTC/USD"]
    assert row["live"] + row["backfilled"] == row["last_id"] - row["first_id"] + 1 > 50
    assert (row["pending"], row["lost"], row["duplicates"], row["late"]) == (0, 0, 0, 0)
    assert nothing_is_left()


def test_run_that_is_interrupted_drains_and_exits_with_130(
    cluster: str, command: Start, tmp_path: Path
) -> None:
    report_path = tmp_path / "report.json"
    run = command(
        "run", str(small(tmp_path)), "--no-board", "--report", str(report_path),
        "--address", cluster,
    )  # fmt: skip
    run.line_with("running without a board")
    wait_until(lambda: pipeline_of_the_cluster().report()["totals"]["live"] > 50, "live trades")
    run.interrupt()
    assert run.wait() == 130
    totals = json.loads(report_path.read_text())["totals"]
    assert totals["live"] > 50
    assert (totals["pending"], totals["lost"]) == (0, 0)
    assert nothing_is_left()


def test_run_that_is_terminated_with_all_it_started_drains_first(
    command: Start, tmp_path: Path
) -> None:
    report_path = tmp_path / "report.json"
    run = command("run", str(small(tmp_path)), "--address", "local", "--report", str(report_path))
    url = run.line_with("board: ").removeprefix("board: ").replace("/viz", "/healthz")

    def live() -> bool:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - loopback
                return bool(json.load(answer)["state"] == "live")
        except urllib.error.HTTPError:
            return False

    wait_until(live, "live data")
    run.terminate_group()
    assert run.wait() == 130
    assert json.loads(report_path.read_text())["totals"]["live"] > 0


def test_status_explain_and_stop_find_the_running_pipeline_and_a_second_run_does_not_disturb_it(
    cluster: str, command: Start, tmp_path: Path
) -> None:
    # An hour of history, with jumps that there are alerts of.
    exchange = {"history": "75m", "jumps_per_hour": 30.0}
    market = {"min_symbols": 2}
    config = str(small(tmp_path, features=["realized_vol_1h"], exchange=exchange, market=market))
    run = command("run", config, "--no-board", "--address", cluster)
    run.line_with("running without a board")
    wait_until(lambda: pipeline_of_the_cluster().report()["totals"]["bars"] > 2, "bars")
    told: dict[str, str] = {}

    def alerts_of_both() -> bool:
        alerts = pipeline_of_the_cluster().snapshot(0).alerts
        told.update(alerts.select("symbol", "alert_id").iter_rows())
        return {"BTCUSDT", "MARKET"} <= set(told)

    wait_until(alerts_of_both, "an alert of a symbol and one of the market")

    second = command("run", config, "--no-board", "--address", cluster)
    status = command("status", "--json", "--address", cluster)
    table = command("status", "--address", cluster)
    assert second.wait() == 1
    assert "a pipeline runs on this cluster already" in second.errors
    assert status.wait() == 0
    assert set(json.loads("".join(status.lines))["symbols"]) == {"BTCUSDT", "ETHUSDT"}
    assert table.wait() == 0
    assert any("BTCUSDT" in line and "live" in line for line in table.lines)

    explain = command("explain", told["BTCUSDT"], "--json", "--address", cluster)
    of_market = command("explain", told["MARKET"], "--json", "--address", cluster)
    unknown = command("explain", "BTCUSDT-multi_horizon-1", "--address", cluster)
    assert explain.wait() == 0, explain.errors
    explained = json.loads("".join(explain.lines))
    assert explained["same"]
    assert explained["peak_score"] == max(one["score"] for one in explained["horizons"])
    assert of_market.wait() == 0, of_market.errors
    explained = json.loads("".join(of_market.lines))
    assert explained["same"]
    assert {move["symbol"] for move in explained["movers"]["moves"]} == {"BTCUSDT", "ETHUSDT"}
    assert unknown.wait() == 2
    assert "expected alert BTCUSDT-multi_horizon-1, found " in unknown.errors

    change_thresholds(cluster, command, tmp_path / "data" / "changes.jsonl")

    stop = command("stop", "--address", cluster)
    assert stop.wait() == 0
    assert stop.lines == ["stopped"]
    assert run.wait() == 0
    assert nothing_is_left()


def change_thresholds(cluster: str, command: Start, audit: Path) -> None:
    """Change the thresholds of the pipeline that runs; they hold in a restarted actor, too."""
    change = ["thresholds", "--address", cluster, "--set", "enter=40", "--why", "quiet please"]
    changed, refused = command(*change), command(*change[:3], "--set", "enter=2")
    assert changed.wait() == 0, changed.errors
    assert any("all enter=40 (quiet please)" in line for line in changed.lines)
    assert refused.wait() == 2
    assert "expected exit < enter, found exit 3, enter 2" in refused.errors
    pipeline = pipeline_of_the_cluster()
    wait_until(lambda: pipeline.snapshot(0).health["enter"].to_list() == [40.0, 40.0], "the score")
    config = pipeline.config()
    assert config.detector.enter == 40.0
    # The price steps that the venue lists.
    assert [config.detector_of(name).model_dump()["tick"] for name in config.symbols] == [0.01] * 2
    (line,) = audit.read_text().splitlines()
    assert (json.loads(line)["before"]["enter"], json.loads(line)["after"]["enter"]) == (6.0, 40.0)
    os.kill(pid_of(deployment.actors_named()["shard:BTCUSDT"]), signal.SIGKILL)
    wait_until(lambda: pipeline.snapshot(0).restarts == 1, "the actor's restart")
    known = pipeline.snapshot(0).version
    wait_until(lambda: "BTCUSDT" in set(pipeline.bars(known)["symbol"]), "bars of the new actor")
    assert pipeline.snapshot(0).health["enter"].to_list() == [40.0, 40.0]


def test_status_without_a_pipeline_says_so(cluster: str, command: Start) -> None:
    status = command("status", "--address", cluster)
    assert status.wait() == 1
    assert "no pipeline runs on this cluster" in status.errors


def test_run_with_an_unknown_symbol_names_it_and_leaves_nothing(
    cluster: str, command: Start, tmp_path: Path
) -> None:
    run = command(
        "run", str(small(tmp_path, symbols=["BTCUSDT", "NOSUCHUSDT"])), "--address", cluster
    )
    assert run.wait() == 2
    assert "NOSUCHUSDT" in run.errors.splitlines()[-1]
    assert "Traceback" not in run.errors
    assert nothing_is_left()


def test_run_with_an_unreachable_exchange_says_so_and_leaves_nothing(
    cluster: str, command: Start, tmp_path: Path
) -> None:
    venue = {
        "name": "exchange",
        "websocket_url": "ws://127.0.0.1:9",
        "rest_url": "http://127.0.0.1:9",
    }
    run = command("run", str(small(tmp_path, venue=venue)), "--address", cluster)
    assert run.wait() == 1
    assert "http://127.0.0.1:9/api/v3/exchangeInfo" in run.errors.splitlines()[-1]
    assert "Traceback" not in run.errors
    assert nothing_is_left()


def test_run_with_the_board_port_taken_says_so_and_leaves_nothing(
    cluster: str, command: Start, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        config = small(tmp_path, board={"port": port})
        run = command("run", str(config), "--address", cluster)
        assert run.wait() == 1
    assert f"127.0.0.1:{port}" in run.errors.splitlines()[-1]
    assert "Traceback" not in run.errors
    assert nothing_is_left()


def test_run_whose_exchange_dies_says_so_and_leaves_nothing(
    cluster: str, command: Start, tmp_path: Path
) -> None:
    run = command("run", str(small(tmp_path)), "--no-board", "--address", cluster)
    run.line_with("running without a board")
    os.kill(pid_of(deployment.actors_named()["exchange"]), signal.SIGKILL)
    assert run.wait() == 1
    assert run.errors.splitlines()[-1].startswith("actor exchange is lost for good")
    assert nothing_is_left()


@pytest.mark.usefixtures("cluster")
def test_pipeline_brings_back_a_killed_symbol_actor_and_a_killed_coordinator(
    tmp_path: Path,
) -> None:
    config = Config.model_validate(json.loads(small(tmp_path).read_text()))
    pipeline = Pipeline(config, "small.yaml")
    url = pipeline.start()
    assert url is not None
    try:

        def live() -> dict[str, int]:
            pipeline.watch()
            symbols = pipeline_of_the_cluster().report()["symbols"]
            return {name: row["live"] for name, row in symbols.items()}

        wait_until(lambda: min(live().values(), default=0) > 20, "live trades of both")
        actors = deployment.actors_named()

        os.kill(pid_of(actors["shard:BTCUSDT"]), signal.SIGKILL)
        wait_until(lambda: pipeline.watch() or pipeline.restarts["symbol_actors"] == 1, "a restart")
        before = live()["ETHUSDT"]
        wait_until(lambda: live()["BTCUSDT"] > 5, "live trades of the new actor")
        assert live()["ETHUSDT"] >= before

        os.kill(pid_of(actors["coordinator"]), signal.SIGKILL)
        wait_until(lambda: pipeline.watch() or pipeline.restarts["coordinator"] == 1, "a restart")
        wait_until(lambda: len(live()) == 2, "both symbols at the new coordinator")
        # What the actors still held was sent again: the bars before the crash are there.
        bars = pipeline_of_the_cluster().bars()
        steps = bars.filter(pl.col("symbol") == "ETHUSDT")["open_time"].diff().drop_nulls()
        assert steps.dt.total_microseconds().unique().to_list() == [1_000_000]
        assert bars.filter(pl.col("symbol") == "ETHUSDT").height > 123  # the warm start
    finally:
        report = pipeline.stop()
    assert report is not None
    assert report["restarts"] == {"symbol_actors": 1, "coordinator": 1}
    assert report["totals"]["lost"] == 0
    assert nothing_is_left()


def test_run_of_recorded_trades_makes_the_bars_the_venue_made_itself(
    recorded_run: RecordedRun,
) -> None:
    row = recorded_run.report["symbols"]["XRPETH"]
    assert (row["first_id"], row["last_id"]) == (13_519_807, 13_532_283)
    assert row["live"] + row["backfilled"] == 12_477
    assert (row["pending"], row["lost"], row["duplicates"], row["rejected"]) == (0, 0, 0, 0)

    minutes = (
        recorded_run.bars.filter(pl.col("trades") > 0)
        .group_by(pl.col("open_time").dt.truncate("1m").alias("date"))
        .agg(pl.col("close").last(), pl.col("high").max(), pl.col("volume").sum())
    )
    klines = recorded_run.klines
    both = klines.with_columns(pl.col("date").dt.cast_time_unit("us")).join(minutes, on="date")
    assert both.height == klines.height == 2469
    assert both["close"].to_list() == both["close_right"].to_list()
    assert both["high"].to_list() == both["high_right"].to_list()
    assert both["volume"].to_list() == pytest.approx(both["volume_right"].to_list(), rel=1e-12)


def test_status_of_a_cluster_whose_token_is_not_at_hand_says_what_to_set(
    cluster: str, command: Start, tmp_path: Path
) -> None:
    env = {name: value for name, value in os.environ.items() if not name.startswith("RAY_AUTH")}
    env |= {"HOME": str(tmp_path), "RAY_NUM_REDIS_GET_RETRIES": "3"}  # of 20, one a second
    status = command("status", "--address", cluster, env=env)
    assert status.wait() == 1
    assert "for want of a token: set RAY_AUTH_MODE=token" in status.errors.splitlines()[-1]
    assert "Traceback" not in status.errors


@pytest.mark.usefixtures("cluster")
def test_budget_is_one_for_all_and_a_ban_survives_its_actor(tmp_path: Path) -> None:
    limits = Limits(weight=1000, connections=10, messages=5)
    budget = deployment.start_budget(limits, "api.example", tmp_path / "bans.json")
    first = pid_of(budget)  # it is up
    try:
        one, other = (Allowance(deployment.BudgetCall(), limits) for _ in range(2))
        one.spend(400)
        other.spend(400)
        with pytest.raises(VenueDisconnected, match="the budget of 900 a minute is spent"):
            one.spend(400)
        other.limited(60.0, "HTTP 418 banned")
        ray.kill(budget, no_restart=False)
        wait_until(lambda: restarted(budget, first), "another actor")
        with pytest.raises(VenueDisconnected, match="HTTP 418 banned"):
            Allowance(deployment.BudgetCall(), limits).spend(4)
    finally:
        deployment.end([budget])


def test_run_while_a_ban_holds_asks_nothing_and_says_until_when(
    cluster: str, command: Start, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as venue:
        host = f"127.0.0.1:{venue.getsockname()[1]}"
        ban = {"until": "2099-01-01T00:00:00Z", "reason": "HTTP 418 IP banned"}
        (tmp_path / "bans.json").write_text(json.dumps({host: ban}))
        urls = {"websocket_url": f"ws://{host}", "rest_url": f"http://{host}"}
        config = small(
            tmp_path,
            venue={"name": "exchange", **urls},
            storage={"directory": str(tmp_path)},
        )
        run = command("run", str(config), "--no-board", "--address", cluster)
        assert run.wait() == 1
        assert "not sent, too many requests for" in run.errors
        assert "HTTP 418 IP banned" in run.errors
        venue.settimeout(0.0)
        with pytest.raises(BlockingIOError):
            venue.accept()
    assert nothing_is_left()


def restarted(actor: Any, pid: int) -> bool:  # noqa: ANN401 - a handle
    try:
        return pid_of(actor) != pid
    except ray.exceptions.RayActorError:
        return False


def test_run_by_rule_watches_what_is_listed_ends_what_is_delisted_and_lets_it_return(
    cluster: str, command: Start, tmp_path: Path
) -> None:
    symbols = ["BTCUSDT", "ETHUSDT", "SOLUSDT"]
    market = SyntheticMarket(
        symbols, seed=5, start_us=time.time_ns() // 1000, trades_per_s=60.0, history_us=5 * MINUTE
    )
    server = ExchangeServer(market, host="127.0.0.1", port=0, admin=True)
    address = f"127.0.0.1:{server.start()}"
    report_path = tmp_path / "report.json"
    urls = {"websocket_url": f"ws://{address}", "rest_url": f"http://{address}"}
    rule = {"quote": "USDT", "top": 3, "refresh": "10s"}
    config = small(
        tmp_path, symbols=rule, features=["realized_vol_10s"], venue={"name": "exchange", **urls}
    )

    def well() -> dict[str, int]:
        """Return the markets that are watched and had live trades, and their first ids."""
        rows = pipeline_of_the_cluster().snapshot(1 << 62).health.filter(pl.col("live") > 0)
        rows = rows.filter(pl.col("condition") != "delisted")
        return dict(rows.select("symbol", "first_id").iter_rows())

    try:
        list_market(address, "ETHUSDT", listed=False)
        run = command(
            "run", str(config), "--no-board", "--report", str(report_path), "--address", cluster
        )
        run.line_with("running without a board")
        wait_until(lambda: well().keys() == {"BTCUSDT", "SOLUSDT"}, "the markets that are listed")
        before = well()["SOLUSDT"]
        list_market(address, "ETHUSDT", listed=True)
        list_market(address, "SOLUSDT", listed=False)
        wait_until(lambda: "stopped shard=SOLUSDT" in run.errors, "the end of the delisted one")
        wait_until(lambda: well().keys() == {"BTCUSDT", "ETHUSDT"}, "the one that was listed")
        list_market(address, "SOLUSDT", listed=True)
        wait_until(lambda: run.errors.count("started shard=SOLUSDT") == 2, "its return")
        # Until its new actor reports there is what the old one has said.
        wait_until(lambda: well().get("SOLUSDT", before) > before, "its trades since")
        assert well().keys() == {*symbols}
        config = pipeline_of_the_cluster().config()
        assert config.detector_of("ETHUSDT").model_dump()["tick"] == 0.01
        run.interrupt()
        assert run.wait() == 130
    finally:
        server.stop()
    rows = json.loads(report_path.read_text())["symbols"]
    assert list(rows) == ["BTCUSDT", "SOLUSDT", "ETHUSDT"]
    for row in rows.values():
        ids = row["last_id"] - row["first_id"] + 1
        # It is interrupted at any moment: an id may be on its way.
        assert row["live"] + row["backfilled"] + row["pending"] == ids
        assert row["live"] > 0
    assert nothing_is_left()


def list_market(address: str, symbol: str, *, listed: bool) -> None:
    body = json.dumps({"symbol": symbol, "listed": listed}).encode()
    url = f"http://{address}/admin/listing"
    request = urllib.request.Request(url, data=body, method="POST")
    urllib.request.urlopen(request).close()  # noqa: S310 - loopback
