"""Which rows of a block can be used, and why the others cannot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from pipeline.schema import REJECTED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.recordings.recording import Block

#: The engine counts prices and sizes in whole 1e-8, held in 63 bits.
LEAST_AMOUNT, MOST_AMOUNT = 1e-8, 9.2e10

_FIRST_US = 1_230_768_000_000_000  # 2009-01-01, before any venue
_END_US = 4_102_444_800_000_000  # 2100-01-01

_PAYLOAD_CHARACTERS = 300


@dataclass(frozen=True, slots=True)
class Check:
    """What must hold for the values of a row.

    Attributes:
        expected: Completes "expected ...".
        found: The value that is told where it does not hold.
        holds: Where it holds.
    """

    expected: str
    found: pl.Expr
    holds: pl.Expr


TIME_CHECK = Check(
    "microseconds from 2009 to 2100",
    pl.col("time_us"),
    pl.col("time_us").is_between(_FIRST_US, _END_US, closed="left"),
)


def amount_checks(column: str, name: str) -> list[Check]:
    """Return what a price or a size must be."""
    amount = pl.col(column)
    return [
        Check(f"a {name} above zero", amount, amount > 0),
        Check(
            f"a {name} from {LEAST_AMOUNT:g} to {MOST_AMOUNT:g}",
            amount,
            amount.is_between(LEAST_AMOUNT, MOST_AMOUNT),
        ),
    ]


def judge(
    block: Block, checks: Sequence[Check], *, first_number: int, symbol: str | None
) -> tuple[pl.Series, pl.DataFrame]:
    """Return which rows of a block can be used, and REJECTED of the others.

    Args:
        block: The rows.
        checks: What must hold for each, beside that it is read.
        first_number: The number of the block's first row in its file.
        symbol: Whose rows they are; null where each row tells.
    """
    is_read = block.values.select(pl.all_horizontal(pl.exclude("symbol").is_not_null())).to_series()
    holds = block.values.select(
        check.holds.fill_null(value=False).alias(str(place)) for place, check in enumerate(checks)
    )
    sound = is_read & holds.select(pl.all_horizontal(pl.all())).to_series()
    rows = (~sound).arg_true().to_list()
    reasons = [
        f"row {first_number + row}: {reason}"
        for row, reason in zip(
            rows, _reasons(block, rows, checks, is_read[rows], holds[rows]), strict=True
        )
    ]
    payloads = [block.payload(row)[:_PAYLOAD_CHARACTERS] for row in rows]
    told = block.values["symbol"][rows] if symbol is None else [symbol] * len(rows)
    rejected = {"symbol": told, "reason": reasons, "payload": payloads, "receive_time": None}
    return sound, pl.DataFrame(rejected, schema=REJECTED)


def _reasons(
    block: Block, rows: list[int], checks: Sequence[Check], is_read: pl.Series, holds: pl.DataFrame
) -> list[str]:
    """Return why rows cannot be used: the first check that does not hold for each."""
    found = block.values[rows].select(
        check.found.alias(str(place)) for place, check in enumerate(checks)
    )
    reasons = []
    for place, row in enumerate(rows):
        if not is_read[place]:
            reasons.append(block.fault(row))
        else:
            failed = holds.row(place).index(False)
            text = _text(found.row(place)[failed])
            reasons.append(f"expected {checks[failed].expected}, found {text}")
    return reasons


def _text(value: float | str | None) -> str:
    if value is None:
        return "none"
    return np.format_float_positional(value, trim="-") if isinstance(value, float) else str(value)
