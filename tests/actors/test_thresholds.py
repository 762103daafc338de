"""What `cryptoctopus thresholds` shows."""

from __future__ import annotations

import pytest
from rich.table import Table

from actors.thresholds import in_force
from pipeline.config import Config
from pipeline.engine import ShardEngine

BUDGET = {"minor": "0.5/d", "major": "3/30d", "critical": "1/30d"}
CONFIG = Config.model_validate(
    {
        "symbols": ["AUSDT", "BUSDT"],
        "detector": {"enter": 7.0},
        "overrides": {"BUSDT": {"detector": {"budget": BUDGET}}},
    }
)
HEALTH = ShardEngine(CONFIG.symbols, CONFIG).health(venue_us=None)


@pytest.mark.parametrize(
    ("symbol", "shown"),
    [
        (None, [["AUSDT", "BUSDT"], ["-", "0.5/d 3/30d 1/30d"], ["7.00", "6.00"]]),
        ("BUSDT", [["BUSDT"], ["0.5/d 3/30d 1/30d"], ["6.00"]]),
    ],
)
def test_thresholds_are_shown_with_the_budget_they_come_from(
    symbol: str | None, shown: list[list[str]]
) -> None:
    table = in_force(CONFIG, HEALTH, symbol)
    assert isinstance(table, Table)
    assert [list(column.cells) for column in table.columns][:3] == shown


@pytest.mark.parametrize("symbol", [None, "AUSDT"])
def test_thresholds_of_symbols_that_are_starting_say_so(symbol: str | None) -> None:
    told = in_force(CONFIG, HEALTH.clear(), symbol)
    assert told == "no scores can be told yet: the symbols are starting"
