"""What every detector has to do, whatever its score is; also one that a user adds."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.config import Config
from pipeline.detect.registry import detector_of
from pipeline.windows import Windows
from tests.pipeline.window_oracles import samples, taken

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipeline.detect.protocol import Detector, Scores
    from pipeline.windows import Samples

PLUGIN = "tests.conformance.detector_of_mine"
DETECTORS: dict[str, dict[str, Any]] = {
    "zscore": {"name": "zscore", "window": 30},
    "multi_horizon": {"horizons": ["3s", "5s"], "window": "30s"},
    "loudness": {"name": "loudness", "settings": {"window": 30}},
}
COLUMNS = ("score", "direction", "move_bp", "horizon_steps", "samples", "window_steps")


class Judge:
    """A detector and the windows under it, as the engine joins them."""

    def __init__(self, name: str, symbols: int) -> None:
        config = Config.model_validate(
            {"symbols": ["AUSDT"], "plugins": [PLUGIN], "detector": DETECTORS[name]}
        )
        configs = [config.detector] * symbols
        self.detector: Detector = detector_of(configs, config.plugins, config.sampling)
        self._windows = Windows(self.detector.sums(), trims=self.detector.trims)

    def push(self, given_samples: Samples) -> Scores:
        return self.detector.score(given_samples, self._windows.push(given_samples), 0)

    def stages(self) -> list[Any]:
        return [self._windows, *self.detector.stages.values()]


@pytest.fixture(params=DETECTORS)
def name(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


def walk(rows: int, seed: int, jump: float = 0.0) -> NDArray[np.float64]:
    """Prices with a jump in the last row."""
    random = np.random.default_rng(seed)
    returns = random.standard_t(4, rows) * 2e-4
    returns[-1] += jump
    prices: NDArray[np.float64] = 100.0 * np.exp(np.cumsum(returns))
    return prices


def two_symbols(rows: int, seed: int) -> Samples:
    """Symbols in turn; the second trades once in seven seconds, and misses trades at times."""
    random = np.random.default_rng(seed)
    close = np.empty(2 * rows)
    close[0::2], close[1::2] = walk(rows, seed), np.repeat(walk(rows, seed + 1)[::7], 7)[:rows]
    trades = np.ones(2 * rows, dtype=np.int64)
    trades[1::2] = np.arange(rows) % 7 == 0
    index = np.tile(np.array([0, 1], dtype=np.int32), rows)
    held = samples(close, np.repeat(np.arange(1, rows + 1), 2) * 1_000_000, trades.tolist(), index)
    held.complete[1::2] = random.random(rows) > 0.002
    return held


def bits(scores: Scores, rows: slice | NDArray[np.bool_] = slice(None)) -> list[bytes]:
    known = ~np.isnan(scores.score[rows])
    told = [getattr(scores, column)[rows] for column in COLUMNS]
    return [known.tobytes(), *(np.ascontiguousarray(column[known]).tobytes() for column in told)]


def test_detector_tells_a_jump_from_what_came_before(name: str) -> None:
    for jump, direction in ((0.02, 1), (-0.02, -1)):
        scores = Judge(name, 1).push(samples(walk(400, 1, jump)))
        assert scores.score[-1] > 20.0
        assert np.nanmax(scores.score[:-1]) < scores.score[-1] / 2
        assert scores.direction[-1] == direction
        assert np.sign(scores.move_bp[-1]) == direction
        assert abs(scores.move_bp[-1]) == pytest.approx(200.0, abs=20.0)
        assert 0 < scores.samples[-1] <= scores.window_steps[-1] == 30
        assert scores.horizon_steps[-1] in {1, 3, 5}


def test_detector_says_nothing_before_its_window_is_full(name: str) -> None:
    scores = Judge(name, 1).push(samples(walk(400, 1)))
    assert np.isnan(scores.score[:30]).all()
    assert not np.isnan(scores.score[40:]).any()
    assert (scores.score[40:] >= 0.0).all()


def test_detector_says_nothing_of_a_window_with_an_incomplete_bar(name: str) -> None:
    given_samples = samples(walk(400, 1))
    given_samples.complete[200] = False
    scores = Judge(name, 1).push(given_samples)
    assert not np.isnan(scores.score[199])
    assert np.isnan(scores.score[200:230]).all()
    assert not np.isnan(scores.score[250:]).any()


def test_detector_says_nothing_where_there_is_no_price_and_right_after(name: str) -> None:
    close = walk(400, 1)
    close[200:220] = np.nan
    scores = Judge(name, 1).push(samples(close, trades=[0 if np.isnan(p) else 1 for p in close]))
    assert np.isnan(scores.score[200:221]).all()
    assert np.nanmax(scores.score) < 20.0


def test_detector_is_not_alarmed_by_flat_prices_or_by_the_first_that_moves(name: str) -> None:
    close = np.full(400, 100.0)
    close[300:] = 100.0 * (1.0 + 1e-6)
    scores = Judge(name, 1).push(samples(close))
    assert not (scores.score[:300] > 0.0).any()
    assert not (scores.score[300:] > 1.0).any()


@pytest.mark.parametrize("price", [1e-12, 1e-3, 1e3, 1e12])
def test_detector_has_a_finite_score_or_none_whatever_prices_do(name: str, price: float) -> None:
    close = np.full(600, 100.0)
    close[100] = price  # a print far off, in a market that else stands still
    close[300:] = price
    close[350:400] = np.nan
    close[450:] *= np.exp(np.resize([0.0, 1e-15], 150))
    scores = Judge(name, 1).push(samples(close, trades=[0 if np.isnan(p) else 1 for p in close]))
    assert not np.isinf(scores.score).any()
    assert (scores.score[~np.isnan(scores.score)] >= 0.0).all()
    assert np.isfinite(scores.move_bp[~np.isnan(scores.score)]).all()


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), cuts=st.lists(st.integers(0, 1600), max_size=6))
def test_detector_gives_the_same_bits_however_rows_are_cut(seed: int, cuts: list[int]) -> None:
    given_samples = two_symbols(800, seed)
    edges = [0, *sorted(cuts), 1600]
    for name in DETECTORS:
        whole, parts = Judge(name, 2).push(given_samples), Judge(name, 2)
        for first, last in itertools.pairwise(edges):
            assert bits(parts.push(taken(given_samples, slice(first, last)))) == bits(
                whole, slice(first, last)
            )


def test_detector_judges_each_symbol_by_itself(name: str) -> None:
    given_samples = two_symbols(800, 3)
    together = Judge(name, 2).push(given_samples)
    for symbol in range(2):
        mine = given_samples.symbol_index == symbol
        own = taken(given_samples, mine)
        own.symbol_index[:] = 0
        assert bits(Judge(name, 1).push(own)) == bits(together, mine)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), cut=st.integers(0, 1600))
def test_detector_goes_on_from_a_snapshot_as_if_nothing_had_happened(seed: int, cut: int) -> None:
    given_samples = two_symbols(800, seed)
    for name in DETECTORS:
        before, after = Judge(name, 2), Judge(name, 2)
        before.push(taken(given_samples, slice(None, cut)))
        for one, other in zip(before.stages(), after.stages(), strict=True):
            for index in range(2):
                other.restore(index, one.snapshot(index))
                again = other.snapshot(index)
                for key, held in one.snapshot(index).items():
                    assert held.tobytes() == again[key].tobytes()
        rest = taken(given_samples, slice(cut, None))
        assert bits(after.push(rest)) == bits(before.push(rest))
