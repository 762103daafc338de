"""The document of one page: its hidden models, its panes, its session."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from bokeh.events import ConnectionLost, DocumentReady
from bokeh.models import ColumnDataSource, CustomJS

from viz.link import WINDOWS_S, Link
from viz.panes import make_panes
from viz.session import PULL_MS, BoardSession

if TYPE_CHECKING:
    from bokeh.document import Document
    from bokeh.server.contexts import BokehSessionContext

    from viz.hub import Hub


def make_document(document: Document, hub: Hub) -> None:
    """Build the board in an empty document and keep it up with the hub.

    `?s=SYMBOL` in the page's address chooses the symbol of the panes.
    """
    link = Link()
    spark = ColumnDataSource()
    detail = ColumnDataSource()
    alerts = ColumnDataSource()
    session = BoardSession(
        lambda: hub.view,
        link,
        spark=spark,
        detail=detail,
        alerts=alerts,
        symbol=_asked_symbol(document),
    )
    panes = make_panes(detail, alerts, link.symbol)
    # Only what a root refers to is part of the document; the page holds these two.
    panes.price.tags = [link, spark]
    for pane in (panes.price, panes.volatility, panes.score):
        document.add_root(pane)
    document.title = "Cryptoctopus"
    document.template_variables["windows"] = sorted(WINDOWS_S)
    # The page says itself that the connection is lost, and loads anew when the server is back: a
    # resumed session would replace the models that the page holds.
    document.config.notify_connection_status = False
    document.config.reconnect_session = False
    models = {"link": link, "spark": spark, "detail": detail, "alerts": alerts, **panes.models()}
    document.js_on_event(
        DocumentReady,
        CustomJS(args={"models": models}, code="cryptoctopus.start(models)"),
    )
    document.js_on_event(ConnectionLost, CustomJS(code="cryptoctopus.disconnected()"))
    document.add_periodic_callback(session.pull, PULL_MS)


def _asked_symbol(document: Document) -> str:
    context = cast("BokehSessionContext | None", document.session_context)
    if context is None or context.request is None:
        return ""
    asked = context.request.arguments.get("s", [b""])
    return asked[0].decode("utf-8", "replace")
