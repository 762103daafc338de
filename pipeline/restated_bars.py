"""Bars published again: the same as if every trade had come in its turn."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipeline.bar_records import BAR, OPEN_BAR, SYMBOL
from pipeline.marks import NEVER, ONWARD
from pipeline.restate_loop import insert_all, publish_again

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from pipeline.trade_columns import TradeColumns

_ALIKE = [name for name in OPEN_BAR.names or () if name in (BAR.names or ())]


def bars_again(
    base: Mapping[str, NDArray[np.generic]],
    published: NDArray[np.void],
    trades: TradeColumns,
    *,
    until: int,
    limits: np.void,
) -> tuple[NDArray[np.void], np.void]:
    """Return the bars of one symbol since a point in the past, with trades added.

    All of them are marked complete: which are not is for the caller to know.

    Args:
        base: The builder's snapshot of the symbol at that point.
        published: BAR rows with trades since then, in time order, one a step.
        trades: To be added, of steps from there on; in id order.
        until: The step to end before.
        limits: LIMITS.

    Returns:
        BAR rows without a symbol, and SYMBOL as it stands after them.
    """
    every_us = int(limits["every_us"])
    of_published, of_trades = published["open_us"] // every_us, trades.event_us // every_us
    steps = np.union1d(of_published, of_trades)
    bars = np.zeros(len(steps) + 1, dtype=OPEN_BAR)
    at = np.searchsorted(steps, of_published)
    for name in _ALIKE:
        bars[name][at] = published[name]
    insert_all(
        bars, np.searchsorted(steps, of_trades), trades.trade_id, trades.price, trades.quantity
    )
    symbol = _symbol_at(base, int(steps[0]) if len(steps) else until)
    # No more than every step, nor than what is told before a silence and after each bar of trades.
    told = min(until - int(symbol["next_step"]), (len(bars) + 1) * int(limits["silence_steps"] + 2))
    out = np.zeros(max(told, 0), dtype=BAR)
    written = publish_again(symbol, bars, steps, until, limits, out)
    return out[:written], symbol


def _symbol_at(base: Mapping[str, NDArray[np.generic]], first_step: int) -> np.void:
    """Return SYMBOL as a snapshot has it, with nothing lost; it begins at `first_step` if new."""
    symbol: np.void = np.zeros(1, dtype=SYMBOL)[0]
    next_step, traded_step = (int(mark) for mark in base["marks"][:2])
    symbol["next_step"] = first_step if next_step == NEVER else next_step
    symbol["traded_step"], symbol["close"] = traded_step, base["close"][0]
    symbol["broken_from"] = symbol["broken_until"] = NEVER
    symbol["lost_from"] = ONWARD
    return symbol
