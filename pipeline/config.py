"""The configuration as one frozen tree. Defaults live here and nowhere else."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainSerializer,
    SerializerFunctionWrapHandler,
    ValidationInfo,
    field_validator,
    model_serializer,
    model_validator,
)

from pipeline.books_config import BooksConfig  # noqa: TC001 - pydantic reads the annotations
from pipeline.config_fields import LISTED, WRITTEN, Section, between, read_step, written_step_us
from pipeline.detect.config import DetectorConfig, MultiHorizonConfig, suited_to
from pipeline.detect.registry import detector_problems
from pipeline.durations import format_duration, parse_duration
from pipeline.feature_table import FeatureTable
from pipeline.market_config import MarketConfig, market_suited_to
from pipeline.plugins import load_plugins
from pipeline.regimes import span_us
from pipeline.venues.registry import symbol_form


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


#: A connection carries 1024 streams: of each symbol its trades and its book.
MOST_WITH_BOOKS = 512

#: Where a rule for symbols is kept; no key of a file.
RULE = "symbol_rule"

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


class Config(Section):
    """Everything a pipeline is told.

    `symbols` of a file are names, or a rule by which the venue's listing is chosen from; then
    `symbols` here is empty until that is done.
    """

    venue: VenueConfig = VenueConfig()
    exchange: ExchangeConfig = ExchangeConfig()
    symbol_rule: SymbolRule | None = None
    symbols: Annotated[tuple[Symbol, ...], LISTED, Field(max_length=5000)]
    sampling: SamplingConfig = SamplingConfig()
    plugins: Annotated[tuple[str, ...], LISTED, Field(max_length=100)] = ()
    features: Annotated[
        tuple[str, ...], LISTED, Field(min_length=1, max_length=64, validate_default=True)
    ] = (
        "realized_vol_1m",
        "realized_vol_5m",
        "realized_vol_1h",
        "ewma_vol_1m",
    )
    detector: DetectorConfig = MultiHorizonConfig()
    overrides: dict[str, OverrideConfig] = Field(default_factory=dict)
    market: MarketConfig = MarketConfig()
    actors: ActorsConfig = ActorsConfig()
    board: BoardConfig = BoardConfig()
    storage: StorageConfig = StorageConfig()
    books: BooksConfig | None = None

    @model_validator(mode="before")
    @classmethod
    def _rule_apart(cls, raw: object) -> object:
        """Keep names and a rule in fields of their own; in a file both are `symbols`."""
        if isinstance(raw, dict):
            if RULE in raw:
                raise ValueError(f"{RULE}: unknown key")
            if isinstance(raw.get("symbols"), dict):
                return {**raw, "symbols": [], RULE: raw["symbols"]}
        return raw

    @model_validator(mode="before")
    @classmethod
    def _all_suits_the_samples(cls, raw: object) -> object:
        if not isinstance(raw, dict) or not isinstance(raw.get("sampling", {}), dict):
            return raw
        every = raw.get("sampling", {}).get("every", "1s")
        suited = {
            **raw,
            "detector": suited_to(every, raw.get("detector", {})),
            "market": market_suited_to(every, raw.get("market", {})),
        }
        overrides = raw.get("overrides")
        if isinstance(overrides, dict):
            suited["overrides"] = {
                symbol: {**own, "detector": suited_to(every, own["detector"])}
                if isinstance(own, dict) and "detector" in own
                else own
                for symbol, own in overrides.items()
            }
        return suited

    @model_serializer(mode="wrap")
    def _rule_in_its_place(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        written: dict[str, Any] = write(self)
        rule = written.pop(RULE, None)
        return written if rule is None else {**written, "symbols": rule}

    @field_validator("symbols", "features", "plugins")
    @classmethod
    def _no_name_twice(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise ValueError(f"expected each name once, found {', '.join(repeated)} again")
        return names

    @field_validator("symbols")
    @classmethod
    def _some_symbols(cls, symbols: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if not symbols and RULE in info.data and info.data[RULE] is None:
            raise ValueError("expected at least one name, or a rule, found []")
        return symbols

    @field_validator("symbols")
    @classmethod
    def _symbols_as_the_venue_writes_them(
        cls, symbols: tuple[str, ...], info: ValidationInfo
    ) -> tuple[str, ...]:
        if "venue" in info.data:
            name = info.data["venue"].name
            form = symbol_form(name)
            strange = [symbol for symbol in symbols if not form.matches(symbol)]
            if strange:
                raise ValueError(
                    f"expected names of {name} such as {form.example}, found {', '.join(strange)}"
                )
        return symbols

    @field_validator("plugins")
    @classmethod
    def _plugins_load(cls, plugins: tuple[str, ...]) -> tuple[str, ...]:
        load_plugins(plugins)
        return plugins

    @field_validator("features")
    @classmethod
    def _features_exist(cls, names: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if "sampling" in info.data and "plugins" in info.data:
            step_us = info.data["sampling"].step_us
            problems = []
            for name in names:
                try:
                    FeatureTable([name], info.data["plugins"], every_us=step_us)
                except ValueError as problem:
                    text = str(problem)
                    problems.append(text if repr(name) in text else f"{name!r}: {text}")
            if problems:
                raise ValueError("; ".join(problems))
        return names

    @field_validator("detector")
    @classmethod
    def _detector_fits(cls, detector: DetectorConfig, info: ValidationInfo) -> DetectorConfig:
        if "sampling" in info.data and "plugins" in info.data:
            step_us = info.data["sampling"].step_us
            problems = detector_problems(detector, info.data["plugins"], step_us)
            if problems:
                raise ValueError("; ".join(problems))
        return detector

    @field_validator("books")
    @classmethod
    def _books_fit_a_connection(
        cls, books: BooksConfig | None, info: ValidationInfo
    ) -> BooksConfig | None:
        actors = info.data.get("actors")
        if books is None or actors is None or actors.symbols_per_actor == "auto":
            return books
        if actors.symbols_per_actor > MOST_WITH_BOOKS:
            raise ValueError(
                f"expected actors.symbols_per_actor of at most {MOST_WITH_BOOKS} with books, "
                f"found {actors.symbols_per_actor}"
            )
        return books

    @field_validator("overrides")
    @classmethod
    def _overrides_leave_the_detector(
        cls, overrides: dict[str, OverrideConfig], info: ValidationInfo
    ) -> dict[str, OverrideConfig]:
        if not {"sampling", "plugins", "detector"} <= info.data.keys():
            return overrides
        main, step_us = info.data["detector"], info.data["sampling"].step_us
        for symbol, override in overrides.items():
            own = override.detector
            problems = detector_problems(own, info.data["plugins"], step_us)
            # What is the same for all symbols that are computed together.
            problems += [
                f"{key}: expected that of the main detector, found another"
                for key in ("name", "horizons")
                if getattr(own, key, None) != getattr(main, key, None)
            ]
            if problems:
                raise ValueError("; ".join(f"{symbol}.detector.{one}" for one in problems))
        return overrides

    @field_validator("overrides")
    @classmethod
    def _overrides_name_symbols(
        cls, overrides: dict[str, OverrideConfig], info: ValidationInfo
    ) -> dict[str, OverrideConfig]:
        if info.data.get(RULE) is not None:
            return overrides  # which symbols there are is not known yet
        unknown = sorted(set(overrides) - set(info.data.get("symbols", overrides)))
        if unknown:
            raise ValueError(f"expected names listed under symbols, found {', '.join(unknown)}")
        return overrides

    def detector_of(self, symbol: str) -> DetectorConfig:
        """Return the detector of a symbol, its overrides applied."""
        override = self.overrides.get(symbol)
        return self.detector if override is None else override.detector

    def feature_table(self) -> FeatureTable:
        """Return the features, resolved."""
        return FeatureTable(self.features, self.plugins, every_us=self.sampling.step_us)

    @property
    def detectors(self) -> list[DetectorConfig]:
        """All there are: the main one, and those of overrides."""
        return [self.detector, *(override.detector for override in self.overrides.values())]

    @property
    def warm_up_us(self) -> int:
        """How much history fills every window of every symbol; where there is a grid."""
        step_us = self.sampling.step_us or 0
        detectors = [detector.warm_up_us(step_us) for detector in self.detectors]
        return max(self.feature_table().reach_us, *detectors) + step_us

    def fitted_by_us(self, symbol: str) -> int:
        """How much history a live start fits a symbol's budget by, before what fills windows."""
        budget = self.detector_of(symbol).budget
        return 0 if budget is None else budget.history

    @property
    def silence_us(self) -> int:
        """How long after a trade nothing is known of a symbol any more; where there is a grid."""
        step_us, fill_us = self.sampling.step_us or 0, self.sampling.forward_fill
        reaches = [detector.reach_us(step_us, fill_us) for detector in self.detectors]
        regimes_us = 0 if self.sampling.step_us is None else span_us(step_us)
        # What is known of the price, and then an open episode, has an end, too.
        patience_us = max(fill_us, *(detector.hold for detector in self.detectors))
        known_us = max(self.warm_up_us, regimes_us + step_us, patience_us + step_us)
        return max(fill_us + known_us, *reaches)
