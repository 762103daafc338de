"""Every peer of the benchmarks does the same job, on a small input."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from pipeline.schema import TRADES
from tests.benchmarks.broken_frames import broken_frames
from tests.benchmarks.exactness import inputs
from tests.benchmarks.exactness.job import exactness
from tests.benchmarks.exactness.ways import WAYS
from tests.benchmarks.history import job as history
from tests.benchmarks.history.market import make_trades
from tests.benchmarks.history.rows import VOLATILITY_S
from tests.benchmarks.memory import Tree, write_trades
from tests.benchmarks.rolling import job as rolling
from tests.benchmarks.rolling.columns import COUNT, REACH_US
from tests.benchmarks.rolling.market import make_ticks
from tests.benchmarks.tables import markdown_table, write_page
from tests.benchmarks.timing import OURS, Peer, side_by_side

#: What only `make bench` installs, by the start of a peer's name.
ONLY_IN_BENCH = {"DuckDB": "duckdb", "Bytewax": "bytewax", "River": "river"}


def _skip_if_not_installed(name: str) -> None:
    for start, package in ONLY_IN_BENCH.items():
        if name.startswith(start):
            pytest.importorskip(package)


@pytest.mark.parametrize("name", history.WAYS)
def test_history_by_any_peer_gives_the_rows_of_the_limit(name: str) -> None:
    _skip_if_not_installed(name)
    trades = make_trades(3, 4_000)
    expected = history.expected_of(trades)
    peer = history.peer(name, trades, expected)
    assert peer.check(peer.run())["bars"] == len(expected.second)


@pytest.mark.parametrize("name", rolling.WAYS)
def test_rolling_by_any_peer_gives_the_columns_of_the_limit(name: str) -> None:
    _skip_if_not_installed(name)
    ticks = make_ticks(3, 400)
    peer = rolling.peer(name, ticks, rolling.expected_of(ticks))
    assert peer.check(peer.run())["max_relative_error"] <= 1e-9


def test_history_input_has_quiet_spells_that_fill_and_go_null() -> None:
    rows = history.expected_of(make_trades(3, 4_000))
    untraded = rows.values["trades"] == 0
    assert (untraded & ~np.isnan(rows.values["close"])).any()
    assert (untraded & np.isnan(rows.values["close"])).any()
    assert np.isnan(rows.values["realized_vol_1m"]).sum() > 3 * (
        VOLATILITY_S["realized_vol_1m"] - 1
    )


def test_rolling_limit_agrees_with_numpy_over_one_window() -> None:
    ticks = make_ticks(1, 1_000)
    found = rolling.expected_of(ticks)
    returns = np.diff(np.log(ticks.price))
    recent = ticks.time_us[1:] > ticks.time_us[-1] - REACH_US
    before = returns[-COUNT - 1 : -1]
    assert found["std_count"][-1] == pytest.approx(returns[-COUNT:].std(ddof=1), rel=1e-9)
    assert found["std_time"][-1] == pytest.approx(returns[recent].std(ddof=1), rel=1e-9)
    assert found["z"][-1] == pytest.approx((returns[-1] - before.mean()) / before.std(ddof=1))


def test_history_difference_of_a_changed_value_is_told() -> None:
    trades = make_trades(1, 1_000)
    changed, expected = history.expected_of(trades), history.expected_of(trades)
    changed.values["notional"][5] *= 1.5
    assert history.difference(changed, expected) == (pytest.approx(0.5), 0)


@pytest.mark.parametrize("name", [way for way in WAYS if way != OURS])
def test_exactness_is_measured_against_eighty_bits(name: str) -> None:
    _skip_if_not_installed(name)
    ways = {OURS: WAYS[OURS], name: WAYS[name]}
    figures = exactness(ways, rows=5_000, long_rows=20_000, long_window=2_000)
    assert figures[name]["typical"] <= 1e-11
    assert figures[OURS]["typical"] <= 1e-11
    assert figures[OURS]["flat_not_zero"] == 0
    assert figures[OURS]["not_a_number"] == 0


def test_exactness_reference_of_a_known_window_is_its_deviation() -> None:
    # mathematics of ten returns: the sample deviation and the root mean square
    r = np.array([0.001, -0.002, 0.0015, 0.0005, -0.001, 0.003, -0.0025, 0.0, 0.0007, -0.0012])
    std, rms = inputs.reference(r, np.array([9]), 10)
    assert std[0] == pytest.approx(0.0016891812612426572, rel=1e-15)
    assert rms[0] == pytest.approx(0.0016024980499208105, rel=1e-15)


def test_side_by_side_compares_by_the_row() -> None:
    def work(rounds: int) -> Peer:
        return Peer(str(rounds), lambda: sum(range(rounds)), rounds, lambda _: {}, 2)

    figures = side_by_side([work(100_000), work(1_000_000)], limit="100000", rounds=3)
    assert figures["100000"]["ratio_to_limit"] == 1.0
    assert figures["1000000"]["rounds"] == 2
    assert figures["1000000"]["ratio_to_ours"] is None


def test_write_page_replaces_the_marked_table_only(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- job -->\nold\n<!-- end of job -->\nafter\n")
    ours = {"cpu_s": 1.5, "rows": 2000, "equal": True, "off": None}
    jobs = {"job": {"ours": ours}, "other": {"ours": {"cpu_s": 1.0}}}
    parts = {name: markdown_table(peers) for name, peers in jobs.items()}
    assert write_page(page, parts) == ["other"]
    assert page.read_text() == (
        "before\n<!-- job -->\n|  | cpu s | rows | equal | off |\n"
        "| --- | ---: | ---: | ---: | ---: |\n"
        "| ours | 1.5 | 2,000 | yes | - |\n<!-- end of job -->\nafter\n"
    )


def test_broken_frames_are_all_counted() -> None:
    figures = broken_frames(frames=2_000, seed=3)
    assert figures["all"]["frames"] == 2_000
    assert figures["all"]["told"] >= 2_000
    for one in figures.values():
        assert one["read"] + one["rejected"] == one["told"]
    assert figures["binance stream"]["read"] > 0
    assert figures["binance stream"]["reasons"] > 5


@pytest.mark.parametrize(("peers", "first"), [(12, "| f0 |"), (13, "| p0 |")])
def test_table_has_a_row_a_figure_where_there_are_many_and_fewer_peers(
    peers: int, first: str
) -> None:
    figures = {f"f{at}": at for at in range(13)}
    lines = markdown_table({f"p{at}": figures for at in range(peers)}).splitlines()
    assert lines[2].startswith(first)
    assert len(lines) == 15


def test_tree_of_a_process_counts_its_children_and_their_memory() -> None:
    child = "held = b'x' * 60_000_000; print('ready', flush=True); input()"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    command = [sys.executable, "-c", parent]
    with subprocess.Popen(  # noqa: S603 - our own command
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        tree = Tree(process.pid)
        tree.look()
        process.communicate(b"\n")
    assert tree.processes == 2
    assert 60e6 < tree.peak_bytes < 200e6


def test_memory_input_continues_from_file_to_file(tmp_path: Path) -> None:
    paths = write_trades(tmp_path, rows=4_000, rows_per_file=1_000)
    assert paths[1].name == "AAAUSDT-trades-001.parquet"
    trades = pl.concat([pl.read_parquet(path) for path in paths[:2]])
    assert trades.schema == TRADES
    assert trades["trade_id"].to_list() == list(range(1, 2_001))
    assert trades["event_time"].is_sorted()
