"""What is the matter with a market, in one word: causes that look alike and are not.

| word | what it means | what is done about it |
|---|---|---|
| `delisted` | the venue has taken the market off | its actor ends when it holds no other |
| `outranked` | others trade more, and a rule chooses by that | likewise |
| `down` | there is no connection | another is opened, and what was missed is fetched |
| `waiting` | no trade so far | |
| `stale` | nothing comes, or not of this market, though it should | asked, and cured, as above |
| `slow` | messages come faster than they are read, and some were dropped | they are fetched |
| `healing` | ids are missing; later trades wait for them | they are fetched |
| `skewed` | the venue's clock is wrong, or ours | latencies are corrected by it |
| `halted` | no trades for longer than is usual for it, and the venue has none either | |
| `quiet` | no price within `sampling.forward_fill`, which is usual for it | |
| `lossy` | ids are lost that could be restated yet | they are asked for again |
| `live` | none of these | |

Where several hold, the first is told; the first two by the coordinator. `stale` and `halted` are
told apart over REST: the market has newer trades than the stream told, or it has not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from pipeline.books import BookState

#: How far the clocks of machines that are looked after are apart at most.
SKEWED_US = 1_000_000


@dataclass(frozen=True, slots=True)
class FeedState:
    """What is known of the connection that carries some symbols.

    Attributes:
        connected: It is open.
        reconnects: How many were opened in the place of a lost one.
        handovers: How many took the place of another before that was dropped.
        dropped: Messages that were dropped unread, because the buffer was full.
        suspect: It is so silent that it may be dead.
        dropping: Messages were dropped unread of late.
        skewed: The venue's clock and ours differ by more than their errors allow.
        behind: Symbols of which the venue has newer trades than the stream told.
        unusual: Symbols that are silent for longer than is usual for them.
        books: What is known of the order book of each symbol; null where none are kept.
    """

    connected: bool = True
    reconnects: int = 0
    handovers: int = 0
    dropped: int = 0
    suspect: bool = False
    dropping: bool = False
    skewed: bool = False
    behind: frozenset[str] = frozenset()
    unusual: frozenset[str] = frozenset()
    books: Mapping[str, BookState] | None = None


def conditions(
    health: pl.DataFrame, feed: FeedState, losing: Sequence[str], *, quiet_after_s: float
) -> pl.Series:
    """Return the word for each row, in the order of the table above.

    Args:
        health: `symbol`, `last_id`, `last_trade_age_s` and `pending` of HEALTH.
        feed: Of the connection that carries these symbols.
        losing: Symbols with lost ids that could be restated yet.
        quiet_after_s: From this age on a trade is no price any more.
    """
    is_old = pl.col("last_trade_age_s") > quiet_after_s
    word = (
        pl.when(pl.lit(not feed.connected))
        .then(pl.lit("down"))
        .when(pl.col("last_id").is_null())
        .then(pl.lit("waiting"))
        .when(pl.lit(feed.suspect) | _among(feed.behind))
        .then(pl.lit("stale"))
        .when(pl.lit(feed.dropping))
        .then(pl.lit("slow"))
        .when(pl.col("pending") > 0)
        .then(pl.lit("healing"))
        .when(pl.lit(feed.skewed))
        .then(pl.lit("skewed"))
        .when(is_old & _among(feed.unusual))
        .then(pl.lit("halted"))
        .when(is_old)
        .then(pl.lit("quiet"))
        .when(_among(losing))
        .then(pl.lit("lossy"))
        .otherwise(pl.lit("live"))
    )
    return health.select(word.alias("condition")).to_series()


def _among(symbols: Collection[str]) -> pl.Expr:
    return pl.col("symbol").is_in(sorted(symbols))
