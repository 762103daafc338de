"""The fault switchboard: which faults are on, and what they do to trades, messages and answers.

Faults of connections (`abort`, `close`, `half_open`, `server_shutdown`, `silent`, `slow`,
`no_ping`) are carried out by whoever owns the connections; here they are only read and listed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.durations import MILLISECOND, SECOND
from pipeline.errors import CryptoctopusError
from pipeline.exchange.ledger import Issued
from pipeline.exchange.trades import Trades
from pipeline.id_ranges import IdRanges

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

    from numpy.typing import NDArray

#: Name -> its parameters: what each is when it is not given (null: it has to be), least, most.
PARAMETERS: Mapping[str, Mapping[str, tuple[int | None, int, int]]] = {
    "abort": {},
    "close": {"code": (1001, 1000, 4999)},
    "half_open": {"seconds": (30, 1, 3600)},
    "no_ping": {},
    "server_shutdown": {"close_after_s": (10, 0, 3600)},
    "skip": {"count": (None, 1, 1_000_000)},
    "lose": {"count": (None, 1, 1_000_000)},
    "duplicate": {"count": (None, 1, 1_000_000)},
    "reorder": {"count": (None, 1, 1_000_000)},
    "skew": {"ms": (None, -3_600_000, 3_600_000)},
    "slow": {"bytes_per_s": (None, 1, 1_000_000_000)},
    "rest_status": {"status": (None, 400, 599), "retry_after_s": (0, 0, 86_400),
                    "count": (1, 1, 1_000_000)},
    "rest_lag": {"ms": (None, 1, 3_600_000)},
    "truncate": {"count": (None, 1, 1_000_000)},
    "silent": {},
}  # fmt: skip

#: Those that are done once, and are not on afterwards.
AT_ONCE = {"abort", "close", "half_open", "server_shutdown", "silent"}

#: Of each symbol so many ranges of ids that were kept back are remembered, the newest.
_RANGES = 100_000


class FaultError(CryptoctopusError):
    """A fault that cannot be switched on as asked."""


@dataclass(slots=True)
class Fault:
    """A fault that was asked for.

    Attributes:
        name: One of PARAMETERS.
        symbol: Which market it is for; null for all.
        parameters: By name.
        left: Of those that count: for each market or stream how many are still to come.
    """

    name: str
    symbol: str | None
    parameters: Mapping[str, int]
    left: dict[str, int] = field(default_factory=dict)

    def concerns(self, symbol: str) -> bool:
        """Whether it is for a market."""
        return self.symbol is None or self.symbol == symbol

    def take(self, key: str, most: int) -> int:
        """Return how many of `most` it takes, by market or stream, and count them."""
        left = self.left.setdefault(key, self.parameters["count"])
        taken = min(left, most)
        self.left[key] = left - taken
        return taken


def read_fault(body: object, symbols: Container[str]) -> Fault:
    """Return the fault that a request asks for.

    Raises:
        FaultError: It says which field was expected to be what, and what was found.
    """
    if not isinstance(body, dict):
        raise FaultError(f"expected an object with a fault, found {body!r}")
    given: dict[str, Any] = dict(body)
    name = given.pop("fault", None)
    if name not in PARAMETERS:
        raise FaultError(f"fault: expected one of {', '.join(PARAMETERS)}, found {name!r}")
    symbol = given.pop("symbol", None)
    if symbol is not None and symbol not in symbols:
        raise FaultError(f"symbol: expected one that is listed, found {symbol!r}")
    unknown = given.keys() - PARAMETERS[name].keys()
    if unknown:
        known = ", ".join(PARAMETERS[name]) or "no parameters"
        raise FaultError(f"{name}: expected {known}, found {', '.join(sorted(unknown))}")
    parameters = {}
    for parameter, (otherwise, least, most) in PARAMETERS[name].items():
        value = given.get(parameter, otherwise)
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise FaultError(f"{parameter}: expected {least} to {most}, found {value!r}")
        parameters[parameter] = value
    return Fault(name, symbol, parameters)


class Faults:
    """What is on, and what it has done since the exchange opened.

    Attributes:
        active: In the order they were switched on.
        lost: By market: the ids that are served nowhere.
        skipped: By market: the ids that REST alone serves.
        done: How many messages were duplicated, reordered and truncated.
    """

    def __init__(self) -> None:
        self.active: list[Fault] = []
        self.lost: dict[str, IdRanges] = {}
        self.skipped: dict[str, IdRanges] = {}
        self.done = {"duplicated": 0, "reordered": 0, "truncated": 0}

    def switch_on(self, fault: Fault) -> None:
        """Switch on what is not done at once."""
        if fault.name not in AT_ONCE:
            self.active.append(fault)

    def clear(self) -> None:
        """Switch everything off; what is lost stays lost."""
        self.active.clear()

    def entry(self) -> dict[str, Any]:
        """Return what is on and what was done, as `GET /admin/faults` answers."""
        return {
            "active": [
                {"fault": fault.name, "symbol": fault.symbol, **fault.parameters}
                for fault in self.active
            ],
            "lost": {symbol: list(ranges) for symbol, ranges in self.lost.items()},
            "skipped": {symbol: list(ranges) for symbol, ranges in self.skipped.items()},
            **self.done,
        }

    def is_on(self, name: str) -> bool:
        """Whether a fault is on."""
        return any(fault.name == name for fault in self.active)

    def on_streams(self, symbol: str, issued: Issued) -> Issued | None:
        """Return what streams tell of trades that were just issued; null for nothing."""
        hidden = 0
        for name, kept in (("lose", self.lost), ("skip", self.skipped)):
            for fault in self._of(name, symbol):
                taken = fault.take(symbol, len(issued.prices) - hidden)
                ranges = kept.setdefault(symbol, IdRanges(capacity=_RANGES))
                for trade_id in issued.trades.trade_id[hidden : hidden + taken].tolist():
                    ranges.append(trade_id, trade_id)
                hidden += taken
        if hidden == 0:
            return issued
        if hidden == len(issued.prices):
            return None
        return Issued(issued.trades[hidden:], issued.prices[hidden:], issued.quantities[hidden:])

    def on_messages(self, symbol: str, stream: str, found: list[bytes]) -> list[bytes]:
        """Return the messages of a stream as they leave."""
        if not (self.active and found):
            return found
        for fault in self._of("duplicate", symbol):
            taken = fault.take(stream, len(found))
            found = [one for one in found[:taken] for _ in range(2)] + found[taken:]
            self.done["duplicated"] += taken
        for fault in self._of("reorder", symbol):
            pairs = fault.take(stream, len(found) // 2)
            swapped = [one for at in range(0, 2 * pairs, 2) for one in (found[at + 1], found[at])]
            found = swapped + found[2 * pairs :]
            self.done["reordered"] += pairs
        for fault in self._of("truncate", symbol):
            taken = fault.take(stream, len(found))
            found = [one[: len(one) // 2] for one in found[:taken]] + found[taken:]
            self.done["truncated"] += taken
        return found

    def on_rest(self, symbol: str, trades: Trades, now_us: int) -> Trades:
        """Return what REST serves of trades."""
        for fault in self._of("rest_lag", symbol):
            trades, _ = trades.split_at(now_us - fault.parameters["ms"] * MILLISECOND)
        return self.kept(symbol, trades)

    def kept(self, symbol: str, trades: Trades) -> Trades:
        """Leave out the trades that are lost."""
        lost = self.lost.get(symbol)
        if not lost:
            return trades
        return Trades(trades.columns[:, ~_inside(trades.trade_id, lost)])

    def refusal(self) -> tuple[int, int] | None:
        """Return the status and the seconds to wait that the next answer is replaced by."""
        for fault in self._of("rest_status", None):
            if fault.take("", 1):
                return fault.parameters["status"], fault.parameters["retry_after_s"]
        return None

    @property
    def skew_us(self) -> int:
        """How far the venue's clock is ahead of its trades."""
        return sum(fault.parameters["ms"] * MILLISECOND for fault in self._of("skew", None))

    @property
    def pace_per_us(self) -> float | None:
        """Bytes that a connection is sent in a microsecond; null for as many as there are."""
        paces = [fault.parameters["bytes_per_s"] / SECOND for fault in self._of("slow", None)]
        return min(paces, default=None)

    def _of(self, name: str, symbol: str | None) -> list[Fault]:
        return [
            fault
            for fault in self.active
            if fault.name == name and (symbol is None or fault.concerns(symbol))
        ]


def _inside(ids: NDArray[np.int64], ranges: IdRanges) -> NDArray[np.bool_]:
    firsts, lasts = np.array(list(ranges)).T
    at = np.searchsorted(firsts, ids, side="right") - 1
    return np.asarray((at >= 0) & (ids <= lasts[np.maximum(at, 0)]))
