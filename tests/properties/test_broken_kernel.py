"""A kernel that is broken in one place does not pass: the oracles see what they should see.

The sources of the kernel are read as text, one thing is replaced, and the result is run as plain
Python: the loops are the same ones, slower. Pieces are short, so that tapes are moved often.
"""

from __future__ import annotations

import builtins
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from math import log1p
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

import pipeline
from pipeline import rolling_sums, windows
from pipeline.windows import RollingSum, Samples, Trim, Windows
from tests.pipeline.window_oracles import differences, ewma, joined, samples, taken

R = RollingSum
KERNEL = ("wide", "window_tapes", "window_sums", "window_loop")
SHORT_PIECES = ("PIECE = 512", "PIECE = 7")
S = 1_000_000

# What is replaced, and by what.
MUTANTS = [
    # Windows: one too long, one too short, one off; full too early, too late; need too little.
    ("leaving = entering - length + back", "leaving = entering - length + back - 1"),
    ("leaving = entering - length + back", "leaving = entering - length + back + 1"),
    ("leaving = entering - length + back", "leaving = entering - length"),
    ("START] + state[1][s, t] - lag", "START] + state[1][s, t] - lag + 1"),
    ("until_full = length + lag", "until_full = length + lag - 1"),
    ("until_full = length + lag", "until_full = length + lag + 1"),
    ("return 0 if kind == TRADES else horizon", "return horizon"),
    ("return 0 if kind == TRADES else horizon", "return 0"),
    ("if j + 1 >= until_full and total[0] >= need", "if j + 1 >= until_full and total[0] > need"),
    # Windows by duration: the edge, the lag, what counts as full, the older half of a pair.
    ("tape[s, times + left - back] <= since:", "tape[s, times + left - back] < since:"),
    ("newest = state[1][s, t] - lag", "newest = state[1][s, t]"),
    ("while left <= newest + j and", "while left < newest + j and"),
    ("figure if first_us <= since", "figure if first_us < since"),
    ("tape[s, times + left - back] <= since:", "tape[s, times + left] <= since:"),
    ("state[5][s, k, LEFT] = left", "state[5][s, k, LEFT] = left - 1"),
    # Terms: a missing value counted, a sign lost, a pair with itself.
    ("if value == MISSING or (of >= PRODUCTS and before == MISSING)", "if value == MISSING"),
    ("(value < 0) != (before < 0)", "value < 0"),
    ("value if of < PRODUCTS else before", "value"),
    ("values_high, values_low = wide.shift(values_high, values_low, -value)", "pass"),
    # Limbs: a carry or borrow lost, between the lower two, to the top, in differences.
    ("carry = _ONE if total < low else _ZERO", "carry = _ZERO"),
    ("borrow = _ONE if low < less_low else _ZERO", "borrow = _ZERO"),
    ("return top + (1 if new_high < high else 0)", "return top"),
    ("return top - (1 if new_high > high else 0)", "return top"),
    ("(new_high - _ONE if by < 0 else new_high)", "new_high"),
    ("if high <= _MAX_SIGNED:", "if True:"),
    ("borrow = 0 if high == _ZERO and low == _ZERO else 1", "borrow = 0"),
    ("        new_top -= 1\n", "        pass\n"),
    ("new_top = top * count + np.int64(more_carry)", "new_top = top * count"),
    # Sums that fit 128 bits: their square beyond what is near, the sign of a sum, a limb of it.
    ("top == 0 and high < _NEAR_SQUARES and", "top == 0 and"),
    ("np.uint64(abs(np.int64(total_low)))", "total_low"),
    ("high * n + carry", "high * n"),
    # Sums that are told of another's: of the wrong row or figure, unknown too long or too short.
    ("n = told[j + 1 - behind, 0]", "n = told[j + 1, 0]"),
    ("told[j + 1 - behind, figure]", "told[j + 1, figure]"),
    ("_note(of, 0, _figure(of, total) * unit, total, state)", "pass"),
    ("figure = 1 if kinds[k, OF] == kinds[lead, OF] else 2", "figure = 1"),
    ("[s, k, NEED], reach - state", "[s, k, NEED], reach - 1 - state"),
    ("[s, k, NEED], reach - state", "[s, k, NEED], reach + 1 - state"),
    ("if full and n >= need", "if full and n > need"),
    ("first_us <= time_us[row] - duration_us if", "first_us < time_us[row] - duration_us if"),
    # Samples: the wrong formula, another rounding, a limit at the wrong side.
    ("np.log1p((after - before) / before)", "np.log(after / before)"),
    ("np.rint(r / UNIT)", "np.floor(r / UNIT)"),
    ("if abs(r) <= MAX_RETURN else MISSING", "if r <= MAX_RETURN else MISSING"),
    ("before = price[row]", "before = price[row] if price[row] > 0 else before"),
    ("n if n >= 0 else MISSING", "n"),
    # Longer returns: known with a step missing, a step too many, beyond what is a return.
    ("known = valid == horizon[s, t] and", "known = valid >= horizon[s, t] - 1 and"),
    ("tape[s, p - horizon[s, t]] != MISSING", "tape[s, p - horizon[s, t] + 1] != MISSING"),
    ("and abs(total) <= MAX_RETURN / UNIT", ""),
    # Outliers: of a signed return, not by the mean, without the floor or the tick, at the limit
    # instead of one scale, rounded down.
    ("size = abs(size)", "pass"),
    ("out[2][k, row] / out[3][k, row]", "out[2][k, row]"),
    ("floor * floor)", "0.0)"),
    ("max(trims[s, FLOOR], trims[s, HALF_TICK] / price[row])", "trims[s, FLOOR]"),
    ("np.rint(scale / UNIT)", "np.rint(trims[s, SIGMAS] * scale / UNIT)"),
    ("np.rint(scale / UNIT)", "np.floor(scale / UNIT)"),
    # Tapes: moved one short, more than may go, sums left behind.
    ("tape[s, at] = tape[s, at + gone]", "tape[s, at] = tape[s, at + gone - 1]"),
    ("gone = fill[s, t] - tapes[t, REACH]", "gone = fill[s, t] - tapes[t, REACH] + 4"),
    ("gone = min(gone, sums[s, k, LEFT] - 1)", "gone = min(gone, sums[s, k, LEFT] + 4)"),
    ("sums[s, k, LEFT] -= gone", "pass"),
    # Rows: of the wrong symbol, soundness forgotten, the first time of another row.
    ("count = min(PIECE, starts[s + 1] - at)", "count = min(PIECE, len(order) - at)"),
    ("complete[row] and was_complete", "complete[row]"),
    ("min(sound_now + 1, longest) if whole else 0", "sound_now + whole"),
    ("marks[s, SEEN] = min(marks[s, SEEN] + count, settings[7])", "marks[s, SEEN] = count"),
    # Recounting: one value too many or too few, or the time of the wrong one.
    ("first = until - spans[s, k, LENGTH] + back", "first = until - spans[s, k, LENGTH]"),
    ("until = fill[s, t] - spans[s, k, LAG]", "until = fill[s, t]"),
    ("tape[s, times + first - back] <= since", "tape[s, times + first - back] < since"),
    ("range(fill[s, 0] - horizon[s, t], ", "range(fill[s, 0] - horizon[s, t] + 1, "),
    # Decay: nothing while a sample is missing, a step of the wrong length.
    ("weight *= decay", "weight *= decay if not np.isnan(r) else 1.0"),
    ("newest_us = time_us[row]", "pass"),
    ("marks[s, NEWEST_US] = time_us[order[first + count - 1]]", "pass"),
]  # fmt: skip


