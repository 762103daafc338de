"""The sections of the configuration; detector, market and books have modules of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainSerializer,
    field_validator,
    model_validator,
)

from pipeline.config_fields import LISTED, WRITTEN, Section, between, read_step, written_step_us
from pipeline.detect.config import DetectorConfig  # noqa: TC001 - pydantic reads the annotations
from pipeline.durations import format_duration, parse_duration


def _trade_or_step(value: object) -> object:
    return value if value == "trade" else read_step(value)


_TRADE_OR_STEP = BeforeValidator(_trade_or_step)
_STEP_WRITTEN = PlainSerializer(lambda every: every if every == "trade" else format_duration(every))


def _symbol(name: str) -> str:
    # What may stand in a url, a path and a list of names; a slash only between base and quote.
    odd = any(c.isspace() or c in "@?&#,%=" for c in name)
    parts = name.split("/")
    named = len(parts) <= 2 and all(any(c.isalnum() for c in part) for part in parts)
    if odd or not named or name != name.upper():
        raise ValueError(
            f"expected the venue's upper-case name such as BTCUSDT or BTC/USD, found {name!r}"
        )
    return name


Symbol = Annotated[str, AfterValidator(_symbol)]


class VenueConfig(Section):
    """Where trades come from.

    Attributes:
        name: `exchange` is the built-in one; `run` starts it unless both urls are given.
        websocket_url: Instead of the venue's public address, such as `ws://127.0.0.1:9001`.
        rest_url: Likewise, such as `http://127.0.0.1:9001`.
        ca_file: PEM certificates of the only authorities to believe, on every node; null: those
            the machine believes.
    """

    name: Literal["exchange", "binance", "binance-us", "kraken"] = "exchange"
    websocket_url: Annotated[str, Field(pattern=r"^wss?://[^/]+$")] | None = None
    rest_url: Annotated[str, Field(pattern=r"^https?://[^/]+$")] | None = None
    ca_file: str | None = None

    @field_validator("ca_file")
    @classmethod
    def _ca_file_is_there(cls, ca_file: str | None) -> str | None:
        if ca_file is not None and not Path(ca_file).is_file():
            raise ValueError(f"expected a file of PEM certificates, found no file {ca_file}")
        return ca_file

    @model_validator(mode="after")
    def _urls_come_together(self) -> Self:
        if (self.websocket_url is None) != (self.rest_url is None):
            raise ValueError("expected both websocket_url and rest_url, or neither")
        return self

    @property
    def is_built_in(self) -> bool:
        """Whether `run` starts the venue itself."""
        return self.name == "exchange" and self.websocket_url is None


class ExchangeConfig(Section):
    """The synthetic market of the built-in exchange.

    Attributes:
        seed: The same seed gives the same market, relative to its start.
        trades_per_s: Of all symbols together; null keeps each symbol's own rate.
        jumps_per_hour: Per symbol: sudden moves that a detector should find.
        history: How much market lies before the start, for clients that warm up over REST.
    """

    seed: Annotated[int, Field(ge=0)] = 7
    trades_per_s: Annotated[float, Field(gt=0, le=100_000)] | None = None
    jumps_per_hour: Annotated[float, Field(ge=0, le=3600)] = 6.0
    history: Annotated[int, between("0s", "7d"), WRITTEN] = parse_duration("75m")


class SamplingConfig(Section):
    """The samples that statistics see.

    Attributes:
        every: The grid step, or `trade`: every trade is a sample, at its own time.
        lateness: How long after its end a bar waits for trades that are still under way.
        forward_fill: How long a price stays valid without a trade; if not given, five steps, and at
            least ten seconds.
        restate_within: Live, how far back a trade that had been missing restates its bar and all
            that follows from it; up to twice that where it costs nothing. `0s` never does.
    """

    every: Annotated[Literal["trade"] | int, _TRADE_OR_STEP, _STEP_WRITTEN] = parse_duration("1s")
    lateness: Annotated[int, between("0s", "1m"), WRITTEN] = parse_duration("250ms")
    forward_fill: Annotated[int, between("0s", "1d"), WRITTEN] = parse_duration("10s")
    restate_within: Annotated[int, between("0s", "1h"), WRITTEN] = parse_duration("10m")

    @model_validator(mode="before")
    @classmethod
    def _price_outlasts_steps(cls, raw: object) -> object:
        if not isinstance(raw, dict) or "forward_fill" in raw:
            return raw
        step_us = written_step_us(raw.get("every"))
        if step_us is None:
            return raw
        return {**raw, "forward_fill": format_duration(max(5 * step_us, parse_duration("10s")))}

    @property
    def step_us(self) -> int | None:
        """The grid step, null where every trade is a sample."""
        return None if self.every == "trade" else self.every


class ActorsConfig(Section):
    """How the work is spread over processes.

    Attributes:
        symbols_per_actor: `auto`: one up to 16 symbols, else shards sized by the cluster's CPUs.
        flush: How often an actor computes and reports.
        connection_life: A connection that is so old is replaced, a fifth earlier at most: another
            is opened and proven before it is dropped. Binance closes one after 24 h.
        max_buffered_trades: Unread messages an actor holds; beyond it the newest are dropped,
            counted, and fetched again over REST as a gap in the ids.
        digest: Whether to hash every applied trade, about a microsecond each: the run report then
            shows a SHA-256 to compare with the built-in exchange's ledger.
        max_held_trades: Trades of a symbol that wait behind a gap; beyond it the gap is given up
            as lost.
    """

    symbols_per_actor: Literal["auto"] | Annotated[int, Field(ge=1, le=1024)] = "auto"
    flush: Annotated[int, between("10ms", "10s"), WRITTEN] = parse_duration("250ms")
    connection_life: Annotated[int, between("1s", "7d"), WRITTEN] = parse_duration("23h")
    digest: bool = False
    max_buffered_trades: Annotated[int, Field(ge=1000, le=10_000_000)] = 200_000
    max_held_trades: Annotated[int, Field(ge=1000, le=10_000_000)] = 200_000


class BoardConfig(Section):
    """The live board.

    Attributes:
        serve: Whether the coordinator serves it.
        host: Address to listen on.
        port: Port to listen on; 0 takes a free one.
        origins: `host:port` of pages that may connect; empty allows the served address only.
        history: How far back the board can look; null: see `pipeline.board.history_us`.
    """

    serve: bool = True
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 5006
    origins: Annotated[tuple[str, ...], LISTED, Field(min_length=0, max_length=100)] = ()
    history: Annotated[int, between("1m", "7d"), WRITTEN] | None = None


class StorageConfig(Section):
    """What is kept from one run to the next.

    Attributes:
        directory: Where; made when it is needed. A ban by the venue is written there.
    """

    directory: str = "data"


class OverrideConfig(Section):
    """What differs for one symbol; what is not given is as in the main sections."""

    detector: DetectorConfig


class SymbolRule(Section):
    """Which markets to watch, where they are not named: those that trade the most.

    Attributes:
        quote: The asset they are priced in.
        top: How many, by the volume of the last day; a fifth more at most are watched, so that one
            at the edge does not come and go.
        exclude: Which not.
        refresh: How often the venue is asked anew.
    """

    quote: Annotated[str, Field(min_length=1)]
    top: Annotated[int, Field(ge=1, le=1000)]
    exclude: Annotated[tuple[Symbol, ...], LISTED, Field(max_length=1000)] = ()
    refresh: Annotated[int, between("10s", "1d"), WRITTEN] = parse_duration("10m")
