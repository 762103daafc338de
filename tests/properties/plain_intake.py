"""The rules of ledger and bars, written down for one row at a time in plain Python."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pipeline.ledger_loop import MAX_JUMP

_LIMB = 2**64


class Row(NamedTuple):
    symbol: int
    trade_id: int
    event_us: int
    price_units: int  # of 1e-8
    size_units: int  # of 1e-8
    live: bool


@dataclass
class Limits:
    every_us: int
    lateness_us: int
    forward_fill_us: int
    silence_us: int
    max_held: int


@dataclass
class PlainSymbol:
    name: str
    limits: Limits
    first_id: int | None = None
    next_id: int = 0
    held: dict[int, Row] = field(default_factory=dict)
    follows_loss: bool = False
    live: int = 0
    backfilled: int = 0
    duplicates: int = 0
    implausible: int = 0
    late: int = 0
    losses: list[tuple[int, int]] = field(default_factory=list)
    found: set[int] = field(default_factory=set)  # of them, those that came after all
    next_step: int | None = None
    last_step: int | None = None
    traded_step: int | None = None
    close: float = 0.0
    open_rows: dict[int, list[Row]] = field(default_factory=dict)
    broken: list[tuple[int, int]] = field(default_factory=list)

    def arrive(self, row: Row) -> list[dict[str, Any]]:
        """Take a row; return the bars that close."""
        if self.first_id is None:
            self.first_id = self.next_id = row.trade_id
        if self.is_lost(row.trade_id):
            self.found.add(row.trade_id)
            self.live += row.live
            self.backfilled += not row.live
            return []
        if row.trade_id < self.next_id or row.trade_id in self.held:
            self.duplicates += 1
            return []
        if row.trade_id >= self.next_id + MAX_JUMP:
            self.implausible += 1
            return []
        self.live += row.live
        self.backfilled += not row.live
        self.held[row.trade_id] = row
        bars = self._release()
        if len(self.held) > self.limits.max_held:
            first = min(self.held)
            self.losses.append((self.next_id, first - 1))
            self.next_id, self.follows_loss = first, True
            bars += self._release()
        return bars

    def is_lost(self, trade_id: int) -> bool:
        inside = any(first <= trade_id <= last for first, last in self.losses)
        return inside and trade_id not in self.found

    def _release(self) -> list[dict[str, Any]]:
        bars = []
        while self.next_id in self.held:
            bars += self._apply(self.held.pop(self.next_id))
            self.follows_loss = False
            self.next_id += 1
        return bars

    def _apply(self, row: Row) -> list[dict[str, Any]]:
        every_us = self.limits.every_us
        step = row.event_us // every_us
        if self.next_step is None:
            self.next_step = step
        if self.follows_loss:
            since = self.next_step if self.last_step is None else self.last_step
            self.broken.append((min(since, step), max(since, step)))
        bars = self.close_until((row.event_us - self.limits.lateness_us) // every_us)
        if step < self.next_step:
            self.late += 1
        else:
            self.open_rows.setdefault(step, []).append(row)
            self.last_step = step
        return bars

    def close_until(self, until: int) -> list[dict[str, Any]]:
        bars = []
        while self.next_step is not None and self.next_step < until:
            bar = self._bar(self.next_step, self.open_rows.pop(self.next_step, []))
            bars += [bar] if bar else []
            self.next_step += 1
        return bars

    def _bar(self, step: int, rows: list[Row]) -> dict[str, Any] | None:
        every_us = self.limits.every_us
        bar = {"symbol": self.name, "open_time": step * every_us, "volume": 0.0, "notional": 0.0,
               "trades": len(rows), "first_id": None, "last_id": None}  # fmt: skip
        bar["complete"] = not any(first <= step <= last for first, last in self.broken)
        prices = [row.price_units / 1e8 for row in rows]
        if rows:
            self.traded_step, self.close = step, prices[-1]
            bar |= {"open": prices[0], "high": max(prices), "low": min(prices), "close": prices[-1]}
            bar |= {"first_id": rows[0].trade_id, "last_id": rows[-1].trade_id}
            bar["volume"] = sum(row.size_units for row in rows) / 1e8
            notional = sum(row.size_units * row.price_units for row in rows)
            # Rounded as two limbs are.
            total = float(notional // _LIMB) * float(_LIMB) + float(notional % _LIMB)
            bar["notional"] = total / 1e8 / 1e8
            return bar
        if self.traded_step is None:
            return None
        quiet_us = (step - self.traded_step) * every_us
        if quiet_us > self.limits.silence_us:
            return None
        price = self.close if quiet_us <= self.limits.forward_fill_us else None
        return bar | dict.fromkeys(("open", "high", "low", "close"), price)
