"""The REST side of a shard: the venue's clock, the start of each symbol, and the healing of holes.

It runs on a thread of its own, so that a slow answer never delays a computation, and hands what it
finds to the thread that owns the engine.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, TypeVar

from actors.anchoring import Anchoring
from actors.findings import Checked, Expected, Fetched, Past, Stray, Unserved, Verified
from actors.rest import fetch_trades, newest_trade
from actors.venue_time import VenueTime
from pipeline.durations import SECOND
from pipeline.errors import SchemaError, VenueDisconnected, VenueError
from pipeline.healing import RETRY_S, Healing, Progress
from pipeline.recovery import Recovery
from pipeline.schema import TRADES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import polars as pl

    from actors.feed import Feed
    from actors.findings import Finding
    from actors.rest import RestClient
    from pipeline.config import Config
    from pipeline.healing import Missing
    from pipeline.venues.protocol import Venue

logger = logging.getLogger(__name__)

Answer = TypeVar("Answer")

_TICK_S = 0.1
_LONGEST_RETRY_S = 15.0

#: Pages of the past that wait for the thread that owns the engine.
_PAGES = 16

NO_TRADES = TRADES.to_frame()


class CatchUp:
    """Finds over REST what the stream did not tell.

    Args:
        symbols: Of the shard.
        config: For the grid, the history that fills the longest window, and that of budgets.
        venue: What to ask for.
        rest: Asks it.
        feed: Opened once every symbol has its start; each new connection may have missed trades.
        clock: Seconds that only move forward.

    Attributes:
        venue_time: The venue's clock, for any thread.
    """

    def __init__(
        self,
        symbols: Sequence[str],
        config: Config,
        venue: Venue,
        rest: RestClient,
        feed: Feed,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._symbols = symbols
        self._venue = venue
        self._rest = rest
        self._feed = feed
        self._anchoring = Anchoring(config, venue, rest)
        self._clock_s = clock
        #: At most one answer a symbol waits here, what its start needs, and _PAGES of its past.
        self._found: SimpleQueue[Finding] = SimpleQueue()
        self._lock = threading.Lock()
        self.venue_time = VenueTime(venue, rest, clock)
        # Until two more flushes have looked, the stream itself may close a hole.
        self._healing = Healing(grace_s=2 * config.actors.flush / SECOND)
        self._reach_us = config.sampling.restate_within
        self._recovery = Recovery(self._reach_us / SECOND)
        self._applied: set[str] = set()
        self._progress: Mapping[str, Progress] = {}
        self._holed: frozenset[str] = frozenset()  # of whom trades wait behind missing ids
        #: Null: the venue refused, and the symbol starts with whatever comes first.
        self._anchored: dict[str, Progress | None] = {}
        self._request = 0
        self._verified = (0, 0)
        self._to_check: deque[str] = deque()
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
        """Take out what was found since the last call, to be applied before the next report."""
        found: list[Finding] = []
        while True:
            try:
                found.append(self._found.get_nowait())
            except Empty:
                break
        for finding in found:
            if isinstance(finding, Fetched):
                self._applied.add(finding.symbol)
            elif isinstance(finding, Unserved):
                self._applied.add(finding.missing.symbol)
        return found

    def report(
        self,
        holes: Mapping[str, list[tuple[int, int]]],
        lost: Mapping[str, list[tuple[int, int]]],
        progress: Mapping[str, Progress],
    ) -> None:
        """Say what is missing, and how far each symbol has come, with all findings applied.

        Args:
            holes: Per symbol the ids that others wait for.
            lost: Per symbol the ids that were given up.
            progress: Of every symbol.
        """
        with self._lock:
            self._healing.report(holes, self._applied, self._clock_s())
            self._recovery.report(lost, self._clock_s())
            self._progress = progress
            self._holed = frozenset(holes)
        self._applied = set()

    def verify_again(self) -> int:
        """Look once more for what this connection has not told.

        Returns:
            The number of this request, which Verified has or exceeds once it was carried out.
        """
        with self._lock:
            self._request += 1
            return self._request

    def check(self, symbols: Sequence[str]) -> None:
        """Look for trades of a few symbols that the stream has not told; see Checked."""
        with self._lock:
            self._to_check.extend(symbol for symbol in symbols if symbol not in self._to_check)

    def _run(self) -> None:
        retry_s = RETRY_S
        while not self._stopping.is_set():
            try:
                self._tick()
            except VenueDisconnected as error:
                shown = ",".join(self._symbols[:3])
                logger.warning("rest failed symbols=%s retry_s=%.0f: %s", shown, retry_s, error)
                self._stopping.wait(retry_s)
                retry_s = min(2 * retry_s, _LONGEST_RETRY_S)
            else:
                retry_s = RETRY_S
                self._stopping.wait(_TICK_S)

    def _tick(self) -> None:
        if self.venue_time.due:
            self._accepted("time", self.venue_time.read, None)
        if not self._feed.started:
            if not self._anchored and not self._fit_all():
                return
            self._anchor_all()
        status = self._feed.status()
        with self._lock:
            request = self._request
        if status.connected and (status.generation, request) != self._verified:
            self._verify(status.generation, request)
        self._check_streams()
        self._heal()

    def _accepted(self, subject: str, ask: Callable[[], Answer], otherwise: Answer) -> Answer:
        """Return what `ask` returns, or `otherwise` when the venue says no to this one subject.

        Raises:
            VenueDisconnected: No subject can be asked for now.
        """
        try:
            return ask()
        except VenueDisconnected:
            raise
        except VenueError as error:
            logger.error("venue refused subject=%s: %s", subject, error)  # noqa: TRY400 - it says all
            return otherwise

    def _fit_all(self) -> bool:
        """Find what budgets are fitted by, page by page; return whether that is done.

        Before any symbol is anchored, as it may take minutes: what was traded since an anchor is
        fetched trade by trade. While as many pages wait as may, nothing is asked for.
        """
        for symbol in self._symbols:
            while self._found.qsize() < _PAGES and not self._stopping.is_set():
                page = self._accepted(symbol, lambda: self._anchoring.past(symbol), None)  # noqa: B023 - called at once
                if page is None:
                    break
                self._found.put(Past(page))
            else:
                return False
        return True

    def _anchor_all(self) -> None:
        """Find where each symbol starts, and only then open the feed.

        In this order a symbol that never traded is told from one whose first trades were missed,
        and nothing waits in the feed's buffer meanwhile.
        """
        for symbol in self._symbols:
            if self._stopping.is_set():
                return
            if symbol not in self._anchored:
                anchored = self._accepted(symbol, lambda: self._anchoring.anchor(symbol), None)  # noqa: B023 - called at once
                self._anchored[symbol] = None
                if anchored is not None:
                    self._found.put(anchored)
                    ids = anchored.trades["trade_id"]
                    self._anchored[symbol] = Progress(ids[-1] if len(ids) else None, None)
        self._feed.start()

    def _verify(self, generation: int, request: int) -> None:
        """Make what each symbol missed before this connection a hole, to be healed like any."""
        for symbol in self._symbols:
            if self._stopping.is_set():
                return
            expected = self._accepted(symbol, lambda: self._tail(symbol), None)  # noqa: B023 - called at once
            if expected is not None:
                self._found.put(expected)
        self._verified = (generation, request)
        self._found.put(Verified(generation, request))

    def _check_streams(self) -> None:
        """Say which of the silent streams should not be silent."""
        while self._to_check and not self._stopping.is_set():
            symbol = self._to_check[0]
            expected = self._accepted(symbol, lambda: self._tail(symbol), None)  # noqa: B023 - called at once
            if expected is not None:
                self._found.put(expected)
            self._found.put(Checked(symbol, behind=expected is not None))
            self._to_check.popleft()

    def _tail(self, symbol: str) -> Expected | None:
        """Return the ids of a symbol that are not known here; null when there are none.

        Raises:
            SchemaError: The venue numbers its trades anew: this shard must start anew too.
        """
        with self._lock:
            # Before the first report only the anchor is known.
            anchor = self._anchored[symbol]
            known, is_holed = self._progress.get(symbol, anchor), symbol in self._holed
        if known is None or (known.last_id is None and anchor is None):
            return None
        newest = self._newest(symbol)
        if newest.is_empty():
            return None
        newest_id = int(newest["trade_id"][0])
        if known.last_id is None:
            # It had no trade when it was anchored: what was missed starts with its first ever.
            first = self._anchoring.page(symbol, start_us=0, from_id=0)
            return Expected(symbol, int(first["trade_id"][0]), newest_id)
        if newest_id > known.last_id:
            return Expected(symbol, known.last_id + 1, newest_id)
        if is_holed or known.event_us is None:
            return None  # when the highest id traded is not known, and the venue's tables may lag
        later = int(newest["event_time"].to_physical()[0])
        if newest_id < known.last_id and later > known.event_us:
            raise SchemaError(
                f"{symbol}: expected ids after {known.last_id}, found {newest_id} traded later: "
                "the venue numbers its trades anew"
            )
        return None

    def _heal(self) -> None:
        """Fetch what is due; say so when the venue does not have it."""
        with self._lock:
            doubtful = self._healing.doubtful(self._clock_s())
            due = self._healing.due(self._clock_s())
            sought = self._recovery.due(self._clock_s())
        for hole in doubtful:
            newest = self._accepted(hole.symbol, lambda: self._newest(hole.symbol), NO_TRADES)  # noqa: B023 - called at once
            if not newest.is_empty() and newest["trade_id"][0] <= hole.last_id:
                newest_id = int(newest["trade_id"][0])
                logger.error("stray symbol=%s ids_beyond=%d", hole.symbol, newest_id)
                self._found.put(Stray(hole.symbol, newest_id))
        for missing in due:
            if self._stopping.is_set():
                return
            trades = self._accepted(missing.symbol, lambda: self._fetch(missing), NO_TRADES)  # noqa: B023 - called at once
            first_served = None if trades.is_empty() else int(trades["trade_id"][0])
            if first_served is not None:
                self._found.put(Fetched(missing.symbol, trades))
            with self._lock:
                lost = self._healing.answered(missing, first_served, self._clock_s())
            if lost is not None:
                logger.error("lost symbol=%s ids=%d..%d", lost.symbol, lost.first_id, lost.last_id)
                self._found.put(Unserved(lost))

        for missing in sought:
            if self._stopping.is_set():
                return
            trades = self._accepted(
                missing.symbol,
                lambda: self._fetch(missing, back_us=2 * self._reach_us),  # noqa: B023 - called at once
                NO_TRADES,
            )
            if not trades.is_empty():
                self._found.put(Fetched(missing.symbol, trades))

    def _newest(self, symbol: str) -> pl.DataFrame:
        return newest_trade(self._venue, self._rest, symbol)

    def _fetch(self, missing: Missing, *, back_us: int = 0) -> pl.DataFrame:
        """Fetch ids that were matched no longer than so before the newest applied trade."""
        with self._lock:
            known = self._progress.get(missing.symbol)
        # The newest applied trade is the one before the first hole; without one, all is missing.
        start_us = 0 if known is None or known.event_us is None else known.event_us - back_us
        trades = fetch_trades(
            self._venue,
            self._rest,
            missing.symbol,
            from_id=missing.first_id,
            to_id=missing.last_id,
            start_us=start_us,
        )
        logger.info(
            "backfilled symbol=%s ids=%d..%d trades=%d",
            missing.symbol,
            missing.first_id,
            missing.last_id,
            trades.height,
        )
        return trades