def interpreted(edits: list[tuple[str, str]]) -> dict[str, Any]:
    """Return the modules of the kernel with their text edited and nothing compiled."""
    modules: dict[str, Any] = {}

    plain = SimpleNamespace(
        compiled=lambda *_, **__: lambda function: function, inlined=lambda function: function
    )

    def find(name: str, *rest: Any) -> Any:  # noqa: ANN401 - as __import__
        if name == "pipeline":
            return SimpleNamespace(**modules)
        ours = {f"pipeline.{own}": module for own, module in modules.items()}
        found_here = {"pipeline.compiled": plain, **ours}.get(name)
        return builtins.__import__(name, *rest) if found_here is None else found_here

    found = dict.fromkeys([old for old, _ in edits], 0)
    for name in KERNEL:
        source = Path(pipeline.__file__).with_name(f"{name}.py").read_text(encoding="utf-8")
        for old, new in edits:
            found[old] += source.count(old)
            source = source.replace(old, new)
        # Compiled, it is the machine's; numpy has one of its own.
        source = source.replace("np.log1p(", "log1p(")
        modules[name] = ModuleType(name)
        modules[name].log1p = log1p
        vars(modules[name])["__builtins__"] = {**vars(builtins), "__import__": find}
        exec(compile(source, f"{name}.py", "exec"), vars(modules[name]))  # noqa: S102 - our own source
        if name == "wide":
            modules[name].multiply = multiply
    assert all(found.values()), f"expected text of the kernel, found none of {found}"
    return modules


def multiply(a: np.uint64, b: np.uint64) -> tuple[np.uint64, np.uint64]:
    """Do what the machine's instruction does."""
    product = int(a) * int(b)
    return np.uint64(product >> 64), np.uint64(product & (2**64 - 1))


