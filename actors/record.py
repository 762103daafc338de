"""What `cryptoctopus record` does: one connection to a venue, written to files as it comes."""

from __future__ import annotations

import logging
import random
import time
from typing import TYPE_CHECKING

import polars as pl

from actors.alone import ask_listing
from actors.feed import Feed
from actors.frame_buffer import FrameBuffer
from actors.interruption import INTERRUPTED, interruption
from actors.line import LineOptions
from actors.locking import locked
from actors.trust import trust_of
from pipeline.backoff import Backoff
from pipeline.durations import SECOND
from pipeline.errors import CryptoctopusError
from pipeline.recordings.recorder import Recorder

if TYPE_CHECKING:
    from pathlib import Path
    from threading import Event

    from actors.allowance import Allowance
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
    config, venue, allowance = ask_listing(config, config_path)
    logger.info("recording %s", " ".join(config.symbols))
    try:
        out.mkdir(parents=True, exist_ok=True)
        with locked(out / ".lock", f"--out {out}: another recording is made here"):
            recorder = Recorder(out, part_us=part_us, keep_bytes=keep_bytes)
            recording = Recording(config, venue, recorder, allowance)
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
        allowance: Says when to connect.
    """

    def __init__(
        self, config: Config, venue: Venue, recorder: Recorder, allowance: Allowance
    ) -> None:
        self._config = config
        self._venue = venue
        self._recorder = recorder
        self._buffer = FrameBuffer(config.actors.max_buffered_trades)
        self._feed = Feed(
            venue.connection(config.symbols),
            self._buffer,
            name="record",
            backoff=Backoff(random.Random()),  # noqa: S311 - not for secrets
            may_dial=allowance.dial_wait_s,
            life_s=config.actors.connection_life / SECOND,
            options=LineOptions(
                messages_per_s=venue.limits.messages, trust=trust_of(config.venue.ca_file)
            ),
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
        asked = pl.col("symbol").is_in(self._config.symbols)
        successor = self._feed.status().successor
        for batch in self._buffer.drain():
            parsed = self._venue.parse(batch.messages, batch.receive_us)
            self._recorder.add(batch.messages, batch.receive_us, parsed.trades.filter(asked))
            self._rejected += parsed.rejected.height
            for refusal in parsed.refusals:
                logger.error("venue refused: %s", refusal)
            if parsed.closing:
                self._feed.replace(batch.line, "the venue announced that it will close")
            if successor is not None and batch.line == successor.line and parsed.data:
                self._feed.promote(successor.line)

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
