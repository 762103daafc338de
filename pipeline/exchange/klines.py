"""Klines: one-second bars of whole lots and ticks, so that any longer bar is their exact sum."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from pipeline.durations import DAY, SECOND, parse_duration
from pipeline.exchange.ring import ColumnRing

if TYPE_CHECKING:
    from pipeline.exchange.trades import Int64Array, Listing, Trades

#: The intervals on offer, as Binance writes them. (`1M` is not: a month has no fixed length.)
INTERVALS: Final = {
    name: 7 * DAY if name == "1w" else parse_duration(name)
    for name in "1s 1m 3m 5m 15m 30m 1h 2h 4h 6h 8h 12h 1d 3d 1w".split()  # noqa: SIM905 - readable
}

# Rows of a table of bars. Prices in 1e-8; LOTS in lots; NOTIONAL in ticks times lots; COUNT in
# fills; ids are those of fills, -1 in a bar without any; TAKER_* is what aggressors bought.
OPEN_US, OPEN, HIGH, LOW, CLOSE, LOTS, NOTIONAL, COUNT = range(8)
FIRST_ID, LAST_ID, TAKER_LOTS, TAKER_NOTIONAL = range(8, 12)
_ROWS = 12
_SUMS = [LOTS, NOTIONAL, COUNT, TAKER_LOTS, TAKER_NOTIONAL]

#: One-second bars kept for each symbol: with a bar in every second, 25 hours.
SECONDS_HELD = 90_000

_MONDAY_US = 4 * DAY  # the first Monday after the epoch


def floor_time(time_us: int, every_us: int) -> int:
    """Return the open time of the bar that holds `time_us`; weeks start on Mondays."""
    origin_us = _MONDAY_US if every_us == 7 * DAY else 0
    return time_us - (time_us - origin_us) % every_us


def _combine(bars: Int64Array, starts: Int64Array) -> Int64Array:
    """Merge the bars from each start up to the next."""
    ends = np.append(starts, bars.shape[1])[1:] - 1
    combined = bars[:, starts]
    combined[HIGH] = np.maximum.reduceat(bars[HIGH], starts)
    combined[LOW] = np.minimum.reduceat(bars[LOW], starts)
    combined[CLOSE] = bars[CLOSE, ends]
    combined[LAST_ID] = bars[LAST_ID, ends]
    combined[_SUMS] = np.add.reduceat(bars[_SUMS], starts, axis=1)
    return combined


def _starts(keys: Int64Array) -> Int64Array:
    """Return where each run of equal keys starts."""
    return np.flatnonzero(np.diff(keys, prepend=keys[:1] - 1))


class SecondBars:
    """The one-second bars of one symbol, bounded by SECONDS_HELD."""

    def __init__(self, listing: Listing) -> None:
        self._listing = listing
        self._ring = ColumnRing(_ROWS, SECONDS_HELD)

    def add(self, trades: Trades) -> None:
        """Add trades, at least one, that follow all those added before."""
        bars = np.empty((_ROWS, len(trades)), dtype=np.int64)
        lots = trades.quantity_e8 // self._listing.lot_e8
        bought = 1 - trades.buyer_is_maker
        bars[OPEN_US] = trades.time_us - trades.time_us % SECOND
        bars[OPEN : CLOSE + 1] = trades.price_e8
        bars[LOTS] = lots
        bars[NOTIONAL] = trades.price_e8 // self._listing.tick_e8 * lots
        bars[COUNT] = trades.last_id - trades.first_id + 1
        bars[FIRST_ID] = trades.first_id
        bars[LAST_ID] = trades.last_id
        bars[TAKER_LOTS] = bars[LOTS] * bought
        bars[TAKER_NOTIONAL] = bars[NOTIONAL] * bought
        bars = np.concatenate([self._ring.take_newest(), bars], axis=1)
        self._ring.append(_combine(bars, _starts(bars[OPEN_US])))

    def bars(self, every_us: int, first_us: int, last_us: int) -> Int64Array:
        """Return the bars that open in `[first_us, last_us]`, both of them open times.

        From the first trade held on there is a bar for every interval; one without a trade is flat
        at the close before it.
        """
        held = self._ring.view
        if held.shape[1] == 0:
            return np.empty((_ROWS, 0), dtype=np.int64)
        first_us = max(first_us, floor_time(int(held[OPEN_US, 0]), every_us))
        low, high = np.searchsorted(held[OPEN_US], [first_us, last_us + every_us])
        opens = np.arange(first_us, last_us + 1, every_us)
        bars = np.zeros((_ROWS, len(opens)), dtype=np.int64)
        bars[[FIRST_ID, LAST_ID]] = -1
        # The bar before the asked ones lends its close to a flat start.
        before = max(low - 1, 0)
        place = (held[OPEN_US, before:high] - first_us) // every_us
        starts = _starts(place)
        traded = _combine(held[:, before:high], starts)
        place = place[starts]
        bars[OPEN : CLOSE + 1] = traded[
            CLOSE, np.searchsorted(place, np.arange(len(opens)), side="right") - 1
        ]
        asked = place >= 0
        bars[:, place[asked]] = traded[:, asked]
        bars[OPEN_US] = opens
        return bars

    def total(self, since_us: int) -> Int64Array:
        """Return all bars that open at or after `since_us` as one; no column without a trade."""
        held = self._ring.view
        recent = held[:, np.searchsorted(held[OPEN_US], since_us) :]
        return _combine(recent, np.zeros(min(recent.shape[1], 1), dtype=np.int64))

    def close_before(self, time_us: int) -> int | None:
        """Return the newest close of a second that opened before `time_us`, in 1e-8."""
        held = self._ring.view
        count = int(np.searchsorted(held[OPEN_US], time_us))
        return None if count == 0 else int(held[CLOSE, count - 1])
