"""How far horizons are stretched for a symbol that trades seldom, and the samples they then see.

A return over five seconds says nothing of a market that trades once in ten. So samples are taken on
grids 1, 2, 4, .. times as coarse, all the time and of every symbol, which costs no more than the
finest alone; and of each symbol the score of that grid counts on which the shortest horizon spans
three and a half gaps between trades or more.

The gap is that of the newest ten minutes: of the Poisson stream that leaves as many bars without a
trade, so that a hundred prints of one order do not look like a busy market.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pipeline.detect.stretch_loop import LEVEL, NEWEST, SEEN, TOLD_US, TRADED, coarsen
from pipeline.durations import HOUR, MINUTE
from pipeline.marks import NEVER

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from pipeline.windows import Samples

#: The longest window that stretching makes.
LONGEST_US = 6 * HOUR

#: How far back gaps between trades are looked at.
GAPS_OVER_US = 10 * MINUTE

#: The shortest horizon spans so many gaps at least.
GAPS_PER_HORIZON = 3.5


def levels_of(window_us: int) -> int:
    """Return how many grids there are: each twice as coarse, none with a window that is too long.

    Args:
        window_us: The longest that any symbol has unstretched.
    """
    return max(1, (LONGEST_US // window_us).bit_length())


@dataclass(frozen=True, slots=True)
class CoarseSamples:
    """Samples of the coarser grids that ended with some bars.

    Attributes:
        level: Row by row, the grid whose score counts: 2^level times as coarse as the bars'.
        rows: Level by level, from 1, which of the bars ended a sample.
        close: Level by level, their closes; NaN where the price is too old.
        complete: Level by level, whether every trade of the sample is known.
    """

    level: NDArray[np.int64]
    rows: list[NDArray[np.int64]]
    close: list[NDArray[np.float64]]
    complete: list[NDArray[np.bool_]]


class Stretch:
    """The stretch of every symbol of a shard, and its coarser samples.

    Args:
        symbols: How many.
        levels: How many grids, with that of the bars.
        every_us: The grid step of the bars.
        forward_fill_us: How long a price stays valid without a trade; stretched like all else.
        horizon_us: The shortest horizon.
    """

    def __init__(
        self, symbols: int, levels: int, *, every_us: int, forward_fill_us: int, horizon_us: int
    ) -> None:
        spanned = GAPS_PER_HORIZON * every_us / (horizon_us * 2.0 ** np.arange(levels))
        enough, plenty = (1.0 - np.exp(-times * spanned) for times in (1.0, 2.0))
        enough[-1] = plenty[-1] = 0.0  # there is nothing coarser
        self._settings = (every_us, forward_fill_us, enough, plenty)
        length = max(1, GAPS_OVER_US // every_us)
        marks = np.zeros((symbols, 5), dtype=np.int64)
        marks[:, TOLD_US] = NEVER
        self._state = (
            marks,
            np.full(symbols, np.nan),
            np.zeros((symbols, length), dtype=np.uint8),
            np.ones((symbols, levels), dtype=np.bool_),
        )

    def push(self, samples: Samples) -> CoarseSamples:
        """Advance by bars, at whose ends the samples are."""
        rows, levels = len(samples.symbol_index), self._state[3].shape[1]
        counts = np.zeros(levels, dtype=np.int64)
        out = (
            np.empty(rows, dtype=np.int64),
            counts,
            np.empty((levels, rows), dtype=np.int64),
            np.empty((levels, rows)),
            np.empty((levels, rows), dtype=np.bool_),
        )
        given = (samples.symbol_index, samples.time_us, samples.close)
        coarsen((*given, samples.complete, samples.trades), self._settings, self._state, out)
        ended = [slice(None, count) for count in counts.tolist()]
        return CoarseSamples(
            out[0],
            *([held[j, ended[j]] for j in range(1, levels)] for held in out[2:]),  # type: ignore[arg-type]
        )

    def snapshot(self, index: int) -> dict[str, NDArray[np.generic]]:
        """Return what is known of a symbol as arrays."""
        marks, price, ring, whole = self._state
        told = [marks[index, TOLD_US], marks[index, SEEN], marks[index, LEVEL]]
        ordered = np.roll(ring[index], -1 - int(marks[index, NEWEST]))
        return {
            "marks": np.array(told, dtype=np.int64),
            "price": price[index : index + 1].copy(),
            "traded": ordered.astype(np.int64),
            "whole": whole[index].astype(np.int64),
        }

    def restore(self, index: int, arrays: Mapping[str, NDArray[np.generic]]) -> None:
        """Continue a symbol from what `snapshot` returned."""
        marks, price, ring, whole = self._state
        ring[index] = arrays["traded"]
        marks[index, [TOLD_US, SEEN, LEVEL]] = arrays["marks"]
        marks[index, NEWEST], marks[index, TRADED] = ring.shape[1] - 1, ring[index].sum()
        price[index], whole[index] = arrays["price"][0], arrays["whole"]
