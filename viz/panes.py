"""The three linked panes of one symbol: price, volatility, score.

No colour is set here. A model names the design tokens of its colours in a tag, and the page
applies them, so that one file colours canvas, page and figures, and a theme changes in place.
Ranges belong to the page as well: it moves time along and keeps the other axes calm.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bokeh.models import (
    BasicTicker,
    CDSView,
    ColumnDataSource,
    CrosshairTool,
    CustomJS,
    DatetimeTickFormatter,
    GroupFilter,
    HoverTool,
    NumeralTickFormatter,
    Range1d,
)
from bokeh.models.annotations import Span
from bokeh.plotting import figure

if TYPE_CHECKING:
    from bokeh.model import Model

#: Room for the axis, the same in every pane, so that time lines up.
AXIS_PX = 68


@dataclass(frozen=True, slots=True)
class Panes:
    """The figures, and what the page moves in them."""

    price: figure
    volatility: figure
    score: figure
    x_range: Range1d
    baseline: Span
    elevated: Span
    enter: tuple[Span, Span]
    chosen: GroupFilter

    def models(self) -> dict[str, Model | tuple[Model, ...]]:
        """Return what the page needs to hold, by name."""
        return {
            "panes": (self.price, self.volatility, self.score),
            "x_range": self.x_range,
            "baseline": self.baseline,
            "elevated": self.elevated,
            "enter": self.enter,
            "chosen": self.chosen,
        }


def make_panes(detail: ColumnDataSource, alerts: ColumnDataSource, symbol: str) -> Panes:
    """Draw `detail`, and those `alerts` that are of the chosen symbol."""
    x_range = Range1d(start=0, end=1)
    cross = Span(dimension="height", line_width=1)
    _colour(cross, line_color="muted")
    chosen = GroupFilter(column_name="symbol", group=symbol)
    price = _pane("price", x_range, cross, NumeralTickFormatter(format="0,0.00"))
    volatility = _pane("volatility", x_range, cross, NumeralTickFormatter(format="0 %"))
    score = _pane("score", x_range, cross, NumeralTickFormatter(format="0"))
    score.xaxis.visible = True
    _draw_price(price, detail)
    baseline, elevated = _draw_volatility(volatility, detail, alerts, chosen)
    enter = _draw_score(score, detail)
    return Panes(price, volatility, score, x_range, baseline, elevated, enter, chosen)


def _pane(name: str, x_range: Range1d, cross: Span, formatter: NumeralTickFormatter) -> figure:
    pane = figure(
        name=name,
        x_axis_type="datetime",
        x_range=x_range,
        y_range=Range1d(start=0, end=1),
        y_axis_location="right",
        sizing_mode="stretch_both",
        min_width=0,
        min_height=0,
        toolbar_location=None,
        tools=[CrosshairTool(dimensions="height", overlay=cross)],
        outline_line_color=None,
        background_fill_color=None,
        border_fill_color=None,
        min_border_left=4,
        min_border_right=AXIS_PX,
        min_border_top=4,
        min_border_bottom=8,
        lod_threshold=None,
    )
    pane.toolbar.logo = None
    pane.xaxis.formatter = _clock_formatter()
    pane.xaxis.visible = False
    pane.yaxis.formatter = formatter
    pane.yaxis.ticker = BasicTicker(desired_num_ticks=4)
    pane.xgrid.visible = False
    for axis in pane.axis:
        axis.axis_line_color = None
        axis.major_tick_line_color = None
        axis.minor_tick_line_color = None
        axis.major_label_text_font_size = "11px"
        axis.major_label_standoff = 4
        _colour(axis, major_label_text_color="muted")
    for grid in pane.ygrid:
        _colour(grid, grid_line_color="hair")
    return pane


def _clock_formatter() -> DatetimeTickFormatter:
    return DatetimeTickFormatter(
        seconds="%H:%M:%S",
        minsec="%H:%M:%S",
        minutes="%H:%M",
        hourmin="%H:%M",
        hours="%H:%M",
        days="%b %d",
    )


def _draw_price(pane: figure, detail: ColumnDataSource) -> None:
    line = pane.line("t", "price", source=detail, line_width=1.5)
    _colour(line.glyph, line_color="price")
    # The page shows the values under the pointer beside the titles: no floating tooltip.
    read = CustomJS(code="cryptoctopus.read(cb_data)")
    pane.add_tools(HoverTool(renderers=[line], mode="vline", tooltips=None, callback=read))


def _draw_volatility(
    pane: figure, detail: ColumnDataSource, alerts: ColumnDataSource, chosen: GroupFilter
) -> tuple[Span, Span]:
    view = CDSView(filter=chosen)
    shade = pane.vstrip(
        "start_ms", "shade_ms", source=alerts, view=view, fill_alpha=0.16, line_color=None
    )
    _colour(shade.glyph, fill_color="anomaly")
    baseline = Span(dimension="width", location=-1, line_width=1, line_dash="dotted")
    _colour(baseline, line_color="muted")
    elevated = Span(dimension="width", location=-1, line_width=1, line_dash="dashed")
    _colour(elevated, line_color="threshold")
    pane.add_layout(baseline)
    pane.add_layout(elevated)
    line = pane.line("t", "volatility", source=detail, line_width=1.5)
    _colour(line.glyph, line_color="vol")
    _draw_changes(pane, detail)
    marks = pane.scatter(
        "start_ms",
        "volatility",
        marker="marker",
        size=11,
        source=alerts,
        view=view,
        line_width=1.5,
        name="anomalies",
    )
    _colour(marks.glyph, fill_color="anomaly", line_color="panel")
    read = CustomJS(code="cryptoctopus.read(cb_data)")
    pane.add_tools(HoverTool(renderers=[line], mode="vline", tooltips=None, callback=read))
    return baseline, elevated


def _draw_changes(pane: figure, detail: ColumnDataSource) -> None:
    """Mark on the line where volatility was found to have changed: hollow, for no anomaly is."""
    for column, marker in (("risen", "triangle"), ("fallen", "inverted_triangle")):
        marks = pane.scatter(
            "t", column, marker=marker, size=10, source=detail, line_width=1.5, name=column
        )
        _colour(marks.glyph, fill_color="panel", line_color="text")


def _draw_score(pane: figure, detail: ColumnDataSource) -> tuple[Span, Span]:
    columns = pane.segment(x0="t", y0=0, x1="t", y1="z", source=detail, line_width=1.5)
    _colour(columns.glyph, line_color="z")
    zero = Span(dimension="width", location=0, line_width=1)
    _colour(zero, line_color="hair")
    enter = (
        Span(dimension="width", location=0, line_width=1, line_dash="dashed"),
        Span(dimension="width", location=0, line_width=1, line_dash="dashed"),
    )
    pane.add_layout(zero)
    for line in enter:
        _colour(line, line_color="threshold")
        pane.add_layout(line)
    return enter


def _colour(model: Model, **tokens: str) -> None:
    model.tags = [{"colours": tokens}]
