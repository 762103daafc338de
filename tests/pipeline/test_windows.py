from __future__ import annotations

import numpy as np
import pytest

from pipeline.rolling_sums import Summand
from pipeline.windows import RollingSum, Trim, WindowColumns, Windows
from tests.pipeline.window_oracles import GOLDEN, closes, samples

S = 1_000_000


def rolled(
    one: RollingSum, close: list[float], *more: RollingSum, trim: Trim | None = None
) -> WindowColumns:
    """Push closes a second apart through windows of one symbol; the sum in question is the last."""
    return Windows([[*more, one]], trims=[Trim() if trim is None else trim]).push(samples(close))


def known(columns: WindowColumns) -> list[bool]:
    return (~np.isnan(columns.values[-1])).tolist()


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (RollingSum("returns", 9, lag=1), 0.0012),
        (RollingSum("squares", 10), 2.568e-05),  # realised variance
        (RollingSum("deviations", 10), 9 * 0.0016891812612426572**2),  # std, n - 1
        # Bipower variation over pi/2, and the same from n/(n-1) times it.
        (RollingSum("products", 10), 2.763030738832223e-05 / (np.pi / 2)),
        (RollingSum("products", 10), 3.0700341542580256e-05 / (np.pi / 2) * 9 / 10),
        # Roll: spread = 2 sqrt(-mean of 9 products).
        (RollingSum("signed_products", 10), -9 * (0.002674156149350877 / 2) ** 2),
        # Subsampled realised variance: the sum of squared 3-step returns over 3.
        (RollingSum("squares", 8, horizon=3), 3 * 3.83e-06),
        (RollingSum("trades", 10), 10.0),
    ],
    ids=lambda one: one.of if isinstance(one, RollingSum) else "",
)
def test_sum_of_the_golden_returns_is_the_published_one(one: RollingSum, expected: float) -> None:
    columns = rolled(one, closes(GOLDEN).tolist())
    assert columns.values[0, -1] == pytest.approx(expected, rel=1e-9)


def test_window_that_lags_ends_before_the_newest_sample() -> None:
    columns = rolled(
        RollingSum("squares", 4, lag=3), closes(GOLDEN).tolist(), RollingSum("squares", 4)
    )
    assert columns.values[1, 7:].tolist() == columns.values[0, 4:-3].tolist()
    assert columns.terms[1, 3:].tolist() == columns.terms[0, :-3].tolist()


def test_window_is_full_after_its_length_in_returns_and_counts_valid_ones() -> None:
    columns = rolled(RollingSum("returns", 3, need=0), [100.0, 101.0, np.nan, 102.0, 103.0])
    assert known(columns) == [False, False, False, True, True]
    assert columns.terms[0].tolist() == [0, 1, 1, 1, 1]


def test_window_that_lags_is_full_so_much_later() -> None:
    columns = rolled(RollingSum("returns", 3, lag=2, need=0), [100.0] * 6)
    assert known(columns) == [False] * 5 + [True]


@pytest.mark.parametrize("first", [0, 1])
def test_window_of_longer_returns_is_full_when_the_oldest_of_them_is(first: int) -> None:
    both = [RollingSum("squares", 2, need=0), RollingSum("squares", 2, horizon=3, need=0)]
    columns = rolled(both[1 - first], [100.0] * 6, both[first])
    full = {1: [False] * 2 + [True] * 4, 3: [False] * 4 + [True] * 2}
    assert (~np.isnan(columns.values)).tolist() == [full[1], full[3]][:: 1 - 2 * first]


def test_sum_is_unknown_while_fewer_than_half_of_its_terms_are() -> None:
    # Of five samples three must be known: row 4 has two returns, row 5 three.
    columns = rolled(RollingSum("squares", 5), [1.0, np.nan, 1.0, 1.0, 1.0, 1.0])
    assert columns.terms[0].tolist() == [0, 0, 0, 1, 2, 3]
    assert known(columns) == [False] * 5 + [True]


def test_sum_is_unknown_while_fewer_than_it_needs_are() -> None:
    columns = rolled(RollingSum("squares", 2, need=2), [1.0, 1.0, 1.0, np.nan, 1.0, 1.0, 1.0])
    assert known(columns) == [False, False, True, False, False, False, True]


def test_missing_neighbour_takes_a_product_away() -> None:
    columns = rolled(RollingSum("products", 4, need=0), [1.0, 2.0, 1.0, np.nan, 2.0, 1.0, 2.0])
    assert columns.terms[0].tolist() == [0, 0, 1, 1, 1, 0, 1]


def test_samples_without_a_count_of_trades_are_not_summed() -> None:
    windows = Windows([[RollingSum("trades", 3, need=1)]])
    columns = windows.push(samples([1.0] * 5, trades=[4, -1, 0, 2, -1]))
    assert columns.terms[0].tolist() == [1, 1, 2, 2, 2]
    assert columns.values[0, 2:].tolist() == [4.0, 2.0, 2.0]


