"""The recent past of a shard: how each symbol stood at points in time, and its bars since."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from pipeline.bar_records import BAR

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: How a symbol stood: the arrays of each stage, by its name.
Stand = dict[str, dict[str, "NDArray[np.generic]"]]

#: The stage that makes bars.
SAMPLER = "sampler"

#: Small arrays are joined once there are so many: going through them stays cheap.
_MERGE_AT = 64


@dataclass(slots=True)
class Era:
    """What was published from one point in time on, and how each symbol stood at it.

    Attributes:
        began_us: Open time of the newest bar that was published before; NEVER at the start.
        stands: Per symbol.
    """

    began_us: int
    stands: list[Stand]
    _bars: list[NDArray[np.void]] = field(default_factory=list)

    def append(self, bars: NDArray[np.void]) -> None:
        """Add BAR rows that were published."""
        self._bars.append(bars)
        if len(self._bars) == _MERGE_AT:
            self._bars = [np.concatenate(self._bars)]

    def bars_of(self, index: int) -> NDArray[np.void]:
        """Return the bars of a symbol, in time order."""
        mine = [bars[bars["symbol_index"] == index] for bars in self._bars]
        joined = np.concatenate([np.empty(0, dtype=BAR), *mine])
        return joined[np.argsort(joined["open_us"], kind="stable")]

    def replace(self, index: int, bars: NDArray[np.void]) -> None:
        """Put other bars in the place of a symbol's."""
        self._bars = [*(own[own["symbol_index"] != index] for own in self._bars), bars]

    def next_step(self, index: int) -> int:
        """Return the step a symbol was to publish next at its beginning; NEVER before its first."""
        return int(self.stands[index][SAMPLER]["marks"][0])
