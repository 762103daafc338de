from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline.coverage import Coverage


def push(coverage: Coverage, *complete: int, symbol: int = 0) -> list[list[float]]:
    index = np.full(len(complete), symbol, dtype=np.int32)
    return coverage.push(index, np.array(complete, dtype=np.bool_)).round(4).tolist()


def test_coverage_grows_with_the_first_bars_of_a_symbol() -> None:
    assert push(Coverage(1, [2, 4]), 1, 1, 1, 1, 1) == [
        [0.5, 1.0, 1.0, 1.0, 1.0],
        [0.25, 0.5, 0.75, 1.0, 1.0],
    ]


def test_coverage_is_below_one_while_an_incomplete_bar_is_in_the_window() -> None:
    coverage = Coverage(1, [2, 4])
    push(coverage, 1, 1, 1, 1)
    assert push(coverage, 0, 1, 1, 1, 1) == [
        [0.5, 0.5, 1.0, 1.0, 1.0],
        [0.75, 0.75, 0.75, 0.75, 1.0],
    ]


def test_coverage_of_one_symbol_is_not_that_of_another() -> None:
    coverage = Coverage(2, [2])
    push(coverage, 0, 0, symbol=0)
    assert push(coverage, 1, 1, symbol=1) == [[0.5, 1.0]]


@given(
    complete=st.lists(st.booleans(), max_size=40),
    windows=st.lists(st.integers(1, 9), min_size=1, max_size=3, unique=True),
    cut=st.integers(0, 40),
)
def test_coverage_is_the_share_of_complete_bars_across_any_restart(
    complete: list[bool], windows: list[int], cut: int
) -> None:
    first, second = Coverage(1, windows), Coverage(2, windows)
    told = first.push(np.zeros(len(complete[:cut]), dtype=np.int32), np.array(complete[:cut], bool))
    second.restore(1, first.snapshot(0))
    rest = np.array(complete[cut:], dtype=np.bool_)
    told = np.concatenate([told, second.push(np.ones(len(rest), dtype=np.int32), rest)], axis=1)
    for window, shares in zip(windows, told, strict=True):
        expected = [
            sum(complete[max(0, at + 1 - window) : at + 1]) / window for at in range(len(complete))
        ]
        assert np.allclose(shares, expected)
