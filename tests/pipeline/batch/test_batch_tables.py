from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from pipeline.batch import tables
from pipeline.batch.folder import BatchFolder
from pipeline.batch.plan import Part
from pipeline.batch.tables import DayFiles
from pipeline.schema import TIME

PART = Part("A", 3, None, "a.csv", 0, None, None, 1, owns_unnamed=True, key="k")
DAY_US = 86_400_000_000


def rows(*days: float) -> pl.DataFrame:
    times = pl.Series("open_time", [round(day * DAY_US) for day in days]).cast(TIME)
    return pl.DataFrame({"open_time": times})


@pytest.mark.parametrize("cut", range(1, 7))
def test_day_files_are_cut_at_midnight_and_at_most_so_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cut: int
) -> None:
    monkeypatch.setattr(tables, "MAX_ROWS", 2)
    folder = BatchFolder(tmp_path)
    folder.open()
    files = DayFiles(folder, "bars", PART)
    everything = rows(0.5, 0.9, 1.0, 1.1, 1.2, 1.3, 4.0)
    files.add(everything[:cut])
    files.add(everything[:0])
    files.add(everything[cut:])
    assert files.finish() == [
        "bars/symbol=A/date=1970-01-01/part-00003-000.parquet",
        "bars/symbol=A/date=1970-01-02/part-00003-000.parquet",
        "bars/symbol=A/date=1970-01-02/part-00003-001.parquet",
        "bars/symbol=A/date=1970-01-05/part-00003-000.parquet",
    ]
    read = [pl.read_parquet(tmp_path / name) for name in files.finish()]
    assert [frame.height for frame in read] == [2, 2, 2, 1]
    assert pl.concat(read).equals(everything)
    assert not list((tmp_path / ".parts" / "temporary").iterdir())
