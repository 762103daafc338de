"""How symbols go together: correlations of their returns over an hour, from exact sums.

A return spans ten grid steps, and ten seconds at least; the window holds 360 of them (an hour on a
grid of a second). Of each pair the returns count that are known of both; with fewer than half of
them the correlation is unknown. Sums are integers, so they depend on the returns in the window and
on nothing else; a double appears once, at the end.

All pairs of `MAX_SYMBOLS` symbols at most are compared: the first columns there are. What enters
later gets the columns behind them, and has no correlation.
"""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from pipeline.durations import SECOND
from pipeline.schema import CORRELATIONS
from pipeline.window_tapes import MAX_RETURN, MISSING, UNIT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from pipeline.market_steps import Steps

MAX_SYMBOLS = 60

#: Grid steps that a return spans, and how long it is at least.
RETURN_STEPS, RETURN_US = 10, 10 * SECOND

#: Returns in the window, and of a pair without which its correlation is unknown.
WINDOW, NEEDED = 360, 180

#: A step's return beyond a quarter is a broken print, so that those of a hundred steps add up in 64
#: bits.
_MOST = 1 << 56

#: A return is cut in limbs of so many bits: products of two, summed over the window, are whole
#: numbers that doubles hold exactly.
_LIMB_BITS, _LIMBS = 21, 3


class Correlations:
    """The returns of the last hour, and what they say of each pair.

    Args:
        every_us: The grid step.
    """

    def __init__(self, every_us: int) -> None:
        self._every_us = every_us
        steps = max(RETURN_STEPS, RETURN_US // every_us)
        self._span_us = steps * every_us
        self._terms = np.zeros(0, dtype=np.int64)  # known steps of the return under way
        self._sums = np.zeros(0, dtype=np.int64)
        self._bucket = 0  # of the return under way
        self._buckets = np.empty(0, dtype=np.int64)  # of the returns in the window
        self._returns = np.empty((0, 0), dtype=np.int64)

    def push(self, steps: Steps) -> None:
        """Advance by steps of the market."""
        returns = steps.returns[:, :MAX_SYMBOLS]
        self._widen(returns.shape[1])
        buckets = steps.open_us // self._span_us
        firsts = np.flatnonzero(np.diff(buckets, prepend=buckets[0] - 1))
        known = (returns != MISSING) & (np.abs(returns) <= _MOST)
        sums = np.add.reduceat(np.where(known, returns, 0), firsts)
        terms = np.add.reduceat(known.astype(np.int64), firsts)
        if buckets[0] == self._bucket:
            sums[0] += self._sums
            terms[0] += self._terms
        else:
            self._append(np.array([self._bucket]), self._sums[None], self._terms[None])
        named = buckets[firsts]
        self._append(named[:-1], sums[:-1], terms[:-1])
        self._bucket, self._sums, self._terms = int(named[-1]), sums[-1], terms[-1]

    def pairs(self, symbols: Sequence[str]) -> pl.DataFrame:
        """Return CORRELATIONS of all pairs, in the order of the columns.

        Args:
            symbols: Names of the columns.
        """
        count = self._returns.shape[1]
        first, second = np.triu_indices(count, k=1)
        known = self._returns != MISSING
        values, terms = _correlations(np.where(known, self._returns, 0), known, first, second)
        values[terms < NEEDED] = np.nan
        names = pl.Series(symbols, dtype=pl.String)
        return pl.DataFrame(
            [
                names[first].alias("symbol"),
                names[second].alias("other"),
                pl.Series("correlation", values, nan_to_null=True),
                pl.Series("returns", terms, dtype=pl.Int32),
            ],
            schema=CORRELATIONS,
        )

    def _widen(self, symbols: int) -> None:
        more = symbols - self._returns.shape[1]
        self._returns = np.pad(self._returns, ((0, 0), (0, more)), constant_values=MISSING)
        self._sums, self._terms = np.pad(self._sums, (0, more)), np.pad(self._terms, (0, more))

    def _append(
        self, buckets: NDArray[np.int64], sums: NDArray[np.int64], terms: NDArray[np.int64]
    ) -> None:
        """Put returns that are whole in the window; one that misses a step is not known."""
        is_whole = (terms == self._span_us // self._every_us) & (np.abs(sums) <= MAX_RETURN / UNIT)
        returns = np.concatenate([self._returns, np.where(is_whole, sums, MISSING)])
        buckets = np.concatenate([self._buckets, buckets])
        kept = buckets > buckets[-1] - WINDOW if len(buckets) else buckets
        self._buckets, self._returns = buckets[kept], returns[kept]


def _correlations(
    returns: NDArray[np.int64],
    known: NDArray[np.bool_],
    first: NDArray[np.intp],
    second: NDArray[np.intp],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return Pearson's correlation of pairs of columns, NaN where one is flat, and the terms.

    Args:
        returns: 0 where they are not known.
        known: Whether they are.
        first: Of each pair, one column.
        second: Of each pair, the other.
    """
    limbs = [
        ((returns >> (_LIMB_BITS * at)) & ((1 << _LIMB_BITS) - 1)).astype(np.float64)
        for at in range(_LIMBS - 1)
    ]
    limbs.append((returns >> (_LIMB_BITS * (_LIMBS - 1))).astype(np.float64))  # with the sign
    seen = known.astype(np.float64)
    squares = [(a, b, x * y) for a, x in enumerate(limbs) for b, y in enumerate(limbs)]
    both = first, second
    n = (seen.T @ seen)[both]
    xy = _total([(a + b, x.T @ y) for a, x in enumerate(limbs) for b, y in enumerate(limbs)], both)
    sums = [(a, limb.T @ seen) for a, limb in enumerate(limbs)]
    square_sums = [(a + b, product.T @ seen) for a, b, product in squares]
    # Of each column alone, over the returns that are known of the other, too.
    x, y = (_total(sums, pair) for pair in (both, both[::-1]))
    xx, yy = (_total(square_sums, pair) for pair in (both, both[::-1]))
    values = np.array(
        [
            _correlation(int(count), *parts)
            for count, *parts in zip(n.tolist(), xy, x, y, xx, yy, strict=True)
        ],
        dtype=np.float64,
    )
    return values, n


def _total(
    parts: Sequence[tuple[int, NDArray[np.float64]]],
    pair: tuple[NDArray[np.intp], NDArray[np.intp]],
) -> list[int]:
    """Return the whole sums of pairs from the sums of their limbs."""
    total = np.zeros(len(pair[0]), dtype=object)
    for place, part in parts:
        total += part[pair].astype(np.int64).astype(object) << (_LIMB_BITS * place)
    whole: list[int] = total.tolist()
    return whole


def _correlation(n: int, xy: int, x: int, y: int, xx: int, yy: int) -> float:
    of_x, of_y = n * xx - x * x, n * yy - y * y
    if of_x == 0 or of_y == 0:
        return np.nan
    value = (n * xy - x * y) / sqrt(of_x * of_y)
    return max(-1.0, min(1.0, value))
