"""What is written last: alerts, rejected rows and the summary of the whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import polars as pl

from pipeline.batch.fingerprint import config_digest, versions
from pipeline.batch.folder import (
    ALERTS,
    ALERTS_FILE,
    REJECTED,
    REJECTED_FILE,
    SUMMARY_FILE,
)
from pipeline.batch.parts import newest_alerts
from pipeline.batch.report import merged
from pipeline.report import COUNTS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pipeline.batch.folder import BatchFolder
    from pipeline.batch.plan import Part
    from pipeline.config import Config


def write_results(
    folder: BatchFolder,
    config: Config,
    chains: Mapping[str, Sequence[Part]],
    damaged: Mapping[str, str],
) -> dict[str, Any]:
    """Write `alerts.parquet`, `rejected.parquet` and `summary.json`; return the summary.

    Args:
        folder: Where every part of the plan is done.
        config: The configuration.
        chains: The plan.
        damaged: Files of which nothing could be read, and why.
    """
    parts = [part for chain in chains.values() for part in chain]
    alerts = newest_alerts(pl.concat([_left_by(part, folder, ALERTS) for part in parts]))
    with folder.writing(folder.path / ALERTS_FILE) as temporary:
        alerts.sort("start_time", "symbol").write_parquet(temporary)
    rejected = [
        _left_by(part, folder, REJECTED).insert_column(0, pl.lit(part.file).alias("file"))
        for part in parts
    ]
    with folder.writing(folder.path / REJECTED_FILE) as temporary:
        pl.concat(rejected).write_parquet(temporary)
    summary = _summary(folder, config, chains, damaged)
    with folder.writing(folder.path / SUMMARY_FILE) as temporary:
        temporary.write_bytes(msgspec.json.format(msgspec.json.encode(summary)) + b"\n")
    return summary


def _left_by(part: Part, folder: BatchFolder, what: str) -> pl.DataFrame:
    return pl.read_ipc(folder.part_file(part.symbol, part.number, what))


def _summary(
    folder: BatchFolder,
    config: Config,
    chains: Mapping[str, Sequence[Part]],
    damaged: Mapping[str, str],
) -> dict[str, Any]:
    symbols = {}
    for symbol, chain in chains.items():
        records = [folder.record_at(symbol, part.number) for part in chain]
        files = merged(record.report for record in records)
        symbols[symbol] = {**records[-1].counts, "files": msgspec.to_builtins(files)}
    return {
        "config_digest": config_digest(config),
        "versions": versions(),
        "symbols": symbols,
        "totals": {name: sum(row[name] for row in symbols.values()) for name in COUNTS},
        "damaged": [{"file": file, "reason": damaged[file]} for file in sorted(damaged)],
    }
