"""Windows as their definitions say, in whole numbers and fractions: what a kernel must equal."""

from __future__ import annotations

from dataclasses import fields
from fractions import Fraction
from itertools import pairwise
from math import log1p, sqrt
from typing import TYPE_CHECKING

import numpy as np

from pipeline.windows import RollingSum, Samples, Trim, WindowColumns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

#: The golden returns of the project's mathematics page.
GOLDEN = (0.001, -0.002, 0.0015, 0.0005, -0.001, 0.003, -0.0025, 0.0, 0.0007, -0.0012)

#: Returns are counted in units of 2^-58; squares and products in units of its square.
BITS = 58

#: No return is beyond 4.
LARGEST = 4 * 2**BITS

Values = list[int | None]


def closes(returns: Sequence[float], start: float = 100.0) -> NDArray[np.float64]:
    """Return prices with these log returns."""
    prices: NDArray[np.float64] = start * np.exp(np.cumsum([0.0, *returns]))
    return prices


def samples(
    close: NDArray[np.float64] | Sequence[float],
    time_us: NDArray[np.int64] | Sequence[int] | None = None,
    trades: Sequence[int] | None = None,
    symbol_index: NDArray[np.int32] | None = None,
) -> Samples:
    """Return complete samples of one symbol, a second apart unless times are given."""
    rows = len(close)
    return Samples(
        symbol_index=np.zeros(rows, dtype=np.int32) if symbol_index is None else symbol_index,
        time_us=np.array(
            np.arange(rows) * 1_000_000 if time_us is None else time_us, dtype=np.int64
        ),
        close=np.array(close, dtype=np.float64),
        complete=np.ones(rows, dtype=np.bool_),
        trades=np.array(np.ones(rows) if trades is None else trades, dtype=np.int64),
    )


def taken(given: Samples, rows: slice | NDArray[np.intp] | NDArray[np.bool_]) -> Samples:
    """Return some of the rows."""
    return Samples(*(getattr(given, one.name)[rows].copy() for one in fields(Samples)))


def joined(parts: Sequence[WindowColumns]) -> WindowColumns:
    """Return what was pushed in parts as one."""
    return WindowColumns(
        *(
            np.concatenate([getattr(part, one.name) for part in parts], axis=-1)
            for one in fields(WindowColumns)
        )
    )


def bits(columns: WindowColumns, rows: slice | NDArray[np.bool_] = slice(None)) -> list[bytes]:
    """Return rows of columns as bytes: what must be equal where two runs must agree."""
    return [
        np.ascontiguousarray(getattr(columns, one.name)[..., rows]).tobytes()
        for one in fields(WindowColumns)
    ]


def units_of(close: Sequence[float]) -> Values:
    """Return the one-step log returns as whole numbers of units, None where there is none."""
    units: Values = [None]
    for before, after in pairwise(close):
        is_price = 1e-12 <= before <= 1e12 and 1e-12 <= after <= 1e12
        r = log1p((after - before) / before) if is_price else 5.0
        units.append(round(Fraction(r) * 2**BITS) if abs(r) <= 4.0 else None)
    return units


def spanned(units: Values, horizon: int) -> Values:
    """Return the returns over so many steps, None where a step is missing or the sum beyond 4."""
    returns: Values = []
    for row in range(len(units)):
        steps = units[row - horizon + 1 : row + 1] if row + 1 >= horizon else [None]
        known = [step for step in steps if step is not None]
        is_known = len(known) == horizon and abs(sum(known)) <= LARGEST
        returns.append(sum(known) if is_known else None)
    return returns


def window(one: RollingSum, row: int, time_us: Sequence[int]) -> tuple[range, bool]:
    """Return the rows in the window after a row, and whether it is full."""
    end = row - one.lag + 1
    if one.duration_us == 0:
        start = end - one.length
        # The first return is of the second row; a number of trades is of its own row.
        before = 0 if one.of == "trades" else one.horizon
        return range(max(start, 0), end), start >= before
    since = time_us[row] - one.duration_us
    return range(sum(time < since + 1 for time in time_us[:end]), end), time_us[0] <= since


