"""How volatile a symbol is beside its own day, in a word; and when its volatility changed.

Samples are taken every five grid steps, and five seconds at least. The volatility of a sample is
the root mean square of the one-step returns of the sixty samples that end with it (five minutes on
a grid of a second); what is usual is the median of the last 288 of such spans one after the other
(a day). The regime follows their ratio, see `BOUNDS`; it is unknown while the volatility is, and
until there are six spans. It changes once the ratio has been beyond a bound, moved a fifth away
from the regime there is, for twelve samples (a minute).

A change is also found at once by a CUSUM (Page 1954) on ln of the root mean square return of each
sample alone, in deviations of its own past: S = max(0, S + |z| - 0.5) on either side, and a change
where S is above 12. What the mean is from there on is that of the samples since S last was zero.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipeline.durations import SECOND
from pipeline.marks import NEVER
from pipeline.regime_loop import (
    AIMED_SINCE,
    FIGURES,
    FILLED,
    MARKS,
    SPANS,
    advance,
)
from pipeline.windows import RollingSum

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from pipeline.windows import WindowColumns

#: What a regime is called; its place here is its code, null for none.
NAMES = ("calm", "normal", "elevated", "extreme")

#: Grid steps in a sample, and its least length.
SAMPLE_STEPS, SAMPLE_US = 5, 5 * SECOND

#: Samples in the span whose volatility is compared.
SPAN_SAMPLES = 60


def sample_steps(every_us: int) -> int:
    """Return how many grid steps a sample has."""
    return max(SAMPLE_STEPS, SAMPLE_US // every_us)


def span_us(every_us: int) -> int:
    """Return how long a span is."""
    return SPAN_SAMPLES * sample_steps(every_us) * every_us


def regime_sums(every_us: int) -> list[RollingSum]:
    """Return the sums regimes read: squares of a sample's returns, and of a span's."""
    steps = sample_steps(every_us)
    return [RollingSum("squares", steps), RollingSum("squares", SPAN_SAMPLES * steps)]


class Regimes:
    """The regime of every symbol of a shard.

    Args:
        symbols: How many.
        every_us: The grid step.
    """

    def __init__(self, symbols: int, every_us: int) -> None:
        self._sample_us = sample_steps(every_us) * every_us
        marks = np.zeros((symbols, MARKS), dtype=np.int64)
        marks[:, AIMED_SINCE] = NEVER
        self._state = (marks, np.zeros((symbols, FIGURES)), np.full((symbols, SPANS), np.nan))

    def push(
        self,
        index: NDArray[np.int32],
        end_us: NDArray[np.int64],
        columns: WindowColumns,
        at: Sequence[int],
    ) -> tuple[NDArray[np.int8], NDArray[np.int8]]:
        """Return the regime's code at each row, -1 while unknown, and the sign of a change there.

        Args:
            index: Row by row, the symbol.
            end_us: When the row's grid step ends, in time order for each symbol.
            columns: What the windows held after each row.
            at: Where in `columns` the sums of `regime_sums` are.
        """
        regimes, changes = np.empty(len(index), dtype=np.int8), np.zeros(len(index), dtype=np.int8)
        settings = self._sample_us, SPAN_SAMPLES * self._sample_us
        sums = [(columns.values[one], columns.terms[one]) for one in at]
        advance((index, end_us, *sums), settings, self._state, regimes, changes)
        return regimes, changes

    def snapshot(self, index: int) -> dict[str, NDArray[np.generic]]:
        """Return what is known of a symbol as arrays."""
        marks, figures, spans = self._state
        filled = int(marks[index, FILLED])
        oldest = np.roll(spans[index], -(filled % SPANS)) if filled > SPANS else spans[index]
        kept = marks[index].copy()
        kept[FILLED] = min(filled, SPANS)
        return {"marks": kept, "figures": figures[index].copy(), "spans": oldest.copy()}

    def restore(self, index: int, arrays: Mapping[str, NDArray[np.generic]]) -> None:
        """Continue a symbol from what `snapshot` returned."""
        for held, name in zip(self._state, ("marks", "figures", "spans"), strict=True):
            held[index] = arrays[name]
