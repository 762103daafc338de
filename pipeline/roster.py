"""The markets that a pipeline has and had, and the shards that hold them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.sharding import Shard

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pipeline.venues.protocol import Instrument


class Roster:
    """Keeps account of markets that come, end, and come again.

    A shard lives until all its markets have ended; those that ended before are still read, and
    nobody is told of them. One that comes again while its shard lives is there at once.

    Args:
        instruments: Of the start.
        shards: That hold them.

    Attributes:
        ended: By symbol: the condition that says why it is watched no more.
    """

    def __init__(self, instruments: Iterable[Instrument], shards: Iterable[Shard]) -> None:
        self._instruments = {one.symbol: one for one in instruments}
        self._shards = {shard.name: shard for shard in shards}
        self._made = len(self._shards)
        self.ended: dict[str, str] = {}

    @property
    def instruments(self) -> list[Instrument]:
        """All that were ever watched, in the order they first came; at most the whole listing."""
        return list(self._instruments.values())

    def change(
        self, entered: Iterable[Instrument], ended: Mapping[str, str]
    ) -> tuple[Shard | None, list[str]]:
        """Take a change of the markets.

        Returns:
            The shard to start for those that no living shard holds, null when there are none; and
            the names of the shards to end.
        """
        entered = list(entered)
        held = {symbol for shard in self._shards.values() for symbol in shard.symbols}
        new = tuple(one.symbol for one in entered if one.symbol not in held)
        for one in entered:
            self._instruments.setdefault(one.symbol, one)
            self.ended.pop(one.symbol, None)
        self.ended |= ended
        over = [
            name for name, shard in self._shards.items() if self.ended.keys() >= {*shard.symbols}
        ]
        for name in over:
            del self._shards[name]
        return self._shard_of(new), over

    def _shard_of(self, symbols: tuple[str, ...]) -> Shard | None:
        if not symbols:
            return None
        name = symbols[0] if len(symbols) == 1 else f"listed-{self._made:03d}"
        shard = Shard(name, symbols)
        self._shards[name] = shard
        self._made += 1
        return shard
