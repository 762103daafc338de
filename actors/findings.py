"""What the REST side of a shard finds, for the thread that owns the engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

    from pipeline.healing import Missing


@dataclass(frozen=True, slots=True)
class Past:
    """Bars of a symbol from before what its start tells of: a page to fit its budget by."""

    bars: pl.DataFrame


@dataclass(frozen=True, slots=True)
class Anchored:
    """Where a symbol starts: the first bar to build, the bars before it, the trades from it on."""

    symbol: str
    open_us: int | None  # null: the symbol never traded
    history: pl.DataFrame
    trades: pl.DataFrame


@dataclass(frozen=True, slots=True)
class Expected:
    """The venue has issued these ids of a symbol, both ends inclusive."""

    symbol: str
    first_id: int
    last_id: int


@dataclass(frozen=True, slots=True)
class Fetched:
    """Trades of a symbol for a hole."""

    symbol: str
    trades: pl.DataFrame


@dataclass(frozen=True, slots=True)
class Unserved:
    """The venue does not serve these ids."""

    missing: Missing


@dataclass(frozen=True, slots=True)
class Stray:
    """What is held of a symbol beyond the venue's newest id is broken data."""

    symbol: str
    newest_id: int


@dataclass(frozen=True, slots=True)
class Verified:
    """Nothing was missed, unseen, before this generation of the feed, or since."""

    generation: int
    request: int  # the newest that had been made when the check began


@dataclass(frozen=True, slots=True)
class Checked:
    """Whether the venue has a trade of a symbol that is not known here."""

    symbol: str
    behind: bool


Finding = Anchored | Checked | Expected | Fetched | Past | Stray | Unserved | Verified
