"""Silences held against Poisson arrivals of any rate, and against recorded markets."""

from __future__ import annotations

import gzip
import json
import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipeline.durations import DAY, HOUR, SECOND
from pipeline.staleness import LONGEST_US, SHORTEST_US, Gaps
from tests.recorded import DATA, needs_recordings

TICKS = DATA / "ticks-freqtrade"


def taught(times_us: NDArray[np.int64]) -> Gaps:
    gaps, last_us = Gaps(1), times_us[:1]
    for start in range(0, len(times_us), 100):
        part = times_us[start : start + 100]
        gaps.learn(np.zeros_like(part), part, last_us)
        last_us = part[-1:]
    return gaps


def silence_us(gaps: Gaps) -> int:
    """Return the shortest silence that is implausible, to 10 ms."""
    low, high = 0, 2 * LONGEST_US
    while high - low > 10_000:
        middle = (low + high) // 2
        if gaps.implausible(np.array([middle]))[0]:
            high = middle
        else:
            low = middle
    return high


def poisson(rate: float, count: int, seed: int) -> NDArray[np.int64]:
    waits = np.random.default_rng(seed).exponential(SECOND / rate, count)
    return np.cumsum(waits).astype(np.int64)


def thresholds(rate: float, seed: int) -> list[int]:
    """Return the silence that is implausible as it is learned, 100 times along the way."""
    times_us = poisson(rate, min(20_000, int(rate * 7200) + 100), seed)
    gaps, last_us, found = Gaps(1), np.array([0]), []
    for part in np.array_split(times_us, 100):
        gaps.learn(np.zeros_like(part), part, last_us)
        last_us = part[-1:]
        found.append(silence_us(gaps))
    return found


@settings(deadline=None, max_examples=30)
@given(st.floats(-3.0, 3.0), st.integers(0, 1000))
def test_arrivals_of_any_rate_are_found_silent_less_than_once_a_day(
    magnitude: float, seed: int
) -> None:
    rate = 10.0**magnitude
    a_day = rate * DAY / SECOND
    # Of a threshold the expectation is known: no rare event has to happen.
    false = [a_day * math.exp(-rate * silent / SECOND) for silent in thresholds(rate, seed)]
    assert sum(false) / len(false) < 1.0


@settings(deadline=None, max_examples=30)
@given(st.floats(math.log10(5.0), 3.0), st.integers(0, 1000))
def test_five_arrivals_a_second_and_more_are_found_silent_within_three(
    magnitude: float, seed: int
) -> None:
    warm = thresholds(10.0**magnitude, seed)[50:]
    assert min(warm) >= SHORTEST_US
    assert sum(warm) / len(warm) < 2.95 * SECOND
    assert max(warm) <= 3.1 * SECOND


@pytest.mark.parametrize(
    ("every_s", "silent_s"),
    [(1.0, 12.9), (10.0, 133.8), (60.0, 805.4)],
)
def test_regular_arrivals_are_silent_when_the_definition_says_so(
    every_s: float, silent_s: float
) -> None:
    arrivals, empty = 200.0, 200.0 * (every_s * 10 - 1)
    logarithm, slots = 0.0, 0
    while logarithm > -13.0:
        logarithm += math.log((empty + 1 + slots) / (arrivals + empty + 1 + slots))
        slots += 1
    # The slot in which the silence began does not count.
    assert (slots + 1) / 10 == pytest.approx(silent_s)
    times_us = (np.arange(201) * every_s * SECOND).astype(np.int64)
    assert silence_us(taught(times_us)) == pytest.approx(silent_s * SECOND, abs=120_000)


def test_stream_of_which_nothing_is_known_is_silent_after_the_longest() -> None:
    assert silence_us(Gaps(1)) == pytest.approx(2 * HOUR, abs=10_000)
    assert not Gaps(1).surprising(np.array([HOUR]))[0]


def test_arrivals_however_they_are_cut_teach_the_same() -> None:
    times_us = poisson(0.5, 300, seed=1)
    cut, last_us = Gaps(1), np.array([times_us[0]])
    for part in np.array_split(times_us, 40):
        cut.learn(np.zeros_like(part), part, last_us)
        last_us = part[-1:]
    assert silence_us(cut) == silence_us(taught(times_us))


def test_burst_within_a_moment_is_one_arrival() -> None:
    quiet = np.arange(100) * 10 * SECOND
    burst = np.concatenate([quiet, quiet[-1] + np.arange(5000) * 10])
    assert silence_us(taught(burst)) == silence_us(taught(quiet))


def test_silence_no_longer_than_one_of_late_is_plausible() -> None:
    times_us = np.concatenate([np.arange(1000), 1000 + 79 + np.arange(10)]) * (SECOND // 10)
    gaps = taught(times_us)
    assert gaps.surprising(np.array([2 * SECOND]))[0]
    assert silence_us(gaps) == pytest.approx(8 * SECOND, abs=200_000)


def test_market_that_has_become_quiet_is_known_as_quiet_in_time() -> None:
    busy = np.arange(36_000) * (SECOND // 10)
    quiet = busy[-1] + np.arange(1, 400) * 10 * SECOND
    assert silence_us(taught(np.concatenate([busy, quiet]))) > 20 * SECOND


def test_each_stream_has_gaps_of_its_own() -> None:
    busy, quiet = np.arange(600) * SECOND // 2, np.arange(30) * 10 * SECOND
    streams = np.concatenate([np.zeros_like(busy), np.ones_like(quiet)])
    gaps = Gaps(2)
    gaps.learn(streams, np.concatenate([busy, quiet]), np.zeros(2, dtype=np.int64))
    for silent_s, expected in ((5, [False, False]), (20, [True, False]), (1000, [True, True])):
        silent_us = np.full(2, silent_s * SECOND)
        assert gaps.implausible(silent_us).tolist() == expected


@needs_recordings
def test_recorded_market_with_its_bursts_is_found_silent_a_few_times_a_day() -> None:
    with gzip.open(TICKS / "XRP_OLD-trades.json.gz") as file:
        times_us = np.array([trade["timestamp"] * 1000 for trade in json.load(file)])
    gaps, found = Gaps(1), 0
    for before, now in pairwise(times_us):
        found += bool(gaps.implausible(np.array([now - before]))[0])
        gaps.learn(np.array([0]), np.array([now]), np.array([before]))
    # Each is a question over REST, and none a new connection.
    assert found < 10 * (times_us[-1] - times_us[0]) / DAY
