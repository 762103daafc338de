"""What is told about one input file: what was in it, and what was not right about it."""

from __future__ import annotations

import re
from datetime import datetime  # noqa: TC003 - msgspec reads the annotations
from typing import TYPE_CHECKING, Generic, TypeVar

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import polars as pl

#: So many of each kind are told in full; the rest is counted.
TOLD = 100

Item = TypeVar("Item")


class Findings(msgspec.Struct, Generic[Item]):
    """How many there were, and the first `TOLD` of them."""

    count: int = 0
    first: list[Item] = msgspec.field(default_factory=list)

    def add(self, items: Sequence[Item], count: int | None = None) -> None:
        """Add items in order; `count` where there were more than are at hand."""
        self.count += len(items) if count is None else count
        self.first.extend(items[: TOLD - len(self.first)])

    def merge(self, later: Findings[Item]) -> None:
        """Add what was found later."""
        self.add(later.first, later.count)


class Halt(msgspec.Struct, frozen=True):
    """A stretch of time without trades that the venue did not lose.

    Attributes:
        start: Time of the last trade before it, or open time of the first missing bar.
        end: Time of the first trade after it, or open time of the first bar after it.
        bars: Missing bars; null among trades.
    """

    start: datetime
    end: datetime
    bars: int | None = None


class Relist(msgspec.Struct, frozen=True):
    """A row from which the venue numbers a symbol's trades anew."""

    at: datetime
    newest_id: int
    first_id: int


class FileReport(msgspec.Struct):
    """What one file held of one symbol.

    Attributes:
        file: The path as it was given.
        rows: Good rows, duplicates and late ones included.
        rejected: Rejected rows by reason.
        duplicates: Rows whose trade id was there already.
        late: Rows of bars that had closed.
        lost: Trade ids given up while the file was read.
        lost_ranges: The same as [first id, last id].
        implausible_ids: Rows whose id is too far ahead of all others.
        backward_times: Rows with an earlier time than the row before them.
        microsecond_times: Rows whose time is not a whole millisecond.
        halts: See `Halt`.
        relists: See `Relist`.
        absurd_returns: Open times of bars whose return is too big to be one.
        truncated: Why the file could not be read to its end.
    """

    file: str
    rows: int = 0
    rejected: dict[str, int] = msgspec.field(default_factory=dict)
    duplicates: int = 0
    late: int = 0
    lost: int = 0
    lost_ranges: Findings[tuple[int, int]] = msgspec.field(default_factory=Findings)
    implausible_ids: int = 0
    backward_times: int = 0
    microsecond_times: int = 0
    halts: Findings[Halt] = msgspec.field(default_factory=Findings)
    relists: Findings[Relist] = msgspec.field(default_factory=Findings)
    absurd_returns: Findings[datetime] = msgspec.field(default_factory=Findings)
    truncated: str | None = None

    def reject(self, rejected: pl.DataFrame) -> None:
        """Count REJECTED rows by reason, whatever row and value they name."""
        for reason in rejected["reason"]:
            kind = reason_without_place(reason)
            self.rejected[kind] = self.rejected.get(kind, 0) + 1

    def merge(self, later: FileReport) -> None:
        """Add the report of a later part of the same file."""
        for name in _SUMMED:
            setattr(self, name, getattr(self, name) + getattr(later, name))
        for name in _LISTED:
            getattr(self, name).merge(getattr(later, name))
        for kind, count in later.rejected.items():
            self.rejected[kind] = self.rejected.get(kind, 0) + count
        self.truncated = self.truncated or later.truncated


_SUMMED = (
    "rows",
    "duplicates",
    "late",
    "lost",
    "implausible_ids",
    "backward_times",
    "microsecond_times",
)
_LISTED = ("lost_ranges", "halts", "relists", "absurd_returns")

_PLACE = re.compile(r"^row \d+: ")
_VALUE = re.compile(r", found .*", re.DOTALL)


def reason_without_place(reason: str) -> str:
    """Return `expected X` of `row 17: expected X, found Y`."""
    return _VALUE.sub("", _PLACE.sub("", reason))


def merged(reports: Iterable[FileReport]) -> list[FileReport]:
    """Return one report a file; those of one file follow each other."""
    files: list[FileReport] = []
    for report in reports:
        if files and files[-1].file == report.file:
            files[-1].merge(report)
        else:
            files.append(report)
    return files
