"""Blocks of whole lines, whatever the pieces a file comes in; an array's elements as lines."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pipeline.errors import ReplayError
from pipeline.recordings.streams import read_pieces

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Rows have some hundred bytes; what holds this many without an end is no text of rows.
_LONGEST_ROW_BYTES = 1 << 20

_BETWEEN = re.compile(rb"([}\]])\s*,\s*([{\[])")
_OPENING = re.compile(rb"\s*\[")
_CLOSING = re.compile(rb"\s*\]\s*\Z")


def read_lines(path: Path, piece_bytes: int) -> Iterator[bytes]:
    """Yield the file as blocks of whole lines, each ended by a line feed.

    Before damage the line that it cuts is left out; at the end of a whole file a line need not be
    ended.

    Raises:
        ReplayError: As `read_pieces`, or a line is over a megabyte long.
    """
    tail = b""
    for piece in read_pieces(path, piece_bytes):
        end = piece.rfind(b"\n") + 1
        if end:
            yield tail + piece[:end]
            tail = piece[end:]
        else:
            tail += piece
            _refuse_endless(tail, path)
    if tail:
        yield tail + b"\n"


def read_elements(path: Path, piece_bytes: int) -> Iterator[bytes]:
    """Yield a JSON array of objects, or of arrays, as blocks of lines: one element each.

    Cut is between `},{` and `],[`, without a look at what is between, so that a bad element is one
    bad line. An element has neither inside, as objects and klines of a recording have not.

    Raises:
        ReplayError: As `read_lines`, or the array is not closed: raised after its last whole
            element.
    """
    tail, opened = b"", False
    for piece in read_pieces(path, piece_bytes):
        text = tail + piece.replace(b"\n", b" ")
        if not opened:
            text, opened = _OPENING.sub(b"", text, count=1), True
        text = _BETWEEN.sub(rb"\1\n\2", text)
        end = text.rfind(b"\n") + 1
        if end:
            yield text[:end]
        tail = text[end:]
        _refuse_endless(tail, path)
    last = _CLOSING.sub(b"", tail)
    if last == tail or last[-1:] not in {b"", b"}", b"]"}:
        raise ReplayError(
            f"{path}: expected raw aggTrades or klines to the end of an array, found it cut off"
        )
    if last:
        yield last + b"\n"


def _refuse_endless(tail: bytes, path: Path) -> None:
    if len(tail) > _LONGEST_ROW_BYTES:
        raise ReplayError(f"{path}: expected rows, found one of over {_LONGEST_ROW_BYTES} bytes")
