"""A hash over every applied trade, as the built-in exchange makes one over every issued trade."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class TradeDigest:
    r"""SHA-256 over lines `id,price,quantity,time_ms,m\n` in id order, numbers with 8 decimals."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()

    def update(self, trades: NDArray[np.void]) -> None:
        """Enter TRADE_ROW rows that follow those entered before."""
        columns = ("trade_id", "price", "quantity", "event_us", "buyer_is_maker")
        rows = zip(*(trades[name].tolist() for name in columns), strict=True)
        lines = (
            f"{trade_id},{price:.8f},{quantity:.8f},{event_us // 1000},{str(maker).lower()}\n"
            for trade_id, price, quantity, event_us, maker in rows
        )
        self._hash.update("".join(lines).encode())

    def hexdigest(self) -> str:
        """Return the hash so far."""
        return self._hash.hexdigest()
