"""The bytes of a file, unpacked piece by piece; of a damaged one, all that comes before the damage.

gzip and zip are unpacked here and not by the standard library's readers, which lose the last bytes
before the damage, and cannot read a zip that was cut off: its directory is at its end.
"""

from __future__ import annotations

import struct
import zipfile
import zlib
from functools import partial
from typing import TYPE_CHECKING, BinaryIO

from pipeline.errors import ReplayError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

_GZIP = 31  # what zlib calls a gzip member, checked by its CRC
_RAW_DEFLATE = -15
_STORED, _DEFLATED = 0, 8

# A zip's local header: signature, flags, method, CRC, packed size, lengths of name and extra field.
_LOCAL_HEADER = struct.Struct("<4s2xHH4xIL4xHH")
_ENCRYPTED = 1

# Steps of unpacking, whatever is asked for: the bytes of the step that meets damage are lost, and
# must be the same ones each time.
_STEP_BYTES = 1 << 15


def read_pieces(path: Path, piece_bytes: int) -> Iterator[bytes]:
    """Yield what a plain, `.gz` or `.zip` file holds, in pieces of about `piece_bytes`.

    Raises:
        ReplayError: The file cannot be read, or is damaged: raised after the last good piece.
    """
    held: list[bytes] = []
    damage: Exception | None = None
    try:
        with path.open("rb") as file:
            for step in _unpacked(file, path):
                held.append(step)
                if len(held) * _STEP_BYTES >= piece_bytes:
                    yield b"".join(held)
                    held.clear()
    except FileNotFoundError as error:
        raise ReplayError(f"{path}: expected a recording, found no such file") from error
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile) as error:
        damage = error
    if held:
        yield b"".join(held)
    if damage is not None:
        raise ReplayError(f"{path}: expected a whole file, found it damaged: {damage}") from damage


def _unpacked(file: BinaryIO, path: Path) -> Iterator[bytes]:
    """Yield the content in steps."""
    if path.suffix == ".gz":
        return _gunzip(file)
    if path.suffix == ".zip":
        return _unzip(file, path)
    return iter(partial(file.read, _STEP_BYTES), b"")


def _gunzip(file: BinaryIO) -> Iterator[bytes]:
    packed = file.read(_STEP_BYTES)
    while packed:
        rest = yield from _inflate(file, packed, _GZIP)
        # Another member may follow, and so may zeros that fill a block.
        packed = (rest or file.read(_STEP_BYTES)).lstrip(b"\0")


def _inflate(file: BinaryIO, packed: bytes, window_bits: int) -> Generator[bytes, None, bytes]:
    """Unpack one compressed stream that starts with `packed`; return the bytes behind its end."""
    engine = zlib.decompressobj(window_bits)
    while not engine.eof:
        packed = packed or file.read(_STEP_BYTES)
        step = engine.decompress(packed, _STEP_BYTES)
        if step:
            yield step
        elif not packed:
            raise EOFError("it ends before its compressed data does")
        packed = engine.unconsumed_tail
    return engine.unused_data


def _unzip(file: BinaryIO, path: Path) -> Iterator[bytes]:
    try:
        members = zipfile.ZipFile(file).infolist()
    except (zipfile.BadZipFile, NotImplementedError, UnicodeDecodeError) as error:
        yield from _unzip_at(file, 0, None)
        raise EOFError("the directory at its end cannot be read") from error
    if len(members) != 1:
        raise ReplayError(f"{path}: expected one file inside, found {len(members)}")
    crc = 0
    for step in _unzip_at(file, members[0].header_offset, members[0].compress_size):
        crc = zlib.crc32(step, crc)
        yield step
    if crc != members[0].CRC:
        raise zipfile.BadZipFile(f"expected a CRC of {members[0].CRC:08x}, found {crc:08x}")


def _unzip_at(file: BinaryIO, offset: int, packed_bytes: int | None) -> Iterator[bytes]:
    """Unpack the member whose local header is at `offset`; its size may be told by the header."""
    file.seek(offset)
    header = file.read(_LOCAL_HEADER.size)
    if len(header) < _LOCAL_HEADER.size or not header.startswith(b"PK\3\4"):
        raise zipfile.BadZipFile("it does not start as a zip does")
    _, flags, method, told_bytes, _, name_bytes, extra_bytes = _LOCAL_HEADER.unpack(header)
    file.seek(name_bytes + extra_bytes, 1)
    if flags & _ENCRYPTED or method not in {_STORED, _DEFLATED}:
        raise zipfile.BadZipFile("what is inside is neither deflated nor stored, or is encrypted")
    if method == _DEFLATED:
        yield from _inflate(file, b"", _RAW_DEFLATE)
        return
    left = told_bytes if packed_bytes is None else packed_bytes
    while left:
        step = file.read(min(left, _STEP_BYTES))
        if not step:
            raise EOFError(f"it ends {left} bytes before its data does")
        left -= len(step)
        yield step
