"""The REST side of a shard: the venue's clock, the start of each symbol, and the healing of holes.

It runs on a thread of its own, so that a slow answer never delays a computation, and hands what it
finds to the thread that owns the engine.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

import polars as pl

from actors.rest import fetch_bars, fetch_trades, newest_trade
from pipeline.clock import VenueClock
from pipeline.durations import SECOND
from pipeline.errors import VenueDisconnected, VenueError
from pipeline.schema import BARS, TRADES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from actors.feed import Feed
    from actors.rest import RestClient
    from pipeline.config import Config
    from pipeline.venues.protocol import Venue

logger = logging.getLogger(__name__)

_TICK_S = 0.1
_CLOCK_EVERY_S = 5.0
_FIRST_CLOCK_EVERY_S = 0.5
_RETRY_S = 1.0

#: The venue's tables lag behind its stream: it has this long to serve an id before it is lost.
GIVE_UP_S = 30.0

#: A long hole is fetched in pieces of so many ids, so that memory stays bounded.
_PIECE = 20_000

NO_TRADES = pl.DataFrame(schema=TRADES)


@dataclass(frozen=True, slots=True)
class Anchored:
    """Where a symbol starts: the first bar to build, the bars before it, the trades from it on."""

    symbol: str
    open_us: int | None  # null: the symbol never traded
    history: pl.DataFrame
    trades: pl.DataFrame


@dataclass(frozen=True, slots=True)
class Fetched:
    """Trades for holes."""

    trades: pl.DataFrame


@dataclass(frozen=True, slots=True)
class Expected:
    """The venue has issued these ids of a symbol, both ends inclusive."""

    symbol: str
    first_id: int
    last_id: int


@dataclass(frozen=True, slots=True)
class Unserved:
    """The venue does not serve the first hole of a symbol."""

    symbol: str


@dataclass(frozen=True, slots=True)
class Verified:
    """Nothing was missed, unseen, before this connection of the feed was opened."""

    generation: int


Finding = Anchored | Fetched | Expected | Unserved | Verified


@dataclass(slots=True)
class _Hole:
    since_s: float
    due_s: float


class CatchUp:
    """Finds over REST what the stream did not tell.

    Args:
        symbols: Of the shard.
        config: For the grid and the history that fills the longest window.
        venue: What to ask for.
        rest: Asks it.
        feed: Opened once every symbol has its start; each new connection may have missed trades.
    """

    def __init__(
        self, symbols: Sequence[str], config: Config, venue: Venue, rest: RestClient, feed: Feed
    ) -> None:
        self._symbols = symbols
        self._config = config
        self._venue = venue
        self._rest = rest
        self._feed = feed
        self._found: SimpleQueue[Finding] = SimpleQueue()
        self._lock = threading.Lock()
        self._clock = VenueClock()
        self._holes: Mapping[str, list[tuple[int, int]]] = {}
        self._last_ids: Mapping[str, int | None] = {}
        self._watched: dict[tuple[str, int], _Hole] = {}
        self._anchored: dict[str, int | None] = {}  # the newest id found, null without a trade
        self._verified = 0
        self._clock_due_s = 0.0
        # Until two more flushes have looked, the stream itself may close a hole.
        self._grace_s = 2 * config.actors.flush / SECOND
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="catch-up", daemon=True)

    def start(self) -> None:
        """Start asking."""
        self._thread.start()

    def stop(self) -> None:
        """Stop asking; an answer that is under way is not waited for."""
        self._stopping.set()

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    def findings(self) -> list[Finding]:
        """Take out what was found since the last call."""
        found = []
        while True:
            try:
                found.append(self._found.get_nowait())
            except Empty:
                return found

    def report(
        self, holes: Mapping[str, list[tuple[int, int]]], last_ids: Mapping[str, int | None]
    ) -> None:
        """Say what is missing, and how far each symbol has come."""
        with self._lock:
            self._holes, self._last_ids = holes, last_ids

    def venue_us(self, local_us: int) -> int | None:
        """Return the venue's clock at a local monotonic time; null while unknown."""
        with self._lock:
            return self._clock.now_us(local_us)

    def settled_us(self, local_us: int, allowance_us: int) -> int | None:
        """Return the venue time up to which everything sent has arrived; see VenueClock."""
        with self._lock:
            return self._clock.settled_us(local_us, allowance_us)

    def _run(self) -> None:
        while not self._stopping.is_set():
            wait_s = _TICK_S
            try:
                self._tick()
            except VenueError as error:
                logger.warning("rest failed symbols=%s: %s", ",".join(self._symbols[:3]), error)
                wait_s = _RETRY_S
            self._stopping.wait(wait_s)

    def _tick(self) -> None:
        now_s = time.monotonic()
        if now_s >= self._clock_due_s:
            self._read_clock()
        if not self._feed.started:
            self._anchor_all()
        status = self._feed.status()
        if status.connected and status.generation != self._verified:
            self._verify(status.generation)
        self._heal(now_s)

    def _anchor_all(self) -> None:
        """Find where each symbol starts, and only then open the feed.

        In this order a symbol that never traded is told from one whose first trades were missed,
        and nothing waits in the feed's buffer meanwhile.
        """
        for symbol in self._symbols:
            if self._stopping.is_set():
                return
            if symbol not in self._anchored:
                anchored = self._anchor(symbol)
                self._found.put(anchored)
                ids = anchored.trades["trade_id"]
                self._anchored[symbol] = ids[-1] if len(ids) else None
        self._feed.start()

    def _read_clock(self) -> None:
        sent_us = time.monotonic_ns() // 1000
        venue_us = self._venue.parse_time(self._rest.get(self._venue.time_request()))
        received_us = time.monotonic_ns() // 1000
        with self._lock:
            self._clock.read(venue_us, sent_us, received_us)
            running = self._clock.speed is not None
        self._clock_due_s = time.monotonic() + (_CLOCK_EVERY_S if running else _FIRST_CLOCK_EVERY_S)

    def _verify(self, generation: int) -> None:
        """Make what each symbol missed before this connection a hole, to be healed like any."""
        for symbol in self._symbols:
            if self._stopping.is_set():
                return
            self._fetch_tail(symbol)
        self._verified = generation
        self._found.put(Verified(generation))

    def _fetch_tail(self, symbol: str) -> None:
        with self._lock:
            # Before the first report only the anchor is known.
            last_id = self._last_ids.get(symbol, self._anchored[symbol])
        newest = newest_trade(self._venue, self._rest, symbol)
        if newest.is_empty() or newest["trade_id"][0] == last_id:
            return
        first_id = self._first_id(symbol) if last_id is None else last_id + 1
        self._found.put(Expected(symbol, first_id, newest["trade_id"][0]))

    def _first_id(self, symbol: str) -> int:
        """Return the first id of a symbol that had no trade when it was anchored."""
        request = self._venue.trades_request(symbol, from_id=0)
        page = self._venue.parse_trades(self._rest.get(request), symbol, _wall_us())
        return int(page["trade_id"][0])

    def _anchor(self, symbol: str) -> Anchored:
        newest = newest_trade(self._venue, self._rest, symbol)
        if newest.is_empty():
            return Anchored(symbol, None, pl.DataFrame(schema=BARS), newest)
        every_us = self._config.sampling.every
        open_us = newest["event_time"].to_physical()[0] // every_us * every_us
        request = self._venue.trades_request(symbol, start_us=open_us)
        page = self._venue.parse_trades(self._rest.get(request), symbol, _wall_us())
        trades = [page]
        if page["trade_id"][-1] < newest["trade_id"][0]:
            trades.append(
                fetch_trades(
                    self._venue,
                    self._rest,
                    symbol,
                    from_id=page["trade_id"][-1] + 1,
                    to_id=newest["trade_id"][0],
                )
            )
        return Anchored(symbol, open_us, self._history(symbol, open_us), pl.concat(trades))

    def _history(self, symbol: str, open_us: int) -> pl.DataFrame:
        try:
            return fetch_bars(
                self._venue,
                self._rest,
                symbol,
                every_us=self._config.sampling.every,
                start_us=open_us - self._config.warm_up_us,
                end_us=open_us,
            )
        except VenueDisconnected:
            raise
        except VenueError as error:
            logger.warning("cold start symbol=%s: no history: %s", symbol, error)
            return pl.DataFrame(schema=BARS)

    def _heal(self, now_s: float) -> None:
        """Fetch the first hole of each symbol that is due; say so when the venue has it no more."""
        with self._lock:
            first = {symbol: holes[0] for symbol, holes in self._holes.items()}
        here = {(symbol, hole[0]) for symbol, hole in first.items()}
        self._watched = {key: hole for key, hole in self._watched.items() if key in here}
        for symbol, (from_id, to_id) in first.items():
            key = (symbol, from_id)
            hole = self._watched.setdefault(key, _Hole(now_s, now_s + self._grace_s))
            if now_s < hole.due_s:
                continue
            hole.due_s = now_s + _RETRY_S
            trades = fetch_trades(
                self._venue,
                self._rest,
                symbol,
                from_id=from_id,
                to_id=min(to_id, from_id + _PIECE - 1),
            )
            if not trades.is_empty():
                logger.info(
                    "backfilled symbol=%s from_id=%d trades=%d", symbol, from_id, trades.height
                )
                self._found.put(Fetched(trades))
            if from_id not in trades["trade_id"] and now_s - hole.since_s >= GIVE_UP_S:
                logger.error("lost symbol=%s ids=%d..%d", symbol, from_id, to_id)
                self._found.put(Unserved(symbol))


def _wall_us() -> int:
    return time.time_ns() // 1000
