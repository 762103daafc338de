"""A symbol's actor, or a shard's: its threads, from the socket to the coordinator."""

from __future__ import annotations

import logging
import random
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from actors.allowance import Allowance
from actors.book_keeping import ROOM, BookKeeping
from actors.catch_up import NO_TRADES, CatchUp
from actors.delivery import Delivery
from actors.feed import Feed
from actors.findings import (
    Anchored,
    Checked,
    Expected,
    Fetched,
    Past,
    Stray,
    Unserved,
    Verified,
)
from actors.frame_buffer import FrameBuffer, SortingSink
from actors.intake import Intake
from actors.line import LineOptions
from actors.reporting import Reporting
from actors.rest import RestClient
from actors.trust import trust_of
from pipeline.backoff import Backoff
from pipeline.delivery import Outbox
from pipeline.durations import SECOND
from pipeline.engine import ShardEngine
from pipeline.venues.registry import venue_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from actors.budget import BudgetPort
    from pipeline.config import Config
    from pipeline.delivery import Envelope
    from pipeline.sharding import Shard

logger = logging.getLogger(__name__)

#: Frames an outbox holds: five minutes of them at four a second.
_OUTBOX_FRAMES = 1_200

#: A connection without a trade for so long has none under way: the venue's clock may close bars.
_QUIET_US = SECOND


@dataclass(frozen=True, slots=True)
class WorkerStatus:
    """Whether a worker works.

    Attributes:
        started: It was started in this process.
        dead: Threads that ended, which they never should; the log says why.
    """

    started: bool
    dead: tuple[str, ...]


