from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.config_sections import SamplingConfig
from pipeline.detect.config import MultiHorizonConfig
from pipeline.market_series import MarketSeries
from pipeline.market_steps import Steps
from pipeline.window_tapes import MISSING

S = 1_000_000
T0 = 1_700_000_000 * S
SAMPLING = SamplingConfig(every="1s")
# One horizon of two steps, judged by ten returns.
CONFIG = MultiHorizonConfig(
    horizons=("2s",), window="10s", floor_bp=1.0, hold="2s", cool_down="0s", tick=1e9
)
BP = round(1e-4 * 2.0**58)


def series(least: int = 2) -> MarketSeries:
    return MarketSeries(CONFIG, (), SAMPLING, least)


def steps(
    returns: list[list[int]] | NDArray[np.int64],
    scores: float | NDArray[np.float64] = 0.0,
    first: int = 0,
) -> Steps:
    values = np.array(returns, dtype=np.int64)
    return Steps(
        T0 + (first + np.arange(len(values))) * S,
        values,
        np.broadcast_to(np.asarray(scores, dtype=float), values.shape),
        np.full(len(values), 5),
    )


def wave(size: int, bp: int, count: int = 60) -> NDArray[np.int64]:
    """Returns of so many symbols: 1 bp up and down in turn, then `bp` at the last step but five."""
    values = np.where(np.arange(count) % 2, BP, -BP)[:, None].repeat(size, axis=1)
    values[-6] = bp * BP
    return values


def test_market_return_is_the_mean_of_those_that_are_known() -> None:
    rows = series().push(steps([[2**30, 2**31, MISSING], [2**40, MISSING, MISSING]]))
    assert rows.log_return[0] == 1.5 * 2.0**-28
    assert np.isnan(rows.log_return[1])
    assert rows.members.tolist() == [2, 1]
    assert rows.end_us.tolist() == [T0 + S, T0 + 2 * S]


@pytest.mark.parametrize(("values", "mean"), [([1, 2], 2), ([-1, -2], -1), ([1, 1, 2], 1)])
def test_market_return_is_rounded_to_a_unit_halves_up(values: list[int], mean: int) -> None:
    assert series().push(steps([values])).log_return.item() == mean * 2.0**-58


def test_market_return_of_returns_whose_sum_leaves_64_bits_is_exact() -> None:
    rows = series().push(steps([[2**60] * 200]))
    assert rows.log_return.item() == 4.0


def test_market_return_does_not_depend_on_the_order_of_symbols() -> None:
    values = [2**57 + 1, -(2**52) - 3, 7, 12_345_678_901]
    found = {
        series().push(steps([list(one)])).log_return.item().hex() for one in permutations(values)
    }
    assert len(found) == 1


def test_market_score_is_that_of_the_mean_by_hand() -> None:
    # Two-step returns of the past are 0, so the scale is the floor of 1 bp. The last one is of
    # 1 bp and then 40 bp of one symbol, 20 bp of the other: 31 bp on average.
    returns = wave(2, 40)[:-5]
    returns[-1, 1] //= 2
    rows = series().push(steps(returns, scores=9.0))
    assert rows.score[-1] == pytest.approx(31.0, rel=1e-9)
    assert rows.direction[-1] == 1


def test_market_episode_starts_where_the_symbols_agree() -> None:
    (episode,) = series().push(steps(wave(3, -40), scores=-3.0)).episodes
    assert (episode.symbol, episode.direction) == ("MARKET", -1)
    assert episode.start_us == T0 + 55 * S
    assert episode.threshold == 6.0


@pytest.mark.parametrize("scores", [-2.99, 3.0, np.nan])
def test_market_episode_does_not_start_where_they_do_not(scores: float) -> None:
    assert series().push(steps(wave(3, -40), scores=scores)).episodes == []


def test_market_follows_other_rules_for_episodes() -> None:
    made = series()
    made.retune(CONFIG.model_copy(update={"enter": 50.0, "exit": 2.0}))
    assert made.push(steps(wave(3, -40), scores=-3.0)).episodes == []
    made = series()
    made.retune(CONFIG.model_copy(update={"exit": 3.01}))
    assert made.push(steps(wave(3, -40), scores=-3.0)).episodes == []


def test_market_median_needs_as_many_scores_as_a_mean_needs_returns() -> None:
    scores = np.array([[1.0, 9.0, np.nan], [5.0, np.nan, np.nan], [1.0, 2.0, 9.0]])
    rows = series().push(steps([[0, 0, 0]] * 3, scores=scores))
    assert rows.median.tolist()[::2] == [5.0, 2.0]
    assert np.isnan(rows.median[1])


def test_market_does_not_jump_when_members_join_and_leave() -> None:
    values = wave(4, 0)
    values[::3, 2:] = MISSING
    rows = series().push(steps(values, scores=9.0))
    assert np.nanmax(rows.score) == pytest.approx(1.0, rel=1e-9)


def test_steps_that_nobody_told_are_a_hole_in_the_prices() -> None:
    one = series()
    one.push(steps(wave(2, 0), scores=9.0))
    rows = one.push(steps([[40 * BP] * 2, [-BP] * 2, [BP] * 2, [-BP] * 2], scores=9.0, first=65))
    # The return into the first step is not known; two more make a return over two steps.
    assert np.isnan(rows.score).tolist() == [True, True, False, False]


def test_hole_that_is_longer_than_all_windows_leaves_nothing_of_what_was_before() -> None:
    one, fresh = series(), series()
    one.push(steps(wave(2, 7), scores=9.0))
    later = steps(wave(2, 40, count=1300), scores=9.0, first=1_000_000_000)
    found, expected = one.push(later).score, fresh.push(later).score
    # For ten minutes the gaps between trades are still those of the hole.
    assert np.allclose(found[700:], expected[700:], rtol=1e-9)
    assert found[-6] == pytest.approx(41.0, rel=1e-9)


def test_market_alert_tells_the_mean_of_the_returns_that_were_judged() -> None:
    one = series()
    (episode,) = one.push(steps(wave(3, -40), scores=-9.0)).episodes
    # Before the last step, of -40 bp, is one of 1 bp.
    assert episode.move_bp == pytest.approx(-39.0, rel=1e-6)
