"""The entry of `bokeh serve viz`: run anew for every page."""

from __future__ import annotations

from bokeh.io import curdoc

from viz.document import make_document
from viz.hub import HUB

make_document(curdoc(), HUB)
