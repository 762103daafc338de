from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipeline.regime_loop import MEAN, SPANS
from pipeline.regimes import Regimes, regime_sums, sample_steps
from pipeline.windows import RollingSum, WindowColumns

S = 1_000_000
#: On a grid of a second a sample is of 5 s, a span of 300 s.
SAMPLE, SPAN = 5, 300
CALM, NORMAL, ELEVATED, EXTREME = range(4)
#: Of a symbol that has been so for half an hour and more.
USUAL = 1e-3

Told = tuple[NDArray[np.int8], NDArray[np.int8]]


def push(
    state: Regimes,
    volatility: NDArray[np.float64],
    *,
    short: NDArray[np.float64] | None = None,
    first: int = 0,
    symbol: int = 0,
) -> Told:
    """Push samples, one every five seconds; `short` is of the sample, `volatility` of the span."""
    own = volatility if short is None else short
    rows = len(volatility)
    columns = WindowColumns(
        np.zeros(rows),
        np.zeros(rows, dtype=np.int32),
        np.array([np.zeros(rows), own**2 * SAMPLE, volatility**2 * SPAN]),
        np.array([np.zeros(rows), np.full(rows, SAMPLE), np.full(rows, SPAN)], dtype=np.int32),
        np.empty((0, rows)),
    )
    end_us = (first + 1 + np.arange(rows)) * SAMPLE * S
    return state.push(np.full(rows, symbol, dtype=np.int32), end_us, columns, (1, 2))


def settled() -> Regimes:
    """Return a symbol with six spans of the usual volatility: it is normal."""
    state = Regimes(1, S)
    push(state, np.full(360, USUAL))
    return state


def after(ratio: float, *before: float, samples: int = 13) -> int:
    """Return the regime once a ratio has held for so many samples, and others before it."""
    state = settled()
    for at, one in enumerate((*before, ratio)):
        count = samples if at == len(before) else 13
        regimes, _ = push(state, np.full(count, one * USUAL), first=361 + 13 * at)
    return int(regimes[-1])


