"""The history job as `cryptoctopus batch` does it: one ShardEngine, fed chunk by chunk."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import polars as pl

from pipeline.analysis import StepResult
from pipeline.config import Config
from pipeline.engine import ShardEngine
from pipeline.schema import TIME, TRADES
from tests.benchmarks.history.market import Trades
from tests.benchmarks.history.rows import SCORE_S, VOLATILITY_S, Rows

CHUNK = 500_000


def prepare(trades: Trades) -> Callable[[], Any]:
    """Return the job over these trades, TRADES whose symbols are an Enum already."""
    config = Config.model_validate(
        {
            "symbols": list(trades.symbols),
            "features": [*VOLATILITY_S, "ewma_vol_1m"],
            "detector": {"name": "zscore", "window": SCORE_S},
        }
    )
    frame = trades_frame(trades)
    chunks = [frame.slice(start, CHUNK) for start in range(0, frame.height, CHUNK)]
    return lambda: _history(chunks, trades.symbols, config)


def rows_of(result: Any, trades: Trades) -> Rows:  # noqa: ANN401 - what `prepare` made
    """Return the result as rows."""
    bars = pl.concat([step.bars for step in result])
    features = pl.concat([step.features for step in result]).drop("symbol", "open_time")
    frame = pl.concat([bars, features], how="horizontal")
    at = frame["symbol"].cast(pl.Enum(trades.symbols)).to_physical()
    seconds = frame["open_time"].to_physical() // 1_000_000
    numbers = frame.select(pl.selectors.numeric())
    return Rows.of(
        at, seconds, {name: column.to_numpy() for name, column in numbers.to_dict().items()}
    )


def trades_frame(trades: Trades) -> pl.DataFrame:
    """Return TRADES, the symbols as an Enum."""
    event_time = pl.Series(trades.event_us).cast(TIME)
    trade_id = pl.Series(trades.trade_id)
    return pl.DataFrame(
        {
            "symbol": pl.Series(trades.symbols, dtype=pl.Enum(trades.symbols))[trades.symbol_index],
            "trade_id": trade_id,
            "first_id": trade_id,
            "last_id": trade_id,
            "event_time": event_time,
            "receive_time": event_time,
            "price": trades.price,
            "quantity": trades.quantity,
            "buyer_is_maker": pl.repeat(value=False, n=len(trade_id), eager=True),
        }
    ).select(TRADES.names())


def _history(
    chunks: list[pl.DataFrame], symbols: tuple[str, ...], config: Config
) -> list[StepResult]:
    engine = ShardEngine(symbols, config)
    return [*(engine.step(chunk) for chunk in chunks), engine.finish()]
