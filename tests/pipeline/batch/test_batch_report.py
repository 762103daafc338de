from __future__ import annotations

import msgspec
import polars as pl
import pytest

from pipeline.batch.report import TOLD, FileReport, Findings, merged, reason_without_place
from pipeline.schema import REJECTED


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("row 17: expected a price above zero, found -1", "expected a price above zero"),
        ("row 2: expected 8 fields, found the end of the line", "expected 8 fields"),
        ("row 2: expected a price, found ', found'", "expected a price"),
        ("expected a time", "expected a time"),
    ],
)
def test_reason_without_place_leaves_what_was_expected(reason: str, kind: str) -> None:
    assert reason_without_place(reason) == kind


def test_findings_tell_the_first_and_count_all() -> None:
    found: Findings[int] = Findings()
    found.add(list(range(60)))
    found.add(list(range(60, 120)), 70)
    assert found.count == 130
    assert found.first == list(range(TOLD))


def test_report_counts_rejected_rows_by_reason() -> None:
    rows = [
        ("S", f"row {row}: expected a size above zero, found 0", "1,2,0", None) for row in (1, 9)
    ]
    report = FileReport("a.csv")
    report.reject(pl.DataFrame(rows, schema=REJECTED, orient="row"))
    assert report.rejected == {"expected a size above zero": 2}


def report(file: str, **found: object) -> FileReport:
    return msgspec.structs.replace(FileReport(file), **found)


def test_merged_adds_the_parts_of_one_file_and_keeps_files_apart() -> None:
    one = report(
        "a", rows=3, rejected={"x": 1}, duplicates=1, late=2, lost=5, implausible_ids=1,
        backward_times=1, microsecond_times=3, lost_ranges=Findings(1, [(1, 5)]),
    )  # fmt: skip
    two = report(
        "a", rows=4, rejected={"x": 1, "y": 2}, duplicates=10, late=20, lost=2, implausible_ids=10,
        backward_times=10, microsecond_times=1, lost_ranges=Findings(1, [(8, 9)]), truncated="cut",
    )  # fmt: skip
    expected = report(
        "a", rows=7, rejected={"x": 2, "y": 2}, duplicates=11, late=22, lost=7, implausible_ids=11,
        backward_times=11, microsecond_times=4, lost_ranges=Findings(2, [(1, 5), (8, 9)]),
        truncated="cut",
    )  # fmt: skip
    assert merged([one, two, report("b", rows=1)]) == [expected, report("b", rows=1)]
