from __future__ import annotations

import polars as pl

from pipeline.board import volatility_baseline


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
