"""What every peer of the history job must produce, and the rules it must follow.

A bar a symbol and second, from its first trade to its last. A second without a trade repeats the
last close for FILL_S seconds, then its prices are null. The return of a bar is the log return from
the close before; null where either close is. A realised volatility is the root of the mean squared
return of a window, annualised: null until the window is full, and while fewer than half of its
returns are known. The EWMA volatility decays by the second, through nulls too. The score is
|r - mean| / std (ddof 1) of the 120 bars before, itself excluded, under the same null rule.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FILL_S = 10
VOLATILITY_S = {"realized_vol_1m": 60, "realized_vol_5m": 300, "realized_vol_1h": 3600}
HALF_LIFE_S = 60
SCORE_S = 120
FLAG_FROM = 4.0
PER_YEAR = 31_536_000.0

PRICES = ("open", "high", "low", "close")
AMOUNTS = ("volume", "notional", "trades")
FEATURES = (*VOLATILITY_S, "ewma_vol_1m", "score")
NAMES = (*PRICES, *AMOUNTS, *FEATURES)


@dataclass(frozen=True, slots=True)
class Rows:
    """A peer's result in one form: rows by symbol, then time; NaN for null."""

    symbol_index: NDArray[np.int64]
    second: NDArray[np.int64]
    values: dict[str, NDArray[np.float64]]

    @classmethod
    def of(cls, symbol_index: object, second: object, values: dict[str, object]) -> Rows:
        """Return rows that came in any order, in order."""
        at = np.asarray(symbol_index, dtype=np.int64)
        when = np.asarray(second, dtype=np.int64)
        order = np.lexsort((when, at))
        columns = {name: np.asarray(values[name], dtype=np.float64)[order] for name in NAMES}
        return cls(at[order], when[order], columns)


def difference(found: Rows, expected: Rows) -> tuple[float, int]:
    """Return the largest relative error of any value, and how many rows differ in their flag.

    Raises:
        AssertionError: Not the same rows, or a null where the other has a value.
    """
    np.testing.assert_array_equal(found.symbol_index, expected.symbol_index)
    np.testing.assert_array_equal(found.second, expected.second)
    worst = 0.0
    for name, want in expected.values.items():
        have = found.values[name]
        np.testing.assert_array_equal(np.isnan(have), np.isnan(want), err_msg=name)
        known = ~np.isnan(want)
        error = np.abs(have[known] - want[known]) / np.maximum(np.abs(want[known]), 1e-300)
        if name == "score":  # a score near zero has no digits of its own: its scale is one
            error = np.abs(have[known] - want[known]) / np.maximum(1.0, np.abs(want[known]))
        worst = max(worst, float(error.max(initial=0.0)))
    flags = found.values["score"] >= FLAG_FROM
    return worst, int((flags != (expected.values["score"] >= FLAG_FROM)).sum())
