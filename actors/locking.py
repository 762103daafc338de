"""One process at a time in a directory."""

from __future__ import annotations

import fcntl
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pipeline.errors import CryptoctopusError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def locked(path: Path, refusal: str) -> Iterator[None]:
    """Keep other processes out while the block runs; the lock goes with the process.

    Args:
        path: The file that is locked.
        refusal: What the one who comes second is told.

    Raises:
        CryptoctopusError: Another process holds the lock, or the file cannot be written.
    """
    try:
        lock = path.open("w")
    except OSError as error:
        raise CryptoctopusError(f"{path.parent}: cannot be written to: {error}") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise CryptoctopusError(refusal) from error
        yield
