"""The engine over history: bars as input, the end, restarts of the numbering and of the process."""

from __future__ import annotations

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from pipeline.engine import ShardEngine
from tests.pipeline.test_engine import config, engine, noisy
from tests.pipeline.trades import START_US, bars_frame, trades_frame

S = 1_000_000
START_S = START_US // S
NOTHING = trades_frame([])


def health(shard: ShardEngine) -> dict[str, object]:
    return shard.health(venue_us=None).row(0, named=True)


def accounted(row: dict[str, object]) -> int:
    return sum(row[name] for name in ("live", "backfilled", "pending", "lost"))  # type: ignore[misc]  # counts


def test_step_of_the_shards_own_symbol_type_says_the_same_as_of_strings() -> None:
    trades = pl.concat([noisy(50), noisy(40, symbol="BUSDT")])
    typed = trades.cast({"symbol": pl.Enum(["AUSDT", "BUSDT"])})
    one, other = engine().step(trades), engine().step(typed)
    assert_frame_equal(one.bars, other.bars, check_exact=True)


def test_extend_says_what_the_trades_of_the_bars_said() -> None:
    whole = engine().step(noisy(200))
    other = engine()
    parts = [other.extend(part) for part in whole.bars.iter_slices(70)]
    assert_frame_equal(pl.concat([part.bars for part in parts]), whole.bars, check_exact=True)
    features = pl.concat([part.features for part in parts])
    assert_frame_equal(features, whole.features, check_exact=True)
    row = health(other)
    assert (row["bars"], row["late"], row["live"], row["first_id"]) == (199, 0, 0, None)
    assert row["last_price"] == whole.bars["close"][-1]


def test_extend_counts_incomplete_and_late_bars() -> None:
    shard = engine()
    bars = bars_frame((START_S, 5.0, 1), (START_S + 1, 6.0, 1), (START_S + 1, 7.0, 1))
    shard.extend(bars.with_columns(complete=pl.col("close") != 6.0))
    row = health(shard)
    assert (row["bars"], row["incomplete_bars"], row["late"]) == (2, 1, 1)
    assert row["last_price"] == 6.0


def test_anchor_counts_nothing_of_the_history() -> None:
    shard = engine()
    shard.anchor("AUSDT", START_US + 2 * S, bars_frame((START_S, 5.0, 1), (START_S + 1, 6.0, 1)))
    row = health(shard)
    assert (row["bars"], row["last_price"], row["last_trade_time"]) == (0, 6.0, None)


def test_finish_closes_every_bar_up_to_that_of_the_newest_trade() -> None:
    shard = engine()
    stepped = shard.step(pl.concat([noisy(10), noisy(3, symbol="BUSDT")]))
    finished = shard.finish()
    assert stepped.bars["last_id"].to_list() == [*range(1, 10), 1, 2]
    assert finished.bars.select("symbol", "last_id").rows() == [("AUSDT", 10), ("BUSDT", 3)]
    assert shard.finish().bars.height == 0


def test_finish_after_a_clock_beyond_the_newest_trade_publishes_nothing_more() -> None:
    shard = engine()
    shard.step(noisy(3), clock_us=START_US + 10 * S)
    assert shard.finish().bars.height == 0


def test_finish_gives_every_hole_up() -> None:
    shard = engine()
    shard.step(noisy(10).filter(~pl.col("trade_id").is_in([4, 5, 8])))
    shard.expect("AUSDT", 1, 12)
    finished = shard.finish()
    assert shard.holes() == {}
    assert shard.losses() == {"AUSDT": [(4, 5), (8, 8), (11, 12)]}
    assert shard.losses() == {}
    # Of the steps of trades 3 to 10: 4 and 5 are lost between 3 and 6, 8 between 7 and 9.
    assert finished.bars["last_id"].to_list() == [3, None, None, 6, 7, None, 9, 10]
    assert finished.bars["complete"].to_list() == [False] * 8
    row = health(shard)
    assert (row["lost"], row["pending"], accounted(row)) == (5, 0, 12)


def test_losses_names_what_did_not_fit_behind_a_hole() -> None:
    shard = engine(actors={"max_held_trades": 1000})
    shard.step(noisy(1100).filter(~pl.col("trade_id").is_in([5, 1050])))
    assert shard.losses() == {"AUSDT": [(5, 5)]}
    assert shard.holes() == {"AUSDT": [(1050, 1050)]}


