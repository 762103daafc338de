"""The detector's part of the configuration: what each detector is told, and how alerts are made."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import (
    BeforeValidator,
    Discriminator,
    Field,
    PlainSerializer,
    Tag,
    field_validator,
    model_validator,
)

from pipeline.config_fields import LISTED, WRITTEN, Section, between, written_step_us
from pipeline.detect.stretch import levels_of
from pipeline.durations import MINUTE, SECOND, format_duration, parse_duration
from pipeline.rates import Rate, parse_rate

#: Of the score on a grid of a second: five seconds to half a minute, judged by five minutes.
HORIZON_STEPS, WINDOW_STEPS = (5, 15, 30), 300


class SeverityConfig(Section):
    """The peak score from which an episode is more than minor, which it is from `enter` on."""

    major: Annotated[float, Field(gt=0)] = 8.0
    critical: Annotated[float, Field(gt=0)] = 12.0

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        if self.major >= self.critical:
            raise ValueError(f"expected major < critical, found {self.major:g}, {self.critical:g}")
        return self


_Rate = Annotated[Rate, BeforeValidator(parse_rate), PlainSerializer(str)]


#: More grid steps of a symbol than this are not fetched to fit its budget by: a hundred megabytes.
MOST_FITTED_STEPS = 1_000_000

#: Minutes are cheap to fetch, eleven requests for a week; a day of seconds is 87.
_FITTED_BY_MINUTES, _CHEAP_STEP_US = "7d", MINUTE


class BudgetConfig(Section):
    """How many episodes of a symbol there should be, on average, of each severity or worse.

    Attributes:
        minor: Of any severity.
        major: Of major ones and critical ones.
        critical: Of critical ones.
        history: How much of the past a live start fits thresholds by, before what fills windows; if
            not given, a week where `sampling.every` is a minute or more, else none.
    """

    minor: _Rate
    major: _Rate
    critical: _Rate
    history: Annotated[int, between("0s", "60d"), WRITTEN] = 0

    @model_validator(mode="before")
    @classmethod
    def _one_for_each(cls, raw: object) -> object:
        if isinstance(raw, dict | cls):
            return raw
        raise ValueError(
            "expected minor, major and critical, such as "
            f"{{minor: 0.5/d, major: 3/30d, critical: 1/30d}}, found {raw!r}"
        )

    def problems_on(self, step_us: int | None) -> list[str]:
        """Return what does not fit a grid of so long a step; null is a sample for every trade."""
        if self.history == 0:
            return []
        found = f"found {format_duration(self.history)}"
        if step_us is None:
            return [f"budget.history: expected 0s where every trade is a sample, {found}"]
        if self.history > MOST_FITTED_STEPS * step_us:
            most = f"{MOST_FITTED_STEPS:,} steps of sampling.every {format_duration(step_us)}"
            return [f"budget.history: expected at most {most}, {found}"]
        return []

    @model_validator(mode="after")
    def _ever_rarer(self) -> Self:
        if not self.minor.per_day > self.major.per_day > self.critical.per_day:
            raise ValueError(
                "expected minor more often than major, and major than critical, "
                f"found {self.minor}, {self.major}, {self.critical}"
            )
        return self


class EpisodesConfig(Section):
    """How episodes are made of scores, whatever the detector.

    Attributes:
        enter: Score from which an episode starts; it is minor, if not more.
        exit: Score below which it may end.
        hold: How long the score stays below `exit` before the episode ends.
        cool_down: How long after an end no episode of the symbol starts.
        min_move_bp: Smallest tested return, in basis points, that may start an episode.
        severity: Names for higher peak scores.
        budget: Rates in the place of `enter` and `severity`, which hold until enough is known of
            the symbol's own scores; `exit` keeps its ratio to `enter`. Null: fixed scores.
    """

    enter: Annotated[float, Field(gt=0)] = 6.0
    exit: Annotated[float, Field(gt=0)] = 3.0
    hold: Annotated[int, between("0s", "1h"), WRITTEN] = parse_duration("30s")
    cool_down: Annotated[int, between("0s", "1d"), WRITTEN] = parse_duration("60s")
    min_move_bp: Annotated[float, Field(ge=0)] = 5.0
    severity: SeverityConfig = SeverityConfig()
    budget: BudgetConfig | None = None

    @model_validator(mode="after")
    def _thresholds_in_order(self) -> Self:
        if self.exit >= self.enter:
            raise ValueError(
                f"expected exit < enter, found exit {self.exit:g}, enter {self.enter:g}"
            )
        return self


class MultiHorizonConfig(EpisodesConfig):
    """Returns over several horizons, each against the scale of those before it.

    Attributes:
        name: Of this detector, the default.
        horizons: What the tested returns span, from short to long; stretched where trades are few.
        window: Whose returns they are judged by; stretched likewise.
        winsor: A return of more than so many scales is an outlier: it counts as one scale in the
            scales to come.
        floor_bp: The least scale, in basis points.
        tick: The price step, half of which is the least scale, too. Null: a live run takes that of
            the venue, and in history there is none.
    """

    name: Literal["multi_horizon"] = "multi_horizon"
    horizons: Annotated[
        tuple[Annotated[int, between("100ms", "2d"), WRITTEN], ...],
        LISTED,
        Field(min_length=1, max_length=8),
    ] = tuple(steps * SECOND for steps in HORIZON_STEPS)
    window: Annotated[int, between("10s", "7d"), WRITTEN] = WINDOW_STEPS * SECOND
    winsor: Annotated[float, Field(ge=1)] = 4.0
    floor_bp: Annotated[float, Field(gt=0)] = 0.3
    tick: Annotated[float, Field(ge=0)] | None = None

    @field_validator("horizons")
    @classmethod
    def _from_short_to_long(cls, horizons: tuple[int, ...]) -> tuple[int, ...]:
        if list(horizons) != sorted(set(horizons)):
            written = ", ".join(map(format_duration, horizons))
            raise ValueError(f"expected horizons from short to long, found {written}")
        return horizons

    @model_validator(mode="after")
    def _window_is_longer(self) -> Self:
        if self.window < 2 * self.horizons[-1]:
            raise ValueError(
                f"expected a window of twice the longest horizon or more, found window "
                f"{format_duration(self.window)}, horizon {format_duration(self.horizons[-1])}"
            )
        return self

    def warm_up_us(self, step_us: int) -> int:
        """How much history makes the score of a symbol that is not stretched what it always is.

        A window of returns over the longest horizon, each judged by the window before it. The score
        is known sooner; but then outliers among the oldest of its returns are not known yet.
        """
        return 2 * self.window + 3 * self.horizons[-1] + 2 * step_us

    def reach_us(self, step_us: int, forward_fill_us: int) -> int:
        """How long after a trade, and none since, it may still matter."""
        most = 1 << (levels_of(self.window) - 1)
        known_us = self.window + 2 * self.horizons[-1] + 2 * step_us
        return most * (forward_fill_us + known_us)

    def problems_on(self, step_us: int | None) -> list[str]:
        """Return what does not fit a grid of so long a step; null is a sample for every trade."""
        if step_us is None:
            return ["name: expected zscore where every trade is a sample, found multi_horizon"]
        spans = {"window": [self.window], "horizons": self.horizons}
        return [
            f"{name}: expected multiples of sampling.every {format_duration(step_us)}, "
            f"found {format_duration(span)}"
            for name, some in spans.items()
            for span in some
            if span % step_us
        ]


class ZScoreConfig(EpisodesConfig):
    """The classic detector: the newest return against the deviation of those before it.

    Attributes:
        name: Of this detector.
        window: Samples before the tested one.
    """

    name: Literal["zscore"] = "zscore"
    window: Annotated[int, Field(ge=10, le=1_000_000)] = 120

    def warm_up_us(self, step_us: int) -> int:
        """How much history makes the score known."""
        # Two samples more: a return needs a price before it, and the tested one is excluded.
        return (self.window + 2) * step_us

    def reach_us(self, step_us: int, forward_fill_us: int) -> int:
        """How long after a trade it may still matter."""
        return forward_fill_us + self.warm_up_us(step_us)


class PluginDetectorConfig(EpisodesConfig):
    """A detector of a plugin.

    Attributes:
        name: As the plugin calls it.
        settings: What the plugin is told.
        history: How much of it the plugin's state depends on.
    """

    name: str
    settings: dict[str, Any] = Field(default_factory=dict)
    history: Annotated[int, between("1s", "1d"), WRITTEN] = parse_duration("10m")

    def warm_up_us(self, step_us: int) -> int:
        """How much history makes the score known."""
        return self.history + step_us

    def reach_us(self, step_us: int, forward_fill_us: int) -> int:
        """How long after a trade it may still matter."""
        return forward_fill_us + self.warm_up_us(step_us)


BUILT_IN = ("multi_horizon", "zscore")


def suited_to(every: object, raw: object) -> object:
    """Return a detector as it was written, with what suits the samples where nothing is said.

    Where every trade is a sample that is the classic one; on a grid coarser than a second, horizons
    and window of as many steps; on one of a minute or more, a week for a budget to be fitted by.

    Args:
        every: `sampling.every`, as it was written.
        raw: The detector, as it was written.
    """
    if not isinstance(raw, dict):
        return raw
    if every == "trade":
        return {"name": "zscore", **raw}
    step_us = written_step_us(every)
    if step_us is None:
        return raw
    if step_us >= _CHEAP_STEP_US and isinstance(raw.get("budget"), dict):
        raw = {**raw, "budget": {"history": _FITTED_BY_MINUTES, **raw["budget"]}}
    if raw.get("name", BUILT_IN[0]) != "multi_horizon":
        return raw
    steps_us = max(step_us, SECOND)
    spans = {
        "horizons": [format_duration(steps * steps_us) for steps in HORIZON_STEPS],
        "window": format_duration(WINDOW_STEPS * steps_us),
    }
    return {**spans, **raw}


def _kind_of(raw: object) -> str:
    name = getattr(raw, "name", None)
    if isinstance(raw, dict):
        name = raw.get("name", BUILT_IN[0])
    return name if name in BUILT_IN else "plugin"


DetectorConfig = Annotated[
    Annotated[ZScoreConfig, Tag("zscore")]
    | Annotated[MultiHorizonConfig, Tag("multi_horizon")]
    | Annotated[PluginDetectorConfig, Tag("plugin")],
    Discriminator(_kind_of),
]
