"""The state of a shard as a frame: one row a symbol, so that shards can be split and merged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray


class Stage(Protocol):
    """A part of the engine that knows something of each symbol."""

    def snapshot(self, index: int) -> dict[str, NDArray[np.generic]]:
        """Return what is known of a symbol: arrays of one dimension, equal for equal state."""

    def restore(self, index: int, arrays: Mapping[str, NDArray[np.generic]]) -> None:
        """Continue a symbol from what `snapshot` returned."""


def snapshot_frame(symbols: Sequence[str], stages: Mapping[str, Stage]) -> pl.DataFrame:
    """Return `symbol` and, for every array of every stage, a list column `<stage>.<name>`.

    Args:
        symbols: In index order.
        stages: By name.
    """
    columns = [pl.Series("symbol", symbols, dtype=pl.String)]
    for stage_name, stage in stages.items():
        states = [stage.snapshot(index) for index in range(len(symbols))]
        columns += [
            pl.Series(f"{stage_name}.{name}", [pl.Series(state[name]) for state in states])
            for name in states[0]
        ]
    return pl.DataFrame(columns)


def restore_stages(
    frame: pl.DataFrame, symbols: Sequence[str], stages: Mapping[str, Stage]
) -> None:
    """Restore the symbols of a shard that a frame has a row of; the other rows are not read.

    Args:
        frame: What `snapshot_frame` returned for these stages, or rows of several such frames.
        symbols: In index order.
        stages: By name.
    """
    rows = {symbol: row for row, symbol in enumerate(frame["symbol"])}
    for index, symbol in enumerate(symbols):
        if symbol not in rows:
            continue
        for stage_name, stage in stages.items():
            prefix = f"{stage_name}."
            stage.restore(
                index,
                {
                    name.removeprefix(prefix): frame[name][rows[symbol]].to_numpy()
                    for name in frame.columns
                    if name.startswith(prefix)
                },
            )
