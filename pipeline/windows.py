"""Exact rolling sums over the samples of many symbols: the one compiled kernel.

A sample is the one-step log return of consecutive closes as an integer, in units of 2^-58. A window
adds what enters and subtracts what leaves; integer sums commute, so they depend only on what is in
the window: no drift, the same bits for any chunking, shard or restart. Floats appear once, at the
end. (EWMA has infinite memory: it is a float recursion, and carried.)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numba import njit

from pipeline import wide

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

#: Returns are counted in units of 2^-58: 17 digits of resolution, and sums up to 16 in 64 bits.
UNIT = 2.0**-58

#: A one-step return beyond this is a broken price, not a move: the sample is missing instead.
MAX_RETURN = 4.0

#: The share of a window's samples that must be valid for a statement about it.
ENOUGH = 0.5

_VALID = 1
_COMPLETE = 2


@dataclass(frozen=True, slots=True)
class Window:
    """A window of samples.

    Attributes:
        length: Samples in it.
        lag: How many samples before the newest it ends: 0 includes the newest, 1 ends just before.
    """

    length: int
    lag: int = 0


@dataclass(frozen=True, slots=True)
class WindowColumns:
    """What the windows held after each pushed row; row by row, window by window.

    Attributes:
        log_return: The sample, NaN where it is missing.
        complete: Whether its bar was complete, as it was pushed.
        samples: Valid samples in the window.
        filled: Whether the window spans its whole length of pushed rows, valid or missing.
        whole: Whether every row in the window came from a complete bar.
        total: Sum of the returns.
        squares: Sum of their squares.
        ewma: Per half-life, the decayed mean of squared returns a step; NaN before the first.
    """

    log_return: NDArray[np.float64]
    complete: NDArray[np.bool_]
    samples: NDArray[np.int64]
    filled: NDArray[np.bool_]
    whole: NDArray[np.bool_]
    total: NDArray[np.float64]
    squares: NDArray[np.float64]
    ewma: NDArray[np.float64]


class Windows:
    """Rolling sums of every symbol of a shard.

    Args:
        windows: Per symbol, its windows; as many for each symbol.
        half_lives: EWMA half-lives in samples.
    """

    def __init__(self, windows: Sequence[Sequence[Window]], half_lives: Sequence[float]) -> None:
        symbols, count = len(windows), len(windows[0])
        shape = (symbols, count)
        rows = [[(w.length, w.lag) for w in row] for row in windows]
        grid = np.array(rows, dtype=np.int64).reshape(symbols, count, 2)
        self._length = np.ascontiguousarray(grid[:, :, 0])
        self._lag = np.ascontiguousarray(grid[:, :, 1])
        reach = int((self._length + self._lag).max(initial=1)) + 1
        self._decay = np.exp2(-1.0 / np.array(half_lives, dtype=np.float64))
        self._returns = np.zeros((symbols, reach), dtype=np.int64)
        self._flags = np.zeros((symbols, reach), dtype=np.uint8)
        self._seen = np.zeros(symbols, dtype=np.int64)
        self._close = np.full(symbols, np.nan)
        self._sums = np.zeros((*shape, 3), dtype=np.int64)  # returns, valid, complete
        self._squares = np.zeros((*shape, 2), dtype=np.uint64)
        self._ewma = np.zeros((symbols, len(half_lives), 2))

    def push(
        self,
        symbol_index: NDArray[np.int32],
        close: NDArray[np.float64],
        complete: NDArray[np.bool_],
    ) -> WindowColumns:
        """Advance by one sample a row, in row order.

        Args:
            symbol_index: Which symbol a row is of.
            close: Its close; NaN where there is no price.
            complete: Whether the bar it closed was complete.

        Raises:
            OverflowError: The returns of a window add up to more than 16.
        """
        rows, count = len(symbol_index), self._length.shape[1]
        columns = WindowColumns(
            np.empty(rows),
            complete,
            np.empty((rows, count), dtype=np.int64),
            np.empty((rows, count), dtype=np.bool_),
            np.empty((rows, count), dtype=np.bool_),
            np.empty((rows, count)),
            np.empty((rows, count)),
            np.empty((rows, len(self._decay))),
        )
        overflowed = _advance(
            symbol_index,
            close,
            complete,
            (self._length, self._lag, self._decay),
            (self._returns, self._flags, self._seen, self._close),
            (self._sums, self._squares, self._ewma),
            (columns.log_return, columns.total, columns.squares, columns.ewma),
            (columns.samples, columns.filled, columns.whole),
        )
        if overflowed >= 0:
            raise OverflowError(
                f"expected returns of a window to add up to less than 16, row {overflowed} does not"
            )
        return columns


_RING = "Tuple((int64[:,::1], uint8[:,::1], int64[::1], float64[::1]))"
_SUMS = "Tuple((int64[:,:,::1], uint64[:,:,::1], float64[:,:,::1]))"


@njit(f"void(int32, int64, int64, int64, {_RING}, {_SUMS})", cache=True, nogil=True)
def _count(s: Any, w: Any, at: Any, sign: Any, ring: Any, state: Any) -> None:  # noqa: ANN401 - compiled: the signature has the types
    """Add (sign 1) or take away (sign -1) one sample of the ring."""
    returns, flags, _, _ = ring
    sums, squares, _ = state
    value = returns[s, at]
    size = np.uint64(abs(value))
    high, low = wide.multiply(size, size)
    if sign > 0:
        high, low = wide.add(squares[s, w, 0], squares[s, w, 1], high, low)
    else:
        high, low = wide.subtract(squares[s, w, 0], squares[s, w, 1], high, low)
    squares[s, w, 0], squares[s, w, 1] = high, low
    sums[s, w, 0] += sign * value
    sums[s, w, 1] += sign * np.int64(flags[s, at] & _VALID)
    sums[s, w, 2] += sign * np.int64((flags[s, at] & _COMPLETE) >> 1)


@njit(f"float64(int32, float64, boolean, {_RING})", cache=True, nogil=True)
def _take(s: Any, price: Any, complete: Any, ring: Any) -> Any:  # noqa: ANN401 - as above
    """Put the sample of a close into the ring; return it, NaN where it is missing."""
    returns, flags, seen, close = ring
    at = seen[s] % returns.shape[1]
    before = close[s]
    r = np.nan
    if price > 0.0 and before > 0.0:
        # log1p keeps the digits that log(price / before) loses near 1.
        r = np.log1p((price - before) / before)
    flag = np.uint8(_COMPLETE if complete else 0)
    returns[s, at] = 0
    if abs(r) <= MAX_RETURN:
        flag |= np.uint8(_VALID)
        returns[s, at] = np.int64(np.rint(r / UNIT))
    else:
        r = np.nan
    flags[s, at] = flag
    seen[s] += 1
    close[s] = price
    return r


@njit(
    "int64(int32[::1], float64[::1], boolean[::1],"
    " Tuple((int64[:,::1], int64[:,::1], float64[::1])),"
    f" {_RING}, {_SUMS},"
    " Tuple((float64[::1], float64[:,::1], float64[:,::1], float64[:,::1])),"
    " Tuple((int64[:,::1], boolean[:,::1], boolean[:,::1])))",
    cache=True,
    nogil=True,
)
def _advance(  # noqa: PLR0913, PLR0917 - compiled: state travels as tuples of arrays
    symbol_index: Any,  # noqa: ANN401 - as above
    close: Any,  # noqa: ANN401
    complete: Any,  # noqa: ANN401
    settings: Any,  # noqa: ANN401
    ring: Any,  # noqa: ANN401
    state: Any,  # noqa: ANN401
    floats: Any,  # noqa: ANN401
    counts: Any,  # noqa: ANN401
) -> int:
    """Advance every row; return the first row that overflows, or -1."""
    length, lag, decay = settings
    sums, squares, ewma = state
    log_return, total, square_total, ewma_out = floats
    samples, filled, whole = counts
    reach = ring[0].shape[1]
    limit = np.int64(1) << np.int64(62)
    for row in range(len(symbol_index)):
        s = symbol_index[row]
        now = ring[2][s]
        r = _take(s, close[row], complete[row], ring)
        log_return[row] = r
        for w in range(length.shape[1]):
            entering = now - lag[s, w]
            leaving = entering - length[s, w]
            if entering >= 0:
                _count(s, w, entering % reach, np.int64(1), ring, state)
            if leaving >= 0:
                _count(s, w, leaving % reach, np.int64(-1), ring, state)
            if abs(sums[s, w, 0]) > limit:
                return row
            held = max(np.int64(0), min(entering + 1, length[s, w]))
            samples[row, w] = sums[s, w, 1]
            filled[row, w] = held == length[s, w]
            whole[row, w] = sums[s, w, 2] == held
            total[row, w] = sums[s, w, 0] * UNIT
            square_total[row, w] = wide.as_float(squares[s, w, 0], squares[s, w, 1]) * UNIT * UNIT
        for h in range(len(decay)):
            ewma[s, h] *= decay[h]
            if not np.isnan(r):
                ewma[s, h, 0] += r * r
                ewma[s, h, 1] += 1.0
            weight = ewma[s, h, 1]
            ewma_out[row, h] = ewma[s, h, 0] / weight if weight > 0.0 else np.nan
    return -1
