from __future__ import annotations

import numpy as np
import pytest

from pipeline.detect.stretch import CoarseSamples, Stretch, levels_of
from pipeline.durations import HOUR, MINUTE, SECOND
from tests.pipeline.window_oracles import samples

#: The share of seconds with a trade where 3.5 gaps of Poisson trades are 5, 10, 20 and 40 s.
ENOUGH = (0.5034, 0.2953, 0.1605, 0.0838)


def stretch(levels: int = 7) -> Stretch:
    return Stretch(1, levels, every_us=SECOND, forward_fill_us=10 * SECOND, horizon_us=5 * SECOND)


def seconds(trades: list[int], first: int = 1, close: float = 100.0) -> CoarseSamples:
    return stretch().push(bars(trades, first, close))


def bars(trades: list[int], first: int = 1, close: float = 100.0):  # noqa: ANN201 - Samples
    ends = (np.arange(len(trades)) + first) * SECOND
    return samples([close] * len(trades), ends, trades)


def share(of: float, rows: int) -> list[int]:
    """Trades in that share of seconds, evenly."""
    marks = np.floor(np.arange(1, rows + 1) * of + 1e-9)
    return np.diff(marks, prepend=0.0).astype(int).tolist()


@pytest.mark.parametrize(
    ("window_us", "levels"),
    [(300 * SECOND, 7), (HOUR, 3), (6 * HOUR, 1), (300 * MINUTE, 1), (24 * HOUR, 1)],
)
def test_levels_double_the_window_up_to_six_hours(window_us: int, levels: int) -> None:
    assert levels_of(window_us) == levels
    assert levels == 1 or window_us << (levels - 1) <= 6 * HOUR


@pytest.mark.parametrize(
    ("of", "level"),
    [
        (1.0, 0),
        (ENOUGH[0] + 0.01, 0),
        (ENOUGH[0] - 0.01, 1),
        (ENOUGH[1] + 0.01, 1),
        (ENOUGH[1] - 0.01, 2),
        (ENOUGH[2] - 0.01, 3),
        (ENOUGH[3] - 0.01, 4),
        (0.005, 6),
    ],
)
def test_stretch_spans_enough_gaps_between_trades_by_the_shortest_horizon(
    of: float, level: int
) -> None:
    assert seconds(share(of, 600)).level[-1] == level


def test_stretch_is_given_up_only_with_room_of_a_factor_of_two() -> None:
    thin = stretch()
    shares = (ENOUGH[1] - 0.01, ENOUGH[1] + 0.02, ENOUGH[0] + 0.01)
    assert [int(thin.push(bars(share(of, 600))).level[-1]) for of in shares] == [2, 2, 1]


def test_many_trades_in_one_second_do_not_look_like_a_busy_market() -> None:
    trades = [100 if at % 50 == 0 else 0 for at in range(600)]
    assert seconds(trades).level[-1] == 6


def test_coarse_sample_ends_at_multiples_of_its_step_with_the_newest_price() -> None:
    given = bars([1] * 8, first=3)
    given.close[:] = [3, 4, 5, 6, 7, 8, 9, 10]
    coarse = stretch().push(given)
    assert coarse.rows[0].tolist() == [1, 3, 5, 7]
    assert coarse.close[0].tolist() == [4.0, 6.0, 8.0, 10.0]
    assert coarse.close[1].tolist() == [4.0, 8.0]
    assert coarse.rows[2].tolist() == [5]


def test_price_holds_longer_on_a_coarser_grid() -> None:
    coarse = seconds([1] + [0] * 63)
    # Told at second 1: it holds for 20, 40 and 80 seconds.
    assert [int(np.isnan(close).argmax()) for close in coarse.close[:2]] == [10, 10]
    assert not np.isnan(coarse.close[2]).any()


def test_coarse_sample_is_complete_if_all_of_its_bars_are() -> None:
    given = bars([1] * 8)
    given.complete[2] = False
    coarse = stretch().push(given)
    assert coarse.complete[0].tolist() == [True, False, True, True]
    assert coarse.complete[1].tolist() == [False, True]


def test_bars_whose_trades_are_not_counted_have_some_where_there_is_a_price() -> None:
    given = bars([-1] * 600)
    given.close[100:] = np.nan
    level = stretch().push(given).level
    assert (level[99], level[-1]) == (0, 2)
