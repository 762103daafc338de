"""What a page costs, counted: no browser, no clock."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from bokeh.core.json_encoder import serialize_json
from bokeh.document import Document

from tests.viz.recorded_board import RecordedBoard
from tests.waiting import wait_until
from viz.document import make_document
from viz.hub import Hub

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(params=[12, 200])
def hub(request: pytest.FixtureRequest) -> Iterator[Hub]:
    hub = Hub()
    hub.start(RecordedBoard(request.param, history_s=400), interval_s=0.05)
    wait_until(lambda: hub.view.plan is not None, "the hub's first pull")
    yield hub
    hub.stop()


def test_document_is_within_its_budget(hub: Hub) -> None:
    document = Document()
    make_document(document, hub)
    content = document.to_json().content
    assert len(list(document.models)) <= 250
    assert len(serialize_json(content)) <= 300_000


def test_document_before_the_pipeline_answers_can_be_made() -> None:
    document = Document()
    make_document(document, Hub())
    assert json.loads(serialize_json(document.to_json(deferred=False)))["title"] == "Cryptoctopus"


def test_two_documents_share_no_model() -> None:
    first, second = Document(), Document()
    make_document(first, Hub())
    make_document(second, Hub())
    assert {model.id for model in first.models}.isdisjoint(model.id for model in second.models)


def test_documents_draw_no_toolbar_and_no_logo() -> None:
    document = Document()
    make_document(document, Hub())
    panes = document.roots
    assert [pane.name for pane in panes] == ["price", "volatility", "score"]
    assert [pane.toolbar_location for pane in panes] == [None] * 3
