"""What is known of a symbol beside its bars: its ids, its freshness, and what was not right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from pipeline.durations import MILLISECOND, SECOND
from pipeline.schema import HEALTH

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from pipeline.ledger import TradeLedger


@dataclass(slots=True)
class Tally:
    """What one symbol has had, beside its trade ids."""

    rejected: int = 0
    late: int = 0
    bars: int = 0
    incomplete_bars: int = 0
    last_price: float | None = None
    last_trade_us: int | None = None
    lag_ms: float | None = None

    def trade(self, newest: np.void, skew_us: int) -> None:
        """Take the newest applied trade, a TRADE_ROW.

        Args:
            newest: The trade.
            skew_us: The venue's clock less the one that stamped its `receive_us`.
        """
        self.last_price = float(newest["price"])
        self.last_trade_us = int(newest["event_us"])
        if newest["live"]:
            lag_us = int(newest["receive_us"] - newest["event_us"]) + skew_us
            self.lag_ms = lag_us / MILLISECOND


def health_row(
    symbol: str,
    ledger: TradeLedger,
    tally: Tally,
    *,
    venue_us: int | None,
    reconnects: int,
    alerts: int,
    sha256: str | None,
) -> dict[str, Any]:
    """Return one row of HEALTH, its time in microseconds."""
    known = venue_us is not None and tally.last_trade_us is not None
    age_us = max(0, venue_us - tally.last_trade_us) if known else None  # type: ignore[operator]  # both are known
    return {
        "symbol": symbol,
        "first_id": ledger.first_id,
        "last_id": ledger.last_id,
        "last_price": tally.last_price,
        "last_trade_time": tally.last_trade_us,
        "last_trade_age_s": None if age_us is None else age_us / SECOND,
        "live": ledger.live,
        "backfilled": ledger.backfilled,
        "pending": ledger.pending,
        "lost": ledger.lost,
        "duplicates": ledger.duplicates,
        "late": tally.late,
        "rejected": tally.rejected + ledger.implausible,
        "coverage_frac": ledger.coverage_frac,
        "reconnects": reconnects,
        "lag_ms": tally.lag_ms,
        "bars": tally.bars,
        "incomplete_bars": tally.incomplete_bars,
        "alerts": alerts,
        "sha256": sha256,
    }


def health_frame(rows: Sequence[dict[str, Any]]) -> pl.DataFrame:
    """Return rows as HEALTH."""
    times = pl.Schema({"last_trade_time": pl.Int64})
    return pl.DataFrame(rows, schema_overrides=times, orient="row").cast(HEALTH)
