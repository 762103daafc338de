from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from pipeline import market_steps
from pipeline.market_steps import MarketSteps, Steps
from pipeline.schema import BARS, TIME
from pipeline.window_tapes import MISSING

S = 1_000_000
T0 = 1_700_000_000 * S


def rows(
    symbol: str, *seconds: int, value: float = 1.0, complete: bool = True, trades: int | None = 1
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Bars and features of one symbol: returns of `value` units, scores of -`value`."""
    open_time = pl.Series("open_time", [T0 + at * S for at in seconds], dtype=pl.Int64).cast(TIME)
    bars = pl.DataFrame({"symbol": [symbol] * len(seconds), "open_time": open_time}).with_columns(
        complete=pl.lit(complete), trades=pl.lit(trades, pl.Int64)
    )
    others = [pl.lit(None, kind).alias(name) for name, kind in BARS.items() if name not in bars]
    features = bars.select("symbol", "open_time").with_columns(
        log_return=pl.lit(value * 2.0**-58),
        score=pl.lit(float(abs(value))),
        direction=pl.lit(-1, pl.Int8),
    )
    return bars.with_columns(others).select(BARS.names()), features


def together(*parts: tuple[pl.DataFrame, pl.DataFrame]) -> tuple[pl.DataFrame, pl.DataFrame]:
    bars, features = zip(*parts, strict=True)
    return pl.concat(bars), pl.concat(features)


def seconds(steps: list[Steps]) -> list[int]:
    return [(us - T0) // S for block in steps for us in block.open_us.tolist()]


def push(
    state: MarketSteps, *parts: tuple[pl.DataFrame, pl.DataFrame], now_us: int = 0
) -> list[Steps]:
    return list(state.push(*together(*parts), now_us))


def begun(*symbols: str) -> MarketSteps:
    state = MarketSteps(symbols, S)
    push(state, *(rows(symbol, 0) for symbol in symbols))
    return state


def test_step_is_taken_when_all_symbols_have_told_it() -> None:
    state = begun("A", "B")
    assert seconds(push(state, rows("A", 1, 2))) == []
    assert seconds(push(state, rows("B", 1))) == [1]
    assert seconds(push(state, rows("B", 2))) == [2]


def test_step_holds_returns_and_signed_scores_by_symbol() -> None:
    state = begun("A", "B")
    (steps,) = push(state, rows("A", 1, value=3), rows("B", 1, value=-5, trades=7))
    assert steps.open_us.tolist() == [T0 + S]
    assert steps.returns.tolist() == [[3, -5]]
    assert steps.scores.tolist() == [[-3.0, -5.0]]
    assert steps.trades.tolist() == [8]


def test_step_without_a_symbol_is_taken_two_seconds_later_and_not_before() -> None:
    state = begun("A", "B")
    assert seconds(push(state, rows("A", 1, 2))) == []
    (steps,) = push(state, rows("A", 3))
    assert seconds([steps]) == [1]
    assert steps.returns.tolist() == [[1, MISSING]]


def test_row_of_a_step_that_was_taken_is_left_out_and_counted() -> None:
    state = begun("A", "B")
    push(state, rows("A", 1, 2, 3))
    (steps,) = push(state, rows("B", 1, 2, 3))
    assert (seconds([steps]), state.late) == ([2, 3], 1)


def test_step_of_a_coarse_grid_waits_for_one_step() -> None:
    state = MarketSteps(["A", "B"], 60 * S)
    push(state, rows("A", 0), rows("B", 0))
    assert seconds(push(state, rows("A", 60))) == []
    assert seconds(push(state, rows("A", 120))) == [60]


def test_symbol_that_leaves_out_steps_has_told_them() -> None:
    state = begun("A", "B")
    (steps,) = push(state, rows("A", 1, 2), rows("B", 2))
    assert seconds([steps]) == [1, 2]
    # Its return at 2 spans more than a step.
    assert steps.returns.tolist() == [[1, MISSING], [1, MISSING]]


def test_first_steps_wait_for_all_symbols_and_their_histories() -> None:
    state = MarketSteps(["A", "B", "C"], S)
    assert seconds(push(state, rows("A", *range(1000)))) == []
    assert seconds(push(state, rows("B", *range(1000)), now_us=29 * S)) == []
    taken = push(state, rows("C", *range(500, 1000)), now_us=29 * S)
    assert seconds(taken) == list(range(1000))
    assert len(taken) == 2  # blocks of 512


def test_first_steps_wait_for_no_symbol_longer_than_half_a_minute() -> None:
    state = MarketSteps(["A", "B"], S)
    push(state, rows("A", 0, 1), now_us=5 * S)
    assert seconds(push(state, rows("A", 2), now_us=35 * S - 1)) == []
    assert seconds(push(state, rows("A", 3), now_us=35 * S)) == [0, 1, 2, 3]


def test_first_steps_wait_for_no_symbol_when_too_many_rows_are_held(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(market_steps, "MAX_ROWS", 4)
    state = MarketSteps(["A", "B"], S)
    assert seconds(push(state, rows("A", 0, 1, 2, 3))) == []
    assert seconds(push(state, rows("A", 4))) == [0, 1, 2, 3, 4]


def test_symbol_that_is_expected_no_more_is_not_waited_for() -> None:
    state = begun("A", "B")
    push(state, rows("A", 1), rows("B", 1))
    state.expect(["A"])
    (steps,) = push(state, rows("A", 2))
    assert steps.returns.tolist() == [[1, MISSING]]


def test_symbol_that_enters_gets_a_column_of_its_own() -> None:
    state = begun("A", "B")
    state.expect(["C", "A", "B"])
    assert state.symbols == ["A", "B", "C"]
    (steps,) = push(state, rows("C", 1), rows("A", 1), rows("B", 1))
    assert steps.returns.tolist() == [[1, 1, MISSING]]  # its first return spans what is not known


def test_return_from_or_to_an_incomplete_bar_is_missing() -> None:
    state = begun("A", "B")
    parts = rows("A", 1), rows("A", 2, complete=False), rows("A", 3, 4), rows("B", 1, 2, 3, 4)
    (steps,) = push(state, *parts)
    assert (steps.returns[:, 0] != MISSING).tolist() == [True, False, False, True]
    # As it is if the step before was taken already.
    push(state, rows("A", 5, complete=False), rows("B", 5))
    (steps,) = push(state, rows("A", 6), rows("B", 6))
    assert steps.returns.tolist() == [[MISSING, 1]]


def test_return_after_steps_that_nobody_told_is_missing() -> None:
    state = begun("A", "B")
    (steps,) = push(state, rows("A", 5, 6), rows("B", 5, 6))
    assert steps.returns.tolist() == [[MISSING, MISSING], [1, 1]]


def test_row_that_is_told_again_in_time_takes_the_place_of_the_first() -> None:
    state = begun("A", "B")
    push(state, rows("A", 1))
    (steps,) = push(state, rows("A", 1, value=4), rows("B", 1))
    assert steps.returns.tolist() == [[4, 1]]


def test_trades_that_nobody_counts_are_unknown_and_not_none() -> None:
    state = begun("A", "B")
    (steps,) = push(state, rows("A", 1, trades=None), rows("B", 1, trades=None))
    assert steps.trades.tolist() == [-1]
    (steps,) = push(state, rows("A", 2, trades=0), rows("B", 2, trades=None))
    assert steps.trades.tolist() == [0]


def test_trades_are_those_of_the_symbols_with_a_return() -> None:
    state = begun("A", "B")
    parts = rows("A", 1, trades=2), rows("B", 1, trades=40, complete=False)
    (steps,) = push(state, *parts)
    assert steps.trades.tolist() == [2]


def test_missing_return_and_score_stay_missing() -> None:
    state = begun("A", "B")
    bars, features = rows("A", 1)
    unknown = features.with_columns(log_return=pl.lit(None, pl.Float64), score=pl.lit(None))
    (steps,) = push(state, (bars, unknown.cast({"score": pl.Float64})), rows("B", 1))
    assert steps.returns.tolist() == [[MISSING, 1]]
    assert np.isnan(steps.scores[0, 0])


def test_finish_takes_all_that_is_held() -> None:
    state = begun("A", "B")
    push(state, rows("A", 1, 2))
    assert seconds(list(state.finish())) == [1, 2]
    assert seconds(list(state.finish())) == []


def test_push_without_rows_takes_nothing() -> None:
    state = MarketSteps(["A"], S)
    bars, features = rows("A", 0)
    assert list(state.push(bars.clear(), features.clear(), 0)) == []
