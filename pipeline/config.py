"""The configuration as one frozen tree. Defaults live here and in its sections, nowhere else."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import (
    Field,
    SerializerFunctionWrapHandler,
    ValidationInfo,
    field_validator,
    model_serializer,
    model_validator,
)

from pipeline.books_config import BooksConfig  # noqa: TC001 - pydantic reads the annotations
from pipeline.config_fields import LISTED, Section
from pipeline.config_sections import (
    ActorsConfig,
    BoardConfig,
    ExchangeConfig,
    OverrideConfig,
    SamplingConfig,
    StorageConfig,
    Symbol,
    SymbolRule,
    VenueConfig,
)
from pipeline.detect.config import DetectorConfig, MultiHorizonConfig, suited_to
from pipeline.detect.registry import detector_problems
from pipeline.feature_table import FeatureTable
from pipeline.market_config import MarketConfig, market_suited_to
from pipeline.plugins import load_plugins
from pipeline.regimes import span_us
from pipeline.venues.registry import symbol_form

#: A connection carries 1024 streams: of each symbol its trades and its book.
MOST_WITH_BOOKS = 512

#: Where a rule for symbols is kept; no key of a file.
RULE = "symbol_rule"


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
