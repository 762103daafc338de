"""Which trade ids of a symbol are live, backfilled, pending or lost.

Between its first and its last id every one is exactly one of the four.

Trades leave in id order. Those behind a hole are held until the hole is healed by a backfill, or
given up as lost; then they leave with the first one marked as following a loss.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipeline.bars import TRADE_ROW

if TYPE_CHECKING:
    from numpy.typing import NDArray

_EMPTY = np.empty(0, dtype=TRADE_ROW)

#: No market trades so often that ids jump this far ahead: such an id is broken data.
MAX_JUMP = 100_000_000


class TradeLedger:
    """The trade ids of one symbol whose venue numbers trades without holes.

    Attributes:
        first_id: The first id accounted for; null before the first trade.
        live: Ids read from the stream.
        backfilled: Ids fetched over REST.
        lost: Ids given up.
        duplicates: Rows whose id was there already; they are dropped.
        implausible: Rows whose id is too far ahead of all others; they are dropped.
    """

    def __init__(self, max_held: int) -> None:
        """Hold at most `max_held` trades behind a hole; then the hole is lost."""
        self.first_id: int | None = None
        self.live = 0
        self.backfilled = 0
        self.lost = 0
        self.duplicates = 0
        self.implausible = 0
        self._max_held = max_held
        self._next_id = 0
        self._expected_id = 0
        self._after_loss = False
        self._held = _EMPTY

    @property
    def last_id(self) -> int | None:
        """The highest id known, null before the first trade."""
        if self.first_id is None:
            return None
        held_id = int(self._held["trade_id"][-1]) if len(self._held) else 0
        return max(self._next_id - 1, held_id, self._expected_id)

    @property
    def pending(self) -> int:
        """Ids that are missing up to the highest known."""
        last_id = self.last_id
        return 0 if last_id is None else last_id - self._next_id + 1 - len(self._held)

    @property
    def coverage_frac(self) -> float:
        """Share of the ids from first to last that are here; 1 before the first trade."""
        here = self.live + self.backfilled
        known = here + self.pending + self.lost
        return here / known if known else 1.0

    def holes(self) -> list[tuple[int, int]]:
        """Return the missing id ranges, both ends inclusive, in order."""
        last_id = self.last_id
        if last_id is None:
            return []
        here = np.concatenate([[self._next_id - 1], self._held["trade_id"], [last_id + 1]])
        before = np.flatnonzero(np.diff(here) > 1)
        return [(int(here[at]) + 1, int(here[at + 1]) - 1) for at in before]

    def expect(self, first_id: int, last_id: int) -> None:
        """Take it that the venue has issued these ids, both ends inclusive.

        A symbol without a trade yet starts at `first_id`.
        """
        if self.first_id is None:
            self.first_id = self._next_id = first_id
        self._expected_id = max(self._expected_id, last_id)

    def admit(self, trades: NDArray[np.void]) -> NDArray[np.void]:
        """Take rows of one symbol in any order; return those whose turn it is, in id order."""
        if not len(trades):
            return _EMPTY
        if self.first_id is None:
            self.first_id = self._next_id = int(trades["trade_id"].min())
        plausible = trades["trade_id"] < self._next_id + MAX_JUMP
        if not plausible.all():
            self.implausible += int(np.count_nonzero(~plausible))
            return self.admit(trades[plausible])
        ids = trades["trade_id"]
        in_turn = ids[0] == self._next_id and bool((np.diff(ids) == 1).all())
        if in_turn and not len(self._held):
            self._count(trades)
            return self._release(trades)
        self._hold(trades)
        if len(self._held) > self._max_held:
            return self.give_up(int(self._held["trade_id"][-1]))
        return self._release_run()

    def give_up(self, last_id: int) -> NDArray[np.void]:
        """Declare every missing id up to `last_id` lost; return what waited for them, in order."""
        released = [_EMPTY]
        for first, last in self.holes():
            if first <= last_id:
                lost_until = min(last, last_id)
                self.lost += lost_until - first + 1
                self._next_id = lost_until + 1
                self._after_loss = True
                released.append(self._release_run())
        return np.concatenate(released)

    def forget_beyond(self, last_id: int) -> None:
        """Drop the held rows beyond an id: the venue has not issued them."""
        stray = self._held["trade_id"] > last_id
        live = int(np.count_nonzero(self._held["live"][stray]))
        count = int(np.count_nonzero(stray))
        self.implausible += count
        self.live -= live
        self.backfilled -= count - live
        self._held = self._held[~stray].copy()
        self._expected_id = min(self._expected_id, last_id)

    def _hold(self, trades: NDArray[np.void]) -> None:
        """Add the rows that are new to those held, in id order; the first copy of an id stays."""
        both = np.concatenate([self._held, trades[trades["trade_id"] >= self._next_id]])
        _, first_copy = np.unique(both["trade_id"], return_index=True)
        # What was held comes first in `both`, so every kept index beyond it is a new row.
        new = both[np.sort(first_copy[first_copy >= len(self._held)])]
        self.duplicates += len(trades) - len(new)
        self._count(new)
        self._held = both[first_copy]

    def _count(self, new: NDArray[np.void]) -> None:
        live = int(np.count_nonzero(new["live"]))
        self.live += live
        self.backfilled += len(new) - live

    def _release_run(self) -> NDArray[np.void]:
        """Release the held rows that follow without a hole."""
        expected = np.arange(self._next_id, self._next_id + len(self._held))
        out_of_turn = np.flatnonzero(self._held["trade_id"] != expected)
        turn = int(out_of_turn[0]) if len(out_of_turn) else len(self._held)
        # The rest is copied, so that a long run is not kept in memory by what is behind it.
        run, self._held = self._held[:turn], self._held[turn:].copy()
        return self._release(run)

    def _release(self, run: NDArray[np.void]) -> NDArray[np.void]:
        if len(run):
            run["after_loss"][0] = self._after_loss
            self._after_loss = False
            self._next_id = int(run["trade_id"][-1]) + 1
        return run
