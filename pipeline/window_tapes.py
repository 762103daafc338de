"""The tapes that windows run over: a symbol's newest values in time order, one a sample.

Compiled, on plain arrays. Every sample puts one value on every tape. Before the first there is as
much MISSING as a window may look back on; a full tape is moved so that what the windows still need
comes first.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.compiled import compiled, inlined

#: Returns are counted in units of 2^-58: 17 digits of resolution.
UNIT = 2.0**-58

#: A return beyond this is a broken price, not a move: it is missing instead.
MAX_RETURN = 4.0

#: Beyond these no price is one; between them the return of any horizon is unambiguous in 64 bits.
LOWEST_PRICE, HIGHEST_PRICE = 1e-12, 1e12

#: In place of a value that is not known.
MISSING = np.iinfo(np.int64).min

#: So many samples of a symbol at most go through the loops at once.
PIECE = 512

# What a tape holds, and the columns that describe it: what, where it starts in a symbol's storage,
# how many values have room, how many must stay, and for trimmed ones the sum that tells outliers.
STEP_RETURNS, HORIZON_RETURNS, TRIMMED_RETURNS, TRADES, TIMES = range(5)
KIND, START, CAPACITY, REACH, SCALE = range(5)

# What a sum adds up, the columns that describe it, and those of its window. A sum can be told of
# the totals of another, which leads it: its own place, if none does. `LEADS` says that it leads.
VALUES, DEVIATIONS, SQUARES, PRODUCTS, SIGNED_PRODUCTS = range(5)
OF, TAPE, LEAD, LEADS = range(4)
LENGTH, LAG, NEED, DURATION_US = range(4)

# Per symbol and sum, beside its limbs (and, for deviations, those of the values): the top limb,
# the terms in the window, and the oldest place in a window by duration.
TOP, TERMS, LEFT = range(3)

# Per symbol: how many samples there were, and how many since the last incomplete bar, both counted
# no further than the longest window; whether the last bar was complete; the times of the first and
# the newest sample.
SEEN, SOUND, WAS_COMPLETE, FIRST_US, NEWEST_US = range(5)

# Per symbol, what outliers are told by.
SIGMAS, FLOOR, HALF_TICK = range(3)


@compiled("void(int32[::1], int64[::1], int64[::1])", counted=True)
def group(symbol_index: Any, order: Any, starts: Any) -> None:
    """List rows by symbol, in row order for each: those of symbol s start at `starts[s]`."""
    starts[:] = 0
    for row in range(len(symbol_index)):
        starts[symbol_index[row] + 1] += 1
    for s in range(1, len(starts)):
        starts[s] += starts[s - 1]
    place = starts.copy()
    for row in range(len(symbol_index)):
        s = symbol_index[row]
        order[place[s]] = row
        place[s] += 1


@compiled("int64(float64, float64)")
def log_step(before: Any, after: Any) -> Any:
    """Return the log return between two prices in units, MISSING where there is none."""
    if not (LOWEST_PRICE <= before <= HIGHEST_PRICE and LOWEST_PRICE <= after <= HIGHEST_PRICE):
        return MISSING
    # log1p keeps the digits that log(after / before) loses near 1.
    r = np.log1p((after - before) / before)
    return np.int64(np.rint(r / UNIT)) if abs(r) <= MAX_RETURN else MISSING


@inlined
def _move(s: Any, t: Any, gone: Any, settings: Any, state: Any) -> None:
    """Drop the oldest values of a tape."""
    tape, fill = state[0], state[1]
    start = settings[0][t, START]
    for at in range(start, start + fill[s, t] - gone):
        tape[s, at] = tape[s, at + gone]
    fill[s, t] -= gone


@inlined
def make_room(s: Any, count: Any, settings: Any, state: Any) -> Any:
    """Make room for `count` samples on every tape; return false when the tapes must grow."""
    tapes, spans, timed = settings[0], settings[3], settings[6]
    fill, sums = state[1], state[5]
    for t in range(len(tapes)):
        if fill[s, t] + count <= tapes[t, CAPACITY]:
            continue
        gone = fill[s, t] - tapes[t, REACH]
        for k in range(sums.shape[1]):
            if spans[s, k, DURATION_US] > 0:
                gone = min(gone, sums[s, k, LEFT] - 1)
        # A tape that is nearly full again at once would be moved for every piece.
        if fill[s, t] - gone + count > tapes[t, CAPACITY] // 4 * 3:
            return False
        if timed:  # then places on one tape are places on all
            for other in range(len(tapes)):
                _move(s, other, gone, settings, state)
            for k in range(sums.shape[1]):
                sums[s, k, LEFT] -= gone
            return True
        _move(s, t, gone, settings, state)
    return True


@inlined
def record(
    s: Any,
    first: Any,
    count: Any,
    rows: Any,
    settings: Any,
    state: Any,
    out: Any,
) -> None:
    """Put the returns of rows on the first tape, and what else rows bring on theirs."""
    _, order, time_us, price, complete, trades = rows
    tapes = settings[0]
    tape, fill, marks, close = state[0], state[1], state[2], state[3]
    log_return, sound = out[0], out[1]
    longest = settings[7]
    at = tapes[0, START] + fill[s, 0]
    before, sound_now, was_complete = close[s], marks[s, SOUND], marks[s, WAS_COMPLETE] == 1
    for j in range(count):
        row = order[first + j]
        q = log_step(before, price[row])
        before = price[row]
        tape[s, at + j] = q
        log_return[row] = q * UNIT if q != MISSING else np.nan
        whole = complete[row] and was_complete
        sound_now = min(sound_now + 1, longest) if whole else 0
        was_complete = complete[row]
        sound[row] = sound_now
    close[s], marks[s, SOUND], marks[s, WAS_COMPLETE] = before, sound_now, was_complete
    for t in range(1, len(tapes)):
        at = tapes[t, START] + fill[s, t]
        if tapes[t, KIND] == TRADES:
            for j in range(count):
                n = trades[order[first + j]]
                tape[s, at + j] = n if n >= 0 else MISSING
        elif tapes[t, KIND] == TIMES:
            for j in range(count):
                tape[s, at + j] = time_us[order[first + j]]


@inlined
def span_horizons(s: Any, count: Any, settings: Any, state: Any) -> None:
    """Put the returns over several steps on their tapes: exact sums of one-step returns."""
    tapes, horizon = settings[0], settings[1]
    tape, fill, rolled = state[0], state[1], state[4]
    for t in range(1, len(tapes)):
        if tapes[t, KIND] != HORIZON_RETURNS:
            continue
        total, valid = rolled[s, t, 0], rolled[s, t, 1]
        for j in range(count):
            p = tapes[0, START] + fill[s, 0] + j
            if tape[s, p] != MISSING:
                total += tape[s, p]
                valid += 1
            if tape[s, p - horizon[s, t]] != MISSING:
                total -= tape[s, p - horizon[s, t]]
                valid -= 1
            known = valid == horizon[s, t] and abs(total) <= MAX_RETURN / UNIT
            tape[s, tapes[t, START] + fill[s, t] + j] = total if known else MISSING
        rolled[s, t, 0], rolled[s, t, 1] = total, valid


@inlined
def trim(
    s: Any,
    t: Any,
    first: Any,
    count: Any,
    rows: Any,
    settings: Any,
    state: Any,
    out: Any,
) -> None:
    """Put trimmed returns on their tape: as sizes, an outlier's being one root mean square.

    That is made of exact sums and turned back into an integer before it is summed.
    """
    tapes, kinds, trims = settings[0], settings[2], settings[4]
    tape, fill = state[0], state[1]
    order, price = rows[1], rows[3]
    k = tapes[t, SCALE]
    source = kinds[k, TAPE]
    for j in range(count):
        row = order[first + j]
        size = tape[s, tapes[source, START] + fill[s, source] + j]
        if size != MISSING:
            size = abs(size)
            if not np.isnan(out[2][k, row]):
                floor = max(trims[s, FLOOR], trims[s, HALF_TICK] / price[row])
                square = max(out[2][k, row] / out[3][k, row], floor * floor)
                scale = np.sqrt(square)
                if size * UNIT > trims[s, SIGMAS] * scale:
                    size = np.int64(np.rint(scale / UNIT))
        tape[s, tapes[t, START] + fill[s, t] + j] = size
