"""What a page and its session tell each other, beside the data sources."""

from __future__ import annotations

from typing import Any, cast

from bokeh.core.properties import Bool, Float, Int, String
from bokeh.model import DataModel

#: How far back the panes of a symbol can reach, in seconds; the first is shown at first.
WINDOWS_S = (900, 300, 3600)


class Link(DataModel):
    """The hidden model of a page.

    The plan and the tick travel as JSON: the hub encodes them once for all sessions, and each is
    one small message instead of one property per value.
    """

    # A property reads as its value on an instance, which its own type does not say.

    plan: str = cast("Any", String(default="", help="server to page: viz.tick.Plan"))
    tick: str = cast("Any", String(default="", help="server to page: viz.tick.Tick"))
    rate_hz: float = cast("Any", Float(default=4.0, help="server to page: ticks a second in use"))

    painted_ms: float = cast(
        "Any", Float(default=0.0, help="page to server: stamp of the tick painted last")
    )
    visible: bool = cast("Any", Bool(default=True, help="page to server: false stops the ticks"))
    symbol: str = cast("Any", String(default="", help="page to server: the symbol of the panes"))
    window_s: int = cast(
        "Any", Int(default=WINDOWS_S[0], help="page to server: how far back the panes reach")
    )
