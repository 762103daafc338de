"""The public benchmark: ours among what others have published."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bokeh.models import HoverTool

from pipeline.evaluation.nab_rules import PROFILES
from viz.reports.plots import OURS, QUIET, Section, columns_of, empty_plot

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def nab_sections(report: Mapping[str, Any]) -> list[Section]:
    """Return the parts of `evaluate nab`: one a profile."""
    rows = report["table"]
    return [_standings(profile.name, rows) for profile in PROFILES]


def _standings(profile: str, rows: Sequence[Mapping[str, Any]]) -> Section:
    data = columns_of(
        ("name", "score", "colour"),
        [
            (
                f"{row['detector']} ({row['source']})",
                row["scores"][profile],
                OURS if row["source"] == "measured" else QUIET,
            )
            for row in sorted(rows, key=lambda row: float(row["scores"][profile]))
        ],
    )
    made = empty_plot(
        height=60 + 24 * len(rows),
        y_range=data["name"],
        x_range=(0, 100),
        x_axis_label="score out of 100",
    )
    made.hbar("name", right="score", height=0.7, color="colour", source=data)
    made.add_tools(HoverTool(tooltips=[("", "@name"), ("score", "@score{0.00}")]))
    note = "Blue was measured here; grey is what the benchmark has published."
    return Section(f"Profile {profile}", note, made)
