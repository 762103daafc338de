"""Recorded trades as a TradeSource: their own ids, prices, sizes and spacing."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pipeline.errors import ReplayError
from pipeline.exchange.recordings import check_order, read_recording
from pipeline.exchange.trades import Listing, Trades

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# The quote currencies told from the end of a symbol such as XRPETH.
_QUOTES = ("USDT", "USDC", "FDUSD", "TUSD", "BUSD", "USD", "EUR", "TRY", "BTC", "ETH", "BNB")
_NAMED = re.compile(r"([A-Z0-9]+)=(.+)", re.DOTALL)


class Replay:
    """A TradeSource that plays one tape a symbol, all of them on one clock.

    Args:
        tapes: Symbol -> trades, at least one, ids rising and times never falling.
    """

    recorded = True

    def __init__(self, tapes: Mapping[str, Trades]) -> None:
        self.listings = tuple(_listing(symbol, trades) for symbol, trades in tapes.items())
        self.start_us = min(int(trades.time_us[0]) for trades in tapes.values())
        self.history_start_us = self.start_us
        self._left = dict(tapes)

    def advance(self, until_us: int) -> Mapping[str, Trades]:
        """Return the trades before `until_us` that were not returned yet, by symbol."""
        issued = {}
        for symbol, trades in self._left.items():
            due, self._left[symbol] = trades.split_at(until_us)
            if len(due):
                issued[symbol] = due
        return issued


def open_replay(inputs: Sequence[str | Path]) -> Replay:
    """Read recordings of one or more symbols; the files of a symbol may come in any order.

    Args:
        inputs: Paths, each optionally as `SYMBOL=PATH`; formats in `pipeline.recordings.inputs`.

    Raises:
        ReplayError: There is nothing to read, or a file is missing, truncated, empty, unsorted or
            overlaps another one.
    """
    runs: dict[str, list[tuple[Path, Trades]]] = {}
    for given in inputs:
        path, symbol = Path(given), None
        named = _NAMED.fullmatch(str(given))
        if named is not None and not path.exists():
            symbol, path = named[1], Path(named[2])
        for found, trades in read_recording(path, symbol).items():
            runs.setdefault(found, []).append((path, trades))
    if not runs:
        raise ReplayError("replay: expected at least one recording, found none")
    return Replay({symbol: _join(symbol, parts) for symbol, parts in runs.items()})


def _join(symbol: str, parts: list[tuple[Path, Trades]]) -> Trades:
    parts = sorted(parts, key=lambda part: int(part[1].trade_id[0]))
    trades = Trades(np.concatenate([trades.columns for _, trades in parts], axis=1))
    where = f"{symbol} of {', '.join(str(path) for path, _ in parts)}"
    check_order(trades, where, np.arange(1, len(trades) + 1))
    return trades


def _listing(symbol: str, trades: Trades) -> Listing:
    """Guess the steps of a market: the largest that all its prices and sizes are multiples of."""
    quote = next((quote for quote in _QUOTES if symbol.endswith(quote)), "")
    return Listing(
        symbol,
        symbol.removesuffix(quote),
        quote,
        tick_e8=int(np.gcd.reduce(trades.price_e8)),
        lot_e8=int(np.gcd.reduce(trades.quantity_e8)),
        spread_ticks=1,
    )
