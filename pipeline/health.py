"""What is known of a symbol beside its bars: its ids, its freshness, and what was not right."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numba import boolean, int32, int64, void

from pipeline.compiled import compiled
from pipeline.durations import MILLISECOND, SECOND
from pipeline.marks import NEVER
from pipeline.schema import HEALTH, TIME
from pipeline.signatures import given

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from pipeline.analysis import Analysis
    from pipeline.books import BookState
    from pipeline.closed_bars import ClosedBars
    from pipeline.conditions import FeedState
    from pipeline.ledger import Ledger
    from pipeline.trade_columns import TradeColumns


#: Columns of HEALTH about order books, and where they are in `BookState`.
_OF_BOOKS = {name: name for name in ("bid", "ask", "imbalance")} | {
    f"book_{name}": name for name in ("updates", "coalesced", "dropped", "resyncs")
}


class Tallies:
    """What each symbol has had, beside its trade ids.

    Attributes:
        rejected: Per symbol, messages that were not market data.
        late: Rows that came after their bar.
        bars: Bars that closed.
        incomplete_bars: Those of them that miss lost trades.
        restated: Bars that were told again, each time they were.
        breaks: Rows that follow by their id, and whose parts do not follow.
        last_trade_us: Event time of the newest applied trade; NEVER before the first.
        lag_us: Event to receive of the newest live one, on corrected clocks; NEVER before it.
        last_price: Of the newest trade or traded bar; NaN before the first.
    """

    def __init__(self, symbols: int) -> None:
        self._numbers = np.zeros((8, symbols), dtype=np.int64)
        self.rejected, self.late, self.bars, self.incomplete_bars = self._numbers[:4]
        self.restated, self.breaks, self.last_trade_us, self.lag_us = self._numbers[4:]
        self.last_trade_us[:] = NEVER
        self.lag_us[:] = NEVER
        self.last_price = np.full(symbols, np.nan)

    def trade(self, trades: TradeColumns, skew_us: int) -> None:
        """Take applied trades.

        Args:
            trades: In id order for each symbol.
            skew_us: The venue's clock less the one that stamped `receive_us`.
        """
        newest = np.full((2, len(self.bars)), -1)
        _newest_rows(trades.symbol_index, trades.live, newest)
        traded, row = newest[0] >= 0, newest[0]
        self.last_price[traded] = trades.price[row[traded]]
        self.last_trade_us[traded] = trades.event_us[row[traded]]
        live, row = newest[1] >= 0, newest[1]
        lag_us = trades.receive_us[row[live]] - trades.event_us[row[live]]
        self.lag_us[live] = lag_us + skew_us

    def close(self, closed: ClosedBars) -> None:
        """Take bars that closed."""
        symbols = len(self.bars)
        self.late += closed.late
        self.bars += np.bincount(closed.symbol_index, minlength=symbols)
        incomplete = closed.symbol_index[~closed.complete]
        self.incomplete_bars += np.bincount(incomplete, minlength=symbols)

    def price(self, closed: ClosedBars) -> None:
        """Take the newest price from bars that were not made of trades."""
        traded = closed.trades != 0
        # Where a symbol has many rows the last one stays.
        self.last_price[closed.symbol_index[traded]] = closed.prices[3, traded]

    def snapshot(self, index: int) -> dict[str, NDArray[np.generic]]:
        """Return what is known of a symbol as arrays."""
        return {
            "numbers": self._numbers[:, index].copy(),
            "last_price": self.last_price[index : index + 1].copy(),
        }

    def restore(self, index: int, arrays: Mapping[str, NDArray[np.generic]]) -> None:
        """Continue a symbol from what `snapshot` returned."""
        self._numbers[:, index] = arrays["numbers"]
        self.last_price[index : index + 1] = arrays["last_price"]


def health_frame(
    symbols: Sequence[str],
    ledger: Ledger,
    tallies: Tallies,
    *,
    venue_us: int | None,
    feed: FeedState,
    analysis: Analysis,
    sha256: Sequence[str] | None,
) -> pl.DataFrame:
    """Return HEALTH.

    Args:
        symbols: In index order.
        ledger: Of these symbols.
        tallies: Of these symbols.
        venue_us: The venue's clock; null while it is unknown.
        feed: Of the connection that carries these symbols.
        analysis: Of these symbols.
        sha256: Per symbol; null without digests.
    """
    pending, here = ledger.pending, ledger.live + ledger.backfilled
    known = here + pending + ledger.lost
    last_trade_us = _known(tallies.last_trade_us)
    age_us = None if venue_us is None else (venue_us - last_trade_us).clip(0)
    return pl.DataFrame(
        {
            "symbol": pl.Series(symbols, dtype=pl.String),
            "condition": None,
            "first_id": _known(ledger.first_id),
            "last_id": _known(ledger.last_id),
            "last_price": pl.Series(tallies.last_price.copy(), nan_to_null=True),
            "last_trade_time": last_trade_us.cast(TIME),
            "last_trade_age_s": None if age_us is None else age_us / SECOND,
            "live": ledger.live.copy(),
            "backfilled": ledger.backfilled.copy(),
            "pending": pending,
            "lost": ledger.lost.copy(),
            "duplicates": ledger.duplicates.copy(),
            "late": tallies.late.copy(),
            "rejected": tallies.rejected + ledger.implausible,
            "coverage_frac": np.where(known == 0, 1.0, here / np.maximum(known, 1)),
            "reconnects": feed.reconnects,
            "handovers": feed.handovers,
            "dropped": feed.dropped,
            "lag_ms": _known(tallies.lag_us) / MILLISECOND,
            "bars": tallies.bars.copy(),
            "incomplete_bars": tallies.incomplete_bars.copy(),
            "restated": tallies.restated.copy(),
            "breaks": tallies.breaks.copy(),
            "alerts": analysis.alerts.copy(),
            "enter": analysis.in_force[:, 0].copy(),
            "major": analysis.in_force[:, 1].copy(),
            "critical": analysis.in_force[:, 2].copy(),
            "sha256": None if sha256 is None else pl.Series(sha256, dtype=pl.String),
            **_book_columns(symbols, feed.books),
        },
        schema=HEALTH,
    )


def _book_columns(
    symbols: Sequence[str], books: Mapping[str, BookState] | None
) -> dict[str, Sequence[float | None] | None]:
    """Return the columns about order books, null where none are kept."""
    states = None if books is None else [books[symbol] for symbol in symbols]
    return {
        column: None if states is None else [getattr(state, name) for state in states]
        for column, name in _OF_BOOKS.items()
    }


def _known(numbers: NDArray[np.int64]) -> pl.Series:
    """Return numbers of which NEVER is null."""
    return pl.Series(numbers.copy()).set(pl.Series(numbers == NEVER), None)


@compiled(void(given(int32), given(boolean), int64[:, ::1]))
def _newest_rows(symbol_index: Any, live: Any, newest: Any) -> None:  # noqa: ANN401 - compiled: the signature has the types
    """Write each symbol's last row, and its last live one: -1 where it has none.

    From the newest row back: a chunk of history ends with rows of every symbol.
    """
    missing = newest.size
    for back in range(len(symbol_index)):
        row = len(symbol_index) - 1 - back
        s = symbol_index[row]
        if newest[0, s] < 0:
            newest[0, s] = row
            missing -= 1
        if live[row] and newest[1, s] < 0:
            newest[1, s] = row
            missing -= 1
        if missing == 0:
            break
