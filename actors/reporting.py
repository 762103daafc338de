"""What a shard tells the coordinator: results, health, and how long they took to here."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from pipeline.conditions import SKEWED_US, FeedState
from pipeline.delivery import Payload, Timing, newest_ranges, to_ipc
from pipeline.latency import measured, no_counts

if TYPE_CHECKING:
    import polars as pl

    from actors.book_keeping import BookKeeping
    from actors.delivery import Delivery
    from actors.feed import Feed
    from actors.intake import Intake
    from actors.venue_time import VenueTime
    from pipeline.analysis import StepResult
    from pipeline.engine import ShardEngine

#: The longest time between two reports.
_REPORT_S = 1.0


class Reporting:
    """Makes reports; it belongs to the thread that owns the engine.

    Args:
        engine: Whose results they are of.
        feed: Of the shard.
        intake: Knows what is doubtful about the feed.
        venue_time: The venue's clock.
        books: The order books; null where none are kept.
        delivery: Takes the reports.
        step_us: The grid step; null where every trade is a sample.
    """

    def __init__(
        self,
        engine: ShardEngine,
        feed: Feed,
        intake: Intake,
        venue_time: VenueTime,
        books: BookKeeping | None,
        delivery: Delivery,
        step_us: int | None,
    ) -> None:
        self._engine = engine
        self._feed = feed
        self._intake = intake
        self._venue_time = venue_time
        self._books = books
        self._delivery = delivery
        self._step_us = step_us
        self._reported_s = 0.0
        self._reported: FeedState | None = None
        self._latencies = no_counts()

    @property
    def due(self) -> bool:
        """Whether there is something to tell although nothing was computed."""
        has_changed = self._feed_state() != self._reported
        return has_changed or time.monotonic() - self._reported_s >= _REPORT_S

    def measure(self, trades: pl.DataFrame, bars: pl.DataFrame) -> None:
        """Take how long trades, and the bars made of them, were on their way until now."""
        skew = self._venue_time.skew()
        took = measured(
            trades,
            bars,
            now_us=time.time_ns() // 1000,
            skew_us=None if skew is None else skew.skew_us,
            step_us=self._step_us,
        )
        for leg, counts in took.items():
            self._latencies[leg] += counts

    def report(self, result: StepResult) -> None:
        """Tell of a result, and of how everything is."""
        self._reported_s = time.monotonic()
        venue_us = self._venue_time.now_us(time.monotonic_ns() // 1000)
        latencies, self._latencies = self._latencies, no_counts()
        self._reported = feed = self._feed_state()
        if self._books is not None:  # apart: they change all the time
            feed = replace(feed, books=self._books.states())
        health = self._engine.health(venue_us=venue_us, feed=feed)
        self._delivery.put(
            Payload(
                bars=to_ipc(result.bars),
                features=to_ipc(result.features),
                alerts=to_ipc(result.alerts),
                health=to_ipc(health),
                venue_us=venue_us,
                connected=feed.connected,
                reconnects=feed.reconnects,
                rejected_unnamed=self._engine.rejected_unnamed,
                timing=Timing(time.time_ns() // 1000, latencies, self._venue_time.skew()),
                lost_ranges=newest_ranges(self._engine.lost()),
            )
        )

    def _feed_state(self) -> FeedState:
        """Return what the health of the symbols is told by."""
        feed, skew = self._feed.status(), self._venue_time.skew()
        unusual, behind = self._intake.care.doubts()
        return FeedState(
            connected=feed.connected,
            reconnects=feed.reconnects,
            handovers=feed.handovers,
            dropped=self._intake.dropped,
            suspect=self._intake.care.suspect,
            dropping=self._intake.dropping,
            skewed=skew is not None and abs(skew.skew_us) - skew.error_us > SKEWED_US,
            behind=behind,
            unusual=unusual,
        )
