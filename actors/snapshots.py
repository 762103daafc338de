"""Order books asked for over REST, on a thread of its own: a slow answer delays nothing."""

from __future__ import annotations

import logging
import threading
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from pipeline.errors import VenueDisconnected, VenueError
from pipeline.healing import RETRY_S

if TYPE_CHECKING:
    from collections.abc import Iterable

    from actors.rest import RestClient
    from pipeline.orderbook import Snapshot
    from pipeline.venues.protocol import Venue

logger = logging.getLogger(__name__)

_LONGEST_RETRY_S = 15.0


class Snapshots:
    """Asks for one book after another; at most once at a time for each, so nothing piles up.

    What cannot be had is logged and forgotten: whoever needs it asks again.

    An answer is only of use to the connections that were open when it was asked for: where they
    change, `forget`.

    Args:
        venue: What to ask for.
        rest: Asks it, within the budget that trades have a part of, too.
    """

    def __init__(self, venue: Venue, rest: RestClient) -> None:
        self._venue = venue
        self._rest = rest
        self._lock = threading.Lock()
        self._wanted: dict[str, None] = {}  # in order; the first is under way
        self._found: SimpleQueue[tuple[int, Snapshot]] = SimpleQueue()
        self._era = 0
        self._news = threading.Event()
        self._stopping = threading.Event()
        self._retry_s = RETRY_S
        self._thread = threading.Thread(target=self._run, name="snapshots", daemon=True)

    def start(self) -> None:
        """Start asking."""
        self._thread.start()

    def stop(self) -> None:
        """Stop asking; an answer that is under way is not waited for."""
        self._stopping.set()
        self._news.set()

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    def ask(self, symbols: Iterable[str]) -> None:
        """Ask for the books of some symbols, those aside that are being asked for."""
        with self._lock:
            self._wanted |= dict.fromkeys(symbols)
        self._news.set()

    def forget(self) -> None:
        """Forget what was asked for: what is found of it, or is under way, is not told."""
        with self._lock:
            self._era += 1
            self._wanted.clear()

    def found(self) -> list[Snapshot]:
        """Take out what was found since the last call."""
        found: list[Snapshot] = []
        while True:
            try:
                era, snapshot = self._found.get_nowait()
            except Empty:
                return found
            if era == self._era:
                found.append(snapshot)

    def _run(self) -> None:
        while not self._stopping.is_set():
            with self._lock:
                symbol, era = next(iter(self._wanted), None), self._era
            if symbol is None:
                self._news.wait()
                self._news.clear()
                continue
            self._fetch(symbol, era)
            with self._lock:
                if era == self._era:
                    del self._wanted[symbol]

    def _fetch(self, symbol: str, era: int) -> None:
        request = self._venue.snapshot_request(symbol)
        if request is None:
            raise VenueError(f"{self._venue.name}: expected a request for a book, found none")
        try:
            snapshot = self._venue.parse_snapshot(self._rest.get(request), symbol)
        except VenueDisconnected as error:
            logger.warning("no book symbol=%s retry_s=%.0f: %s", symbol, self._retry_s, error)
            self._stopping.wait(self._retry_s)
            self._retry_s = min(2 * self._retry_s, _LONGEST_RETRY_S)
        except VenueError as error:
            logger.error("venue refused book symbol=%s: %s", symbol, error)  # noqa: TRY400 - it says all
        else:
            self._retry_s = RETRY_S
            self._found.put((era, snapshot))
