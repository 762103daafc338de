"""Which trade ids are live, backfilled, pending or lost.

Between the first and the last id of a symbol every one is exactly one of the four. When a venue
starts the numbering of a symbol anew, a new range of ids begins: `first_id` and `last_id` are those
of the newest range, and the counts go on adding up, so that together they are the ids of all its
ranges.

Trades leave in id order. Those behind a hole are held until the hole is healed by a backfill, or
given up as lost; then they leave with the first one marked as following a loss. All of this is
defined row by row in arrival order, so that it does not depend on how rows are cut into steps.

A lost id that comes after all is recovered: it is lost no more, and its trade is handed out apart.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import numpy as np

from pipeline.id_ranges import IdRanges
from pipeline.ledger_loop import follow, take_turns
from pipeline.marks import NEVER
from pipeline.trade_columns import NO_TRADES, TradeColumns

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

#: Of each symbol, so many ranges of lost ids are remembered: the newest. Of a range that is
#: forgotten no id can be recovered any more.
MAX_LOSSES = 10_000

#: The columns of trades that wait, as a snapshot has them; they are all of one symbol.
_HELD = [name for name in TradeColumns.__slots__ if name != "symbol_index"]


class Ledger:
    """The trade ids of a shard's symbols, whose venue numbers the trades of each without holes.

    Args:
        symbols: How many.
        max_held: Trades of a symbol that wait; when there are more, its first hole is lost.

    Attributes:
        first_id: Per symbol, the first id accounted for; NEVER before the first trade.
        live: Ids read from the stream.
        backfilled: Ids fetched over REST.
        lost: Ids given up.
        duplicates: Rows whose id was there already; they are dropped.
        implausible: Rows whose id is too far ahead of all others; they are dropped.
    """

    def __init__(self, symbols: int, max_held: int) -> None:
        self._max_held = max_held
        self._numbers = np.zeros((9, symbols), dtype=np.int64)
        self.first_id, self.live, self.backfilled, self.lost = self._numbers[:4]
        self.duplicates, self.implausible = self._numbers[4:6]
        #: Every id below is settled: it left, it leaves with the next rows, or it is lost.
        self._next_id, self._expected_id, self._follows_loss = self._numbers[6:]
        self.first_id[:] = NEVER
        self._expected_id[:] = NEVER
        self._held: dict[int, TradeColumns] = {}  # in id order
        self._waiting = np.zeros(symbols, dtype=np.int64)  # held, and not settled
        self._ready = np.zeros(symbols, dtype=np.bool_)  # something held is settled
        self._newest_held = np.full(symbols, NEVER)
        self._losses: dict[int, deque[tuple[int, int]]] = {}
        self._gaps: dict[int, IdRanges] = {}
        self._recovered: list[TradeColumns] = []

    @property
    def last_id(self) -> NDArray[np.int64]:
        """Per symbol, the highest id known; NEVER before the first trade."""
        newest = np.maximum(np.maximum(self._next_id - 1, self._expected_id), self._newest_held)
        return np.where(self.first_id == NEVER, NEVER, newest)

    @property
    def pending(self) -> NDArray[np.int64]:
        """Per symbol, the ids that are missing up to the highest known."""
        missing = self.last_id - (self._next_id - 1) - self._waiting
        return np.where(self.first_id == NEVER, 0, missing)

    @property
    def tail_lost(self) -> NDArray[np.bool_]:
        """Per symbol, whether ids after that of the newest row that left are lost."""
        return np.asarray(self._follows_loss, dtype=np.bool_)

    def holes(self, index: int) -> list[tuple[int, int]]:
        """Return the missing id ranges of a symbol, both ends inclusive, in order."""
        if not self.pending[index]:
            return []
        settled, last_id = int(self._next_id[index]) - 1, int(self.last_id[index])
        held = self._held_ids(index)
        here = np.concatenate([[settled], held[held > settled], [last_id + 1]])
        before = np.flatnonzero(np.diff(here) > 1)
        return [(int(here[at]) + 1, int(here[at + 1]) - 1) for at in before]

    def lost_ranges(self, index: int) -> list[tuple[int, int]]:
        """Return the ids of a symbol that are lost, as ranges with both ends inclusive, in order.

        The newest MAX_LOSSES of them.
        """
        return list(self._gaps.get(index, ()))

    def recovered(self) -> TradeColumns:
        """Return and forget the rows of lost ids that came since the last call."""
        recovered, self._recovered = self._recovered, []
        return TradeColumns.join(recovered) if recovered else NO_TRADES

    def close_tail(self, index: int) -> None:
        """Take it that the recovered ids of a symbol are where they belong.

        Where none is missing before it, its next trade follows no loss.
        """
        *_, newest_lost = [NEVER, *(last for _, last in self.lost_ranges(index))]
        if newest_lost != self._next_id[index] - 1:
            self._follows_loss[index] = 0

    def losses(self) -> dict[int, list[tuple[int, int]]]:
        """Return and forget the id ranges that were given up, in that order, both ends inclusive.

        Of each symbol that lost any, the newest MAX_LOSSES since the last call.
        """
        losses = {index: list(ranges) for index, ranges in self._losses.items()}
        self._losses = {}
        return losses

    def expect(self, index: int, first_id: int, last_id: int) -> None:
        """Take it that the venue has issued these ids of a symbol, both ends inclusive.

        A symbol without a trade yet starts at `first_id`.
        """
        if self.first_id[index] == NEVER:
            self.first_id[index] = self._next_id[index] = first_id
        self._expected_id[index] = max(self._expected_id[index], last_id)

    def admit(self, trades: TradeColumns) -> TradeColumns:
        """Take rows in arrival order; return those whose turn came, in the order it came in.

        A symbol starts at the id of its first row.
        """
        blocked = (self._waiting > 0) | self._ready | (self._follows_loss == 1)
        reached = np.where(blocked | (self.first_id == NEVER), NEVER, self._next_id)
        unusual = np.zeros(len(blocked), dtype=np.bool_)
        ids = trades.trade_id
        follow(trades.symbol_index, ids, self.first_id, self._next_id, reached, unusual)
        usual = (reached > self._next_id) & ~unusual
        self._pass_on(trades, usual, reached)
        unusual |= self._ready
        if not unusual.any():
            return trades
        return self._with_unusual(trades, unusual)

    def give_up(self, index: int, last_id: int) -> None:
        """Declare every missing id of a symbol up to `last_id` lost.

        What waited for them leaves before the next rows.
        """
        held = self._held_ids(index)
        holes = self.holes(index)
        # The run behind a hole ends at the next hole, or with the last that is known.
        starts = [*(first for first, _ in holes), int(self.last_id[index]) + 1]
        for (first, last), end in zip(holes, starts[1:], strict=True):
            if first > last_id:
                break
            lost_until = min(last, last_id)
            self._lose(index, first, lost_until)
            at = int(np.searchsorted(held, lost_until + 1))
            run_follows = at < len(held) and held[at] == lost_until + 1
            if run_follows:
                self._held[index].after_loss[at] = True
            self._follows_loss[index] = not run_follows
            self._next_id[index] = end if run_follows else lost_until + 1
        self._hold(index, self._held.get(index))

    def forget_beyond(self, index: int, last_id: int) -> None:
        """Drop the waiting rows of a symbol beyond an id: the venue has not issued them."""
        self._expected_id[index] = min(self._expected_id[index], last_id)
        if index in self._held:
            held = self._held[index]
            stray = held.trade_id >= max(last_id + 1, self._next_id[index])
            live = np.count_nonzero(held.live[stray])
            count = np.count_nonzero(stray)
            self.implausible[index] += count
            self.live[index] -= live
            self.backfilled[index] -= count - live
            self._hold(index, held.take(~stray))

    def relist(self, index: int) -> None:
        """Begin a new range of ids with the next trade of a symbol that holds none."""
        self.first_id[index] = self._expected_id[index] = NEVER
        self._next_id[index] = self._follows_loss[index] = 0
        self._gaps.pop(index, None)

    def snapshot(self, index: int) -> dict[str, NDArray[np.generic]]:
        """Return what is known of a symbol as arrays."""
        losses = np.array(self._losses.get(index, []), dtype=np.int64).reshape(-1, 2)
        gaps = np.array(self.lost_ranges(index), dtype=np.int64).reshape(-1, 2)
        held = self._held.get(index, NO_TRADES)
        return {
            "numbers": self._numbers[:, index].copy(),
            "lost_first": losses[:, 0].copy(),
            "lost_last": losses[:, 1].copy(),
            "gap_first": gaps[:, 0].copy(),
            "gap_last": gaps[:, 1].copy(),
            **{f"held_{name}": getattr(held, name) for name in _HELD},
        }

    def restore(self, index: int, arrays: Mapping[str, NDArray[np.generic]]) -> None:
        """Continue a symbol from what `snapshot` returned."""
        self._numbers[:, index] = arrays["numbers"]
        ranges = zip(arrays["lost_first"].tolist(), arrays["lost_last"].tolist(), strict=True)
        self._losses.pop(index, None)
        for first, last in ranges:
            self._remember(index, first, last)
        gaps = zip(arrays["gap_first"].tolist(), arrays["gap_last"].tolist(), strict=True)
        self._gaps[index] = IdRanges(gaps, capacity=MAX_LOSSES)
        columns = {name: np.array(arrays[f"held_{name}"]) for name in _HELD}
        symbol_index = np.full(len(columns["trade_id"]), index, dtype=np.int32)
        self._hold(index, TradeColumns(symbol_index=symbol_index, **columns))

    def _pass_on(
        self, trades: TradeColumns, usual: NDArray[np.bool_], reached: NDArray[np.int64]
    ) -> None:
        """Count the rows of the symbols that are in turn throughout."""
        count = np.where(usual, reached - self._next_id, 0)
        self._next_id += count
        fetched = np.zeros_like(count)
        if not trades.live.all():
            of = trades.symbol_index[~trades.live]
            fetched = np.where(usual, np.bincount(of, minlength=len(count)), 0)
        self.live += count - fetched
        self.backfilled += fetched

    def _with_unusual(self, trades: TradeColumns, unusual: NDArray[np.bool_]) -> TradeColumns:
        """Admit the rows of unusual symbols one symbol at a time, those of the others as they are.

        Each row takes the place of the one that it waited for.
        """
        theirs = unusual[trades.symbol_index]
        rows = np.flatnonzero(~theirs)
        parts, turns = [trades.take(rows)], [rows]
        rows = np.flatnonzero(theirs)
        rows = rows[np.argsort(trades.symbol_index[rows], kind="stable")]
        indexes = np.flatnonzero(unusual)
        ends = np.searchsorted(trades.symbol_index[rows], indexes, side="right")
        for index, mine in zip(indexes.tolist(), np.split(rows, ends[:-1]), strict=True):
            part, turn = self._admit_one(index, trades.take(mine))
            parts.append(part)
            # What was ready before comes before every row.
            turns.append(np.concatenate([mine, [-1]])[turn])
        order = np.argsort(np.concatenate(turns), kind="stable")
        return TradeColumns.join(parts).take(order)

    def _admit_one(
        self, index: int, arrived: TradeColumns
    ) -> tuple[TradeColumns, NDArray[np.int64]]:
        """Admit the rows of one symbol.

        Returns:
            Those that leave, in id order, and for each the position of the row that it waited for
            in `arrived`, -1 where it was ready before.
        """
        held = self._held.get(index, NO_TRADES)
        ready = int(np.searchsorted(held.trade_id, self._next_id[index]))
        waiting = len(held) - ready
        rows = TradeColumns.join([held.take(slice(ready, None)), arrived])
        distinct, rank = np.unique(rows.trade_id, return_inverse=True)
        state = np.zeros(6, dtype=np.int64)
        state[:2] = self._next_id[index], self._follows_loss[index]
        here = np.full(len(distinct), -1)
        released = np.empty((len(rows), 2), dtype=np.int64)
        after_loss = np.empty(len(rows), dtype=np.bool_)
        losses = np.empty((len(arrived), 2), dtype=np.int64)
        repeats = np.zeros(len(rows), dtype=np.bool_)
        out = released, after_loss, losses, repeats
        take_turns(distinct, rank, waiting, self._max_held, state, here, out)
        count, lost = state[4:]
        for first, last in losses[:lost].tolist():
            self._lose(index, first, last)
        self._next_id[index], self._follows_loss[index] = state[:2]
        self.duplicates[index] += state[2]
        self.implausible[index] += state[3]
        self._recover(index, rows, np.flatnonzero(repeats))
        left, turn = released[:count].T
        kept = here[(here >= 0) & (distinct >= state[0])]
        new = np.concatenate([left, kept])
        new = new[new >= waiting]
        live = np.count_nonzero(rows.live[new])
        self.live[index] += live
        self.backfilled[index] += len(new) - live
        rows.after_loss[left] = after_loss[:count]
        self._hold(index, rows.take(kept))
        leaving = TradeColumns.join([held.take(slice(ready)), rows.take(left)])
        return leaving, np.concatenate([np.full(ready, -1), turn - waiting])

    def _recover(self, index: int, rows: TradeColumns, repeats: NDArray[np.int64]) -> None:
        """Find, among rows that came too late to wait for, those of lost ids."""
        if not self._gaps.get(index):
            return
        found = rows.take(repeats[self._gaps[index].take(rows.trade_id[repeats])])
        live = np.count_nonzero(found.live)
        self.duplicates[index] -= len(found)
        self.lost[index] -= len(found)
        self.live[index] += live
        self.backfilled[index] += len(found) - live
        if len(found):
            self._recovered.append(found)

    def _hold(self, index: int, held: TradeColumns | None) -> None:
        """Keep rows of a symbol, in id order, until they leave."""
        self._held.pop(index, None)
        ids = NO_TRADES.trade_id
        if held is not None and len(held):
            self._held[index] = held
            ids = held.trade_id
        settled = int(np.searchsorted(ids, self._next_id[index]))
        self._ready[index] = settled > 0
        self._waiting[index] = len(ids) - settled
        self._newest_held[index] = ids[-1] if len(ids) else NEVER

    def _held_ids(self, index: int) -> NDArray[np.int64]:
        return self._held.get(index, NO_TRADES).trade_id

    def _lose(self, index: int, first: int, last: int) -> None:
        self.lost[index] += last - first + 1
        self._gaps.setdefault(index, IdRanges(capacity=MAX_LOSSES)).append(first, last)
        self._remember(index, first, last)

    def _remember(self, index: int, first: int, last: int) -> None:
        self._losses.setdefault(index, deque(maxlen=MAX_LOSSES)).append((first, last))
