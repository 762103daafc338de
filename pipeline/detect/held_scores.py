"""The scores of stretched symbols between their samples: that of the newest one goes on.

So a row always has the score of the newest sample of its symbol's grid; it has none once the symbol
is judged on another grid, until a sample of that one ends.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numba import float64, int32, int64, void

from pipeline.compiled import compiled, inlined
from pipeline.detect.protocol import Scores
from pipeline.signatures import given

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

#: On no grid.
_NONE = -1


class HeldScores:
    """The newest score of every symbol of a shard.

    Args:
        symbols: How many.
        every_us: The grid step of rows.
    """

    def __init__(self, symbols: int, *, every_us: int) -> None:
        self._every_us = every_us
        self._level = np.full(symbols, _NONE)
        self._figures = np.full((symbols, 2), np.nan)  # score, move
        self._numbers = np.zeros((symbols, 4), dtype=np.int64)

    def fill(
        self,
        index: NDArray[np.int32],
        end_us: NDArray[np.int64],
        level: NDArray[np.int64],
        scores: Scores,
    ) -> Scores:
        """Return scores with the gaps between samples filled.

        Args:
            index: Row by row, the symbol.
            end_us: When the row's grid step ends.
            level: The grid it is judged on, 2^level times as coarse; its samples end at multiples.
            scores: Known where a sample ended.
        """
        if not level.any() and (self._level == _NONE).all():
            return scores  # as nearly always: nobody is stretched
        figures = np.stack([scores.score, scores.move_bp])
        numbers = np.stack(
            [scores.direction, scores.horizon_steps, scores.samples, scores.window_steps]
        ).astype(np.int64)
        state = self._level, self._figures, self._numbers
        _hold(index, end_us, level, self._every_us, *state, figures, numbers)
        return Scores(
            score=figures[0],
            direction=numbers[0].astype(np.int8),
            move_bp=figures[1],
            horizon_steps=numbers[1],
            samples=numbers[2],
            window_steps=numbers[3],
        )

    def snapshot(self, index: int) -> dict[str, NDArray[np.generic]]:
        """Return what is known of a symbol as arrays."""
        numbers = np.append(self._level[index], self._numbers[index])
        return {"numbers": numbers, "figures": self._figures[index].copy()}

    def restore(self, index: int, arrays: Mapping[str, NDArray[np.generic]]) -> None:
        """Continue a symbol from what `snapshot` returned."""
        numbers = np.asarray(arrays["numbers"], dtype=np.int64)
        self._level[index], self._numbers[index] = numbers[0], numbers[1:]
        self._figures[index] = arrays["figures"]


@inlined
def _keep(s: Any, row: Any, held: Any, columns: Any) -> None:  # noqa: ANN401 - compiled
    """Hold a row of columns. Value by value: a slice would make the loop count references."""
    for at in range(len(columns)):
        held[s, at] = columns[at, row]


@inlined
def _tell(s: Any, row: Any, held: Any, columns: Any) -> None:  # noqa: ANN401 - compiled
    """Write what is held into a row of columns."""
    for at in range(len(columns)):
        columns[at, row] = held[s, at]


@inlined
def _blank(s: Any, held: Any, value: Any) -> None:  # noqa: ANN401 - compiled
    """Hold nothing."""
    for at in range(held.shape[1]):
        held[s, at] = value


@compiled(
    void(
        given(int32),
        given(int64),
        int64[::1],
        int64,
        int64[::1],
        float64[:, ::1],
        int64[:, ::1],
        float64[:, ::1],
        int64[:, ::1],
    )
)
def _hold(  # noqa: PLR0913, PLR0917 - compiled: the signature has the types
    index: Any,  # noqa: ANN401 - as above
    end_us: Any,  # noqa: ANN401
    level: Any,  # noqa: ANN401
    every_us: Any,  # noqa: ANN401
    held_level: Any,  # noqa: ANN401
    held_figures: Any,  # noqa: ANN401
    held_numbers: Any,  # noqa: ANN401
    figures: Any,  # noqa: ANN401
    numbers: Any,  # noqa: ANN401
) -> None:
    for row in range(len(index)):
        s, on = index[row], level[row]
        if on > 0 and end_us[row] % (every_us << on) == 0:
            held_level[s] = on
            _keep(s, row, held_figures, figures)
            _keep(s, row, held_numbers, numbers)
        elif on > 0 and held_level[s] == on:
            _tell(s, row, held_figures, figures)
            _tell(s, row, held_numbers, numbers)
        else:
            held_level[s] = _NONE
            _blank(s, held_figures, np.nan)
            _blank(s, held_numbers, 0)
