"""How far a batch is: a bar on a terminal, else a log line now and then."""

from __future__ import annotations

import logging
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pipeline.batch.plan import Part

logger = logging.getLogger(__name__)

_LOG_EVERY_S = 10.0


@contextmanager
def batch_progress(parts: Sequence[Part]) -> Iterator[BatchProgress]:
    """Show the progress over parts on stderr."""
    console = Console(stderr=True)
    bar = Progress(
        DownloadColumn(),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}% {task.description}"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    with bar:
        yield BatchProgress(parts, bar)


class BatchProgress:
    """Counts what is done, in bytes of the inputs.

    How far a part is inside a file that does not know its length is told from the bytes a row took
    so far; until a file has been read to its end, such a part counts when it is done.
    """

    def __init__(self, parts: Sequence[Part], bar: Progress) -> None:
        self._bar = bar
        self._task = bar.add_task("", total=sum(part.size for part in parts))
        self._parts = len(parts)
        self._done = 0
        self._done_bytes = 0
        self._done_rows = 0
        self._running: dict[Part, int] = {}
        self._start_s = self._told_s = time.monotonic()

    def read(self, part: Part, rows: int) -> None:
        """Count rows of a running part."""
        self._running[part] = self._running.get(part, 0) + rows

    def finish(self, part: Part) -> None:
        """Count a part as done."""
        self._done += 1
        self._done_bytes += part.size
        self._done_rows += self._running.pop(part, 0)

    def tell(self) -> None:
        """Show where it stands."""
        now_s = time.monotonic()
        rows = self._done_rows + sum(self._running.values())
        rows_per_s = rows / max(now_s - self._start_s, 1e-3)
        described = f"{self._done}/{self._parts} parts, {rows_per_s:,.0f} rows/s"
        read_bytes = sum(self._bytes_of(part, read) for part, read in self._running.items())
        self._bar.update(self._task, description=described, completed=self._done_bytes + read_bytes)
        if self._bar.disable and now_s - self._told_s >= _LOG_EVERY_S:
            self._told_s = now_s
            logger.info("batch running: %s, %d rows", described, rows)

    def _bytes_of(self, part: Part, rows: int) -> float:
        if part.rows is not None:
            return part.size * rows / max(part.rows, 1)
        if self._done_rows == 0:
            return 0.0
        return min(part.size, rows * self._done_bytes / self._done_rows)