class SymbolWorker:
    """Owns one symbol's feed and computation, or those of a few symbols.

    Four threads: the feed reads the socket into a bounded buffer; catch-up asks over REST; the
    flush thread owns the engine; delivery pushes frames to the coordinator. When the coordinator
    does not take frames, the flush thread leaves the buffer alone; when that is full, new trades
    are dropped, and the hole in their ids is fetched over REST later. Where order books are kept,
    a thread of their own does so, and one asks for snapshots; trades do not wait for either.

    Args:
        shard: Its name and symbols.
        config: The whole configuration, with the venue's urls.
        push: Delivers an envelope, returns the coordinator's watermark; see Delivery.
        budget: Where to ask for leave to send requests and to connect; null: a budget of its own.
    """

    def __init__(
        self,
        shard: Shard,
        config: Config,
        push: Callable[[Envelope], int],
        budget: BudgetPort | None = None,
    ) -> None:
        self._shard = shard
        self._config = config
        self._venue = venue_of(
            config.venue, book_levels=None if config.books is None else config.books.levels
        )
        self._push = push
        self._allowance = Allowance(budget, self._venue.limits, self._venue.used_weight)
        self._stopping = threading.Event()
        self._starting = threading.Lock()
        self._started = False
        self._verified = 0
        self._begun = False

    def start(self, config: Config | None = None) -> None:
        """Open the feed and start to work; a second call changes nothing.

        Args:
            config: What changed since this was made; null: nothing.
        """
        with self._starting:
            if not self._started:
                self._config = self._config if config is None else config
                self._open()
                self._started = True

    def _open(self) -> None:
        symbols = self._shard.symbols
        self._tuned = self._config  # what the flush thread knows of
        self._engine = ShardEngine(
            symbols, self._config, continuity=self._venue.continuity, restates=True
        )
        self._buffer = FrameBuffer(self._config.actors.max_buffered_trades)
        trust = trust_of(self._config.venue.ca_file)
        jitter = random.Random()  # noqa: S311 - must differ from process to process, no secret
        room = FrameBuffer(ROOM)
        has_books = self._venue.book_levels is not None
        self._feed = Feed(
            self._venue.connection(symbols),
            SortingSink(self._buffer, room, self._venue.is_book) if has_books else self._buffer,
            name=self._shard.name,
            backoff=Backoff(jitter),
            may_dial=self._allowance.dial_wait_s,
            # Not all shards at once.
            options=LineOptions(messages_per_s=self._venue.limits.messages, trust=trust),
            life_s=jitter.uniform(0.8, 1.0) * self._config.actors.connection_life / SECOND,
        )
        rest = RestClient(self._allowance, trust=trust)
        self._books = self._keeping(room, rest)
        self._catch_up = CatchUp(symbols, self._config, self._venue, rest, self._feed)
        self._intake = Intake(self._shard, self._venue, self._buffer, self._feed, self._catch_up)
        outbox = Outbox(self._shard.name, time.time_ns(), _OUTBOX_FRAMES)
        self._delivery = Delivery(outbox, self._push)
        self._reporting = Reporting(
            self._engine,
            self._feed,
            self._intake,
            self._catch_up.venue_time,
            self._books,
            self._delivery,
            self._config.sampling.step_us,
        )
        self._flushing = threading.Thread(target=self._run, name="flush", daemon=True)
        self._catch_up.start()
        if self._books is not None:
            self._books.start()
        self._delivery.start()
        self._flushing.start()
        logger.info("started shard=%s symbols=%d", self._shard.name, len(symbols))

    def _keeping(self, room: FrameBuffer, rest: RestClient) -> BookKeeping | None:
        """Return what keeps the order books; null where none are wanted."""
        if self._venue.book_levels is None:
            return None
        return BookKeeping(
            self._venue,
            self._shard.symbols,
            self._feed,
            room,
            rest,
            levels=self._venue.book_levels,
        )

    def retune(self, config: Config) -> None:
        """Take other thresholds with the next flush."""
        with self._starting:
            self._config = config

    def stop(self, timeout_s: float = 5.0) -> bool:
        """Close the feed, report what is left, and say whether all of it was acknowledged."""
        if not self._started:
            return True
        self._feed.stop()
        self._catch_up.stop()
        if self._books is not None:
            self._books.stop(timeout_s)
        self._stopping.set()
        self._flushing.join(timeout_s)
        drained = self._delivery.drain(timeout_s)
        self._delivery.stop()
        logger.info("stopped shard=%s drained=%s", self._shard.name, drained)
        return drained

    def status(self) -> WorkerStatus:
        """Return whether everything runs."""
        if not self._started:
            return WorkerStatus(started=False, dead=())
        alive = {
            "feed": self._feed.alive or not self._feed.started,
            "flush": self._flushing.is_alive(),
            "catch-up": self._catch_up.alive,
            "delivery": self._delivery.alive,
            "books": self._books is None or self._books.alive,
        }
        return WorkerStatus(started=True, dead=tuple(name for name in alive if not alive[name]))

    def _run(self) -> None:
        every_s = self._config.actors.flush / SECOND
        due_s = time.monotonic()
        while not self._stopping.is_set():
            due_s = max(due_s + every_s, time.monotonic())
            self._flush()
            self._stopping.wait(max(0.0, due_s - time.monotonic()))
        self._flush(final=True)

    def _flush(self, *, final: bool = False) -> None:
        """Compute what arrived since the last flush, and report it."""
        if self._delivery.full and not final:
            return
        config = self._config
        if config is not self._tuned:
            self._engine.retune(config)
            self._tuned = config
        backfilled = self._take_findings()
        trades = self._take_trades()
        result = self._engine.step(
            trades, backfilled=backfilled, clock_us=self._clock_us(), skew_us=self._skew_us()
        )
        self._reporting.measure(trades, result.bars)
        if self._begun:
            engine = self._engine
            self._catch_up.report(engine.holes(), engine.lost(), engine.progress())
        news = trades.height or backfilled.height or result.bars.height or result.alerts.height
        if news or final or self._reporting.due:
            self._reporting.report(result)

    def _take_findings(self) -> pl.DataFrame:
        """Apply what catch-up found; return the trades among it."""
        fetched = [NO_TRADES]
        for finding in self._catch_up.findings():
            match finding:
                case Past(bars):
                    self._engine.learn(bars)
                case Anchored(trades=trades):
                    self._anchor(finding)
                    fetched.append(trades)
                case Fetched(_, trades):
                    fetched.append(trades)
                case Expected(symbol, first_id, last_id):
                    self._engine.expect(symbol, first_id, last_id)
                case Stray(symbol, newest_id):
                    self._engine.forget_beyond(symbol, newest_id)
                case Unserved(missing):
                    self._engine.give_up(missing.symbol, missing.last_id)
                case Checked(symbol, behind):
                    self._intake.care.checked(symbol, behind=behind)
                case Verified(generation, request):
                    self._verified = generation
                    self._begun = True
                    self._intake.care.verified(request)
        return pl.concat(fetched)

    def _anchor(self, start: Anchored) -> None:
        """Start a symbol, and report its history; nothing for one that never traded."""
        if start.open_us is not None:
            self._reporting.report(self._engine.anchor(start.symbol, start.open_us, start.history))
            # They are admitted with what else was found: say where the ids start.
            self._engine.expect(start.symbol, *start.trades["trade_id"].gather([0, -1]))

    def _take_trades(self) -> pl.DataFrame:
        """Return what the feed read, once it is known where every symbol's ids start."""
        if not self._may_read():
            return NO_TRADES
        if self._intake.overflowed():
            self._verified = 0
            self._catch_up.verify_again()
        trades, rejected = self._intake.take()
        self._reject(rejected)
        if self._books is not None:
            self._books.traded(trades["symbol"].unique())
            self._reject(self._books.rejected())
        return trades

    def _reject(self, rejected: pl.DataFrame) -> None:
        if rejected.height:
            logger.warning(
                "rejected shard=%s messages=%d first=%s",
                self._shard.name,
                rejected.height,
                rejected["reason"][0],
            )
            self._engine.reject(rejected)

    def _clock_us(self) -> int | None:
        """Return the venue time up to which this connection has told everything; null if unknown.

        While trades come in, their own event times say it. A connection that tells none, though
        perhaps a heartbeat, leaves it to the venue's clock; one that is down, that may have missed
        trades, or whose silence is not usual, leaves it open.
        """
        feed = self._feed.status()
        if not feed.connected or feed.generation != self._verified or self._intake.care.suspect:
            return None
        if (time.monotonic() - self._intake.traded_s) * SECOND < _QUIET_US:
            return self._event_clock_us()
        return self._catch_up.venue_time.settled_us(time.monotonic_ns() // 1000, _QUIET_US)

    def _may_read(self) -> bool:
        """Return whether no trade can be taken for a symbol's first that is not."""
        first_ones = any(known.last_id is None for known in self._engine.progress().values())
        return self._begun and (self._feed.status().generation == self._verified or not first_ones)

    def _event_clock_us(self) -> int | None:
        """Return the newest event time, as far as the venue's clock bears it out.

        One symbol's broken time must not close the bars of the others.
        """
        venue_us = self._catch_up.venue_time.now_us(time.monotonic_ns() // 1000)
        newest_us = self._intake.newest_event_us
        if newest_us is None or venue_us is None:
            return None
        return min(newest_us, venue_us + _QUIET_US)

    def _skew_us(self) -> int:
        """Return the venue's clock less this machine's; 0 while it is unknown."""
        venue_us = self._catch_up.venue_time.now_us(time.monotonic_ns() // 1000)
        return 0 if venue_us is None else venue_us - time.time_ns() // 1000