def test_relist_goes_on_counting_in_a_new_range_and_no_return_spans_it() -> None:
    shard = engine()
    stepped = shard.step(noisy(10, first_id=500).filter(pl.col("trade_id") != 505))
    relisted = shard.relist("AUSDT")
    row = health(shard)
    assert (row["first_id"], row["last_id"]) == (None, None)
    assert accounted(row) == 10
    later = noisy(5).with_columns(pl.col("event_time").dt.offset_by("2h"))
    after = shard.step(later)
    row = health(shard)
    assert (row["first_id"], row["last_id"], row["lost"]) == (1, 5, 1)
    assert accounted(row) == 15
    parts = [stepped, relisted, after, shard.finish()]
    bars = pl.concat([part.bars for part in parts])
    told = [*range(500, 505), None, *range(506, 510), None, 1, 2, 3, 4, 5]
    assert bars["last_id"].to_list() == told
    returns = pl.concat([part.features for part in parts])["log_return"]
    # The first ever, the bar that breaks the series, and the first behind it.
    assert returns.is_null().arg_true().to_list() == [0, 10, 11]


def test_relist_of_a_symbol_without_a_trade_changes_nothing() -> None:
    shard = engine()
    assert shard.relist("AUSDT").bars.height == 0
    assert shard.step(noisy(3)).bars.height == 2


def test_relist_leaves_other_symbols_alone() -> None:
    shard = engine()
    shard.step(pl.concat([noisy(5), noisy(5, symbol="BUSDT").filter(pl.col("trade_id") != 3)]))
    assert set(shard.relist("AUSDT").bars["symbol"]) == {"AUSDT"}
    assert shard.holes() == {"BUSDT": [(3, 3)]}


def test_restore_of_merged_and_split_shards_says_what_the_undisturbed_say() -> None:
    made = config(symbols=["AUSDT", "BUSDT", "CUSDT"])
    trades = pl.concat([noisy(60, symbol=symbol) for symbol in made.symbols])
    trades = trades.filter((pl.col("symbol") != "BUSDT") | (pl.col("trade_id") != 20))
    early = pl.col("trade_id") < 30
    whole = ShardEngine(made.symbols, made)
    results = [whole.step(trades.filter(early)), whole.step(trades.filter(~early)), whole.finish()]
    first = [ShardEngine(symbols, made) for symbols in (["AUSDT", "BUSDT"], ["CUSDT"])]
    parts = [
        shard.step(trades.filter(early & pl.col("symbol").is_in(shard.symbols))) for shard in first
    ]
    snapshot = pl.concat([shard.snapshot() for shard in first])
    assert snapshot["symbol"].to_list() == list(made.symbols)
    second = [ShardEngine(symbols, made) for symbols in (["CUSDT", "AUSDT"], ["BUSDT"])]
    for shard in second:
        shard.restore(snapshot)
        parts.append(shard.step(trades.filter(~early & pl.col("symbol").is_in(shard.symbols))))
        parts.append(shard.finish())
    order = ["symbol", "open_time"]
    assert_frame_equal(
        pl.concat([part.bars for part in parts]).sort(order),
        pl.concat([part.bars for part in results]).sort(order),
        check_exact=True,
    )
    carried = pl.concat([shard.health(venue_us=None) for shard in second]).sort("symbol")
    assert_frame_equal(carried.drop("alerts"), whole.health(venue_us=None).drop("alerts"))
    assert second[1].losses() == whole.losses() == {"BUSDT": [(20, 20)]}
    resumed = pl.concat([shard.snapshot() for shard in second]).sort("symbol")
    assert_frame_equal(resumed, whole.snapshot())


def test_restore_without_a_row_of_a_symbol_leaves_it_cold() -> None:
    saved = engine()
    saved.step(noisy(5))
    shard = engine()
    shard.restore(saved.snapshot().filter(pl.col("symbol") == "BUSDT"))
    assert health(shard)["first_id"] is None


def test_restore_ends_the_digest() -> None:
    shard = engine(actors={"digest": True})
    shard.step(noisy(5))
    shard.restore(shard.snapshot())
    assert shard.health(venue_us=None)["sha256"].to_list() == [None, None]


@pytest.mark.parametrize("every", ["1s", "1m"])
def test_snapshot_of_an_engine_without_trades_restores_as_cold(every: str) -> None:
    sections = {"sampling": {"every": every}, "features": ["realized_vol_5m"]}
    shard = engine(**sections)
    shard.restore(engine(**sections).snapshot())
    assert_frame_equal(shard.step(noisy(90)).bars, engine(**sections).step(noisy(90)).bars)


def test_market_listed_anew_starts_its_windows_anew() -> None:
    shard = engine(features=["realized_vol_1m"])
    shard.step(noisy(300))
    shard.relist("AUSDT")
    again = noisy(120).with_columns(pl.col("event_time").dt.offset_by("1d"))
    known = shard.step(again).features["realized_vol_1m"].is_not_null()
    fresh = engine(features=["realized_vol_1m"]).step(again).features["realized_vol_1m"]
    assert known.arg_max() == fresh.is_not_null().arg_max() == 60
