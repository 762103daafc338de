from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from pipeline.board import board_plan, history_us, volatility_baseline
from pipeline.config import Config
from pipeline.durations import HOUR


def test_volatility_baseline_is_the_median_without_what_is_unknown() -> None:
    samples = pl.DataFrame(
        {
            "symbol": ["B", "A", "B", "B", "A", "B"],
            "volatility": [0.3, None, 0.1, 0.2, None, None],
        },
        schema_overrides={"volatility": pl.Float64},
    )
    assert volatility_baseline(samples).rows() == [
        ("B", 0.2, 0.32000000000000006),
        ("A", None, None),
    ]


@pytest.mark.parametrize(
    ("sections", "hours"),
    [
        ({}, 1.0),
        ({"board": {"history": "5m"}}, 1 / 12),
        ({"sampling": {"every": "trade"}}, 1.0),
        ({"sampling": {"every": "1m"}}, 60.0),
        # Twice 99 hours are more than a week.
        ({"detector": {"window": "48h", "horizons": ["1h"]}}, 168.0),
        ({"detector": {"window": "1h", "horizons": ["10m"]}}, 2 * (2 + 0.5) + 4 / 3600),
    ],
)
def test_history_reaches_as_far_as_an_explanation_needs(
    sections: dict[str, Any], hours: float
) -> None:
    config = Config.model_validate(
        {"symbols": ["AUSDT"], "features": ["realized_vol_1h"], **sections}
    )
    assert history_us(config) == pytest.approx(hours * HOUR)
    assert board_plan(config, [], {}).history_us == history_us(config)
