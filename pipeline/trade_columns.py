"""Trades as the engine passes them on: one array a column."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class TradeColumns:
    """Trades, row by row. What was read from a frame is the frame's own memory.

    Attributes:
        symbol_index: Position of the symbol in its shard.
        trade_id: As the venue numbers it.
        event_us: When the venue matched it.
        receive_us: When this machine read it.
        price: In the quote currency.
        quantity: In the base currency.
        buyer_is_maker: Whether the aggressor sold; false where nobody asked.
        live: Whether it was read from the stream; the others were fetched.
        after_loss: Whether ids between it and the one before are lost.
    """

    symbol_index: NDArray[np.int32]
    trade_id: NDArray[np.int64]
    event_us: NDArray[np.int64]
    receive_us: NDArray[np.int64]
    price: NDArray[np.float64]
    quantity: NDArray[np.float64]
    buyer_is_maker: NDArray[np.bool_]
    live: NDArray[np.bool_]
    after_loss: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.trade_id)

    @classmethod
    def from_frame(
        cls, trades: pl.DataFrame, symbol_type: pl.Enum, *, live: bool, sides: bool = True
    ) -> Self:
        """Read TRADES; a symbol column that is of `symbol_type` already is the cheapest.

        Args:
            trades: TRADES.
            symbol_type: The symbols of the shard.
            live: Whether they were read from the stream.
            sides: Whether to tell who the aggressor was: reading a bit a trade takes as long as
                all other columns.
        """
        symbol = trades["symbol"]
        if symbol.dtype != symbol_type:
            symbol = symbol.cast(symbol_type)
        return cls(
            symbol.to_physical().to_numpy().astype(np.int32),
            trades["trade_id"].to_numpy(),
            trades["event_time"].cast(pl.Int64).to_numpy(),
            trades["receive_time"].cast(pl.Int64).to_numpy(),
            trades["price"].to_numpy(),
            trades["quantity"].to_numpy(),
            trades["buyer_is_maker"].to_numpy()
            if sides
            else np.zeros(trades.height, dtype=np.bool_),
            np.full(trades.height, live),
            np.zeros(trades.height, dtype=np.bool_),
        )

    @classmethod
    def join(cls, parts: Sequence[Self]) -> Self:
        """Return the rows of one part after the other."""
        return cls(
            *(np.concatenate([getattr(part, name) for part in parts]) for name in cls.__slots__)
        )

    def take(self, rows: NDArray[np.int64] | slice) -> Self:
        """Return some rows as arrays of their own."""
        return type(self)(*(np.array(getattr(self, name)[rows]) for name in self.__slots__))


NO_TRADES = TradeColumns(
    symbol_index=np.empty(0, dtype=np.int32),
    trade_id=np.empty(0, dtype=np.int64),
    event_us=np.empty(0, dtype=np.int64),
    receive_us=np.empty(0, dtype=np.int64),
    price=np.empty(0),
    quantity=np.empty(0),
    buyer_is_maker=np.empty(0, dtype=np.bool_),
    live=np.empty(0, dtype=np.bool_),
    after_loss=np.empty(0, dtype=np.bool_),
)
