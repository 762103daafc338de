"""What chaos compares with: the engine over the trades that the exchange serves."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl
import pytest

from actors.exchange.server import ExchangeServer
from actors.undisturbed import undisturbed
from pipeline.config import Config
from pipeline.durations import SECOND
from pipeline.engine import ShardEngine
from pipeline.market import SyntheticMarket
from tests.actors.test_exchange_server import get

START_US = 1_700_000_000 * SECOND


def test_undisturbed_bars_go_on_by_the_clock_after_the_last_trade_of_a_quiet_market() -> None:
    source = SyntheticMarket(
        ["BTCUSDT", "ETHUSDT"],
        seed=3,
        start_us=START_US,
        own_rates={"ETHUSDT": 0.1},
        history_us=60 * SECOND,
    )
    server = ExchangeServer(source, host="127.0.0.1", port=0)
    port = server.start()
    try:
        rows, newest_us = {}, {}
        for symbol in ("BTCUSDT", "ETHUSDT"):
            (newest,) = get(port, f"/api/v3/aggTrades?symbol={symbol}&limit=1")
            rows[symbol] = {"first_id": 1, "last_id": newest["a"]}
            newest_us[symbol] = newest["T"] * 1000
        urls = {"websocket_url": f"ws://127.0.0.1:{port}", "rest_url": f"http://127.0.0.1:{port}"}
        config = Config.model_validate(
            {"symbols": [*rows], "venue": urls, "features": ["realized_vol_10s"]}
        )
        until_us = max(newest_us.values()) // SECOND * SECOND + 5 * SECOND
        truth = undisturbed(config, rows, until_us=until_us)
    finally:
        server.stop()
    last = truth._bars.group_by("symbol").agg(pl.col("open_time").max().to_physical())
    # A bar waits 250 ms for trades that are under way: that of the last second is open.
    assert dict(last.iter_rows()) == dict.fromkeys(rows, until_us - 2 * SECOND)


def test_undisturbed_market_with_a_budget_tells_nothing_of_the_past_it_is_fitted_by() -> None:
    source = SyntheticMarket(["BTCUSDT"], seed=3, start_us=START_US, history_us=60 * SECOND)
    server = ExchangeServer(source, host="127.0.0.1", port=0)
    port = server.start()
    rates = {"minor": "1/d", "major": "1/5d", "critical": "1/9d"}
    try:
        (newest,) = get(port, "/api/v3/aggTrades?symbol=BTCUSDT&limit=1")
        urls = {"websocket_url": f"ws://127.0.0.1:{port}", "rest_url": f"http://127.0.0.1:{port}"}
        detector = {"name": "zscore", "window": 10, "budget": {**rates, "history": "20s"}}
        config = Config.model_validate(
            {
                "symbols": ["BTCUSDT"],
                "venue": urls,
                "features": ["realized_vol_10s"],
                "detector": detector,
            }
        )
        rows = {"BTCUSDT": {"first_id": newest["a"], "last_id": newest["a"]}}
        truth = undisturbed(config, rows, until_us=0)
    finally:
        server.stop()
    open_us = newest["T"] * 1000 // SECOND * SECOND
    # Thirteen seconds are what its scores need; the twenty before them are known and not told.
    assert truth._bars["open_time"].to_physical().min() == open_us - 13 * SECOND


def test_undisturbed_market_is_judged_by_the_price_steps_of_its_venue(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    taken = []

    class Engine(ShardEngine):
        def __init__(self, symbols: Sequence[str], config: Config) -> None:
            taken.append(config)
            super().__init__(symbols, config)

    monkeypatch.setattr("actors.undisturbed.ShardEngine", Engine)
    source = SyntheticMarket(["PEPEUSDT"], seed=3, start_us=START_US, history_us=60 * SECOND)
    server = ExchangeServer(source, host="127.0.0.1", port=0)
    port = server.start()
    try:
        urls = {"websocket_url": f"ws://127.0.0.1:{port}", "rest_url": f"http://127.0.0.1:{port}"}
        sections = {"symbols": ["PEPEUSDT"], "venue": urls, "features": ["realized_vol_10s"]}
        config = Config.model_validate(sections)
        undisturbed(config, {"PEPEUSDT": {"first_id": 1, "last_id": 9}}, until_us=START_US)
    finally:
        server.stop()
    assert config.detector_of("PEPEUSDT").model_dump()["tick"] is None
    (used,) = taken
    assert used.detector_of("PEPEUSDT").model_dump()["tick"] == 1e-8
