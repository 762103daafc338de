"""Run one part: from the state before it to its files, its state and, last, its marker."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from pipeline.batch.folder import ALERTS, REJECTED, STATE, TABLES, PartRecord
from pipeline.batch.history import State, SymbolHistory
from pipeline.batch.tables import DayFiles
from pipeline.errors import ReplayError
from pipeline.recordings.inputs import read_chunks
from pipeline.schema import ALERTS as ALERTS_SCHEMA
from pipeline.schema import REJECTED as REJECTED_SCHEMA

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.analysis import StepResult
    from pipeline.batch.folder import BatchFolder
    from pipeline.batch.plan import Part
    from pipeline.config import Config

#: Rows read, computed and forgotten at a time.
CHUNK_ROWS = 500_000

#: Rejected rows kept of one part; all are counted.
KEPT_REJECTED = 10_000


def run_part(
    part: Part, config: Config, folder: BatchFolder, *, chunk_rows: int = CHUNK_ROWS
) -> Iterator[int]:
    """Run a part, and yield after each chunk how many rows it had.

    The part before it in the chain is done. What is written does not depend on `chunk_rows`.
    """
    run = _PartRun(part, config, folder)
    yield from run.read(chunk_rows)
    run.finish()


class _PartRun:
    def __init__(self, part: Part, config: Config, folder: BatchFolder) -> None:
        self._part = part
        self._folder = folder
        self._history = SymbolHistory(part.symbol, config, part.file, _state_before(part, folder))
        self._tables = {table: DayFiles(folder, table, part) for table in TABLES}
        self._alerts = [ALERTS_SCHEMA.to_frame()]
        self._rejected = [REJECTED_SCHEMA.to_frame()]
        self._rejected_rows = 0

    def read(self, chunk_rows: int) -> Iterator[int]:
        """Read and apply the rows of the part."""
        source = self._part.source
        if source is None:
            self._add(self._history.finish())
            return
        apply = self._history.trades if source.kind == "trades" else self._history.bars
        chunks = read_chunks(
            source, chunk_rows, start_row=self._part.start_row, stop_row=self._part.stop_row
        )
        try:
            for chunk in chunks:
                self._reject(chunk.rejected)
                rows = chunk.rows
                if source.symbol is None:
                    rows = rows.filter(pl.col("symbol") == self._part.symbol)
                if rows.height:
                    for result in apply(rows):
                        self._add(result)
                yield rows.height
        except ReplayError as error:  # what was read before the damage is good
            self._history.report.truncated = str(error)

    def finish(self) -> None:
        """Write what is left, and say that the part is done."""
        self._history.settle()
        state = self._history.state()
        files = [file for table in self._tables.values() for file in table.finish()]
        for what, frame in (
            (STATE, state.engine),
            (ALERTS, newest_alerts(pl.concat(self._alerts))),
            (REJECTED, pl.concat(self._rejected)),
        ):
            path = self._folder.part_file(self._part.symbol, self._part.number, what)
            with self._folder.writing(path) as temporary:
                frame.write_ipc(temporary, compression="zstd")
            files.append(str(path.relative_to(self._folder.path)))
        record = PartRecord(
            key=self._part.key,
            report=self._history.report,
            counts=self._history.counts(),
            survey=state.survey,
            last_close=state.last_close,
            files={name: (self._folder.path / name).stat().st_size for name in files},
        )
        self._folder.finish(self._part, record)

    def _add(self, result: StepResult) -> None:
        self._tables["bars"].add(result.bars)
        self._tables["features"].add(result.features)
        if result.alerts.height:
            self._alerts = [newest_alerts(pl.concat([*self._alerts, result.alerts]))]

    def _reject(self, rejected: pl.DataFrame) -> None:
        symbol = pl.col("symbol")
        if self._part.owns_unnamed:
            elsewhere = symbol.is_in(self._part.others).fill_null(value=False)
            mine = rejected.filter(~elsewhere).with_columns(symbol.fill_null(self._part.symbol))
        else:
            mine = rejected.filter(symbol == self._part.symbol)
        if mine.height:
            self._history.reject(mine)
            self._rejected.append(mine.head(KEPT_REJECTED - self._rejected_rows))
            self._rejected_rows += self._rejected[-1].height


def newest_alerts(alerts: pl.DataFrame) -> pl.DataFrame:
    """Return the last row of each alert of ALERTS in the order they were told."""
    return alerts.unique("alert_id", keep="last", maintain_order=True)


def _state_before(part: Part, folder: BatchFolder) -> State | None:
    if part.number == 0:
        return None
    before = folder.record_at(part.symbol, part.number - 1)
    engine = pl.read_ipc(folder.part_file(part.symbol, part.number - 1, STATE))
    return State(engine, before.survey, before.last_close)
