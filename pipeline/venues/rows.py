"""What a venue's parser gives: rows of TRADES that are sound, and rows of REJECTED that say why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import polars as pl

from pipeline.durations import HOUR
from pipeline.schema import REJECTED, TIME, TRADES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

#: What a decoder raises for a message that it cannot read, or that is no message of its type.
UNDECODABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)

# The engine counts prices and quantities in whole 1e-8, held in 63 bits.
_MIN_AMOUNT = 1e-8
_MAX_AMOUNT = (2**63 - 1) * 1e-8

_EARLIEST_US = 1_262_304_000_000_000  # 2010-01-01, before any venue
_LATEST_US = 4_102_444_800_000_000  # 2100-01-01

_MAX_PAYLOAD_LENGTH = 200

# How columns are given.
_TIMES = frozenset(name for name, dtype in TRADES.items() if dtype == TIME)
_TYPES = {name: pl.Int64() if name in _TIMES else dtype for name, dtype in TRADES.items()}


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why a message, or a trade in it, is not what the venue documents.

    Attributes:
        symbol: Whose it is, where it says so.
        reason: What is wrong.
        payload: The trade, where the message holds several; else the message stands for it.
    """

    symbol: str | None
    reason: str
    payload: bytes | None = None


def decode(message: bytes, decoder: msgspec.json.Decoder[Any]) -> Any | Rejection:  # noqa: ANN401 - any JSON
    """Return what a message holds, or why it cannot be read."""
    try:
        return decoder.decode(message)
    except UNDECODABLE as error:
        return Rejection(None, f"invalid JSON: {error}")


def trades_frame(
    columns: Mapping[str, Sequence[object] | pl.Series],
) -> tuple[pl.DataFrame, dict[int, str]]:
    """Return TRADES in the given order, and of each row that is not sound the reason.

    Works on columns without expressions: starting a query would cost more than a small batch does.

    Args:
        columns: As in TRADES; times are microseconds, an amount that is no number is null.
    """
    series = {
        # To make a series of a series costs as much as to make one of a list.
        name: given.alias(name)
        if isinstance(given := columns[name], pl.Series)
        else pl.Series(name, given, dtype=dtype)
        for name, dtype in _TYPES.items()
    }
    frame = pl.DataFrame(
        [values.cast(TIME) if name in _TIMES else values for name, values in series.items()],
        schema=TRADES,
    )
    event_us, receive_us = series["event_time"].to_numpy(), series["receive_time"].to_numpy()
    checks = {
        "price: expected a number of 1e-8 to 9.2e10": _within(
            series["price"], _MIN_AMOUNT, _MAX_AMOUNT
        ),
        "quantity: expected a number of 1e-8 to 9.2e10": _within(
            series["quantity"], _MIN_AMOUNT, _MAX_AMOUNT
        ),
        "first_id: expected at most last_id": series["first_id"].to_numpy()
        <= series["last_id"].to_numpy(),
        "event_time: expected 2010 to 2100, in milliseconds or microseconds": _within(
            series["event_time"], _EARLIEST_US, _LATEST_US
        ),
        # One such row would close every bar up to it: what follows would come too late.
        "event_time: expected at most an hour after it was received": event_us <= receive_us + HOUR,
    }
    faults: dict[int, str] = {}
    for reason, sound in checks.items():
        if not sound.all():
            for row in np.flatnonzero(~sound).tolist():
                faults.setdefault(row, reason)
    return frame, faults


def without(frame: pl.DataFrame, rows: Mapping[int, str]) -> pl.DataFrame:
    """Return a frame without the given rows."""
    if not rows:
        return frame
    keep = np.ones(frame.height, dtype=np.bool_)
    keep[list(rows)] = False
    return frame.filter(pl.Series(keep))


def rejected_frame(
    rejections: Sequence[tuple[int, Rejection]],
    messages: Sequence[bytes],
    receive_us: Sequence[int],
) -> pl.DataFrame:
    """Return REJECTED, in order of the messages, each given by its place in the batch."""
    if not rejections:
        return REJECTED.to_frame()
    in_order = sorted(rejections, key=lambda rejection: rejection[0])
    payloads = [
        messages[place] if rejection.payload is None else rejection.payload
        for place, rejection in in_order
    ]
    return pl.DataFrame(
        {
            "symbol": [rejection.symbol for _, rejection in in_order],
            "reason": [rejection.reason for _, rejection in in_order],
            "payload": [
                payload[:_MAX_PAYLOAD_LENGTH].decode(errors="replace") for payload in payloads
            ],
            "receive_time": [receive_us[place] for place, _ in in_order],
        },
        schema=REJECTED,
    )


def _within(values: pl.Series, low: float, high: float) -> NDArray[np.bool_]:
    """Say which values are in [low, high]; null and NaN are not."""
    numbers = values.to_numpy()
    return (numbers >= low) & (numbers <= high)
