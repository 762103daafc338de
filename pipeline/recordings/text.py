"""Recordings of one row a line: CSV dumps, JSON lines, and JSON arrays cut into lines."""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from pipeline.errors import ReplayError
from pipeline.recordings.dumps import tell_dump
from pipeline.recordings.lines import read_elements, read_lines
from pipeline.recordings.raw_json import KlineFormat, TradeFormat
from pipeline.recordings.streams import read_pieces

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import polars as pl

    from pipeline.recordings.recording import Kind

# A file is unpacked and read in pieces of about so many bytes. Larger ones are slower: memory that
# big is given back to the system after each, and asked for again.
_LEAST_BYTES, _MOST_BYTES = 1 << 16, 1 << 23
_ROW_BYTES = 128

_ARRAY_OF_KLINES = re.compile(rb"\s*\[\s*\[")
_ARRAY_OF_TRADES = re.compile(rb"\s*\[\s*\{")
_OBJECT = re.compile(rb"\s*\{")
_NOTHING = re.compile(rb"\s*(\[\s*\]\s*)?")


class LineFormat(Protocol):
    """What the lines of a file mean."""

    @property
    def kind(self) -> Kind:
        """What they are."""

    @property
    def header(self) -> bool:
        """Whether the first line is no row."""

    def values(self, lines: bytes) -> pl.DataFrame:
        """Read whole lines, see `Block.values`."""

    def fault(self, line: bytes) -> str:
        """Say what is wrong with a line that `values` does not read."""


class TextBlock:
    """Whole lines, read."""

    def __init__(self, lines: bytes, line_format: LineFormat) -> None:
        self.values = line_format.values(lines)
        self._content = lines
        self._format = line_format

    @cached_property
    def _lines(self) -> list[bytes]:
        return self._content.split(b"\n")

    def payload(self, row: int) -> str:
        """Return a line."""
        return self._lines[row].decode(errors="replace").rstrip("\r")

    def fault(self, row: int) -> str:
        """Say what is wrong with a line that cannot be read."""
        return self._format.fault(self._lines[row])


class TextRecording:
    """A file of lines.

    Args:
        path: The file.
        read: Its blocks of lines, in pieces of about so many bytes.
        line_format: What its lines mean.
    """

    rows: int | None = None

    def __init__(
        self, path: Path, read: Callable[[Path, int], Iterator[bytes]], line_format: LineFormat
    ) -> None:
        self._path = path
        self._read = read
        self._format = line_format
        self.kind = line_format.kind
        self.first_number = 2 if line_format.header else 1

    def blocks(self, start_row: int, rows: int) -> Iterator[tuple[int, TextBlock]]:
        """Yield its blocks, see `Recording.blocks`; what is before them is unpacked, not read."""
        piece_bytes = min(max(rows * _ROW_BYTES, _LEAST_BYTES), _MOST_BYTES)
        next_row, header = 0, self._format.header
        for piece in self._read(self._path, piece_bytes):
            lines = piece[piece.index(b"\n") + 1 :] if header else piece
            header = False
            if next_row < start_row:
                count = lines.count(b"\n")
                if next_row + count <= start_row:
                    next_row += count
                    continue
            block = TextBlock(lines, self._format)
            yield next_row, block
            next_row += block.values.height


def open_dump(path: Path) -> TextRecording:
    """Open a CSV dump.

    Raises:
        ReplayError: The file cannot be read, or is no dump.
    """
    lines = next(read_lines(path, _LEAST_BYTES), b"")
    if not lines.strip():
        raise ReplayError(f"{path}: expected trades, found an empty file")
    return TextRecording(path, read_lines, tell_dump(lines, path))


def open_json(path: Path) -> TextRecording:
    """Open JSON: lines of `aggTrade` objects, an array of them, or an array of klines.

    Raises:
        ReplayError: The file cannot be read, or is none of these.
    """
    start = next(read_pieces(path, _LEAST_BYTES), b"")
    if _ARRAY_OF_KLINES.match(start):
        return TextRecording(path, read_elements, KlineFormat())
    if _ARRAY_OF_TRADES.match(start):
        return TextRecording(path, read_elements, TradeFormat())
    if _OBJECT.match(start):
        return TextRecording(path, read_lines, TradeFormat())
    if _NOTHING.fullmatch(start):
        raise ReplayError(f"{path}: expected trades, found none")
    found = start[:40].decode(errors="replace")
    raise ReplayError(f"{path}: expected raw aggTrades or an array of klines, found {found!r}")
