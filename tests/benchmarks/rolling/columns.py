"""What every peer of the rolling job must produce, tick by tick.

The log return; the standard deviation (ddof 1) of the last COUNT returns, and of those within
(t - REACH_US, t]; the newest return against mean and deviation of the COUNT returns before it. Null
until a window is full: one by time once REACH_US have passed since the symbol's first tick.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

COUNT = 120
REACH_US = 10_000_000
FLAG_FROM = 4.0
NAMES = ("std_count", "std_time", "z")

Columns = dict[str, NDArray[np.float64]]


def difference(found: Columns, expected: Columns) -> tuple[float, int]:
    """Return the largest relative error of any value, and how many ticks differ in their flag.

    Raises:
        AssertionError: A null where the other has a value, or not as many ticks.
    """
    worst = 0.0
    for name in NAMES:
        have, want = np.asarray(found[name]), expected[name]
        np.testing.assert_array_equal(np.isnan(have), np.isnan(want), err_msg=name)
        known = ~np.isnan(want)
        size = np.abs(want[known])
        scale = np.maximum(1.0, size) if name == "z" else size
        worst = max(worst, float((np.abs(have[known] - want[known]) / scale).max(initial=0.0)))
    flags = np.abs(np.asarray(found["z"])) > FLAG_FROM
    return worst, int((flags != (np.abs(expected["z"]) > FLAG_FROM)).sum())
