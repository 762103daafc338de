"""The days that are over, as files of the form of Binance's public dumps.

A dump is a zip with one CSV without a header: id, price, size, first and last fill, time, whether
the buyer was the maker, and `True`. Times are microseconds from 2025 on, and milliseconds before.

Lines are compressed as the trades are issued, into files without a name: what memory holds does
not grow with a day, and nothing is left behind however the process ends.
"""

from __future__ import annotations

import hashlib
import zipfile
from tempfile import TemporaryFile
from typing import IO

import numpy as np
import polars as pl

from pipeline.durations import DAY, MILLISECOND
from pipeline.exchange.decimals import E8
from pipeline.exchange.trades import Trades

#: Dumps of a symbol that are kept, the newest.
DAYS_HELD = 3

# Trades are printed in runs: small frames cost as much as large ones.
_RUN = 8192

_MICROSECONDS_FROM_US = 1_735_689_600_000_000  # 2025-01-01

# The fastest that compresses at all: the exchange waits for it.
_LEVEL = 1


class Dump:
    """The dump of one symbol and one day, complete once it was ended.

    Attributes:
        name: Of the zip.
        file: Its bytes; to be read at given places, as several may at once.
        size: How many there are.
        sha256: Over all of them.
    """

    def __init__(self, symbol: str, day: int) -> None:
        date = np.datetime64(day, "D")
        self.name = f"{symbol}-aggTrades-{date}.zip"
        self.file: IO[bytes] = TemporaryFile()  # noqa: SIM115 - closed by its owner
        self.size = 0
        self.sha256 = hashlib.sha256()
        self._unit_us = 1 if day * DAY >= _MICROSECONDS_FROM_US else MILLISECOND
        # Written from the start to the end, so that the hash can go along; hence no size up front.
        self._zip = zipfile.ZipFile(self, "w", zipfile.ZIP_DEFLATED, compresslevel=_LEVEL)
        csv = f"{symbol}-aggTrades-{date}.csv"
        self._lines = self._zip.open(csv, "w", force_zip64=True)

    def write(self, data: bytes) -> int:
        """Take bytes of the zip."""
        self.sha256.update(data)
        written = self.file.write(data)
        self.size += written
        return written

    def flush(self) -> None:
        """Do nothing: nobody reads before the end."""

    def add(self, trades: Trades) -> None:
        """Print trades that follow those printed before."""
        self._lines.write(_lines(trades, self._unit_us))

    def end(self) -> None:
        """Complete the zip."""
        self._lines.close()
        self._zip.close()
        self.file.flush()

    def close(self) -> None:
        """Give the file back."""
        self.file.close()


class _Days:
    """The dumps of one symbol."""

    def __init__(self, symbol: str) -> None:
        self._symbol = symbol
        self._day = 0
        self._open: Dump | None = None
        self._waiting: list[Trades] = []
        self._waiting_count = 0
        self.ended: list[Dump] = []

    def add(self, day: int, trades: Trades) -> None:
        """Add trades of a day that is not over."""
        self._day = day
        self._waiting.append(trades)
        self._waiting_count += len(trades)
        if self._waiting_count >= _RUN:
            self._print()

    def _print(self) -> None:
        run = np.concatenate([trades.columns for trades in self._waiting], axis=1)
        self._waiting.clear()
        self._waiting_count = 0
        if self._open is None:
            self._open = Dump(self._symbol, self._day)
        self._open.add(Trades(run))

    def end_before(self, day: int) -> None:
        """Complete the dump of the day, if that is before another one and has trades."""
        if self._day >= day:
            return
        if self._waiting:
            self._print()
        if self._open is not None:
            self._open.end()
            self.ended.append(self._open)
            self._open = None
        while len(self.ended) > DAYS_HELD:
            self.ended.pop(0).close()

    def close(self) -> None:
        if self._open is not None:
            self._open.end()  # a zip that is left open complains
            self.ended.append(self._open)
        for dump in self.ended:
            dump.close()


class Dumps:
    """The dumps of all markets: of days that are over, and whose start the exchange saw.

    Args:
        from_us: When trading began.
    """

    def __init__(self, from_us: int) -> None:
        self._first_day = -(-from_us // DAY)
        self._day = self._first_day
        self._days: dict[str, _Days] = {}

    def add(self, symbol: str, trades: Trades) -> None:
        """Add trades that follow those added before."""
        days = self._days.setdefault(symbol, _Days(symbol))
        while len(trades):
            day = int(trades.time_us[0]) // DAY
            of_day, trades = trades.split_at((day + 1) * DAY)
            days.end_before(day)
            if day >= self._first_day:
                days.add(day, of_day)

    def end_days(self, now_us: int) -> None:
        """Complete what is of days before a time; all trades before it were added."""
        day = now_us // DAY
        if day > self._day:
            self._day = day
            for days in self._days.values():
                days.end_before(day)

    def find(self, symbol: str, name: str) -> Dump | None:
        """Return a complete dump by the name of its file."""
        days = self._days.get(symbol)
        ended = [] if days is None else days.ended
        return next((dump for dump in ended if dump.name == name), None)

    def close(self) -> None:
        """Give all files back."""
        for days in self._days.values():
            days.close()


def _lines(trades: Trades, unit_us: int) -> bytes:
    columns = dict(zip(_COLUMNS, trades.columns, strict=True))
    maker = pl.when(pl.col("maker") == 1).then(pl.lit("True")).otherwise(pl.lit("False"))
    table = pl.DataFrame(columns).select(
        "trade_id",
        _decimal("price_e8"),
        _decimal("quantity_e8"),
        "first_id",
        "last_id",
        pl.col("time_us") // unit_us,
        maker,
        best_match=pl.lit("True"),
    )
    return table.write_csv(include_header=False, quote_style="never").encode()


_COLUMNS = ("trade_id", "first_id", "last_id", "time_us", "price_e8", "quantity_e8", "maker")


def _decimal(name: str) -> pl.Expr:
    whole, part = pl.col(name) // E8, pl.col(name) % E8
    return pl.format("{}.{}", whole, part.cast(pl.String).str.zfill(8)).alias(name)
