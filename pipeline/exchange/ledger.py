"""What was truly issued, in a form a reader can recompute: a running hash over the trades."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.exchange.decimals import decimal_text

if TYPE_CHECKING:
    from pipeline.exchange.trades import Trades


@dataclass(frozen=True, slots=True)
class Issued:
    """Trades of one symbol with their prices and sizes as the wire shows them."""

    trades: Trades
    prices: list[str]
    quantities: list[str]

    @classmethod
    def of(cls, trades: Trades) -> Issued:
        """Print the prices and sizes of `trades`."""
        return cls(
            trades,
            [decimal_text(value) for value in trades.price_e8.tolist()],
            [decimal_text(value) for value in trades.quantity_e8.tolist()],
        )


def ledger_lines(issued: Issued) -> bytes:
    r"""Return one line `id,price,quantity,time_ms,m\n` a trade, with the strings as sent."""
    trades = issued.trades
    rows = zip(
        trades.trade_id.tolist(),
        issued.prices,
        issued.quantities,
        (trades.time_us // 1000).tolist(),
        trades.buyer_is_maker.tolist(),
        strict=True,
    )
    return "".join(
        f"{trade_id},{price},{quantity},{time_ms},{'true' if maker else 'false'}\n"
        for trade_id, price, quantity, time_ms, maker in rows
    ).encode()


class Ledger:
    """The ids and the hash of everything one symbol issued since the exchange opened."""

    def __init__(self) -> None:
        self._first_id: int | None = None
        self._last_id: int | None = None
        self._hash = hashlib.sha256()

    def add(self, issued: Issued) -> None:
        """Enter trades, at least one, that follow those entered before."""
        if self._first_id is None:
            self._first_id = int(issued.trades.trade_id[0])
        self._last_id = int(issued.trades.trade_id[-1])
        self._hash.update(ledger_lines(issued))

    def entry(self) -> dict[str, int | str | None]:
        """Return `first_id`, `last_id` (inclusive, null before the first) and `sha256`."""
        return {
            "first_id": self._first_id,
            "last_id": self._last_id,
            "sha256": self._hash.hexdigest(),
        }
