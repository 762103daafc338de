"""The history job in DuckDB SQL: time_bucket, a joined grid, window functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import duckdb
import numpy as np

from tests.benchmarks.history.market import Trades
from tests.benchmarks.history.rows import (
    FILL_S,
    HALF_LIFE_S,
    NAMES,
    PER_YEAR,
    PRICES,
    SCORE_S,
    VOLATILITY_S,
    Rows,
)
from tests.benchmarks.history.with_pandas import trades_frame

# SQL has no EWMA, and one growing weight for a whole history overflows: sums of a block of rows,
# with the total of the block before it; what lies further back weighs less than 2^-250.
_BLOCK = 250 * HALF_LIFE_S

_VOLATILITIES = ",\n".join(
    f"""CASE WHEN i >= {window} AND count(r) OVER w{window} >= {window // 2}
        THEN sqrt(avg(r * r) OVER w{window} * {PER_YEAR}) END AS {name}"""
    for name, window in VOLATILITY_S.items()
)
_WINDOWS = ",\n".join(
    f"w{window} AS (PARTITION BY symbol ORDER BY second ROWS {window - 1} PRECEDING)"
    for window in VOLATILITY_S.values()
)
_FILLED = ",\n".join(f"coalesce({name}, filled) AS {name}" for name in PRICES)

_QUERY = f"""
CREATE OR REPLACE TABLE result AS
WITH traded AS (
    SELECT symbol, epoch_us(time_bucket(INTERVAL 1 SECOND, event_time)) // 1000000 AS second,
        arg_min(price, trade_id) AS open, max(price) AS high, min(price) AS low,
        arg_max(price, trade_id) AS close, sum(quantity) AS volume,
        sum(price * quantity) AS notional, count(*) AS trades
    FROM trades GROUP BY ALL
), grid AS (
    SELECT symbol, unnest(range(min(second), max(second) + 1)) AS second
    FROM traded GROUP BY symbol
), joined AS (
    SELECT symbol, second, open, high, low, close, coalesce(volume, 0) AS volume,
        coalesce(notional, 0) AS notional, coalesce(trades, 0) AS trades,
        last_value(close IGNORE NULLS) OVER (
            PARTITION BY symbol ORDER BY second ROWS {FILL_S} PRECEDING) AS filled
    FROM grid LEFT JOIN traded USING (symbol, second)
), bars AS (
    SELECT symbol, second, {_FILLED}, volume, notional, trades,
        ln(filled / lag(filled) OVER w) AS r, row_number() OVER w - 1 AS i
    FROM joined WINDOW w AS (PARTITION BY symbol ORDER BY second)
), blocks AS (
    SELECT symbol, block, lag(s) OVER w AS s, lag(w0) OVER w AS w0 FROM (
        SELECT symbol, i // {_BLOCK} AS block,
            sum(r * r * pow(2, i % {_BLOCK} / {HALF_LIFE_S})) AS s,
            sum(pow(2, i % {_BLOCK} / {HALF_LIFE_S})) FILTER (r IS NOT NULL) AS w0
        FROM bars GROUP BY ALL
    ) WINDOW w AS (PARTITION BY symbol ORDER BY block)
), decayed AS (
    SELECT symbol, i, i // {_BLOCK} AS block,
        sum(r * r * pow(2, i % {_BLOCK} / {HALF_LIFE_S})) OVER w AS s,
        sum(pow(2, i % {_BLOCK} / {HALF_LIFE_S})) FILTER (r IS NOT NULL) OVER w AS w0
    FROM bars WINDOW w AS (PARTITION BY symbol, i // {_BLOCK} ORDER BY i ROWS UNBOUNDED PRECEDING)
), ewma AS (
    SELECT symbol, i, sqrt({PER_YEAR}
        * (coalesce(d.s, 0) + coalesce(b.s, 0) * pow(2, -{_BLOCK} / {HALF_LIFE_S}))
        / nullif(coalesce(d.w0, 0) + coalesce(b.w0, 0) * pow(2, -{_BLOCK} / {HALF_LIFE_S}), 0)
        ) AS ewma_vol_1m
    FROM decayed d LEFT JOIN blocks b USING (symbol, block)
)
SELECT bars.*, ewma_vol_1m, {_VOLATILITIES},
    CASE WHEN i > {SCORE_S} AND count(r) OVER before >= {SCORE_S // 2}
        THEN abs(r - avg(r) OVER before) / stddev_samp(r) OVER before END AS score
FROM bars JOIN ewma USING (symbol, i)
WINDOW {_WINDOWS}, before AS (
    PARTITION BY symbol ORDER BY second ROWS BETWEEN {SCORE_S} PRECEDING AND 1 PRECEDING)
"""  # noqa: S608 - built of our own numbers


def prepare(trades: Trades) -> Callable[[], Any]:
    """Return the job over these trades, a table in memory with an ENUM column."""
    connection = duckdb.connect()
    connection.register("given", trades_frame(trades).assign(trade_id=trades.trade_id))
    connection.execute("CREATE TABLE trades AS SELECT * FROM given")
    connection.unregister("given")
    return lambda: connection.execute(_QUERY)


def rows_of(result: Any, trades: Trades) -> Rows:  # noqa: ANN401 - what `prepare` made
    """Return the result as rows."""
    columns = result.execute("FROM result").fetchnumpy()
    index = {symbol: at for at, symbol in enumerate(trades.symbols)}
    values = {name: np.ma.filled(columns[name].astype(float), np.nan) for name in NAMES}
    return Rows.of([index[symbol] for symbol in columns["symbol"]], columns["second"], values)
