"""The compiled loops of the ledger: which trades come in their turn."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import boolean, int32, int64, void

from pipeline.compiled import compiled
from pipeline.marks import NEVER
from pipeline.signatures import given, together

#: No market trades so often that ids jump this far ahead: such an id is broken data.
MAX_JUMP = 100_000_000

_IDS = given(int64)


@compiled(void(given(int32), _IDS, int64[::1], int64[::1], int64[::1], boolean[::1]))
def follow(
    symbol_index: Any,
    trade_id: Any,
    first_id: Any,
    next_id: Any,
    reached: Any,
    unusual: Any,
) -> None:
    """Follow the ids of every symbol as long as each comes in its turn.

    Args:
        symbol_index: Row by row, in arrival order.
        trade_id: Row by row.
        first_id: Per symbol, NEVER before its first trade; its first row sets it,
        next_id: and this: the id whose turn it is.
        reached: In: as `next_id`, or NEVER where no row can be in turn. Out: the id after the
            newest row; it means nothing for an unusual symbol.
        unusual: Set for the symbols with a row that is not in turn.
    """
    for row in range(np.uint64(len(trade_id))):  # unsigned: no place from the end of an array
        s = np.uint64(symbol_index[row])
        at = trade_id[row]
        if at != reached[s]:
            if first_id[s] == NEVER:
                first_id[s] = next_id[s] = at
            else:
                unusual[s] = True
        reached[s] = at + 1


_OUT = together(int64[:, ::1], boolean[::1], int64[:, ::1], boolean[::1])


@compiled(void(_IDS, _IDS, int64, int64, int64[::1], int64[::1], _OUT), counted=True)
def take_turns(
    distinct: Any,
    rank: Any,
    held: Any,
    max_held: Any,
    state: Any,
    here: Any,
    out: Any,
) -> None:
    """Admit the rows of one symbol one after another.

    Each id is released when all before it are released or lost. When more than `max_held` rows
    wait, the first hole is lost.

    Args:
        distinct: The ids of all rows, ascending, each once.
        rank: Row by row, the position of its id in `distinct`.
        held: How many rows, at the start, wait already; the others arrive now.
        max_held: As above.
        state: In and out: the id whose turn it is, and whether the next row follows a loss. Out:
            how many rows were duplicates, implausible and released, and how many ranges were lost.
        here: Per distinct id the row that has it, -1 without one; filled.
        out: Arrays to write. The row that was released, and the row whose arrival released it; for
            each of them whether it follows a loss; the first and the last id of each range that was
            lost; row by row whether it was a duplicate, set where it was.
    """
    released, after_loss, losses, repeats = out
    next_id, follows_loss = state[0], state[1]
    here[rank[:held]] = np.arange(held)
    cursor = np.searchsorted(distinct, next_id)
    waiting = held
    count = lost = 0
    for row in range(held, len(rank)):
        at = rank[row]
        if distinct[at] < next_id or here[at] >= 0:
            state[2] += 1
            repeats[row] = True
            continue
        if distinct[at] - next_id >= MAX_JUMP:
            state[3] += 1
            continue
        here[at] = row
        waiting += 1
        while True:
            while cursor < len(distinct) and distinct[cursor] == next_id and here[cursor] >= 0:
                released[count, 0], released[count, 1] = here[cursor], row
                after_loss[count] = follows_loss == 1
                follows_loss = 0
                count += 1
                cursor += 1
                next_id += 1
                waiting -= 1
            if waiting <= max_held:
                break
            while here[cursor] < 0:
                cursor += 1
            losses[lost, 0], losses[lost, 1] = next_id, distinct[cursor] - 1
            lost += 1
            next_id = distinct[cursor]
            follows_loss = 1
    state[0], state[1], state[4], state[5] = next_id, follows_loss, count, lost
