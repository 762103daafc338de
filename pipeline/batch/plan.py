"""Files -> parts: a chain of them for each symbol, in the order of its history."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

from pipeline.batch.fingerprint import digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pipeline.batch.sources import Source
    from pipeline.recordings.inputs import Input

#: Files that know their length are cut into parts of so many rows.
PART_ROWS = 20_000_000


@dataclass(frozen=True, slots=True)
class Part:
    """What one task does: rows of one symbol of one file, or the end of the symbol's history.

    Attributes:
        symbol: Whose.
        number: Its place in the symbol's chain, from 0.
        source: The file; null for the end, which has no rows: what still waits is given up.
        file: The path as it was given; for the end, that of the last file.
        start_row: First row of the file.
        stop_row: The row after the last; null for the end of the file.
        rows: How many there are, where the file says so.
        size: Bytes of the file that it stands for.
        owns_unnamed: Whether rejected rows of no symbol that has a part are reported here.
        key: A digest of everything its results depend on.
        others: The other symbols of the file, which have parts of their own.
    """

    symbol: str
    number: int
    source: Input | None
    file: str
    start_row: int
    stop_row: int | None
    rows: int | None
    size: int
    owns_unnamed: bool
    key: str
    others: tuple[str, ...] = ()


def plan_parts(
    sources: Iterable[Source], *, part_rows: int, results_of: Sequence[object]
) -> dict[str, list[Part]]:
    """Return the chain of parts of each symbol.

    Args:
        sources: In any order; a symbol's go by the time and id of their first rows.
        part_rows: Files that know their length are cut into parts of so many rows.
        results_of: What every result depends on beside its input: configuration and code.
    """
    held: dict[str, list[Source]] = {}
    for source in sources:
        for symbol in source.firsts:
            held.setdefault(symbol, []).append(source)
    return {
        symbol: _chain(
            symbol,
            sorted(held[symbol], key=lambda source: (source.firsts[symbol], source.file)),
            part_rows,
            digest(*results_of, symbol),
        )
        for symbol in sorted(held)
    }


def _chain(symbol: str, sources: Sequence[Source], part_rows: int, key: str) -> list[Part]:
    """Return the parts of one symbol; each one's key covers all before it."""
    chain: list[Part] = []
    for source in sources:
        for start_row, stop_row, rows, size in _cuts(source, part_rows):
            identity = (source.file, source.size, source.changed_ns, start_row, stop_row)
            key = digest(key, *identity)
            part = Part(
                symbol=symbol,
                number=len(chain),
                source=source.input,
                file=source.file,
                start_row=start_row,
                stop_row=stop_row,
                rows=rows,
                size=size,
                owns_unnamed=symbol == min(source.firsts),
                key=key,
                others=tuple(sorted(source.firsts.keys() - {symbol})),
            )
            chain.append(part)
    end = replace(
        chain[-1],
        number=len(chain),
        source=None,
        rows=0,
        size=0,
        owns_unnamed=False,
        key=digest(key, "end"),
    )
    return [*chain, end]


def _cuts(source: Source, part_rows: int) -> list[tuple[int, int | None, int | None, int]]:
    """Return start row, stop row, rows and bytes of each part of a file."""
    rows = source.input.rows
    if rows is None or rows <= part_rows:
        return [(0, None, rows, source.size)]
    bounds = [*range(0, rows, part_rows), rows]
    return [
        (start, stop, stop - start, source.size * (stop - start) // rows)
        for start, stop in pairwise(bounds)
    ]


class Backlog:
    """Parts to do: one at a time of each symbol, those of the longest history first.

    Args:
        parts: In the order of each symbol's history.
    """

    def __init__(self, parts: Iterable[Part]) -> None:
        self._waiting: dict[str, deque[Part]] = {}
        self._left: dict[str, int] = {}
        self._busy: set[str] = set()
        for part in parts:
            self._waiting.setdefault(part.symbol, deque()).append(part)
            self._left[part.symbol] = self._left.get(part.symbol, 0) + part.size

    def take(self) -> Part | None:
        """Return the part to start next; null while none can start."""
        idle = [symbol for symbol in self._waiting if symbol not in self._busy]
        if not idle:
            return None
        symbol = max(idle, key=self._left.__getitem__)
        self._busy.add(symbol)
        return self._waiting[symbol][0]

    def finish(self, part: Part) -> None:
        """Take it that a part is done: the next one of its symbol may start."""
        self._busy.remove(part.symbol)
        self._left[part.symbol] -= part.size
        self._waiting[part.symbol].popleft()
        if not self._waiting[part.symbol]:
            del self._waiting[part.symbol]
