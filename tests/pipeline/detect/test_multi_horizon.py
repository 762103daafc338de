from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.detect.config import MultiHorizonConfig
from pipeline.detect.multi_horizon import MultiHorizon
from pipeline.detect.protocol import Scores
from pipeline.durations import SECOND
from pipeline.windows import Samples, Windows
from tests.pipeline.window_oracles import samples


def score(given: Samples, **config: object) -> Scores:
    made = MultiHorizonConfig.model_validate(
        {"horizons": ["1s", "2s"], "window": "10s", "winsor": 100.0, **config}
    )
    detector = MultiHorizon([made], every_us=SECOND, forward_fill_us=10 * SECOND)
    windows = Windows(detector.sums(), trims=detector.trims)
    return detector.score(given, windows.push(given), 0)


def alternating(rows: int = 40, size: float = 1e-3) -> NDArray[np.float64]:
    """Prices whose return is `size` up and down in turn; over two steps it is zero."""
    returns = size * np.where(np.arange(rows) % 2, 1.0, -1.0)
    prices: NDArray[np.float64] = 100.0 * np.exp(np.cumsum(returns))
    return prices


def seconds(close: NDArray[np.float64], trades: list[int] | None = None) -> Samples:
    return samples(close, (np.arange(len(close)) + 1) * SECOND, trades)


def test_score_is_the_return_in_scales_of_the_window_before_it() -> None:
    close = alternating()
    close[-1] = close[-2] * np.exp(5e-3)
    found = score(seconds(close))
    # 50 bp over a step against a root mean square of 10 bp; the return over two is 40 bp against
    # nothing but the floor of 0.3 bp, so that counts.
    assert found.score[-1] == pytest.approx(40 / 0.3, rel=1e-9)
    assert found.horizon_steps[-1] == 2
    assert found.move_bp[-1] == pytest.approx(40.0)
    alone = score(seconds(close), horizons=["1s"])
    assert alone.score[-1] == pytest.approx(5.0, rel=1e-9)
    assert (alone.direction[-1], alone.samples[-1], alone.window_steps[-1]) == (1, 10, 10)


@pytest.mark.parametrize(("window", "known"), [(50, 10), (10, 2), (300, 60)])
def test_score_needs_a_fifth_of_the_returns_of_its_window(window: int, known: int) -> None:
    for returns, samples_told in ((known - 1, None), (known, known)):
        close = np.full(3 * window, np.nan)
        close[-2:] = 100.0, 101.0  # the tested return; none of the window is next to it
        since = len(close) - 2 - window // 2
        close[since : since + returns + 1] = 100.0
        found = score(seconds(close, [1] * len(close)), horizons=["1s"], window=f"{window}s")
        told = None if np.isnan(found.score[-1]) else found.samples[-1]
        assert told == samples_told


@pytest.mark.parametrize(
    ("floor", "expected"),
    [({"floor_bp": 20.0}, 2.5), ({"tick": 0.4}, 2.5), ({"tick": 0.1}, 5.0), ({"tick": None}, 5.0)],
)
def test_scale_is_never_below_the_floor_or_half_a_tick(
    floor: dict[str, float | None], expected: float
) -> None:
    close = alternating()
    close[-1] = close[-2] * np.exp(5e-3)
    found = score(seconds(close), horizons=["1s"], **floor)
    assert found.score[-1] == pytest.approx(expected, rel=6e-3)


def test_jump_in_the_window_counts_as_one_scale() -> None:
    close = alternating(60)
    close[45:] *= np.exp(0.1)
    close[-1] = close[-2] * np.exp(5e-3)
    at = {"horizons": ["1s"], "window": "30s"}
    # Of 30 squares 29 are of 10 bp: the other one is of 1000 bp, or as the outlier it is of 10.
    blind, seeing = (score(seconds(close), winsor=winsor, **at) for winsor in (1e3, 4.0))
    assert blind.score[-1] < 0.3
    assert seeing.score[-1] == pytest.approx(5.0, rel=1e-6)


def test_thin_symbol_has_the_score_of_its_newest_coarser_sample() -> None:
    rows = 1300
    trades = [1 if at % 3 == 2 else 0 for at in range(rows)]
    close = np.repeat(alternating(rows // 3 + 1), 3)[:rows]
    found = score(seconds(close, trades))
    # A trade in a third of the seconds is a gap of 2.5 s: 3.5 of them fit into 16 s, not into 8.
    assert not np.isnan(found.score[900:]).any()
    settled = np.flatnonzero(np.diff(found.move_bp[900:]) != 0.0) + 901
    assert settled.size > 10
    assert ((settled + 1) % 16 == 0).all()
    assert set(found.horizon_steps[settled].tolist()) <= {16, 32}
    assert set(found.window_steps[settled].tolist()) == {160}
