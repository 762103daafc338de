"""What a batch has left, read again: its configuration, an alert, the bars behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from pipeline.batch.folder import ALERTS_FILE, BatchFolder, partition
from pipeline.config_file import config_of
from pipeline.errors import ReplayError
from pipeline.schema import BARS, MARKET_SYMBOL, TIME

if TYPE_CHECKING:
    from pathlib import Path


class RecordedBatch:
    """A finished batch.

    Args:
        path: Its output directory.

    Raises:
        ReplayError: There is no finished batch.
        ConfigError: Another version made it, whose configuration makes no sense any more.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        if not (path / ALERTS_FILE).is_file():
            raise ReplayError(f"{path}: expected the results of a batch, found no {ALERTS_FILE}")
        self.config = config_of(BatchFolder(path).claimed_by().config, str(path), ())

    def alert(self, alert_id: str) -> dict[str, Any]:
        """Return an ALERTS row.

        Raises:
            ReplayError: It is not there; a batch has none of the market.
        """
        alerts = pl.read_parquet(self._path / ALERTS_FILE)
        found = alerts.filter(pl.col("alert_id") == alert_id)
        if found.is_empty() and alert_id.startswith(f"{MARKET_SYMBOL}-"):
            raise ReplayError(
                f"{self._path / ALERTS_FILE}: expected an alert of a symbol, found {alert_id}: "
                "a batch says nothing of the market, only the running pipeline does"
            )
        if found.is_empty():
            raise ReplayError(
                f"{self._path / ALERTS_FILE}: expected alert {alert_id}, found {alerts.height:,} "
                "others"
            )
        return found.row(0, named=True)

    def bars(self, symbol: str, since_us: int | None, until_us: int) -> pl.DataFrame:
        """Return BARS of a symbol that opened in [since_us, until_us), in time order.

        Args:
            symbol: Which.
            since_us: Null is from the first on.
            until_us: Exclusive.
        """
        folder = self._path / "bars" / partition(symbol)
        paths = sorted(folder.glob("date=*/part-*.parquet"))
        if not paths:
            return BARS.to_frame()
        wanted = pl.col("open_time") < pl.lit(until_us).cast(TIME)
        if since_us is not None:
            wanted &= pl.col("open_time") >= pl.lit(since_us).cast(TIME)
        return pl.scan_parquet(paths, hive_partitioning=False).filter(wanted).collect()
