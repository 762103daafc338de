"""What `cryptoctopus record` does: one connection to a venue, written to files as it comes."""

from __future__ import annotations

import logging
import random
import time
from typing import TYPE_CHECKING

import polars as pl

from actors.feed import Backoff, Feed, FrameBuffer
from actors.interruption import INTERRUPTED, interruption
from actors.listing import listed_instruments
from actors.locking import locked
from actors.rest import RestClient
from pipeline.errors import ConfigError, CryptoctopusError
from pipeline.recordings.recorder import Recorder
from pipeline.venues.registry import venue_for

if TYPE_CHECKING:
    from pathlib import Path
    from threading import Event

    from pipeline.config import Config
    from pipeline.venues.protocol import Venue

logger = logging.getLogger(__name__)

_DRAIN_EVERY_S = 0.2


def run_record(
    config: Config,
    config_path: str,
    *,
    out: Path,
    part_us: int,
    keep_bytes: int,
    run_for_s: float | None,
) -> int:
    """Record until it is interrupted or its time is over; return the exit code: 0 or 130.

    Raises:
        ConfigError: The venue runs nowhere, or does not list the symbols.
        CryptoctopusError: The directory cannot be used, or the venue not be asked.
    """
    interrupted = interruption()
    if config.venue.is_built_in:
        problem = "expected a venue that runs, found none: give websocket_url and rest_url"
        raise ConfigError(config_path, [f"venue: {problem}"])
    venue = venue_for(
        config.venue.name,
        websocket_url=config.venue.websocket_url,
        rest_url=config.venue.rest_url,
    )
    listed_instruments(venue, RestClient(), config.symbols, config_path)
    try:
        out.mkdir(parents=True, exist_ok=True)
        with locked(out / ".lock", f"--out {out}: another recording is made here"):
            recorder = Recorder(out, part_us=part_us, keep_bytes=keep_bytes)
            recording = Recording(config, venue, recorder)
            recording.run(interrupted, run_for_s)
    except OSError as error:  # such as a full disk
        raise CryptoctopusError(f"--out {out}: {error}") from error
    print(recording.summary(out))  # noqa: T201 - the result
    return INTERRUPTED if interrupted.is_set() else 0


class Recording:
    """A feed whose frames go to a recorder.

    Args:
        config: For the symbols and the bound on what waits to be written.
        venue: Says what to dial, and reads the trades.
        recorder: Writes.
    """

    def __init__(self, config: Config, venue: Venue, recorder: Recorder) -> None:
        self._config = config
        self._venue = venue
        self._recorder = recorder
        self._buffer = FrameBuffer(config.actors.max_buffered_trades)
        self._feed = Feed(
            venue.connection(config.symbols),
            self._buffer,
            name="record",
            backoff=Backoff(random.Random()),  # noqa: S311 - not for secrets
        )
        self._rejected = 0

    def run(self, interrupted: Event, run_for_s: float | None) -> None:
        """Record until interrupted, or for so long; then complete the last part."""
        end_s = None if run_for_s is None else time.monotonic() + run_for_s
        self._feed.start()
        try:
            while end_s is None or time.monotonic() < end_s:
                self._write()
                if interrupted.wait(_DRAIN_EVERY_S):
                    break
        finally:
            self._feed.stop()
            self._write()
            self._recorder.close()

    def _write(self) -> None:
        frames, receive_us = self._buffer.drain()
        parsed = self._venue.parse(frames, receive_us)
        asked = pl.col("symbol").is_in(self._config.symbols)
        self._recorder.add(frames, receive_us, parsed.trades.filter(asked))
        self._rejected += parsed.rejected.height
        for refusal in parsed.refusals:
            logger.error("venue refused: %s", refusal)
        if parsed.closing:
            self._feed.reconnect("the venue announced that it will close")

    def summary(self, out: Path) -> str:
        """Return what was recorded, in a few lines."""
        recorded = self._recorder.recorded
        lines = [
            f"{symbol}: {recorded.trades.get(symbol, 0)} trades" for symbol in self._config.symbols
        ]
        counts = {
            "frames": recorded.frames,
            "parts": recorded.parts,
            "repeated trades": recorded.repeated,
            "rejected": self._rejected,
            "frames dropped": self._buffer.dropped,
            "reconnects": self._feed.status().reconnects,
            "files removed": recorded.removed,
        }
        lines.append(", ".join(f"{count} {name}" for name, count in counts.items()) + f": {out}")
        return "\n".join(lines)
