from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipeline.correlation import MAX_SYMBOLS, WINDOW, Correlations
from pipeline.market_steps import Steps
from pipeline.schema import CORRELATIONS
from pipeline.window_tapes import MISSING

S = 1_000_000
T0 = 1_700_000_000 * S  # a multiple of ten seconds
UNIT = 2.0**58


def steps(returns: NDArray[np.int64], first: int = 0) -> Steps:
    rows = len(returns)
    return Steps(
        T0 + (first + np.arange(rows)) * S,
        returns,
        np.full(returns.shape, np.nan),
        np.zeros(rows, dtype=np.int64),
    )


def market(rows: int, symbols: int, seed: int = 1, missing: float = 0.0) -> NDArray[np.int64]:
    random = np.random.default_rng(seed)
    common = random.standard_t(3, (rows, 1))
    returns = np.rint(1e-3 * (common + random.standard_t(3, (rows, symbols))) * UNIT)
    values = returns.astype(np.int64)
    values[random.random(values.shape) < missing] = MISSING
    return values


def names(symbols: int) -> list[str]:
    return [f"S{at}" for at in range(symbols)]


def expected(returns: NDArray[np.int64], one: int, other: int) -> tuple[float, int]:
    """Two passes over ten-second returns in 80-bit floats."""
    tens = returns[: len(returns) // 10 * 10].reshape(-1, 10, returns.shape[1])[-WINDOW:]
    known = (tens != MISSING).all(axis=1)
    both = known[:, one] & known[:, other]
    x, y = (tens[both][:, :, at].sum(axis=1).astype(np.longdouble) for at in (one, other))
    x, y = x - x.mean(), y - y.mean()
    return float((x * y).sum() / np.sqrt((x * x).sum() * (y * y).sum())), int(both.sum())


def test_correlation_is_that_of_two_passes_over_ten_second_returns() -> None:
    returns = market(4_005, 4, missing=0.01)
    state = Correlations(S)
    state.push(steps(returns))
    pairs = state.pairs(names(4))
    assert pairs.schema == CORRELATIONS
    listed = pairs.select("symbol", "other").rows()
    assert listed == [(f"S{a}", f"S{b}") for a in range(4) for b in range(a + 1, 4)]
    for symbol, other, correlation, count in pairs.iter_rows():
        value, terms = expected(returns, int(symbol[1]), int(other[1]))
        assert correlation == pytest.approx(value, rel=1e-14)
        assert count == terms
        assert 0.3 < correlation < 0.7


def test_correlation_of_the_same_and_of_opposite_returns_is_one() -> None:
    own = market(3_610, 1)
    state = Correlations(S)
    state.push(steps(np.hstack([own, own, -own])))
    assert state.pairs(names(3))["correlation"].to_list() == [1.0, -1.0, -1.0]


#: x = 1, 2, 3, 4 and y = 1, 3, 2, 4 in turn, each for ten seconds: a correlation of 4 to 5.
HAND = np.tile([[1, 1], [2, 3], [3, 2], [4, 4]], (50, 1)).repeat(10, axis=0).astype(np.int64)


def of_hand(rows: int) -> tuple[float | None, int]:
    state = Correlations(S)
    state.push(steps(HAND[:rows]))
    value, count = state.pairs(names(2)).select("correlation", "returns").row(0)
    return value, count


def test_correlation_by_hand() -> None:
    assert of_hand(1841) == (0.8, 184)


def test_correlation_is_unknown_with_fewer_than_half_of_the_returns() -> None:
    assert of_hand(1800) == (None, 179)  # the last one is not known to be whole
    value, count = of_hand(1801)
    assert (value, count) == (0.8, 180)


def test_returns_leave_the_window_after_an_hour() -> None:
    state = Correlations(S)
    state.push(steps(market(3_600, 2)))
    state.push(steps(np.tile(HAND, (2, 1))[:3_601], first=3_600))
    assert state.pairs(names(2)).row(0) == ("S0", "S1", 0.8, 360)


def test_returns_leave_the_window_when_an_hour_is_missing() -> None:
    state = Correlations(S)
    state.push(steps(market(3_600, 2)))
    state.push(steps(HAND[:1_841], first=100_000))
    assert state.pairs(names(2)).row(0) == ("S0", "S1", 0.8, 184)


def test_return_with_a_step_that_is_missing_or_broken_is_not_known() -> None:
    returns = HAND[:1_921].copy()
    returns[5, 0], returns[15, 1] = MISSING, (1 << 56) + 1
    returns[25, 0] = 1 << 56  # a quarter is a move
    state = Correlations(S)
    state.push(steps(returns))
    assert state.pairs(names(2))["returns"].item() == 190


def test_return_beyond_that_of_any_price_is_not_known() -> None:
    # Of a hundred steps of a tenth of a second: 17 of 2^56 units are 4.25, and 16 are 4.
    returns = np.ones((401, 2), dtype=np.int64)
    returns[:17, 0] = returns[100:115, 0] = 1 << 56
    block = steps(returns)
    state = Correlations(S // 10)
    state.push(Steps(T0 + np.arange(401) * S // 10, block.returns, block.scores, block.trades))
    assert state.pairs(names(2))["returns"].item() == 3


def test_symbol_that_does_not_move_has_no_correlation() -> None:
    returns = HAND[:1_921].copy()
    returns[:, 1] = 0
    state = Correlations(S)
    state.push(steps(returns))
    assert state.pairs(names(2)).row(0) == ("S0", "S1", None, 192)


def test_return_on_a_coarser_grid_spans_ten_steps() -> None:
    state = Correlations(60 * S)
    block = steps(HAND[:1_841])
    state.push(Steps(block.open_us // S * 60 * S, block.returns, block.scores, block.trades))
    # Ten minutes do not begin where the steps do: one return is cut.
    assert state.pairs(names(2))["returns"].item() in {183, 184}


def test_symbol_that_enters_is_compared_from_there_on() -> None:
    state = Correlations(S)
    state.push(steps(HAND[:1_905, :1]))
    state.push(steps(HAND[1_905:], first=1_905))
    assert state.pairs(names(2)).row(0) == ("S0", "S1", None, 8)


def test_no_more_than_sixty_symbols_are_compared() -> None:
    state = Correlations(S)
    state.push(steps(market(50, MAX_SYMBOLS + 5)))
    pairs = state.pairs(names(MAX_SYMBOLS + 5))
    assert pairs.height == MAX_SYMBOLS * (MAX_SYMBOLS - 1) // 2
    assert pairs.row(-1)[:2] == ("S58", "S59")


def test_nothing_is_said_before_the_first_step() -> None:
    pairs = Correlations(S).pairs(names(3))
    assert (pairs.height, pairs.schema) == (0, CORRELATIONS)


RETURNS = market(4_200, 3, missing=0.02)


@settings(max_examples=30)
@given(cuts=st.lists(st.integers(0, 4_200), max_size=6), start=st.integers(0, 500))
def test_correlations_are_the_same_in_any_pieces_and_from_any_start(
    cuts: list[int], start: int
) -> None:
    whole, pieces = Correlations(S), Correlations(S)
    whole.push(steps(RETURNS))
    bounds = sorted({start, 4_200, *(cut for cut in cuts if cut > start)})
    for first, last in pairwise(bounds):
        pieces.push(steps(RETURNS[first:last], first=first))
    assert pieces.pairs(names(3)).equals(whole.pairs(names(3)))