@pytest.mark.parametrize("price", [np.nan, 0.0, -5.0, np.inf, -np.inf, 0.9e-12, 1.1e12])
def test_price_that_is_none_makes_two_returns_missing(price: float) -> None:
    columns = rolled(RollingSum("returns", 2), [100.0, 100.0, price, 100.0, 100.0])
    assert np.isnan(columns.log_return).tolist() == [True, False, True, True, False]


def test_return_that_no_market_makes_is_a_missing_sample() -> None:
    # log 54.5 is 3.998, log 55 is 4.007.
    columns = rolled(RollingSum("returns", 2), [1.0, 54.5, 1.0, 55.0, 1.0])
    assert np.isnan(columns.log_return).tolist() == [True, False, False, True, True]


def test_return_over_steps_that_no_market_makes_is_not_summed() -> None:
    # e^3, then e^6 over two steps: more than e^4.
    columns = rolled(RollingSum("squares", 2, horizon=2, need=0), [1.0, *np.exp([3.0, 6.0, 6.0])])
    assert columns.terms[0].tolist() == [0, 0, 0, 1]
    assert columns.values[0, -1] == pytest.approx(9.0)


def test_return_is_exact_where_the_log_of_the_ratio_is_not() -> None:
    columns = rolled(RollingSum("returns", 1), [1e5, 1e5 * (1 + 1e-9)])
    step = (1e5 * (1 + 1e-9) - 1e5) / 1e5
    assert columns.log_return[1] == pytest.approx(step - step**2 / 2, rel=1e-8)


def test_returns_that_span_all_prices_there_are_add_up() -> None:
    # From 1e-12 to 1e12: log 1e24 is 55.26, more than 63 bits of units hold.
    close = np.geomspace(1e-12, 1e12, 20).tolist()
    columns = rolled(RollingSum("returns", 19), close)
    assert columns.values[0, -1] == pytest.approx(24 * np.log(10.0), rel=1e-15)
    back = rolled(RollingSum("returns", 19), close[::-1])
    assert back.values[0, -1] == pytest.approx(-24 * np.log(10.0), rel=1e-15)


def test_samples_are_sound_between_complete_bars_only() -> None:
    windows = Windows([[RollingSum("returns", 2)]])
    given = samples([100.0] * 8)
    given.complete[[1, 5]] = False
    # A sample comes from two bars: an incomplete one breaks two. Counted to the longest window.
    assert windows.push(given).sound.tolist() == [1, 0, 0, 1, 2, 0, 0, 1]
    assert windows.push(samples([100.0] * 4)).sound.tolist() == [2, 3, 3, 3]


def test_flat_prices_sum_to_exactly_zero_after_a_spike_has_left() -> None:
    kinds: tuple[Summand, ...] = (
        "returns", "squares", "deviations", "products", "signed_products", "trimmed_squares",
    )  # fmt: skip
    sums = [RollingSum(of, 20) for of in kinds]
    close = [100.0, 150.0, 100.1, *[100.0] * 60]
    columns = Windows([sums]).push(samples(close))
    assert columns.values[:, -1].tolist() == [0.0] * 6
    assert columns.terms[:, -1].tolist() == [20, 20, 20, 19, 19, 20]


def trimmed(trim: Trim, last: float = 0.01) -> float:
    """The last trimmed square of +-0.001, and then `last`, which is judged by the ten before."""
    close = closes([0.001, -0.001] * 10 + [last]).tolist()
    squares, newest = RollingSum("squares", 10, lag=1), RollingSum("trimmed_squares", 10, lag=1)
    columns = rolled(newest, [*close, close[-1]], squares, trim=trim)
    return float(columns.values[1, -1] - 9 * 0.001**2)


def test_return_beyond_so_many_root_mean_squares_before_it_counts_as_one() -> None:
    assert trimmed(Trim(sigmas=3.0)) == pytest.approx(0.001**2)
    assert trimmed(Trim(sigmas=3.0), last=-0.01) == pytest.approx(0.001**2)
    assert trimmed(Trim(sigmas=3.0), last=0.0031) == pytest.approx(0.001**2)
    assert trimmed(Trim(sigmas=3.0), last=0.0029) == pytest.approx(0.0029**2)


def test_trim_counts_the_scale_as_its_floor_at_least() -> None:
    assert trimmed(Trim(sigmas=3.0, floor=0.002)) == pytest.approx(0.002**2)
    assert trimmed(Trim(sigmas=3.0, floor=0.002), last=0.0059) == pytest.approx(0.0059**2)