def trimmed(
    returns: Values,
    squares: NDArray[np.float64],
    terms: NDArray[np.int64],
    close: NDArray[np.float64],
    trim: Trim,
) -> Values:
    """Return the sizes of returns; outliers are one root mean square, as the kernel found it."""
    sizes: Values = []
    for value, total, n, price in zip(returns, squares, terms, close, strict=True):
        size = None if value is None else abs(value)
        if size is not None and not np.isnan(total):
            floor = max(trim.floor, trim.tick / 2 / price)
            scale = sqrt(max(total / n, floor * floor))
            if size > trim.sigmas * scale * 2.0**BITS:
                size = round(scale * 2.0**BITS)
        sizes.append(size)
    return sizes


def terms_of(one: RollingSum, values: Values, inside: range) -> list[int]:
    """Return what is summed of the rows in a window."""
    if one.of in {"products", "signed_products"}:
        pairs = [(values[row - 1], values[row]) for row in inside[1:]]
        products = [a * b for a, b in pairs if a is not None and b is not None]
        return products if one.of == "signed_products" else [abs(value) for value in products]
    known = [values[row] for row in inside]
    singles = [value for value in known if value is not None]
    return singles if one.of in {"returns", "trades"} else [value**2 for value in singles]


def exact(one: RollingSum, values: Values, inside: range) -> Fraction:
    """Return the sum over a window, in returns or squares of them."""
    total = Fraction(sum(terms_of(one, values, inside)))
    if one.of == "deviations":
        known = [value for row in inside if (value := values[row]) is not None]
        total -= Fraction(sum(known) ** 2, max(len(known), 1))
    return total / 2 ** {"trades": 0, "returns": BITS}.get(one.of, 2 * BITS)


def differences(
    columns: WindowColumns, sums: Sequence[RollingSum], given: Samples, trim: Trim | None = None
) -> list[str]:
    """Say where columns of one symbol are not what the definitions give.

    A value may be off by one rounding a limb: 2^-52 of it, 2^-51 for deviations.
    """
    units, time_us = units_of(given.close.tolist()), given.time_us.tolist()
    returns = np.array([np.nan if one is None else one / 2**BITS for one in units])
    wrong = [] if returns.tobytes() == columns.log_return.tobytes() else ["log_return"]
    for k, one in enumerate(sums):
        values = spanned(units, one.horizon)
        if one.of == "trades":
            values = [n if n >= 0 else None for n in given.trades.tolist()]
        if one.of == "trimmed_squares":
            at = list(sums).index(one.scale)
            trim = Trim() if trim is None else trim
            values = trimmed(values, columns.values[at], columns.terms[at], given.close, trim)
        slack = Fraction(1, 2 ** (51 if one.of == "deviations" else 52))
        for row in range(len(units)):
            inside, full = window(one, row, time_us)
            terms, found = len(terms_of(one, values, inside)), columns.values[k, row]
            known = full and terms >= one.needed
            want = exact(one, values, inside) if known else None
            off = want is not None and abs(Fraction(found) - want) > slack * abs(want)
            if columns.terms[k, row] != terms or known == np.isnan(found) or off:
                wrong.append(f"{one} row {row}: {found} of {columns.terms[k, row]} terms, "
                             f"expected {want and float(want)} of {terms}")  # fmt: skip
    return wrong


def ewma(
    returns: NDArray[np.float64], half_life: float, time_us: NDArray[np.int64] | None = None
) -> list[float]:
    """Return S / W of S = S d + r^2, W = W d + dt, d = 2^(-dt / half-life); NaN before the first.

    Times are in microseconds and the half-life then in seconds; else each step is 1.
    """
    square = weight = 0.0
    found = []
    for row, r in enumerate(returns):
        step = 1.0
        if time_us is not None:
            step = (int(time_us[row]) - int(time_us[row - 1])) / 1e6 if row else 0.0
        square, weight = square * 2 ** (-step / half_life), weight * 2 ** (-step / half_life)
        if not np.isnan(r):
            square, weight = square + r * r, weight + step
        found.append(square / weight if weight > 0 else np.nan)
    return found
