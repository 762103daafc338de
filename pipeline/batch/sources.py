"""Inputs as they are given -> files that were looked at: whose rows they hold, and since when."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
from pydantic import TypeAdapter, ValidationError

from pipeline.config_sections import Symbol
from pipeline.durations import format_duration
from pipeline.errors import ConfigError, ReplayError
from pipeline.recordings.inputs import open_input, read_chunks
from pipeline.recordings.names import symbol_in_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pipeline.recordings.inputs import Input

#: Rows read at a time to find a symbol's first one, and to find the symbols of a file.
_LOOK_ROWS = 1_000
_SEARCH_ROWS = 50_000

# A slash is in a symbol only where no lower-case letter says that it is a path.
_NAMED = re.compile(r"([^=/]+|[^=/a-z]+/[^=/a-z]+)=(.+)", re.DOTALL)
_SYMBOL: TypeAdapter[str] = TypeAdapter(Symbol)


@dataclass(frozen=True, slots=True)
class Source:
    """A file that was looked at.

    Attributes:
        file: The path as it was given.
        input: The file.
        firsts: Symbol -> time and trade id of its first row.
        size: Bytes.
        changed_ns: When it was last written.
    """

    file: str
    input: Input
    firsts: Mapping[str, tuple[int, int]]
    size: int
    changed_ns: int


def named_paths(inputs: Sequence[str], symbol: str | None) -> list[tuple[Path, str, str | None]]:
    """Return the absolute path of each input, the path as given, and its symbol if one is given.

    Args:
        inputs: Paths, each optionally as `SYMBOL=PATH`.
        symbol: Of those that name none.

    Raises:
        ConfigError: A file does not exist or is given twice, or a symbol cannot be one.
    """
    found: dict[Path, tuple[Path, str, str | None]] = {}
    problems = []
    for given in inputs:
        file, owner = given, symbol
        named = _NAMED.fullmatch(given)
        if named is not None and not Path(given).exists():
            owner, file = named[1], named[2]
        elif symbol is not None and symbol_in_name(Path(given).name) not in {None, symbol}:
            problems.append(
                f"expected --symbol {symbol} for files that name no other, found {given}: "
                f"{symbol}={given} says that it is meant"
            )
        if owner is not None and (problem := _problem_of_name(owner)) is not None:
            problems.append(problem)
        path = Path(file).absolute()
        if not path.is_file():
            problems.append(f"expected a file, found none at {file}")
        elif path in found:
            problems.append(f"expected each file once, found {file} again")
        found[path] = (path, file, owner)
    if problems:
        raise ConfigError("inputs", problems)
    return list(found.values())


def look_at(path: Path, file: str, symbol: str | None) -> Source:
    """Open a file and find its symbols.

    Args:
        path: Where it is, for every machine that may read it.
        file: The same as it was given.
        symbol: Whose rows it holds; null to tell it from the name or the rows.

    Raises:
        ReplayError: It cannot be read, or holds nothing of any symbol.
    """
    source = open_input(path, symbol)
    status = path.stat()
    firsts = _firsts(source)
    if not firsts:
        raise ReplayError(f"{file}: expected rows of trades or klines, found none that is whole")
    for name in firsts:
        problem = _problem_of_name(name)
        if problem is not None:
            raise ReplayError(f"{file}: {problem}")
    return Source(file, source, firsts, status.st_size, status.st_mtime_ns)


def check_sources(sources: Iterable[Source], step_us: int | None, config_path: str) -> None:
    """Check that the inputs of each symbol go together, and with the sampling.

    Args:
        sources: All of them.
        step_us: The grid step; null where every trade is a sample.
        config_path: Names the configuration in the error.

    Raises:
        ConfigError: A symbol has both trades and klines, or klines of another length.
    """
    kinds: dict[str, set[str]] = {}
    problems = []
    for source in sources:
        for symbol in source.firsts:
            kinds.setdefault(symbol, set()).add(source.input.kind)
        length_us = source.input.every_us
        if length_us is not None and length_us != step_us:
            length = format_duration(length_us)
            every = "trade" if step_us is None else format_duration(step_us)
            problems.append(
                f"sampling.every: expected {length}, the length of the klines in {source.file}, "
                f"found {every}: --set sampling.every={length}"
            )
    if problems:
        raise ConfigError(config_path, problems)
    problems = [
        f"expected either trades or klines of {symbol}, found both"
        for symbol, found in sorted(kinds.items())
        if len(found) > 1
    ]
    if problems:
        raise ConfigError("inputs", problems)


def _problem_of_name(symbol: str) -> str | None:
    """Return what is wrong with a symbol; it becomes the name of a directory."""
    try:
        _SYMBOL.validate_python(symbol)
    except ValidationError as error:
        return str(error.errors()[0]["ctx"]["error"])
    return None


def _firsts(source: Input) -> dict[str, tuple[int, int]]:
    """Return time and id of each symbol's first row."""
    if source.kind == "trades":
        columns = (pl.col("event_time").to_physical(), pl.col("trade_id"))
    else:
        columns = (pl.col("open_time").to_physical(), pl.lit(0))
    firsts: dict[str, tuple[int, int]] = {}
    symbols = _symbols(source)
    try:
        for chunk in read_chunks(source, _SEARCH_ROWS if symbols is None else _LOOK_ROWS):
            first_rows = chunk.rows.unique("symbol", keep="first", maintain_order=True)
            for symbol, time_us, trade_id in first_rows.select("symbol", *columns).iter_rows():
                firsts.setdefault(symbol, (time_us, trade_id))
            if symbols is not None and symbols <= firsts.keys():
                break
    except ReplayError:  # what was read before the damage is good
        if not firsts:
            raise
    return firsts


def _symbols(source: Input) -> set[str] | None:
    """Return the symbols of a file where it tells them at once; null where all has to be read."""
    if source.symbol is not None:
        return {source.symbol}
    if source.path.suffix.lower() != ".parquet":
        return None
    try:
        found = pl.scan_parquet(source.path, glob=False).select(pl.col("symbol").unique()).collect()
    except pl.exceptions.PolarsError:  # damaged: to read it tells where
        return None
    return set(found["symbol"].drop_nulls())