def test_trim_counts_the_scale_as_half_a_tick_at_least() -> None:
    # A price of 100 e^0.01 = 101.005; half a tick of 0.4 is 0.00198 of it.
    expected = (0.2 / (100.0 * np.exp(0.01))) ** 2
    assert trimmed(Trim(sigmas=3.0, tick=0.4)) == pytest.approx(expected)


def test_return_is_not_trimmed_while_the_scale_is_unknown() -> None:
    windows = [RollingSum("squares", 4, lag=1), RollingSum("trimmed_squares", 4, lag=1)]
    columns = rolled(windows[1], closes([0.001, 0.5, 0.001, 0.001, 0.001]).tolist(), windows[0])
    assert columns.values[1, -1] == pytest.approx(0.25 + 3e-6)


def test_window_by_duration_has_the_samples_since_and_ties_in_arrival_order() -> None:
    # windows.md: by timestamp, all four samples of one time would see the same [1, 9, 9, 9, 5].
    times = [0, 5 * S, 5 * S, 5 * S, 7 * S, 10 * S]
    windows = Windows([[RollingSum("trades", duration_us=5 * S)]], timed=True)
    columns = windows.push(samples([1.0] * 6, times, [1, 2, 3, 4, 5, 6]))
    # (0, 5], three times as it fills; (2, 7]; (5, 10].
    assert columns.values[0, 1:].tolist() == [2.0, 5.0, 9.0, 14.0, 11.0]
    assert columns.terms[0].tolist() == [1, 1, 2, 3, 4, 2]


def test_window_by_duration_is_full_once_the_first_sample_has_left_it() -> None:
    times = [3 * S, 4 * S, 8 * S - 1, 8 * S, 8 * S, 20 * S]
    windows = Windows([[RollingSum("trades", duration_us=5 * S, need=0)]], timed=True)
    assert known(windows.push(samples([1.0] * 6, times))) == [False] * 3 + [True] * 3


def test_window_by_duration_needs_one_term() -> None:
    windows = Windows([[RollingSum("squares", duration_us=5 * S)]], timed=True)
    columns = windows.push(samples([1.0, 2.0, np.nan], [0, 6 * S, 12 * S]))
    assert columns.values[0, 1] == pytest.approx(np.log(2.0) ** 2)
    assert known(columns) == [False, True, False]


def test_window_by_duration_that_lags_leaves_the_newest_out() -> None:
    times = [0, 5 * S, 5 * S, 7 * S, 20 * S]
    windows = Windows([[RollingSum("trades", duration_us=5 * S, lag=1, need=0)]], timed=True)
    columns = windows.push(samples([1.0] * 5, times, [1, 2, 4, 8, 16]))
    assert columns.values[0, 1:].tolist() == [0.0, 2.0, 6.0, 0.0]


def test_pair_is_in_a_window_by_duration_with_its_older_half() -> None:
    times = [0, 1 * S, 2 * S, 6 * S, 7 * S]
    windows = Windows([[RollingSum("products", duration_us=5 * S, need=0)]], timed=True)
    columns = windows.push(samples(closes([0.1, 0.2, 0.3, 0.4]), times))
    # At 6 s the window is (1, 6]: the pair of the returns at 1 s and 2 s has left it.
    assert columns.values[0, 3:] == pytest.approx([0.06, 0.12], rel=1e-12)


def test_windows_of_two_symbols_have_lengths_and_caps_of_their_own() -> None:
    close = closes([*GOLDEN, 0.05, *GOLDEN]).tolist()
    index = np.tile(np.array([0, 1], dtype=np.int32), len(close))
    sums = [
        [RollingSum("squares", length, lag=1), RollingSum("trimmed_squares", length, lag=1)]
        for length in (4, 7)
    ]
    trims = [Trim(sigmas=2.0), Trim(sigmas=5.0)]
    both = Windows(sums, trims=trims).push(samples(np.repeat(close, 2), symbol_index=index))
    for symbol, (own, trim) in enumerate(zip(sums, trims, strict=True)):
        alone = Windows([own], trims=[trim]).push(samples(close))
        assert both.values[:, symbol::2].tobytes() == alone.values.tobytes()


def test_push_of_no_rows_gives_columns_of_none() -> None:
    columns = Windows([[RollingSum("returns", 3), RollingSum("squares", 3)]], [1.0]).push(
        samples([])
    )
    assert columns.values.shape == (2, 0)
    assert columns.ewma.shape == (1, 0)


def test_snapshot_holds_no_more_than_the_longest_windows_need() -> None:
    windows = Windows([[RollingSum("squares", 50), RollingSum("trades", 9)]])
    sizes = []
    for _ in range(3):
        windows.push(samples([100.0] * 5000))
        held = windows.snapshot(0)
        sizes.append([len(held["tape_0"]), len(held["tape_1"])])
    assert sizes == [[51, 10]] * 3
