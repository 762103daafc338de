"""Where a symbol starts: its newest bar from its first trade on, and the bars before it."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

import polars as pl

from actors.findings import Anchored
from actors.rest import fetch_bars, fetch_page_of_bars, fetch_trades, newest_trade
from pipeline.errors import VenueDisconnected, VenueError
from pipeline.schema import BARS, TRADES

if TYPE_CHECKING:
    from actors.rest import RestClient
    from pipeline.config import Config
    from pipeline.venues.protocol import Venue

logger = logging.getLogger(__name__)


class Anchoring:
    """Asks a venue for the starts of symbols.

    Args:
        config: For the grid, the history that fills the longest window, and that of budgets.
        venue: What to ask for.
        rest: Asks it.
    """

    def __init__(self, config: Config, venue: Venue, rest: RestClient) -> None:
        self._config = config
        self._venue = venue
        self._rest = rest
        #: By symbol, of the past that its budget is fitted by: where the next page starts, the end.
        self._past_us: dict[str, tuple[int, int]] = {}

    def past(self, symbol: str) -> pl.DataFrame | None:
        """Return the next page of what a symbol's budget is fitted by; null: there are no more.

        The last one ends where the history begins that `anchor` returns. A page that could not be
        fetched is that of the next call; where the venue has no such bars there is none.

        Raises:
            VenueDisconnected: The venue cannot be asked.
        """
        if self._config.fitted_by_us(symbol) == 0:
            return None
        if symbol not in self._past_us:
            newest = newest_trade(self._venue, self._rest, symbol)
            if newest.is_empty():
                return None
            newest_us = newest["event_time"].to_physical()[0]
            self._past_us[symbol] = self._span_of_past(symbol, newest_us)
        next_us, end_us = self._past_us[symbol]
        if next_us >= end_us:
            return None
        page, next_us = self._page_of_past(symbol, next_us, end_us)
        self._past_us[symbol] = next_us, end_us
        if next_us >= end_us:
            logger.info("past fetched symbol=%s", symbol)
        return page

    def _span_of_past(self, symbol: str, newest_us: int) -> tuple[int, int]:
        """Return where the past starts that a symbol's budget is fitted by, and where it ends."""
        step_us = self._config.sampling.step_us or 1
        bars = self._config.fitted_by_us(symbol) // step_us
        end_us = (newest_us - self._config.warm_up_us) // step_us * step_us
        pages = -(-bars // self._venue.bars_page)
        logger.info("fetching the past symbol=%s bars=%d requests=%d", symbol, bars, pages)
        return end_us - bars * step_us, end_us

    def _page_of_past(self, symbol: str, start_us: int, end_us: int) -> tuple[pl.DataFrame, int]:
        """Return a page as `fetch_page_of_bars`; the last, and empty, if the venue says no."""
        step_us = self._config.sampling.step_us or 1
        try:
            return fetch_page_of_bars(
                self._venue,
                self._rest,
                symbol,
                every_us=step_us,
                start_us=start_us,
                end_us=end_us,
            )
        except VenueDisconnected:
            raise
        except VenueError as error:
            logger.warning("budget not fitted symbol=%s: no past: %s", symbol, error)
            return BARS.to_frame(), end_us

    def anchor(self, symbol: str) -> Anchored:
        """Return the start of a symbol: without trades, if it never traded.

        Raises:
            VenueError: The venue cannot be asked, or says no.
        """
        newest = newest_trade(self._venue, self._rest, symbol)
        if newest.is_empty():
            return Anchored(symbol, None, BARS.to_frame(), TRADES.to_frame())
        step_us = self._config.sampling.step_us or 1
        open_us = newest["event_time"].to_physical()[0] // step_us * step_us
        page = self.page(symbol, start_us=open_us)
        rest_of_bar = fetch_trades(
            self._venue,
            self._rest,
            symbol,
            from_id=page["trade_id"][-1] + 1,
            to_id=newest["trade_id"][0],
            start_us=page["event_time"].to_physical()[-1],
        )
        trades = pl.concat([page, rest_of_bar])
        return Anchored(symbol, open_us, self._history(symbol, open_us), trades)

    def page(self, symbol: str, *, start_us: int, from_id: int | None = None) -> pl.DataFrame:
        """Return a page of trades that the venue must have, from a time on, or an id after it.

        Raises:
            VenueDisconnected: It has none yet: its tables lag behind its stream.
            VenueError: It cannot be asked, or says no.
        """
        request = self._venue.trades_request(symbol, from_id=from_id, start_us=start_us)
        page = self._venue.parse_trades(self._rest.get(request), symbol, time.time_ns() // 1000)
        page = page.filter(pl.col("event_time").to_physical() >= start_us)
        if page.is_empty():
            raise VenueDisconnected(f"{request.url}: expected trades, found none yet")
        return page

    def _history(self, symbol: str, open_us: int) -> pl.DataFrame:
        """Return the bars before a time; none where the venue has no bars of this length."""
        step_us = self._config.sampling.step_us
        if step_us is None:
            return BARS.to_frame()
        # Where a past was fetched, it goes on from there: time has passed since.
        _, start_us = self._past_us.get(symbol, (0, open_us - self._config.warm_up_us))
        try:
            return fetch_bars(
                self._venue, self._rest, symbol, every_us=step_us, start_us=start_us, end_us=open_us
            )
        except VenueDisconnected:
            raise
        except VenueError as error:
            logger.warning("cold start symbol=%s: no history: %s", symbol, error)
            return BARS.to_frame()
