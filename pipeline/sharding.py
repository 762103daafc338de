"""Which symbols share an actor."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Up to here every symbol has an actor of its own, if memory allows.
FEW_SYMBOLS = 16

#: What an actor process takes: measured 120 MB for its compiled kernels, the rest Ray and Polars.
ACTOR_BYTES = 200_000_000

#: More symbols than this make one flush too long.
MOST_SYMBOLS = 100


@dataclass(frozen=True, slots=True)
class Shard:
    """An actor's name and its symbols."""

    name: str
    symbols: tuple[str, ...]


def plan_shards(
    symbols: Sequence[str],
    symbols_per_actor: int | Literal["auto"],
    *,
    cpus: float,
    memory_bytes: float,
) -> list[Shard]:
    """Return the shards of a pipeline, as equal in size as can be.

    `auto` gives each of up to 16 symbols an actor, if they all fit in a quarter of the memory;
    otherwise as many actors as three quarters of the CPUs, of at most 100 symbols each.

    Args:
        symbols: In the order of the configuration.
        symbols_per_actor: A fixed number, or `auto`.
        cpus: Of the whole cluster.
        memory_bytes: Of the whole cluster.
    """
    count = len(symbols)
    if symbols_per_actor == "auto":
        few = count <= FEW_SYMBOLS and count * ACTOR_BYTES <= memory_bytes / 4
        actors = count if few else max(1, int(0.75 * cpus))
        size = 1 if few else min(MOST_SYMBOLS, ceil(count / actors))
    else:
        size = symbols_per_actor
    actors = ceil(count / size)
    if size == 1:
        return [Shard(symbol, (symbol,)) for symbol in symbols]
    # Dealt like cards: neighbours in a configuration are often of like traffic.
    return [Shard(f"shard-{at:03d}", tuple(symbols[at::actors])) for at in range(actors)]
