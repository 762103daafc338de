"""What `cryptoctopus chaos` does: a real pipeline on a real exchange, and everything goes wrong."""

from __future__ import annotations

import json
import logging
import time
import urllib.request
from typing import TYPE_CHECKING, Any

import polars as pl

from actors.chaos_table import show
from actors.client import find_pipeline
from actors.exchange.server import ExchangeServer
from actors.exchange_host import synthetic_market
from actors.runner import check_writable
from actors.session import join_cluster, leave_cluster
from actors.supervise import Pipeline
from actors.undisturbed import undisturbed
from pipeline.chaos.scoreboard import Outcome, Sight, count_mistaken, scoreboard
from pipeline.errors import ClusterError, ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from actors.client import PipelineClient
    from pipeline.chaos.scenarios import Scenario
    from pipeline.config import Config

logger = logging.getLogger(__name__)

_POLL_S = 0.1
_STEADY_S = 3.0
_START_LIMIT_S = 90.0
_HEAL_LIMIT_S = 60.0
_SKEWED_MS = 1_000.0
_QUIET_TRADES_PER_S = 1 / 30


def run_chaos(
    config: Config, config_path: str, scenarios: Sequence[Scenario], report_path: Path | None
) -> int:
    """Play scenarios one after the other, each on a market and a pipeline of its own.

    Returns:
        The exit code: 0 if every trade was accounted for in all of them, else 1.

    Raises:
        ConfigError: The symbols are chosen by a rule.
        CryptoctopusError: The report cannot be written, or the pipeline cannot start, or ended by
            itself.
    """
    if config.symbol_rule is not None:
        problem = "expected names, found a rule: what is disturbed is compared market by market"
        raise ConfigError(config_path, [f"symbols: {problem}"])
    if report_path is not None:
        check_writable(report_path)
    outcomes: dict[str, Outcome] = {}
    join_cluster("local")
    try:
        with show(scenarios) as table:
            for scenario in scenarios:
                table.begin(scenario.name)
                outcomes[scenario.name] = _play(config, scenario)
                table.add(scenario.name, outcomes[scenario.name])
    finally:
        leave_cluster()
    report = scoreboard(config.exchange.trades_per_s or 0.0, outcomes)
    if report_path is not None:
        report_path.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return 0 if all(outcome.is_good for outcome in outcomes.values()) else 1


