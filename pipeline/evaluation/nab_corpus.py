"""The files of the Numenta Anomaly Benchmark as its repository lays them out, plain or gzipped.

`data/FOLDER/NAME.csv` has columns timestamp and value; `labels/combined_windows.json` has the first
and last time of each window by FOLDER/NAME.csv; `results/DETECTOR/FOLDER/DETECTOR_NAME.csv` are the
published scores of a detector, row by row as the data.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import msgspec
import numpy as np
import polars as pl

from pipeline.errors import DataError
from pipeline.evaluation.nab_rules import Labelled, joined, label

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

_Json = TypeVar("_Json")

_WINDOWS = "labels/combined_windows.json"

_TYPES = {"value": pl.Float64, "anomaly_score": pl.Float64}

_TIME = "%Y-%m-%d %H:%M:%S%.f"


@dataclass(frozen=True, slots=True)
class Corpus:
    """The series of the benchmark.

    Attributes:
        names: FOLDER/NAME.csv of each.
        values: Of each, row by row; units are those of the file.
        labelled: All rows, file after file in the order of `names`.
    """

    names: Sequence[str]
    values: Sequence[NDArray[np.float64]]
    labelled: Labelled


def read_corpus(folder: Path) -> Corpus:
    """Read the series and their windows.

    Raises:
        DataError: The folder is not laid out as said, or a window is not in its file.
    """
    windows = _read_json(folder / _WINDOWS, dict[str, list[tuple[str, str]]])
    names = sorted(windows)
    values, labels = [], []
    for name in names:
        frame = _read_table(folder / "data" / name, ("timestamp", "value"))
        times = _times(frame["timestamp"], f"{folder / 'data' / name}")
        spans = [_span(times, window, f"{folder / _WINDOWS}: {name}") for window in windows[name]]
        values.append(frame["value"].to_numpy())
        labels.append(label(frame.height, spans))
    return Corpus(names, values, joined(labels))


def read_published(folder: Path, detector: str, corpus: Corpus) -> NDArray[np.float64]:
    """Return the published scores of a detector, in [0, 1], file after file.

    Raises:
        DataError: A file of them is missing, or not as long as the series.
    """
    scores = []
    for name, values in zip(corpus.names, corpus.values, strict=True):
        group, _, file = name.rpartition("/")
        path = folder / "results" / detector / group / f"{detector}_{file}"
        column = _read_table(path, ("anomaly_score",))["anomaly_score"]
        if len(column) != len(values):
            raise DataError(f"{path}: expected {len(values)} rows, found {len(column)}")
        scores.append(column.to_numpy())
    return np.concatenate(scores)


def read_standings(folder: Path, profiles: Sequence[str]) -> dict[str, dict[str, float]]:
    """Return the published scoreboard: scores out of 100 by detector and profile.

    Raises:
        DataError: It is missing, or lacks a profile.
    """
    path = folder / "results/final_results.json"
    standings = _read_json(path, dict[str, dict[str, float]])
    for detector, scores in standings.items():
        if missing := set(profiles) - set(scores):
            raise DataError(
                f"{path}: {detector}: expected a score each of {profiles}, "
                f"found none of {sorted(missing)}"
            )
    return standings


def _read_json(path: Path, kind: type[_Json]) -> _Json:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except OSError as error:
        raise DataError(
            f"{path}: expected a file of the benchmark, found none that can be read; "
            "the folder is a checkout of github.com/numenta/NAB"
        ) from error
    except msgspec.MsgspecError as error:
        raise DataError(f"{path}: expected the benchmark's own layout, found {error}") from error


def _read_table(path: Path, columns: Sequence[str]) -> pl.DataFrame:
    packed = path.with_name(f"{path.name}.gz")
    present = path if path.exists() else packed
    try:
        frame = pl.read_csv(present, columns=list(columns), schema_overrides=_TYPES)
    except OSError as error:
        raise DataError(f"{path}: expected this file or {packed.name}, found neither") from error
    except pl.exceptions.PolarsError as error:
        raise DataError(f"{present}: expected columns {columns}, found {error}") from error
    if frame.is_empty():
        raise DataError(f"{present}: expected rows, found none")
    return frame


def _times(texts: pl.Series, where: str) -> pl.Series:
    try:
        return texts.str.to_datetime(_TIME)
    except pl.exceptions.PolarsError as error:
        raise DataError(f"{where}: expected times like {_TIME}, found {error}") from error


def _span(times: pl.Series, window: tuple[str, str], where: str) -> tuple[int, int]:
    """Return the first and last row of a window: the first rows of its two times."""
    ends = _times(pl.Series(window), where)
    first, last = (times.index_of(end) for end in ends)
    if first is None or last is None or last < first:
        raise DataError(f"{where}: expected a window that starts and ends in rows, found {window}")
    return first, last
