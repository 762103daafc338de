"""The simulated market: what each detector finds, and how often it is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bokeh.models import DataRange1d, HoverTool

from viz.reports.plots import OTHER, OURS, QUIET, Section, columns_of, empty_plot

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Of the detectors, and of the settings of the market.
_COLOURS, _DASHES = (OURS, OTHER), ("solid", "dashed", "dotted")

#: A logarithm has no zero: one false alarm in twenty days is drawn for none.
_LEAST = 0.05


def sim_sections(report: Mapping[str, Any]) -> list[Section]:
    """Return the parts of `evaluate sim`."""
    return [_curves(report), _thin(report)]


def _curves(report: Mapping[str, Any]) -> Section:
    made = empty_plot(
        height=440,
        y_axis_type="log",
        x_range=(0.25, 1.0),
        x_axis_label="share of the jumps that are found within a minute",
        y_axis_label="false alarms a day",
    )
    for (name, found), colour in zip(report["detectors"].items(), _COLOURS, strict=True):
        harder = [one for one in found["settings"].items() if one[0] != "illiquid"]
        settings = zip([("default", found), *harder], _DASHES, strict=True)
        for (setting, figures), dash in settings:
            data = columns_of(
                ("recall", "false", "score", "name"),
                [
                    (
                        one["recall"],
                        max(one["false_alarms_per_day"], _LEAST),
                        one["threshold"],
                        name,
                    )
                    for one in figures["curve"]
                ],
            )
            label = f"{name}, {setting}"
            made.line(
                "recall", "false", source=data, color=colour, line_width=2, line_dash=dash,
                legend_label=label,
            )  # fmt: skip
            made.scatter("recall", "false", source=data, size=5, color=colour)
    tooltips = [("", "@name"), ("found", "@recall{0 %}"), ("false a day", "@false{0.0}"),
                ("at a score of", "@score{0.0}")]  # fmt: skip
    made.add_tools(HoverTool(tooltips=tooltips))
    made.legend.location = "bottom_right"
    seeds, chosen = report["seeds"], report["chosen_on"]
    note = (
        f"Lower and further right is better. Paths of seeds {seeds[0]} to {seeds[-1]}, two days "
        f"each; parameters were chosen on seeds {chosen[0]} to {chosen[-1]}."
    )
    if report["warning"] is not None:
        note += f" Warning: {report['warning']}."
    return Section("False alarms against jumps found", note, made)


def _thin(report: Mapping[str, Any]) -> Section:
    detectors = report["detectors"]
    gaps = list(next(iter(detectors.values()))["settings"]["illiquid"])
    made = empty_plot(
        x_range=gaps, x_axis_label="a trade every", y_axis_label="episodes a day, all of them false"
    )
    for (name, found), colour in zip(detectors.items(), _COLOURS, strict=True):
        rates = [found["settings"]["illiquid"][gap]["per_day"] for gap in gaps]
        data = {"gap": gaps, "rate": rates}
        made.line("gap", "rate", source=data, color=colour, line_width=2, legend_label=name)
        made.scatter("gap", "rate", source=data, size=8, color=colour)
    made.hspan(3.0, line_color=QUIET, line_dash="dashed")
    made.y_range = DataRange1d(start=0)
    return Section(
        "Thin markets in which nothing happens",
        "Under the default thresholds; the dashed line is at three a day.",
        made,
    )
