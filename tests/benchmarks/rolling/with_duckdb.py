"""The rolling job in DuckDB SQL window functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import duckdb
import numpy as np

from tests.benchmarks.rolling.columns import COUNT, NAMES, REACH_US, Columns
from tests.benchmarks.rolling.market import Ticks
from tests.benchmarks.rolling.with_pandas import ticks_frame

_QUERY = f"""
CREATE OR REPLACE TABLE result AS
WITH returns AS (
    SELECT row, symbol, us, start_us,
        ln(price / lag(price) OVER (PARTITION BY symbol ORDER BY us)) AS r
    FROM ticks JOIN (SELECT symbol, min(us) AS start_us FROM ticks GROUP BY symbol) USING (symbol)
)
SELECT row,
    CASE WHEN count(r) OVER newest = {COUNT} THEN stddev_samp(r) OVER newest END AS std_count,
    CASE WHEN us - start_us >= {REACH_US} THEN stddev_samp(r) OVER recent END AS std_time,
    CASE WHEN count(r) OVER before = {COUNT}
        THEN (r - avg(r) OVER before) / stddev_samp(r) OVER before END AS z
FROM returns WINDOW
    newest AS (PARTITION BY symbol ORDER BY us ROWS {COUNT - 1} PRECEDING),
    before AS (PARTITION BY symbol ORDER BY us ROWS BETWEEN {COUNT} PRECEDING AND 1 PRECEDING),
    recent AS (PARTITION BY symbol ORDER BY us RANGE {REACH_US - 1} PRECEDING)
"""  # noqa: S608 - built of our own numbers


def prepare(ticks: Ticks) -> Callable[[], Any]:
    """Return the job over these ticks, a table in memory with an ENUM column."""
    connection = duckdb.connect()
    connection.register("given", ticks_frame(ticks))
    connection.execute("CREATE TABLE ticks AS SELECT *, epoch_us(time) AS us FROM given")
    connection.unregister("given")
    return lambda: connection.execute(_QUERY)


def columns_of(result: Any, _: Ticks) -> Columns:  # noqa: ANN401 - what `prepare` made
    """Return the result as columns in the order of the ticks."""
    columns = result.execute("FROM result ORDER BY row").fetchnumpy()
    return {name: np.ma.filled(columns[name], np.nan) for name in NAMES}