def _play(config: Config, scenario: Scenario) -> Outcome:
    rates = {} if scenario.quiet is None else {scenario.quiet: _QUIET_TRADES_PER_S}
    market = synthetic_market(config, start_us=time.time_ns() // 1000, own_rates=rates)
    server = ExchangeServer(market, host="127.0.0.1", port=0, admin=True)
    address = f"127.0.0.1:{server.start()}"
    urls = {"websocket_url": f"ws://{address}", "rest_url": f"http://{address}"}
    venue = config.venue.model_copy(update={"name": "exchange", **urls})
    actors = config.actors
    if scenario.quiet is not None:
        actors = actors.model_copy(update={"symbols_per_actor": 1})
    config = config.model_copy(update={"venue": venue, "actors": actors})
    stage = _Stage(config, scenario, server, address)
    try:
        return stage.play()
    finally:
        stage.close()
        server.stop()


class _Stage:
    """One pipeline, and the switchboard of the exchange it reads."""

    def __init__(
        self, config: Config, scenario: Scenario, server: ExchangeServer, address: str
    ) -> None:
        self._config = config
        self._scenario = scenario
        self._server = server
        self._address = address
        self._pipeline = Pipeline(config, "chaos")
        self._client: PipelineClient | None = None
        self._well_since_s: float | None = None
        self._seen_stale = 0

    def play(self) -> Outcome:
        """Start, disturb, wait until all is well again, and compare with what was issued."""
        scenario = self._scenario
        self._pipeline.start()
        self._client = find_pipeline()
        if not self._until(_is_well, _START_LIMIT_S):
            raise ClusterError(f"{scenario.name}: the pipeline has not started")
        self._until(lambda _: False, _STEADY_S)
        before, began_s, self._seen_stale = self._sight(), time.monotonic(), 0
        for fault in scenario.faults:
            self._switch("POST", fault)
        detect_s = None
        if scenario.detect_within_s is not None:
            sign, lasts_s = scenario.sign, scenario.lasts_s
            if self._until(lambda sight: sight.shows(sign, before), lasts_s):
                detect_s = time.monotonic() - began_s
        self._well_since_s = None
        self._until(lambda _: False, scenario.lasts_s - (time.monotonic() - began_s))
        withheld = self._ask("/admin/faults")["lost"]
        self._switch("DELETE", None)
        self._until(_is_well, _HEAL_LIMIT_S)
        self._until(lambda _: False, _STEADY_S)
        well_since_s = self._well_since_s
        return self._outcome(
            withheld, detect_s, None if well_since_s is None else well_since_s - began_s
        )

    def close(self) -> None:
        """Stop the pipeline, if it runs."""
        self._pipeline.stop()

    def _outcome(
        self, withheld: dict[str, Any], detect_s: float | None, heal_s: float | None
    ) -> Outcome:
        assert self._client is not None  # noqa: S101 - it was found when the pipeline started
        # In this order: alerts are told with the bars that raised them, and none is missed.
        bars, alerts = self._client.bars(), self._client.snapshot(0).alerts
        stale = self._seen_stale
        report = self._pipeline.stop()
        if report is None:
            raise ClusterError("the pipeline gave no report")
        rows: Mapping[str, dict[str, Any]] = report["symbols"]
        truth = undisturbed(self._config, rows, until_us=_end_us(bars, self._config))
        replaced = sum(row["reconnects"] + row["handovers"] for row in rows.values())
        totals = report["totals"]
        ids = sum(row["last_id"] - row["first_id"] + 1 for row in rows.values())
        accounted = totals["live"] + totals["backfilled"] + totals["lost"] + totals["pending"]
        equal = all(self._served(symbol, row) == row["sha256"] for symbol, row in rows.items())
        return Outcome(
            issued=ids,
            live=totals["live"],
            backfilled=totals["backfilled"],
            lost=totals["lost"],
            expected_lost=sum(
                last - first + 1 for ranges in withheld.values() for first, last in ranges
            ),
            mistaken_lost=count_mistaken(rows, withheld),
            duplicates_applied=accounted - ids,
            hash_equal=equal,
            bars_equal=truth.has_bars(bars),
            detect_s=None if detect_s is None else round(detect_s, 2),
            detect_within_s=self._scenario.detect_within_s,
            heal_s=None if heal_s is None else round(heal_s, 2),
            needless=None if self._scenario.faults else replaced + stale,
            false_alerts=truth.count_unknown(alerts),
            missed_alerts=truth.count_missed(alerts, bars),
        )

    def _until(self, condition: Callable[[Sight], bool], limit_s: float) -> bool:
        """Watch the pipeline until a condition holds, or for so long; return whether it does."""
        end_s = time.monotonic() + limit_s
        while time.monotonic() < end_s:
            if self._pipeline.watch():
                raise ClusterError("the pipeline was asked to stop")
            self._server.check()
            sight = self._sight()
            self._seen_stale += sight.stale
            if not sight.is_well:
                self._well_since_s = None
            elif self._well_since_s is None:
                self._well_since_s = time.monotonic()
            if condition(sight):
                return True
            time.sleep(_POLL_S)
        return False

    def _sight(self) -> Sight:
        assert self._client is not None  # noqa: S101 - as above
        snapshot, report = self._client.snapshot(1 << 62), self._client.report()
        health = snapshot.health
        reporting = health.height == len(self._config.symbols)
        busy = health.filter(pl.col("symbol").ne_missing(pl.lit(self._scenario.quiet)))
        ages = busy["last_trade_age_s"] if reporting else None
        oldest_s = None if ages is None or ages.null_count() else ages.max()
        return Sight(
            connected=reporting and all(snapshot.connected.values()),
            reconnects=int(health["reconnects"].sum()) + int(health["handovers"].sum()),
            stale=bool((health["condition"] == "stale").any()),
            pending=int(health["pending"].sum()),
            backfilled=int(health["backfilled"].sum()),
            duplicates=int(health["duplicates"].sum()),
            # Also those that name no symbol.
            rejected=report["totals"]["rejected"],
            skewed=report["clock"] is not None and _is_skewed(report["clock"]),
            behind_s=float("inf") if oldest_s is None else float(oldest_s),  # type: ignore[arg-type]  # of a Float64 column
        )

    def _switch(self, method: str, fault: Mapping[str, Any] | None) -> None:
        """Tell the exchange's switchboard."""
        body = None if fault is None else json.dumps(fault).encode()
        request = urllib.request.Request(
            f"http://{self._address}/admin/faults",
            data=body,
            method=method,
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - loopback
            answer.read()

    def _served(self, symbol: str, row: Mapping[str, Any]) -> str:
        """Return the exchange's hash over what it serves of the ids the pipeline accounts for."""
        ids = f"symbol={symbol}&first_id={row['first_id']}&last_id={row['last_id']}"
        return str(self._ask(f"/admin/ledger?{ids}")[symbol]["served_sha256"])

    def _ask(self, path: str) -> dict[str, Any]:
        url = f"http://{self._address}{path}"
        with urllib.request.urlopen(url, timeout=30) as answer:
            answered: dict[str, Any] = json.load(answer)
        return answered


def _is_well(sight: Sight) -> bool:
    return sight.is_well


def _end_us(bars: pl.DataFrame, config: Config) -> int:
    """Return a time by which all of BARS have closed."""
    newest_us = int(bars["open_time"].to_physical().to_numpy().max())
    return newest_us + (config.sampling.step_us or 0) + config.sampling.lateness


def _is_skewed(clock: Mapping[str, float]) -> bool:
    return abs(clock["venue_ahead_ms"]) - clock["error_ms"] > _SKEWED_MS
