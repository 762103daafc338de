"""From what the connections delivered to trades that can be true, and rejected rows."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

import polars as pl

from actors.stream_care import StreamCare
from pipeline.schema import REJECTED, TRADES

if TYPE_CHECKING:
    from actors.catch_up import CatchUp
    from actors.feed import Feed
    from actors.frame_buffer import FrameBuffer
    from pipeline.sharding import Shard
    from pipeline.venues.protocol import Venue

logger = logging.getLogger(__name__)

_OF_LATE_S = 10.0


class Intake:
    """Drains a buffer; it belongs to one thread.

    Args:
        shard: Whose trades to take.
        venue: Parses.
        buffer: What the connections of the feed delivered.
        feed: Whose connections these are.
        catch_up: Knows the venue's clock, and asks over REST.

    Attributes:
        care: What is done for the connections.
        traded_s: When a trade came last, or when this was made, on the monotonic clock.
        newest_event_us: The newest event time of the connection whose trades count; null before
            the first.
    """

    def __init__(
        self, shard: Shard, venue: Venue, buffer: FrameBuffer, feed: Feed, catch_up: CatchUp
    ) -> None:
        self._shard = shard
        self._venue = venue
        self._buffer = buffer
        self._catch_up = catch_up
        self._noticed = 0
        self.care = StreamCare(venue, shard.symbols, feed, catch_up)
        self.traded_s = time.monotonic()
        self._dropped_s: float | None = None
        self.newest_event_us: int | None = None

    def overflowed(self) -> bool:
        """Return whether messages were dropped since the last call.

        What was dropped is missing without a sign until a later id shows it.
        """
        dropped, self._noticed = self.dropped - self._noticed, self.dropped
        if dropped:
            self._dropped_s = time.monotonic()
            logger.warning("buffer full shard=%s dropped=%d", self._shard.name, self._noticed)
            self.care.overheard()
        return dropped > 0

    @property
    def dropped(self) -> int:
        """How many messages were dropped so far."""
        return self._buffer.dropped

    @property
    def dropping(self) -> bool:
        """Whether messages were dropped of late."""
        return self._dropped_s is not None and time.monotonic() - self._dropped_s < _OF_LATE_S

    def take(self) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Return TRADES and REJECTED of what has arrived, and look after the connections."""
        trades, rejected = [TRADES.to_frame()], [REJECTED.to_frame()]
        self.care.begin()
        for batch in self._buffer.drain():
            parsed = self._venue.parse(batch.messages, batch.receive_us)
            for refusal in parsed.refusals:
                logger.error("venue refused shard=%s: %s", self._shard.name, refusal)
            self.care.take(batch.line, parsed)
            sound, strange = self._judge(parsed.trades)
            trades.append(sound)
            rejected += [parsed.rejected, strange]
            if sound.height:
                self.traded_s = time.monotonic()
            if sound.height and self.care.counts(batch.line):
                self._advance(int(sound["event_time"].to_physical().to_numpy().max()))
        self.care.tend()
        return pl.concat(trades), pl.concat(rejected)

    def _advance(self, event_us: int) -> None:
        known_us = self.newest_event_us
        self.newest_event_us = event_us if known_us is None else max(event_us, known_us)

    def _judge(self, trades: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Return the trades that can be true, and the others as REJECTED."""
        latest_us = self._catch_up.venue_time.latest_us(time.monotonic_ns() // 1000)
        asked = pl.col("symbol").is_in(self._shard.symbols)
        in_time = (
            pl.lit(value=True)
            if latest_us is None
            else pl.col("event_time").to_physical() <= latest_us
        )
        reason = (
            pl.when(~asked)
            .then(pl.lit("symbol: not asked for"))
            .when(~in_time)
            .then(pl.lit("event_time: ahead of the venue's clock"))
        )
        judged = trades.with_columns(reason.alias("reason"))
        strange = judged.filter(pl.col("reason").is_not_null()).select(
            "symbol", "reason", pl.col("trade_id").cast(pl.String).alias("payload"), "receive_time"
        )
        return judged.filter(pl.col("reason").is_null()).drop("reason"), strange
