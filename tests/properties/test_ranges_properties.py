"""However rows arrive, the sums over minutes are the exact ones, to the last bit."""

from __future__ import annotations

import itertools
from fractions import Fraction
from math import isnan, log, log1p

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipeline.ranges import RangeColumns, RangeSums

STEP_US = 100
WINDOWS = [1, 3, 4]
ROW = np.dtype([("symbol", np.int32), ("open", np.int64), ("end", np.int64), ("prices", "f8", 4)])
SEEDS = st.integers(0, 10**6)
# Rows of single trades, of a part of a minute, over its edges, of one minute, of several.
EVERY_US = st.sampled_from([0, 10, 30, 70, 100, 250])


def rows_of(seed: int, every_us: int, symbol: int = 0) -> NDArray[np.void]:
    """Rows of one symbol with gaps, missing prices and broken ones."""
    random = np.random.default_rng([seed, symbol])
    count = int(random.integers(1, 120))
    rows = np.empty(count, dtype=ROW)
    steps = np.where(random.random(count) < 0.05, random.integers(0, 900, count), 1).cumsum()
    times = random.integers(0, 40, count).cumsum() + 3 * steps
    rows["symbol"] = symbol
    rows["open"] = steps * every_us if every_us > 0 else times
    rows["end"] = rows["open"] + every_us
    price = 10.0 ** random.integers(-6, 6) * np.exp(random.standard_t(2, count).cumsum() * 1e-3)
    price[random.random(count) < 0.03] *= 1000.0
    close = price * np.exp(random.standard_normal(count) * 1e-3)
    high = np.maximum(price, close) * np.exp(random.exponential(1e-3, count))
    low = np.minimum(price, close) * np.exp(-random.exponential(1e-3, count))
    rows["prices"] = np.stack([price, high, low, close], axis=1)
    rows["prices"][random.random(count) < 0.1] = np.nan
    return rows


def push(ranges: RangeSums, rows: NDArray[np.void]) -> NDArray[np.float64]:
    """All columns as one array of [estimator, window, row]."""
    columns: RangeColumns = ranges.push(
        rows["symbol"].copy(),
        rows["end"].copy(),
        np.ascontiguousarray(rows["prices"].T),
        rows["open"].copy(),
    )
    return np.stack([columns.parkinson, columns.garman_klass, columns.rogers_satchell])


def same(one: NDArray[np.float64], other: NDArray[np.float64]) -> bool:
    return one.shape == other.shape and one.tobytes() == other.tobytes()


def held(ranges: RangeSums, index: int = 0) -> dict[str, bytes]:
    return {name: column.tobytes() for name, column in ranges.snapshot(index).items()}


def units(price: float, other: float) -> int:
    """The log of a ratio in units of 2^-58, to the nearest, ties to even."""
    return round(Fraction(log1p((price - other) / other)) * 2**58)


def terms_of(bars: list[tuple[float, ...]]) -> tuple[int, int, int] | None:
    """Squared range, squared close over open, Rogers and Satchell's products; None for none."""
    if not bars:
        return None
    first, last = bars[0][0], bars[-1][3]
    high, low = max(bar[1] for bar in bars), min(bar[2] for bar in bars)
    if log1p((high - low) / low) > 4.0:
        return None
    satchell = units(high, last) * units(high, first) + units(low, last) * units(low, first)
    return units(high, low) ** 2, units(last, first) ** 2, satchell


