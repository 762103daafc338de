"""Frames from shards to the coordinator: each applied once, in order, whichever end crashes.

A push carries `base`, the oldest sequence number its producer still holds. An unknown producer
starts just before it; a gap is answered with the old watermark; and the producer always adopts the
answer, even when it goes backwards.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from io import BytesIO
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pipeline.clock import Skew
    from pipeline.latency import Counts

#: Of each symbol a payload tells so many ranges of lost ids: the newest.
LOST_RANGES = 1_000


@dataclass(frozen=True, slots=True)
class Timing:
    """How long things took.

    Attributes:
        made_us: When the payload was made, on the clock of the shard's machine.
        latencies: What was counted since the payload before, by leg.
        skew: The venue's clock against that machine's; null while unknown.
    """

    made_us: int
    latencies: Mapping[str, Counts]
    skew: Skew | None


@dataclass(frozen=True, slots=True)
class Payload:
    """What a shard reports: frames as Arrow IPC streams, and what they were made at.

    Attributes:
        bars: BARS.
        features: Features, row for row as `bars`.
        alerts: ALERTS.
        health: HEALTH, one row a symbol of the shard.
        venue_us: The venue's clock; null while unknown.
        connected: Whether the feed was connected.
        reconnects: Of the feed, since the shard was started.
        rejected_unnamed: Rejected messages that name none of its symbols.
        timing: How long things took; null where that was not measured.
        lost_ranges: The ids that are lost, of every symbol that has any, as `newest_ranges`.
    """

    bars: bytes
    features: bytes
    alerts: bytes
    health: bytes
    venue_us: int | None
    connected: bool
    reconnects: int
    rejected_unnamed: int
    timing: Timing | None = None
    lost_ranges: Mapping[str, Sequence[tuple[int, int]]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Envelope:
    """A payload with its place in the order of its producer."""

    shard: str
    incarnation: int  # grows with every restart of the shard
    base: int
    seq: int
    payload: Payload


def newest_ranges(
    lost: Mapping[str, Sequence[tuple[int, int]]],
) -> dict[str, Sequence[tuple[int, int]]]:
    """Return the newest LOST_RANGES ranges of each symbol, oldest first.

    Args:
        lost: Ranges of ids by symbol, both ends inclusive, oldest first.
    """
    return {symbol: ranges[-LOST_RANGES:] for symbol, ranges in lost.items()}


def to_ipc(frame: pl.DataFrame) -> bytes:
    """Return a frame as an Arrow IPC stream."""
    buffer = BytesIO()
    frame.write_ipc_stream(buffer)
    return buffer.getvalue()


def from_ipc(stream: bytes) -> pl.DataFrame:
    """Return the frame of an Arrow IPC stream."""
    return pl.read_ipc_stream(stream)


class Outbox:
    """What a producer may have to send, or send again.

    It holds up to `capacity` payloads that were not yet acknowledged. Full means: take nothing more
    in; the producer then leaves its input where it is, so nothing is lost here. Beyond those it
    keeps the newest acknowledged ones, `capacity` in all, for a coordinator that starts anew.
    """

    def __init__(self, shard: str, incarnation: int, capacity: int) -> None:
        self._shard = shard
        self._incarnation = incarnation
        self._capacity = capacity
        self._held: deque[tuple[int, Payload]] = deque()
        self._last_seq = 0
        self._acked = 0

    @property
    def full(self) -> bool:
        """Whether `put` must wait for an acknowledgement."""
        return self._last_seq - self._acked >= self._capacity

    @property
    def empty(self) -> bool:
        """Whether everything put was acknowledged."""
        return self._acked == self._last_seq

    def put(self, payload: Payload) -> None:
        """Take the next payload."""
        self._last_seq += 1
        self._held.append((self._last_seq, payload))
        if len(self._held) > self._capacity and self._held[0][0] <= self._acked:
            self._held.popleft()

    def next(self) -> Envelope | None:
        """Return what to push now; null when everything was acknowledged."""
        if self.empty:
            return None
        base = self._held[0][0]
        seq, payload = self._held[self._acked + 1 - base]
        return Envelope(self._shard, self._incarnation, base, seq, payload)

    def adopt(self, watermark: int) -> None:
        """Take the coordinator's answer, even when it goes backwards: all up to it is applied.

        It may name what is no longer held, or what another producer of the same name has sent.
        """
        oldest = self._held[0][0]
        self._acked = min(max(watermark, oldest - 1), self._last_seq)


class Inbox:
    """How far each producer's frames have been applied."""

    def __init__(self) -> None:
        self._watermarks: dict[str, tuple[int, int]] = {}

    def accepts(self, envelope: Envelope) -> bool:
        """Return whether this is the next frame of its producer, to be applied."""
        incarnation, watermark = self._known(envelope)
        self._watermarks[envelope.shard] = (incarnation, watermark)
        return envelope.incarnation == incarnation and envelope.seq == watermark + 1

    def count(self, envelope: Envelope) -> None:
        """Take it that a frame that was accepted has been applied."""
        self._watermarks[envelope.shard] = (envelope.incarnation, envelope.seq)

    def watermark(self, shard: str) -> int:
        """Return the answer to a producer that has just pushed."""
        return self._watermarks[shard][1]

    def _known(self, envelope: Envelope) -> tuple[int, int]:
        """Return where a producer stands; one that is new here starts at the oldest it holds."""
        start = (envelope.incarnation, envelope.base - 1)
        known = self._watermarks.get(envelope.shard, start)
        if known[0] < envelope.incarnation:
            return start
        return known[0], max(known[1], envelope.base - 1)
