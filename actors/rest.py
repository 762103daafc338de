"""A venue's REST answers: one GET at a time, and pages of trades and bars put together."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from http.client import HTTPException
from typing import TYPE_CHECKING

import polars as pl

from actors.allowance import Allowance
from actors.loopback import is_loopback_url
from actors.trust import distrust
from pipeline.errors import VenueDisconnected, VenueError, VenueRefused
from pipeline.schema import BARS, TRADES

if TYPE_CHECKING:
    import ssl
    from email.message import Message

    from pipeline.venues.protocol import Request, Venue

_TOO_MANY_REQUESTS = 429
_BANNED = 418

# When the venue limits us without saying for how long: its limits are counted by the minute.
_DEFAULT_RETRY_AFTER_S = 60.0

_MAX_QUOTED_LENGTH = 200


class RestClient:
    """Asks a venue, from any thread; never waits and never repeats a request by itself.

    When the venue says that there were too many requests, nothing is sent to it until the time it
    named has passed, by no one who has a part of the same budget.

    Args:
        allowance: Gives leave for each request; null: one without a limit of its own.
        user_agent: How requests introduce themselves.
        timeout_s: The longest silence of a connection.
        trust: Whose certificates to believe; null: whom this machine believes.
    """

    def __init__(
        self,
        allowance: Allowance | None = None,
        *,
        user_agent: str = "cryptoctopus",
        timeout_s: float = 10.0,
        trust: ssl.SSLContext | None = None,
    ) -> None:
        self._allowance = Allowance() if allowance is None else allowance
        self._user_agent = user_agent
        self._timeout_s = timeout_s
        secure = urllib.request.HTTPSHandler(context=trust)
        self._direct = urllib.request.build_opener(urllib.request.ProxyHandler({}), secure)
        self._proxied = urllib.request.build_opener(secure)

    def get(self, request: Request) -> bytes:
        """Return the body of the answer.

        Raises:
            VenueDisconnected: It cannot be reached, failed, or limits us, or the budget is spent:
                ask again later.
            VenueRefused: It says no to this request.
        """
        url = request.url
        try:
            self._allowance.spend(request.weight)
        except VenueDisconnected as error:
            raise VenueDisconnected(f"GET {url}: {error}") from None
        try:
            return self._fetch(url)
        except (OSError, HTTPException) as error:
            raise VenueDisconnected(f"GET {url}: {distrust(error) or error}") from error

    def _fetch(self, url: str) -> bytes:
        opener = self._direct if is_loopback_url(url) else self._proxied
        request = urllib.request.Request(  # noqa: S310 - the configuration takes http and https only
            url, headers={"User-Agent": self._user_agent}
        )
        try:
            with opener.open(request, timeout=self._timeout_s) as answer:
                body: bytes = answer.read()
                self._allowance.answered(_lower(answer.headers))
        except urllib.error.HTTPError as answer:
            with answer:
                raise self._refusal(url, answer) from answer
        return body

    def _refusal(self, url: str, answer: urllib.error.HTTPError) -> VenueError:
        """Return the error an answer of 4xx or 5xx means."""
        text = answer.read(_MAX_QUOTED_LENGTH).decode(errors="replace")
        what = f"GET {url}: HTTP {answer.code} {text}"
        if answer.code in {_TOO_MANY_REQUESTS, _BANNED}:
            retry_after_s = _retry_after_s(answer.headers.get("Retry-After"))
            self._allowance.limited(retry_after_s, f"HTTP {answer.code} {text}")
            return VenueDisconnected(f"{what}, too many requests for {retry_after_s:.0f} s")
        return VenueDisconnected(what) if answer.code >= 500 else VenueRefused(what)


def _lower(headers: Message) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _retry_after_s(header: str | None) -> float:
    if header is None or not header.isdecimal():
        return _DEFAULT_RETRY_AFTER_S
    return float(header)


def fetch_trades(
    venue: Venue, rest: RestClient, symbol: str, *, from_id: int, to_id: int, start_us: int
) -> pl.DataFrame:
    """Return the TRADES `from_id <= trade_id <= to_id` that the venue serves, in id order.

    REST may lag the stream: when the newest trades are missing, ask again later. Memory grows with
    the range.

    Args:
        venue: What to ask for.
        rest: Asks it.
        symbol: Whose trades.
        from_id: The first id.
        to_id: The last id.
        start_us: A time before which `from_id` was not matched, such as that of any trade before
            it: not every venue finds a trade by its id.

    Raises:
        VenueError: As `RestClient.get` says, or an answer is not a page of trades.
    """
    pages = []
    next_id, reached_id = from_id, -1
    while next_id <= to_id:
        body = rest.get(venue.trades_request(symbol, from_id=next_id, start_us=start_us))
        page = venue.parse_trades(body, symbol, time.time_ns() // 1_000)
        pages.append(page.filter(pl.col("trade_id").is_between(next_id, to_id)))
        if page.height < venue.trades_page:
            break
        last_id, start_us = page.item(-1, "trade_id"), _last_us(page, "event_time")
        if last_id <= reached_id:
            raise VenueError(f"{symbol}: expected trades from {next_id}, found up to {last_id}")
        reached_id = last_id
        next_id = max(next_id, last_id + 1)
    return pl.concat(pages) if pages else TRADES.to_frame()


def newest_trade(venue: Venue, rest: RestClient, symbol: str) -> pl.DataFrame:
    """Return the newest of TRADES, or no row for a market that never traded.

    Raises:
        VenueError: As `RestClient.get` says, or the answer is not a page of trades.
    """
    body = rest.get(venue.trades_request(symbol))
    return venue.parse_trades(body, symbol, time.time_ns() // 1_000).tail(1)


def fetch_bars(
    venue: Venue, rest: RestClient, symbol: str, *, every_us: int, start_us: int, end_us: int
) -> pl.DataFrame:
    """Return the BARS with `start_us <= open_time < end_us` that the venue serves, in time order.

    Raises:
        VenueError: As `fetch_page_of_bars`.
    """
    pages = [BARS.to_frame()]
    next_us = start_us
    while next_us < end_us:
        page, next_us = fetch_page_of_bars(
            venue, rest, symbol, every_us=every_us, start_us=next_us, end_us=end_us
        )
        pages.append(page)
    return pl.concat(pages)


def fetch_page_of_bars(
    venue: Venue, rest: RestClient, symbol: str, *, every_us: int, start_us: int, end_us: int
) -> tuple[pl.DataFrame, int]:
    """Return the first page of what `fetch_bars` returns, and where the next one starts.

    That is at `end_us` or after it when there is none.

    Raises:
        VenueError: As `RestClient.get` says, the venue has no such bars, or the answer is not a
            page of them.
    """
    body = rest.get(venue.bars_request(symbol, every_us=every_us, start_us=start_us, end_us=end_us))
    page = venue.parse_bars(body, symbol)
    next_us = end_us
    if page.height >= venue.bars_page:
        last_us = _last_us(page, "open_time")
        if last_us < start_us:
            raise VenueError(
                f"{symbol}: expected bars from {start_us} us, found up to {last_us} us"
            )
        next_us = last_us + every_us
    # A venue may take no end.
    opens_us = pl.col("open_time").to_physical()
    return page.filter(opens_us.is_between(start_us, end_us, closed="left")), next_us


def _last_us(page: pl.DataFrame, column: str) -> int:
    """Return a time of the last row."""
    return int(page.get_column(column).to_physical().item(-1))
