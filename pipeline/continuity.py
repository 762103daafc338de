"""The second check of completeness: whether what is in the rows follows without a hole.

That ids grow by one is the ledger's to see. Where a venue's rows are aggregates of trades that it
numbers too (`Continuity.parts_abut`), the numbers inside must abut as well: a row that the venue
numbered wrongly, or that was changed on the way, shows there and nowhere else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from pipeline.venues.protocol import Continuity


class Break(NamedTuple):
    """A row whose parts do not follow those of the row before, though its id does."""

    symbol_index: int
    trade_id: int
    expected_first_id: int
    found_first_id: int


class PartsCheck:
    """Compares each row with the row before it of the same symbol, across calls.

    Rows whose id is not one more than that of the row before are not judged: what is between them
    is missing, or comes out of order, which is the ledger's to tell.

    Args:
        symbols: How many symbols there are.
        continuity: The venue's; where parts need not abut, nothing is a break.
    """

    def __init__(self, symbols: int, continuity: Continuity) -> None:
        self._parts_abut = continuity.parts_abut
        # Of each symbol's newest row: its id, before the first one that no row follows.
        self._trade_id = np.full(symbols, np.iinfo(np.int64).min, dtype=np.int64)
        self._last_id = np.zeros(symbols, dtype=np.int64)

    def breaks(
        self,
        symbol_index: NDArray[np.int32],
        trade_id: NDArray[np.int64],
        first_id: NDArray[np.int64],
        last_id: NDArray[np.int64],
    ) -> list[Break]:
        """Return the breaks among new rows, symbol by symbol, in the order of the rows.

        For any cut of the rows into calls they are the same in number and kind.

        Args:
            symbol_index: Position of the row's symbol.
            trade_id: As the venue numbers the rows.
            first_id: Of the first part of the row.
            last_id: Of the last part.
        """
        if not self._parts_abut or not len(trade_id):
            return []
        order = np.argsort(symbol_index, kind="stable")
        symbol, ids, firsts, lasts = (
            column[order] for column in (symbol_index, trade_id, first_id, last_id)
        )
        starts = np.flatnonzero(np.diff(symbol, prepend=-1))
        before_id, before_last = np.roll(ids, 1), np.roll(lasts, 1)
        before_id[starts] = self._trade_id[symbol[starts]]
        before_last[starts] = self._last_id[symbol[starts]]
        ends = np.append(starts[1:], len(ids)) - 1
        self._trade_id[symbol[ends]], self._last_id[symbol[ends]] = ids[ends], lasts[ends]
        rows = np.flatnonzero((ids == before_id + 1) & (firsts != before_last + 1))
        columns = (symbol[rows], ids[rows], before_last[rows] + 1, firsts[rows])
        return [Break(*row) for row in zip(*(c.tolist() for c in columns), strict=True)]
