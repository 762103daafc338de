"""The benchmark itself, where its data is beside the checkout; its refusals anywhere."""

import json
from pathlib import Path

import pytest

from pipeline.errors import CryptoctopusError, DataError
from pipeline.evaluation.nab import NabReport, evaluate_nab
from pipeline.evaluation.nab_corpus import read_corpus
from tests.recorded import DATA

NAB = DATA / "nab"

needs_nab = pytest.mark.skipif(not NAB.exists(), reason=f"no Numenta Anomaly Benchmark in {NAB}")


@pytest.fixture(scope="module")
def report() -> NabReport:
    return evaluate_nab(NAB)


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A benchmark of one file of ten rows."""
    (tmp_path / "data/a").mkdir(parents=True)
    (tmp_path / "labels").mkdir()
    rows = "".join(f"2020-01-01 00:0{minute}:00,{minute % 3}\n" for minute in range(10))
    (tmp_path / "data/a/b.csv").write_text(f"timestamp,value\n{rows}")
    write_windows(tmp_path, "2020-01-01 00:03:00.000000", "2020-01-01 00:05:00.000000")
    return tmp_path


def write_windows(folder: Path, first: str, last: str) -> None:
    (folder / "labels/combined_windows.json").write_text(json.dumps({"a/b.csv": [[first, last]]}))


@needs_nab
def test_read_corpus_whole_benchmark_has_the_published_size() -> None:
    corpus = read_corpus(NAB)
    assert (len(corpus.names), corpus.labelled.windows) == (58, 116)
    assert len(corpus.labelled.worth) == sum(map(len, corpus.values)) == 365558


@needs_nab
def test_evaluate_nab_published_detectors_score_as_published(report: NabReport) -> None:
    rescored = {
        name: {profile: round(points, 2) for profile, points in report["detectors"][name].items()}
        for name in ("windowedGaussian", "null")
    }
    assert rescored == {
        "windowedGaussian": {
            "standard": 39.65,
            "reward_low_FP_rate": 20.87,
            "reward_low_FN_rate": 47.41,
        },
        "null": {"standard": 0.0, "reward_low_FP_rate": 0.0, "reward_low_FN_rate": 0.0},
    }


@needs_nab
@pytest.mark.parametrize("suffix", ["", "_by_rows_seen"])
def test_evaluate_nab_our_detectors_reach_their_targets(report: NabReport, suffix: str) -> None:
    ours = report["detectors"]
    assert ours[f"multi_horizon{suffix}"]["standard"] >= 50.0
    assert ours[f"change_and_level{suffix}"]["standard"] > 54.6  # relative entropy


@needs_nab
def test_evaluate_nab_table_has_each_detector_once_and_the_best_first(report: NabReport) -> None:
    names = [row["detector"] for row in report["table"]]
    assert len(names) == len(set(names))
    assert set(report["detectors"]) < set(names)
    standard = [row["scores"]["standard"] for row in report["table"]]
    assert standard == sorted(standard, reverse=True)


def test_read_corpus_window_in_the_file_is_labelled(small: Path) -> None:
    assert read_corpus(small).labelled.window.tolist() == [-1] * 3 + [0] * 3 + [-1] * 4


def test_evaluate_nab_missing_folder_says_what_was_expected(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"combined_windows\.json: expected a file of the bench"):
        evaluate_nab(tmp_path / "absent")
    assert issubclass(DataError, CryptoctopusError)


def test_read_corpus_missing_series_is_named(small: Path) -> None:
    (small / "data/a/b.csv").unlink()
    with pytest.raises(DataError, match=r"b\.csv: expected this file or b\.csv\.gz, found neither"):
        read_corpus(small)


def test_read_corpus_window_outside_of_the_rows_is_refused(small: Path) -> None:
    write_windows(small, "2020-01-01 00:03:00.000000", "2020-01-01 00:30:00.000000")
    with pytest.raises(DataError, match=r"a/b\.csv: expected a window that starts and ends in row"):
        read_corpus(small)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("time,value\n1,2\n", "expected columns"),
        ("timestamp,value\n2020-01-01 00:00:00,high\n", "expected columns"),
        ("timestamp,value\nnoon,2\n", "expected times like"),
        ("timestamp,value\n", "expected rows, found none"),
    ],
)
def test_read_corpus_file_that_is_none_of_the_benchmark_is_refused(
    small: Path, content: str, problem: str
) -> None:
    (small / "data/a/b.csv").write_text(content)
    with pytest.raises(DataError, match=problem):
        read_corpus(small)


def test_read_corpus_labels_that_are_no_windows_are_refused(small: Path) -> None:
    (small / "labels/combined_windows.json").write_text("[]")
    with pytest.raises(DataError, match="expected the benchmark's own layout"):
        read_corpus(small)
