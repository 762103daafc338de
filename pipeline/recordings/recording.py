"""The seam between what a file looks like and what its rows must be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Iterator

Kind = Literal["trades", "klines"]

# A time is milliseconds or microseconds: 1e15 is the year 33658 in one and 2001 in the other.
_FIRST_MICROSECONDS = 10**15


def microseconds(time: pl.Expr) -> pl.Expr:
    """Bring whole numbers of milliseconds or microseconds to microseconds, each by its size."""
    return pl.when(time >= _FIRST_MICROSECONDS).then(time).otherwise(time * 1_000)


class Block(Protocol):
    """Rows of a file that follow each other."""

    @property
    def values(self) -> pl.DataFrame:
        """One row for each of the file, null where it cannot be read.

        Of trades: `trade_id first_id last_id time_us price quantity buyer_is_maker`, and `symbol`
        where rows tell it. Of klines: `time_us open high low close volume`, and `notional trades`
        where rows have them. Other columns are only there to be complete.
        """

    def payload(self, row: int) -> str:
        """Return a row as it stands in the file; rows of the block count from 0."""

    def fault(self, row: int) -> str:
        """Say what was expected and found in a row of which a value is null."""


class Recording(Protocol):
    """A file of a known format."""

    @property
    def kind(self) -> Kind:
        """What its rows are."""

    @property
    def first_number(self) -> int:
        """The number of its first row in the file: 2 after a header, else 1."""

    @property
    def rows(self) -> int | None:
        """How many rows it has, where the file says so."""

    def blocks(self, start_row: int, rows: int) -> Iterator[tuple[int, Block]]:
        """Yield its blocks in file order, each with the number of rows before it.

        Args:
            start_row: In the first block; rows count from 0.
            rows: About how many the reader wants at a time; a block may have more or fewer.

        Raises:
            ReplayError: The file is damaged: raised after the last block before the damage.
        """
