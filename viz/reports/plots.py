"""How the plots of reports look: one place for size, type and colours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bokeh.plotting import figure

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Told apart by people who see colours differently, too (Okabe and Ito).
OURS, OTHER, QUIET = "#0072b2", "#d55e00", "#8c959f"

#: From mild to severe.
SEVERITIES = {"minor": "#e69f00", "major": "#d55e00", "critical": "#a40e26"}


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a report.

    Attributes:
        title: What it is about.
        note: How to read it, in a sentence or two.
        plot: Of it.
    """

    title: str
    note: str
    plot: figure


def empty_plot(*, height: int = 360, **settings: Any) -> figure:  # noqa: ANN401 - what bokeh takes
    """Return a plot without anything in it.

    Args:
        height: In pixels; it is as wide as the page.
        settings: Of the figure.
    """
    made = figure(height=height, sizing_mode="stretch_width", toolbar_location=None, **settings)
    made.outline_line_color = None
    made.grid.grid_line_alpha = 0.5
    made.axis.minor_tick_line_color = None
    return made


def legend_above(made: figure) -> None:
    """Put the legend where it hides nothing."""
    made.add_layout(made.legend[0], "above")
    made.legend.orientation = "horizontal"


def columns_of(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> dict[str, list[Any]]:
    """Return rows as columns by name."""
    return {name: [row[at] for row in rows] for at, name in enumerate(names)}
