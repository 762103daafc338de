"""How much memory `cryptoctopus batch` takes for 100 million trades in Parquet, on two workers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from pipeline.schema import TIME, TRADES
from tests.benchmarks.timing import PROGRESS

ROOT = Path(__file__).resolve().parents[2]
START_US = 1_700_000_000_000_000
SYMBOLS = ("AAAUSDT", "BBBUSDT")
ROW_GROUP = 500_000
MEAN_GAP_US = 20_000  # fifty trades a second and symbol
SECONDS_BETWEEN_LOOKS = 0.25
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def memory(*, rows: int = 100_000_000, rows_per_file: int = 5_000_000) -> dict[str, dict[str, Any]]:
    """Return the peak of the whole process tree's memory, and how long it took."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        inputs = write_trades(folder, rows, rows_per_file)
        megabytes = sum(path.stat().st_size for path in inputs) / 1e6
        command = [sys.executable, "-m", "pipeline", "batch", str(ROOT / "configs" / "demo.yaml")]
        command += [*map(str, inputs), "--out", str(folder / "out")]
        command += ["--workers", "2", "--address", "local"]
        began_s = time.monotonic()
        with (folder / "log").open("wb") as log:
            batch = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)  # noqa: S603 - our own command
            tree = _watch(batch, PROGRESS.status("batch"))
        wall_s = time.monotonic() - began_s
        if batch.returncode:
            raise SystemExit((folder / "log").read_text(encoding="utf-8"))
        bars = pl.scan_parquet(folder / "out" / "bars").select(pl.len()).collect().item()
    return {
        f"batch, {rows / 1e6:g}M trades": {
            "cpu_s": round(tree.cpu_s, 1),
            "wall_s": round(wall_s, 1),
            "rows": rows,
            "rows_per_s": round(rows / wall_s),
            "bars": bars,
            "parquet_mb": round(megabytes),
            "peak_pss_mb": round(tree.peak_bytes / 1e6),
            "processes": tree.processes,
        }
    }


class Tree:
    """A process and all that it started, as the kernel accounts for them.

    Attributes:
        peak_bytes: Most memory in use at a look; a page shared by several counts once (PSS).
        processes: Most processes at a look.
    """

    def __init__(self, pid: int) -> None:
        self.peak_bytes = 0
        self.processes = 0
        self._members = {pid}
        self._cpu_s: dict[int, float] = {}

    def look(self) -> None:
        """Account for what runs now."""
        self._find()
        sizes = [size for pid in self._members if (size := _pss_bytes(pid)) is not None]
        self.peak_bytes = max(self.peak_bytes, sum(sizes))
        self.processes = max(self.processes, len(sizes))

    @property
    def cpu_s(self) -> float:
        """CPU seconds of all members, as of the last look at each."""
        return sum(self._cpu_s.values())

    def _find(self) -> None:
        """Add the children of members: a child stays one when its parent has ended."""
        parents = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and (stat := _read(entry / "stat")) is not None:
                fields = stat.rpartition(")")[2].split()
                parents[int(entry.name)] = int(fields[1])
                if int(entry.name) in self._members:
                    used = (int(fields[11]) + int(fields[12])) / _TICKS_PER_S
                    self._cpu_s[int(entry.name)] = used
        found = True
        while found:
            found = {pid for pid, parent in parents.items() if parent in self._members}
            found -= self._members
            self._members |= found


def _watch(process: subprocess.Popen[bytes], status: Any) -> Tree:  # noqa: ANN401 - rich's
    tree = Tree(process.pid)
    with status:
        while process.poll() is None:
            tree.look()
            time.sleep(SECONDS_BETWEEN_LOOKS)
    return tree


def _pss_bytes(pid: int) -> int | None:
    text = _read(Path(f"/proc/{pid}/smaps_rollup"))
    if text is None:
        return None
    return next(
        (int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("Pss:")), None
    )


def _read(path: Path) -> str | None:
    """Return a file of a process, null when it has ended meanwhile."""
    try:
        return path.read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return None


def write_trades(folder: Path, rows: int, rows_per_file: int) -> list[Path]:
    """Write seeded trades, one file after the other for each symbol."""
    random = np.random.default_rng(7)
    paths = []
    for symbol in SYMBOLS:
        event_us, price = START_US, 50_000.0
        for first in range(0, rows // len(SYMBOLS), rows_per_file):
            count = min(rows_per_file, rows // len(SYMBOLS) - first)
            times_us = event_us + np.cumsum(1 + random.exponential(MEAN_GAP_US, count).astype(int))
            prices = (price * np.exp(np.cumsum(random.normal(0.0, 1e-5, count)))).round(2)
            event_us, price = int(times_us[-1]), float(prices[-1])
            path = folder / f"{symbol}-trades-{first // rows_per_file:03d}.parquet"
            with PROGRESS.status(f"writing {path.name}"):
                frame = _frame(symbol, first + 1, times_us, prices, random)
                frame.write_parquet(path, row_group_size=ROW_GROUP)
            paths.append(path)
    return paths


def _frame(symbol: str, first_id: int, times_us: Any, prices: Any, random: Any) -> pl.DataFrame:  # noqa: ANN401 - arrays
    count = len(times_us)
    time_column = pl.Series(times_us).cast(TIME)
    trade_id = pl.Series(np.arange(first_id, first_id + count))
    return pl.DataFrame(
        {
            "symbol": pl.repeat(symbol, count, eager=True),
            "trade_id": trade_id,
            "first_id": trade_id,
            "last_id": trade_id,
            "event_time": time_column,
            "receive_time": time_column,
            "price": prices,
            "quantity": random.integers(1, 5000, count) / 1000,
            "buyer_is_maker": random.random(count) < 0.5,
        }
    ).select(TRADES.names())


if __name__ == "__main__":
    json.dump(memory(), sys.stdout)
