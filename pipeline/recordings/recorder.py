"""What a live venue sends, as files: the frames as they came, and the trades that are in them.

    raw/20260101T120000000000Z.jsonl.gz     {"receive_us": ..., "frame": "..."}, as they arrived
    trades/20260101T120000000000Z.parquet   TRADES of the same time, by symbol and id, each once
    .part/...                               the part that is being written

A part covers a span of the receive clock that starts at a multiple of its length, and is named
after its first frame. Its files get their names when it is complete; until then what is in `.part`
is the frames, which can be read up to about the last second (a frame that is no UTF-8 is in
`frame_base64`), while the trades are in memory. So a process that is killed loses the trades of one
part, and nothing of the frames; the next one keeps the frames as `...-cut.jsonl.gz`.
"""

from __future__ import annotations

import base64
import gzip
import os
import zlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, BinaryIO

import msgspec
import polars as pl

from pipeline.durations import SECOND
from pipeline.schema import TRADES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

#: A part ends early when it holds so much: a part's trades are held in memory.
MAX_FRAME_BYTES = 1 << 30
MAX_TRADES = 1_000_000

_RAW_ENDING, _TRADES_ENDING = ".jsonl.gz", ".parquet"

#: How often frames are brought to where a killed process leaves them.
_FLUSH_US = SECOND


@dataclass(slots=True)
class Recorded:
    """What was recorded so far.

    Attributes:
        frames: Frames written.
        trades: Per symbol, trades written or held for the part.
        repeated: Trades whose id was not above those of earlier parts, or came twice.
        parts: Parts that are complete.
        removed: Files that left for the bound on the disk.
    """

    frames: int = 0
    trades: dict[str, int] = field(default_factory=dict)
    repeated: int = 0
    parts: int = 0
    removed: int = 0


class Recorder:
    """Writes the parts of a recording; time is the receive times it is given.

    Args:
        path: The directory.
        part_us: How long a part is.
        keep_bytes: What the complete files may take: beyond it the oldest part leaves, its frames
            before its trades.
    """

    def __init__(self, path: Path, *, part_us: int, keep_bytes: int) -> None:
        self._path = path
        self._part_us = part_us
        self._keep_bytes = keep_bytes
        self._part: _Part | None = None
        #: Per symbol the highest id in complete parts.
        self._last_id: dict[str, int] = {}
        self.recorded = Recorded()
        for name in ("raw", "trades", ".part"):
            (path / name).mkdir(parents=True, exist_ok=True)
        for cut in (path / ".part").glob(f"*{_RAW_ENDING}"):
            cut.rename(path / "raw" / cut.name.replace(_RAW_ENDING, f"-cut{_RAW_ENDING}"))

    def add(self, frames: Sequence[bytes], receive_us: Sequence[int], trades: pl.DataFrame) -> None:
        """Take frames in order of arrival, and the TRADES in them.

        Frames that came together stay in one part.
        """
        if not frames:
            return
        if self._part is not None and self._part.is_over(receive_us[0]):
            self._finish()
        if self._part is None:
            name = f"{datetime.fromtimestamp(receive_us[0] / SECOND, UTC):%Y%m%dT%H%M%S%fZ}"
            end_us = (receive_us[0] // self._part_us + 1) * self._part_us
            self._part = _Part(self._path / ".part" / f"{name}{_RAW_ENDING}", end_us)
        self._part.add(frames, receive_us, trades)
        self.recorded.frames += len(frames)

    def close(self) -> None:
        """Complete the last part."""
        if self._part is not None:
            self._finish()

    def _finish(self) -> None:
        part, self._part = self._part, None
        assert part is not None  # noqa: S101 - called only while there is one
        part.close()
        trades = self._new(part.trades())
        stem = part.path.name.removesuffix(_RAW_ENDING)
        if trades.height:
            temporary = part.path.with_name(f"{stem}{_TRADES_ENDING}")
            trades.write_parquet(temporary)
            _settle(temporary, self._path / "trades" / temporary.name)
        _settle(part.path, self._path / "raw" / part.path.name)
        self.recorded.parts += 1
        self._bound()

    def _new(self, trades: pl.DataFrame) -> pl.DataFrame:
        """Return each id once and in order, without those that earlier parts reach up to."""
        known = pl.col("symbol").replace_strict(self._last_id, default=-1, return_dtype=pl.Int64)
        new = (
            trades.filter(pl.col("trade_id") > known)
            .unique(["symbol", "trade_id"], keep="first", maintain_order=True)
            .sort("symbol", "trade_id")
        )
        self.recorded.repeated += trades.height - new.height
        for symbol, last_id, count in (
            new.group_by("symbol").agg(pl.col("trade_id").max(), pl.len()).iter_rows()
        ):
            self._last_id[symbol] = last_id
            self.recorded.trades[symbol] = self.recorded.trades.get(symbol, 0) + count
        return new

    def _bound(self) -> None:
        """Let the oldest files leave until the others fit."""
        files = sorted(
            (*(self._path / "raw").iterdir(), *(self._path / "trades").iterdir()),
            key=lambda file: (file.name.partition(".")[0], file.suffix == _TRADES_ENDING),
        )
        sizes = [file.stat().st_size for file in files]
        excess = sum(sizes) - self._keep_bytes
        for file, size in zip(files, sizes, strict=True):
            if excess <= 0:
                break
            file.unlink()
            self.recorded.removed += 1
            excess -= size


class _Part:
    """Frames on their way to a file, and the trades of the same time."""

    def __init__(self, path: Path, end_us: int) -> None:
        self.path = path
        self._end_us = end_us
        self._file: BinaryIO = path.open("wb")
        self._zipped = gzip.GzipFile(filename="", mode="wb", compresslevel=4, fileobj=self._file)
        self._bytes = 0
        self._flush_us = 0
        self._trades = [TRADES.to_frame()]
        self._rows = 0

    def is_over(self, now_us: int) -> bool:
        full = self._bytes >= MAX_FRAME_BYTES or self._rows >= MAX_TRADES
        return full or now_us >= self._end_us

    def add(self, frames: Sequence[bytes], receive_us: Sequence[int], trades: pl.DataFrame) -> None:
        lines = [_line(frame, time_us) for frame, time_us in zip(frames, receive_us, strict=True)]
        self._zipped.write(b"".join(lines))
        self._bytes += sum(map(len, lines))
        self._trades.append(trades)
        self._rows += trades.height
        if receive_us[-1] >= self._flush_us:
            self._flush_us = receive_us[-1] + _FLUSH_US
            self._zipped.flush(zlib.Z_SYNC_FLUSH)
            self._file.flush()

    def trades(self) -> pl.DataFrame:
        return pl.concat(self._trades)

    def close(self) -> None:
        self._zipped.close()
        self._file.close()


def _line(frame: bytes, receive_us: int) -> bytes:
    try:
        told = {"receive_us": receive_us, "frame": frame.decode()}
    except UnicodeDecodeError:
        told = {"receive_us": receive_us, "frame_base64": base64.b64encode(frame).decode()}
    return msgspec.json.encode(told) + b"\n"


def _settle(temporary: Path, path: Path) -> None:
    """Give a complete file its name."""
    with temporary.open("rb") as written:
        os.fsync(written.fileno())  # or a power cut may leave a name without its content
    temporary.rename(path)
