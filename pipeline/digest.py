"""A hash over every applied trade, as the built-in exchange makes one over every issued trade."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.trade_columns import TradeColumns


class TradeDigest:
    r"""SHA-256 over lines `id,price,quantity,time_ms,m\n` in id order, numbers with 8 decimals.

    Half a hash cannot be carried: there is no snapshot of it.
    """

    def __init__(self) -> None:
        self._hash = hashlib.sha256()

    def update(self, trades: TradeColumns) -> None:
        """Enter trades that follow those entered before."""
        rows = zip(
            trades.trade_id.tolist(),
            trades.price.tolist(),
            trades.quantity.tolist(),
            trades.event_us.tolist(),
            trades.buyer_is_maker.tolist(),
            strict=True,
        )
        lines = (
            f"{trade_id},{price:.8f},{quantity:.8f},{event_us // 1000},{str(maker).lower()}\n"
            for trade_id, price, quantity, event_us, maker in rows
        )
        self._hash.update("".join(lines).encode())

    def hexdigest(self) -> str:
        """Return the hash so far."""
        return self._hash.hexdigest()