@pytest.fixture
def run_with(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    def use(*edits: tuple[str, str]) -> None:
        kernel = interpreted([SHORT_PIECES, *edits])
        monkeypatch.setattr(windows, "loop", kernel["window_loop"])
        for module in (windows, rolling_sums):
            monkeypatch.setattr(module, "layout", kernel["window_tapes"])

    with np.errstate(all="ignore"):  # limbs wrap, and broken kernels divide by nothing
        yield use


def market(rows: int) -> Samples:
    """One symbol of broken prices, flat ones, moves near e^4, ties in time, and a silence."""
    random = np.random.default_rng(1)
    moves = np.where(random.random(rows) < 0.2, 0.0, random.standard_t(3, rows) * 1e-3)
    moves[30:50] = np.tile([2.5, 1.6, -3.9, 3.99, -4.1], 4)
    moves[90] = 0.02
    times = np.cumsum(random.choice([0, 0, S, S, 3 * S], rows))
    times[110:] += 90 * S
    close = 100.0 * np.exp(np.cumsum(moves))
    close[[5, 71, 72, 100]] = np.nan, 0.0, -1.0, np.nan
    given = samples(close, times, random.integers(-1, 5, rows).tolist())
    return replace(given, complete=random.random(rows) < 0.9)


BY_COUNT = [
    R("squares", 12, lag=3, horizon=3, need=2),
    R("trimmed_squares", 12, lag=3, horizon=3, need=2),
    R("returns", 5),
    R("squares", 9, lag=2),
    R("deviations", 10),
    R("products", 8),
    R("signed_products", 7, lag=1),
    R("trades", 6),
    R("returns", 10),
    R("deviations", 10, lag=1, need=4),
    R("returns", 10, lag=1, need=3),
]
BY_DURATION = [
    R("squares", duration_us=10 * S, lag=1),
    R("trimmed_squares", duration_us=10 * S, lag=1),
    R("deviations", duration_us=25 * S),
    R("returns", duration_us=25 * S, need=4),
    R("products", duration_us=5 * S),
    R("trades", duration_us=25 * S),
    R("signed_products", 6),
]
TRIM = Trim(sigmas=2.0, floor=5e-4, tick=0.2)


def check(sums: list[RollingSum], *, timed: bool) -> None:
    """Push two symbols in uneven parts, restored in between, and compare with the definitions."""
    one, rows = market(160), 160
    order = np.repeat(np.arange(rows), 2)
    both = taken(one, order)
    both.symbol_index[1::2] = 1
    both.close[1::2] *= 1.5
    parts, windows = [], None
    for a, b in pairwise([0, 1, 40, 150, 151, 290, 320]):
        kept = None if windows is None else [windows.snapshot(symbol) for symbol in range(2)]
        windows = Windows([sums, sums], [4.0], [TRIM, TRIM], timed=timed)
        for symbol, snapshot in enumerate(kept or []):
            windows.restore(symbol, snapshot)
        parts.append(windows.push(taken(both, slice(a, b))))
    columns = joined(parts)
    for symbol in range(2):
        mine, rows_of = slice(symbol, None, 2), taken(both, slice(symbol, None, 2))
        own = type(columns)(
            columns.log_return[mine], columns.sound[mine], columns.values[:, mine],
            columns.terms[:, mine], columns.ewma[:, mine],
        )  # fmt: skip
        assert differences(own, sums, rows_of, TRIM) == []
        wanted = ewma(own.log_return, 4.0, one.time_us if timed else None)
        assert own.ewma[0] == pytest.approx(wanted, rel=1e-12, nan_ok=True)
        whole = one.complete & np.append(True, one.complete[:-1])
        since = np.arange(rows) - np.maximum.accumulate(np.where(whole, -1, np.arange(rows)))
        assert (np.minimum(own.sound, 7) == np.minimum(since, 7)).all()


def check_limbs() -> None:
    """Sums of the largest squares there are, beyond 128 bits and back, and of tiny ones."""
    # From the least price there is to the largest: the squared sum borrows from the third limb.
    rise = 1e-12 * np.exp(np.cumsum(np.tile([0.1, 3.84], 14)))
    close = np.concatenate([np.tile([1.0, 54.0], 300), rise, 1.0 + np.arange(100) * 1e-12])
    sums = [R("squares", 300), R("deviations", 300), R("signed_products", 300), R("deviations", 28)]
    given = samples(close)
    columns = Windows([sums]).push(given)
    assert differences(columns, sums, given) == []


def check_all() -> None:
    check(BY_COUNT, timed=False)
    check(BY_DURATION, timed=True)
    check_limbs()


def test_kernel_as_it_is_passes(run_with: Any) -> None:  # noqa: ANN401 - a function of edits
    run_with()
    check_all()


@pytest.mark.parametrize("edit", MUTANTS, ids=lambda edit: f"{edit[0]} -> {edit[1]}")
def test_broken_kernel_is_caught(run_with: Any, edit: tuple[str, str]) -> None:  # noqa: ANN401 - as above
    run_with(edit)
    with pytest.raises((AssertionError, IndexError, ValueError, KeyError)):
        check_all()
