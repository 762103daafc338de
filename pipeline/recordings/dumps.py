"""Binance's public dumps: CSV of aggregate trades, single trades or klines, spot or futures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from pipeline.errors import ReplayError
from pipeline.recordings.recording import microseconds

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.recordings.recording import Kind

_WHOLE, _DECIMAL, _FLAG = pl.Int64(), pl.Float64(), pl.Boolean()
_NAMES = {_WHOLE: "a whole number", _DECIMAL: "a decimal", _FLAG: "true or false"}

# The fields of a line in order; `time_us` may be in milliseconds. Futures lack `best_match`.
_AGGREGATE: dict[str, pl.DataType] = {
    "trade_id": _WHOLE,
    "price": _DECIMAL,
    "quantity": _DECIMAL,
    "first_id": _WHOLE,
    "last_id": _WHOLE,
    "time_us": _WHOLE,
    "buyer_is_maker": _FLAG,
    "best_match": _FLAG,
}
_SINGLE: dict[str, pl.DataType] = {
    "trade_id": _WHOLE,
    "price": _DECIMAL,
    "quantity": _DECIMAL,
    "worth": _DECIMAL,
    "time_us": _WHOLE,
    "buyer_is_maker": _FLAG,
    "best_match": _FLAG,
}
_KLINE: dict[str, pl.DataType] = {
    "time_us": _WHOLE,
    "open": _DECIMAL,
    "high": _DECIMAL,
    "low": _DECIMAL,
    "close": _DECIMAL,
    "volume": _DECIMAL,
    "close_time": _WHOLE,
    "notional": _DECIMAL,
    "trades": _WHOLE,
    "taker_volume": _DECIMAL,
    "taker_notional": _DECIMAL,
    "ignored": _DECIMAL,
}
_TYPES = _AGGREGATE | _SINGLE | _KLINE

#: Read of a line only where it is the last field, to see that the line is complete.
_UNUSED = {"best_match", "worth", "close_time", "taker_volume", "taker_notional", "ignored"}

#: What is beyond the fields of a line: null where there is nothing, or one last comma.
_SURPLUS = "surplus"


@dataclass(frozen=True, slots=True)
class DumpFormat:
    """The lines of one kind of dump.

    Attributes:
        kind: What they are.
        fields: Their names in the order of the line.
        header: Whether the first line names them.
    """

    kind: Kind
    fields: tuple[str, ...]
    header: bool

    def values(self, lines: bytes) -> pl.DataFrame:
        """Read whole lines, see `Block.values`."""
        read = [name for name in self.fields[:-1] if name not in _UNUSED] + [self.fields[-1]]
        # Under a first line of our own each line is a row, be it empty, short or long.
        header = ",".join([*self.fields, _SURPLUS]).encode()
        table = pl.read_csv(
            b"".join((header, b"\n", lines)),
            schema={**{name: _TYPES[name] for name in self.fields}, _SURPLUS: pl.String()},
            columns=[*read, _SURPLUS],
            quote_char=None,
            encoding="utf8-lossy",
            ignore_errors=True,
            truncate_ragged_lines=True,
        )
        if table[_SURPLUS].null_count() < table.height:
            whole = pl.col(_SURPLUS).is_null()
            table = table.with_columns(pl.when(whole).then(pl.col(name)) for name in read)
        table = table.drop(_SURPLUS).with_columns(microseconds(pl.col("time_us")))
        if self.kind == "klines" or "first_id" in self.fields:
            return table
        return table.with_columns(first_id=pl.col("trade_id"), last_id=pl.col("trade_id"))

    def fault(self, line: bytes) -> str:
        """Say what is wrong with a line that `values` does not read."""
        texts = line.decode(errors="replace").rstrip("\r").split(",")
        if len(texts) != len(self.fields):
            return f"expected {len(self.fields)} fields, found {len(texts)}"
        values = self.values(line + b"\n").row(0, named=True)
        name, text = next(
            (name, text)
            for name, text in zip(self.fields, texts, strict=True)
            if values.get(name, text) is None
        )
        return f"expected {_NAMES[_TYPES[name]]}, found {text!r}"


def tell_dump(lines: bytes, path: Path) -> DumpFormat:
    """Tell the format of a dump from its first lines.

    Raises:
        ReplayError: No line is one of a known dump.
    """
    rows = [line.rstrip("\r").split(",") for line in lines.decode(errors="replace").split("\n")]
    header = not any(text[:1].isdigit() or text[:1] == "-" for text in rows[0])
    for row in rows[header:]:
        if not row[0].isdigit():
            continue
        flags = next(place for place in range(len(row) + 1) if _are_flags(row[place:]))
        match flags, len(row):
            case 6, 7 | 8:
                return DumpFormat("trades", tuple(_AGGREGATE)[: len(row)], header)
            case 5, 6 | 7:
                return DumpFormat("trades", tuple(_SINGLE)[: len(row)], header)
            case 12, 12:
                return DumpFormat("klines", tuple(_KLINE), header)
    raise ReplayError(
        f"{path}: expected id,price,quantity,first id,last id,time,maker[,best] or "
        f"id,price,quantity,notional,time,maker[,best] or the 12 fields of a kline, "
        f"found {','.join(rows[header])!r}"
    )


def _are_flags(texts: list[str]) -> bool:
    return all(text.lower() in {"true", "false"} for text in texts)
