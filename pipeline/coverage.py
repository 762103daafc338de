"""How much of each window is accounted for: the share of its bars that miss no trade."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numba import boolean, float32, int32, int64, uint8, void

from pipeline.compiled import compiled
from pipeline.signatures import given

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray


class Coverage:
    """The coverage of every symbol's windows. Bars before a symbol's first are not accounted for.

    Args:
        symbols: How many.
        windows: In bars, at least one.
    """

    def __init__(self, symbols: int, windows: Sequence[int]) -> None:
        self._windows = np.array(windows, dtype=np.int64)
        self._longest = int(self._windows.max())
        self._complete = np.zeros((symbols, self._longest), dtype=np.uint8)  # a ring
        self._newest = np.zeros(symbols, dtype=np.int64)  # its newest position
        self._counts = np.zeros((symbols, len(windows)), dtype=np.int64)

    def push(
        self, symbol_index: NDArray[np.int32], complete: NDArray[np.bool_]
    ) -> NDArray[np.float32]:
        """Advance by one bar a row; return, window by window, the share after each row.

        Args:
            symbol_index: Which symbol a bar is of; in time order for each.
            complete: Whether it misses no trade.
        """
        out = np.ones((len(self._windows), len(symbol_index)), dtype=np.float32)
        # As nearly always: then every ring is full of complete bars, and stays so.
        if not complete.all() or (self._counts != self._windows).any():
            state = self._complete, self._newest, self._counts
            _advance(symbol_index, complete, self._windows, *state, out)
        return out

    def snapshot(self, index: int) -> dict[str, NDArray[np.generic]]:
        """Return what is known of a symbol as arrays."""
        ordered = np.roll(self._complete[index], -1 - int(self._newest[index]))
        return {"complete": ordered.astype(np.int64)}

    def restore(self, index: int, arrays: Mapping[str, NDArray[np.generic]]) -> None:
        """Continue a symbol from what `snapshot` returned."""
        ordered = np.asarray(arrays["complete"], dtype=np.uint8)
        self._complete[index], self._newest[index] = ordered, self._longest - 1
        self._counts[index] = [ordered[-window:].sum() for window in self._windows.tolist()]


@compiled(
    void(
        given(int32),
        given(boolean),
        int64[::1],
        uint8[:, ::1],
        int64[::1],
        int64[:, ::1],
        float32[:, ::1],
    )
)
def _advance(
    symbol_index: Any,  # noqa: ANN401 - compiled: the signature has the types
    complete: Any,  # noqa: ANN401
    windows: Any,  # noqa: ANN401
    ring: Any,  # noqa: ANN401
    newest: Any,  # noqa: ANN401
    counts: Any,  # noqa: ANN401
    out: Any,  # noqa: ANN401
) -> None:
    """Count what enters each window and what leaves it."""
    length = ring.shape[1]
    for row in range(len(symbol_index)):
        s = symbol_index[row]
        at = (newest[s] + 1) % length
        for w in range(len(windows)):
            leaving = ring[s, (at - windows[w]) % length]
            counts[s, w] += np.int64(complete[row]) - np.int64(leaving)
            out[w, row] = counts[s, w] / windows[w]
        ring[s, at] = complete[row]
        newest[s] = at
