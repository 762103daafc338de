"""The rolling job as a Bytewax dataflow: a keyed stateful_map, Welford in its logic."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import bytewax.operators as op
from bytewax.dataflow import Dataflow
from bytewax.testing import TestingSink, TestingSource, run_main

from tests.benchmarks.rolling.columns import Columns
from tests.benchmarks.rolling.market import Ticks
from tests.benchmarks.rolling.welford import Symbol
from tests.benchmarks.rolling.with_python import columns_of as _columns_of
from tests.benchmarks.rolling.with_python import tick_rows

_Keyed = tuple[str, tuple[int, int, float]]


def prepare(ticks: Ticks) -> Callable[[], Any]:
    """Return the job over these ticks, keyed items (symbol, (row, time_us, price))."""
    items = [
        (symbol, (row, time_us, price))
        for row, (symbol, time_us, price) in enumerate(tick_rows(ticks))
    ]
    return lambda: _run(items)


def columns_of(result: Any, ticks: Ticks) -> Columns:  # noqa: ANN401 - what `prepare` made
    """Return the result as columns in the order of the ticks."""
    return _columns_of(
        [values for _, (_, values) in sorted(result, key=lambda item: item[1][0])], ticks
    )


def _run(items: list[_Keyed]) -> list[Any]:
    result: list[Any] = []
    flow = Dataflow("rolling")
    keyed = op.input("ticks", flow, TestingSource(items, batch_size=1000))
    op.output("result", op.stateful_map("windows", keyed, _tick), TestingSink(result))
    run_main(flow)
    return result


def _tick(state: Symbol | None, tick: tuple[int, int, float]) -> tuple[Symbol, Any]:
    symbol = Symbol() if state is None else state
    row, time_us, price = tick
    return symbol, (row, symbol.tick(time_us, price))