def test_sums_are_of_five_seconds_and_of_five_minutes() -> None:
    assert regime_sums(S) == [RollingSum("squares", 5), RollingSum("squares", 300)]
    assert regime_sums(S // 10) == [RollingSum("squares", 50), RollingSum("squares", 3000)]


def test_sums_on_a_coarser_grid_are_of_as_many_steps() -> None:
    assert sample_steps(60 * S) == 5
    assert regime_sums(60 * S) == [RollingSum("squares", 5), RollingSum("squares", 300)]


def test_regime_is_unknown_until_half_an_hour_of_spans() -> None:
    regimes, _ = push(Regimes(1, S), np.full(361, USUAL))
    assert np.flatnonzero(regimes == -1).tolist() == list(range(359))
    assert regimes[359:].tolist() == [NORMAL, NORMAL]


def test_first_regime_is_told_at_once() -> None:
    volatility = np.full(360, USUAL)
    volatility[359] = 1.7 * USUAL  # the sixth span: the median stays
    regimes, _ = push(Regimes(1, S), volatility)
    assert regimes[-1] == ELEVATED


@pytest.mark.parametrize(
    ("ratio", "regime"),
    [
        (0.59, CALM),
        (0.61, NORMAL),
        (1.59, NORMAL),
        (1.61, ELEVATED),
        (2.99, ELEVATED),
        (3.01, EXTREME),
    ],
)
def test_regime_follows_the_ratio(ratio: float, regime: int) -> None:
    assert after(ratio) == regime


@pytest.mark.parametrize(
    ("ratio", "before", "regime"),
    [
        (0.71, 0.5, CALM),
        (0.73, 0.5, NORMAL),
        (1.29, 2.0, ELEVATED),
        (1.27, 2.0, NORMAL),
        (2.41, 4.0, EXTREME),
        (2.39, 4.0, ELEVATED),
        (1.27, 4.0, NORMAL),
        (0.59, 4.0, CALM),
        (3.01, 0.5, EXTREME),
    ],
)
def test_regime_goes_back_over_a_bound_a_fifth_later(
    ratio: float, before: float, regime: int
) -> None:
    assert after(ratio, before) == regime


def test_regime_changes_once_another_has_held_for_a_minute() -> None:
    assert after(2.0, samples=12) == NORMAL
    assert after(2.0, samples=13) == ELEVATED  # twelve samples after the first


def test_regime_that_is_aimed_at_in_between_begins_its_minute_anew() -> None:
    state = settled()
    ratios = np.concatenate([np.full(12, 2.0), [1.0], np.full(13, 2.0)])
    regimes, _ = push(state, ratios * USUAL, first=361)
    assert regimes.tolist() == [NORMAL] * 25 + [ELEVATED]


def test_regime_is_unknown_while_volatility_is() -> None:
    state = settled()
    regimes, _ = push(state, np.array([np.nan, 2.0 * USUAL]), first=361)
    assert regimes.tolist() == [-1, ELEVATED]


def test_rows_between_samples_keep_the_regime() -> None:
    state = settled()
    columns = WindowColumns(
        np.zeros(4),
        np.zeros(4, dtype=np.int32),
        np.full((2, 4), 300.0),
        np.full((2, 4), 300, dtype=np.int32),
        np.empty((0, 4)),
    )
    end_us = (360 * SAMPLE + 1 + np.arange(4)) * S
    regimes, changes = state.push(np.zeros(4, dtype=np.int32), end_us, columns, (0, 1))
    assert (regimes.tolist(), changes.tolist()) == ([NORMAL] * 4, [0] * 4)


def test_usual_volatility_is_the_median_of_the_last_day() -> None:
    state = Regimes(1, S)
    day = np.full(60 * SPANS, USUAL)
    push(state, day)
    push(state, 4.0 * day[: 60 * SPANS // 2 - 60], first=len(day))
    regimes, _ = push(state, 4.0 * day[:180], first=60 * (SPANS + SPANS // 2 - 1))
    # With 143 of 288 spans it is what it was, with 144 between the two, with 145 what is now.
    assert regimes[[0, 58]].tolist() == [EXTREME, EXTREME]
    assert regimes[[59 + 13, 119 + 13]].tolist() == [ELEVATED, NORMAL]


def test_market_that_does_not_move_is_normal_and_does_not_change() -> None:
    regimes, changes = push(Regimes(1, S), np.zeros(1000))
    assert (regimes[-1], changes.any()) == (NORMAL, False)


def learnt() -> tuple[Regimes, NDArray[np.float64]]:
    """Return a symbol whose ln volatility went up and down by 0.1 about -7 for 60 samples."""
    x = -7.0 + 0.1 * np.where(np.arange(60) % 2, 1.0, -1.0)
    state = Regimes(1, S)
    push(state, np.full(60, np.nan), short=np.exp(x))
    return state, x


def test_change_is_found_where_the_sum_of_what_is_beyond_the_slack_is_above_twelve() -> None:
    state, x = learnt()
    up = np.append(x, np.full(12, x.mean() + 0.255))
    _, changes = push(state, np.full(12, np.nan), short=np.exp(up[60:]), first=60)
    total, sums = 0.0, []
    for at in range(60, 72):  # mean and deviation are those of all samples before
        total += (up[at] - up[:at].mean()) / up[:at].std() - 0.5
        sums.append(total)
    assert changes.tolist() == [0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0]
    assert sums[6] < 12.0 < sums[7]


def test_change_downwards_is_found_likewise() -> None:
    state, x = learnt()
    down = np.full(8, x.mean() - 0.4)
    _, changes = push(state, np.full(8, np.nan), short=np.exp(down), first=60)
    assert changes.sum() == -1


def test_change_is_found_once_and_what_follows_is_compared_with_it() -> None:
    state, x = learnt()
    up = x.mean() + 1.0 + 0.1 * np.where(np.arange(200) % 2, 1.0, -1.0)
    _, changes = push(state, np.full(200, np.nan), short=np.exp(up), first=60)
    assert changes.sum() == 1
    _, changes = push(state, np.full(20, np.nan), short=np.exp(up[:20] - 1.0), first=260)
    assert changes.sum() == -1


def test_mean_after_a_change_is_that_of_the_samples_since() -> None:
    state, x = learnt()
    up = x.mean() + 1.0
    _, changes = push(state, np.full(2, np.nan), short=np.exp([up, up]), first=60)
    assert changes.tolist() == [0, 1]  # ten deviations above, then more than six
    push(state, np.full(1, np.nan), short=np.exp([up + 0.3]), first=62)
    assert state.snapshot(0)["figures"][MEAN] == pytest.approx(up + 0.1, abs=1e-12)


def test_no_change_is_found_before_there_is_a_past() -> None:
    volatility = np.exp(-7.0 + np.where(np.arange(60) < 40, 0.0, 3.0))
    _, changes = push(Regimes(1, S), np.full(60, np.nan), short=volatility)
    assert not changes.any()


def test_false_changes_are_as_rare_as_theory_says() -> None:
    # Siegmund: k = 0.5, h = 12 on both sides of independent Gaussian samples: one in 522,287.
    samples = 4 * 522_287
    found = 0
    for seed in (11, 12):
        x = -7.0 + 0.1 * np.random.default_rng(seed).standard_normal(samples)
        _, changes = push(Regimes(1, S), np.full(samples, np.nan), short=np.exp(x))
        found += np.count_nonzero(changes)
    assert 2 <= found <= 20  # 8 are expected, a few more as mean and deviation are estimates


def test_change_by_two_deviations_is_found_in_eight_samples() -> None:
    # h / (delta - k) = 12 / 1.5.
    delays = []
    for seed in range(100):
        x = -7.0 + 0.1 * np.random.default_rng(seed).standard_normal(2040)
        x[2000:] += 0.2
        _, changes = push(Regimes(1, S), np.full(2040, np.nan), short=np.exp(x))
        delays.append(1 + int(np.flatnonzero(changes[2000:] > 0)[0]))
    assert np.mean(delays) == pytest.approx(8.0, abs=1.0)


def market(rows: int) -> NDArray[np.float64]:
    random = np.random.default_rng(3)
    slow = np.cumsum(0.05 * random.standard_normal(rows))
    return USUAL * np.exp(slow + 0.2 * random.standard_normal(rows))


@given(cuts=st.lists(st.integers(0, 3000), max_size=4), restored=st.booleans())
def test_regimes_are_the_same_in_any_pieces_and_from_a_snapshot(
    cuts: list[int],
    restored: bool,  # noqa: FBT001
) -> None:
    volatility = market(3000)
    whole = push(Regimes(1, S), volatility)
    state, parts = Regimes(1, S), []
    bounds = sorted({0, 3000, *cuts})
    for first, last in pairwise(bounds):
        parts.append(push(state, volatility[first:last], first=first))
        if restored:
            other = Regimes(1, S)
            other.restore(0, state.snapshot(0))
            state = other
    for one, name in ((0, "regimes"), (1, "changes")):
        assert np.concatenate([part[one] for part in parts]).tolist() == whole[one].tolist(), name


def test_snapshot_of_equal_states_is_equal_however_they_came_about() -> None:
    rows = 60 * (2 * SPANS + 7)
    volatility = market(rows)
    one, other = Regimes(1, S), Regimes(1, S)
    push(one, volatility)
    push(other, volatility[: rows // 2])
    again = Regimes(2, S)
    again.restore(1, other.snapshot(0))
    push(again, volatility[rows // 2 :], first=rows // 2, symbol=1)
    found, expected = again.snapshot(1), one.snapshot(0)
    for name, values in expected.items():
        assert np.array_equal(found[name], values, equal_nan=True), name
    assert math.isfinite(expected["figures"][0])
