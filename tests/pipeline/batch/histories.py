"""Makes dumps of a small market, and runs them through a batch in this process."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from pipeline.batch.fingerprint import config_digest
from pipeline.batch.folder import BatchFolder
from pipeline.batch.parts import run_part
from pipeline.batch.plan import plan_parts
from pipeline.batch.sources import look_at
from pipeline.batch.summary import write_results
from pipeline.config import Config

START_MS = 1_700_000_000_000  # 2023-11-14T22:13:20Z: an hour and three quarters before midnight

CONFIG = Config.model_validate(
    {
        "symbols": ["LIVEUSDT"],
        "features": ["realized_vol_1m", "ewma_vol_1m"],
        "detector": {"name": "zscore", "window": 30, "min_move_bp": 0.0},
        "sampling": {"every": "1s", "forward_fill": "5s"},
    }
)


class Row(NamedTuple):
    """A row of an aggTrades dump."""

    trade_id: int
    price: str
    quantity: str
    time_ms: int

    def text(self, *, microseconds: bool = False) -> str:
        time = self.time_ms * 1000 if microseconds else self.time_ms
        ids = f"{self.trade_id},{self.trade_id}"
        return f"{self.trade_id},{self.price},{self.quantity},{ids},{time},True,True\n"


def market(count: int, *, seed: int = 1, first_id: int = 1, start_ms: int = START_MS) -> list[Row]:
    """Trades 300 ms apart or so, their ids without holes."""
    chance = random.Random(seed)  # noqa: S311 - a market, not a secret
    rows, price, time_ms = [], 10_000.0, start_ms
    for trade_id in range(first_id, first_id + count):
        price *= 1 + chance.gauss(0, 2e-5)
        quantity = f"{chance.randint(1, 900) / 1000}"
        rows.append(Row(trade_id, f"{price:.2f}", quantity, time_ms))
        time_ms += chance.randint(1, 600)
    return rows


def write_dump(path: Path, rows: list[Row]) -> Path:
    """Write rows as they stand; the time of the file is that of its name."""
    path.write_text("".join(row.text() for row in rows))
    os.utime(path, ns=(10**18, 10**18))
    return path


def run_here(
    out: Path,
    *files: Path,
    config: Config = CONFIG,
    chunk_rows: int = 1_000,
    part_rows: int = 20_000_000,
    stop_after: int | None = None,
    force: bool = False,
) -> dict[str, Any]:
    """Run what is left of a batch as the command does, without Ray; return the summary.

    Args:
        out: The directory.
        files: The inputs.
        config: What to compute.
        chunk_rows: Rows read at a time.
        part_rows: Rows of a part of a Parquet file.
        stop_after: Parts to run before all is left as it is.
        force: Whether to drop what another configuration made.
    """
    folder = BatchFolder(out)
    folder.open()
    folder.claim(config, force=force)
    sources = [look_at(path, path.name, None) for path in files]
    chains = plan_parts(sources, part_rows=part_rows, results_of=(config_digest(config),))
    folder.keep(chains)
    parts = [part for chain in chains.values() for part in chain]
    left = [part for part in parts if folder.record(part) is None]
    folder.sweep(set(parts).difference(left))
    for part in left[:stop_after]:
        list(run_part(part, config, folder, chunk_rows=chunk_rows))
    return {} if stop_after is not None else write_results(folder, config, chains, {})


def table(out: Path, name: str) -> pl.DataFrame:
    """Return all rows of `bars` or `features`, without the partition's date."""
    paths = sorted((out / name).rglob("*.parquet"))
    return pl.concat([pl.read_parquet(path) for path in paths])


def contents(out: Path) -> dict[str, bytes]:
    """Return every result of a directory."""
    found = [path for path in out.rglob("*") if path.is_file() and ".parts" not in path.parts]
    return {str(path.relative_to(out)): path.read_bytes() for path in sorted(found)}