def oracle(rows: NDArray[np.void], window: int) -> tuple[list[int], int, bool]:
    """Sums, minutes with a price and whether the window is full, after the last row."""
    bars: dict[int, list[tuple[float, ...]]] = {}
    opened = first = int(rows[0]["open"]) // STEP_US
    for row in rows:
        minute = int(row["open"]) // STEP_US
        if minute >= opened and not np.isnan(row["prices"]).any():
            bars.setdefault(minute, []).append(tuple(row["prices"].tolist()))
        opened = max(opened, minute, minute + 1 if row["end"] // STEP_US > minute else minute)
    inside = [terms_of(bars.get(minute, [])) for minute in range(opened - window, opened)]
    known = [terms for terms in inside if terms is not None]
    return (
        [sum(terms[at] for terms in known) for at in range(3)],
        len(known),
        (opened - first >= window),
    )


@settings(max_examples=150, deadline=None)
@given(seed=SEEDS, every_us=EVERY_US, data=st.data())
def test_sums_are_the_exact_ones_after_any_row(
    seed: int, every_us: int, data: st.DataObject
) -> None:
    rows = rows_of(seed, every_us)
    rows = rows[: data.draw(st.integers(1, len(rows)))]
    ranges = RangeSums(1, WINDOWS, STEP_US)
    found = push(ranges, rows)[:, :, -1]
    for at, window in enumerate(WINDOWS):
        sums, priced, full = oracle(rows, window)
        limbs = ranges._sums[0, at].tolist()
        assert [(top << 128) + (high << 64) + low for top, high, low in limbs] == sums
        if not full or priced < window / 2:
            assert all(isnan(value) for value in found[:, at])
            continue
        squared, open_close, satchell = (float(Fraction(s, 2**116) / priced) for s in sums)
        garman_klass = 0.5 * squared - (2 * log(2) - 1) * open_close
        expected = [squared / (4 * log(2)), garman_klass, satchell]
        assert found[:, at].tolist() == pytest.approx(expected, rel=1e-14, abs=0.0)
        assert (found[:, at] >= 0.0).all()


@settings(max_examples=100, deadline=None)
@given(seed=SEEDS, every_us=EVERY_US, data=st.data())
def test_any_chunking_and_restore_at_any_point_gives_the_same_bits(
    seed: int, every_us: int, data: st.DataObject
) -> None:
    rows = rows_of(seed, every_us)
    whole = RangeSums(1, WINDOWS, STEP_US)
    expected = push(whole, rows)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(rows)), max_size=6)))
    ranges, parts = RangeSums(1, WINDOWS, STEP_US), []
    for start, end in itertools.pairwise([0, *cuts, len(rows)]):
        parts.append(push(ranges, rows[start:end]))
        if data.draw(st.booleans()):
            kept = ranges.snapshot(0)
            ranges = RangeSums(1, WINDOWS, STEP_US)
            ranges.restore(0, kept)
    assert same(np.concatenate(parts, axis=2), expected)
    assert held(ranges) == held(whole)


@settings(max_examples=60, deadline=None)
@given(seed=SEEDS, every_us=EVERY_US, data=st.data())
def test_any_interleaving_of_symbols_gives_the_same_bits(
    seed: int, every_us: int, data: st.DataObject
) -> None:
    alone = [rows_of(seed, every_us, symbol) for symbol in range(3)]
    order = np.repeat(np.arange(3), [len(rows) for rows in alone])
    np.random.default_rng(data.draw(SEEDS)).shuffle(order)
    together = np.empty(len(order), dtype=ROW)
    for symbol, rows in enumerate(alone):
        together[order == symbol] = rows
    ranges = RangeSums(3, WINDOWS, STEP_US)
    columns = push(ranges, together)
    for symbol, rows in enumerate(alone):
        single = RangeSums(3, WINDOWS, STEP_US)
        expected = push(single, rows)
        assert same(np.ascontiguousarray(columns[:, :, order == symbol]), expected)
        assert held(ranges, symbol) == held(single, symbol)


@settings(max_examples=60, deadline=None)
@given(seed=SEEDS, every_us=EVERY_US, data=st.data())
def test_start_in_the_middle_gives_the_same_bits_once_the_longest_window_is_full(
    seed: int, every_us: int, data: st.DataObject
) -> None:
    rows = rows_of(seed, every_us)
    # A minute is whole from its first row on: start where one begins.
    minutes = rows["open"] // STEP_US
    starts = np.flatnonzero(np.diff(minutes, prepend=minutes[0] - 1))
    start = int(data.draw(st.sampled_from(starts.tolist())))
    cold, warm = RangeSums(1, WINDOWS, STEP_US), RangeSums(1, WINDOWS, STEP_US)
    expected, found = push(cold, rows)[:, :, start:], push(warm, rows[start:])
    opened = np.maximum(minutes, np.minimum(rows["end"] // STEP_US, minutes + 1))[start:]
    full = np.maximum.accumulate(opened) - minutes[start] >= max(WINDOWS)
    assert same(np.ascontiguousarray(found[:, :, full]), np.ascontiguousarray(expected[:, :, full]))
    if full[-1]:
        assert held(warm) == held(cold)


@settings(max_examples=60, deadline=None)
@given(seed=SEEDS, every_us=EVERY_US, power=st.integers(-40, 40), shift=st.integers(-99, 99))
def test_prices_times_a_power_of_two_and_later_minutes_give_the_same_bits(
    seed: int, every_us: int, power: int, shift: int
) -> None:
    rows = rows_of(seed, every_us)
    moved = rows.copy()
    moved["prices"] *= 2.0**power
    moved["open"] += shift * STEP_US
    moved["end"] += shift * STEP_US
    ranges, other = RangeSums(1, WINDOWS, STEP_US), RangeSums(1, WINDOWS, STEP_US)
    assert same(push(ranges, rows), push(other, moved))
