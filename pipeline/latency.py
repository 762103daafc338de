"""How long things take: counts of durations, from which percentiles are read.

A duration falls into one of 512 buckets: they are 1 us wide up to 32 us, and from there 16 to each
doubling, up to nine hours; what takes longer is counted in the last. Counts are exact and add up,
whoever made them; a percentile is the upper end of its bucket, at most a sixteenth above the truth.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from pipeline.durations import MINUTE

if TYPE_CHECKING:
    from collections.abc import Mapping

    import polars as pl
    from numpy.typing import NDArray

#: What is measured on the way of a trade: from its event to its arrival, on corrected clocks; from
#: there until it was computed; from the end of a bar until it was closed; and from there until the
#: coordinator has applied it.
LEGS = ("receive", "flush", "close", "apply")

_PARTS_BITS = 4
_PARTS = 1 << _PARTS_BITS
_BUCKETS = 512

#: Percentiles are those of the last one to two such periods.
_PERIOD_US = MINUTE

Counts = Counter[int]


def counted(durations_us: NDArray[np.int64]) -> Counts:
    """Return how many durations fall into which bucket; less than zero counts as zero."""
    at_least_0 = np.maximum(durations_us, 0)
    # Of v = m 2^e with 1/2 <= m < 1, the leading five bits tell the bucket.
    exponent = np.frexp(at_least_0)[1].astype(np.int64)
    doublings = np.maximum(exponent - _PARTS_BITS - 1, 0)
    buckets = doublings * _PARTS + (at_least_0 >> doublings)
    found, counts = np.unique(np.minimum(buckets, _BUCKETS - 1), return_counts=True)
    return Counter(dict(zip(found.tolist(), counts.tolist(), strict=True)))


def no_counts() -> dict[str, Counts]:
    """Return counts of nothing for what a shard measures."""
    return {leg: Counter() for leg in LEGS[:-1]}


def measured(
    trades: pl.DataFrame,
    bars: pl.DataFrame,
    *,
    now_us: int,
    skew_us: int | None,
    step_us: int | None,
) -> dict[str, Counts]:
    """Return how long a step's live TRADES and the BARS that it closed took.

    Args:
        trades: As they were read.
        bars: As they were closed.
        now_us: The clock that stamps `receive_time`, after the step.
        skew_us: How far the venue's clock is ahead of it; null: unknown, and only `flush` is told.
        step_us: The length of a bar; null where bars are trades, which close at once.
    """
    receive_us = trades["receive_time"].to_physical()
    took = {"flush": counted((now_us - receive_us).to_numpy())}
    if skew_us is None:
        return took
    event_us = trades["event_time"].to_physical()
    took["receive"] = counted((receive_us + skew_us - event_us).to_numpy())
    if step_us is not None:
        end_us = bars["open_time"].to_physical() + step_us
        took["close"] = counted((now_us + skew_us - end_us).to_numpy())
    return took


def percentile_us(counts: Counts, fraction: float) -> int | None:
    """Return the duration that a fraction of all does not exceed; null where there is none."""
    needed, seen = fraction * counts.total(), 0
    for bucket in sorted(counts):
        seen += counts[bucket]
        if seen >= needed:
            return _upper_us(bucket)
    return None


class RecentLatencies:
    """The counts of the last minute or two, for each leg."""

    def __init__(self) -> None:
        self._since_us = 0
        self._before: dict[str, Counts] = {}
        self._now: dict[str, Counts] = {}

    def add(self, counts: Mapping[str, Counts], now_us: int) -> None:
        """Take what was counted since the last call."""
        self._turn(now_us)
        for leg, more in counts.items():
            self._now.setdefault(leg, Counter()).update(more)

    def percentiles_ms(self, now_us: int) -> dict[str, dict[str, float]]:
        """Return p50 and p99 of every leg that has any, in the order of LEGS."""
        self._turn(now_us)
        found = {}
        for leg in LEGS:
            both = self._before.get(leg, Counter()) + self._now.get(leg, Counter())
            middle_us, high_us = percentile_us(both, 0.5), percentile_us(both, 0.99)
            if middle_us is not None and high_us is not None:
                found[leg] = {"p50": middle_us / 1000, "p99": high_us / 1000}
        return found

    def _turn(self, now_us: int) -> None:
        passed_us = now_us - self._since_us
        if passed_us >= _PERIOD_US:
            self._before = self._now if passed_us < 2 * _PERIOD_US else {}
            self._now = {}
            self._since_us = now_us


def _upper_us(bucket: int) -> int:
    """Return the largest duration of a bucket."""
    doublings = max(bucket // _PARTS - 1, 0)
    return ((bucket - doublings * _PARTS + 1) << doublings) - 1
