"""What other scores to start an episode at, or other budgets, would have found, and what they cost.

The engine runs once: episodes are made anew from its scores, by the rules of the product.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pipeline.detect.config import BudgetConfig
from pipeline.detect.episodes import Episodes, ScoredRows
from pipeline.detect.protocol import Scores
from pipeline.detect.spot import Spot
from pipeline.evaluation.known_events import FOREVER_US, days_within, expected_events

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pipeline.detect.config import DetectorConfig, EpisodesConfig
    from pipeline.evaluation.klines import KlinesRun
    from pipeline.evaluation.known_events import Event

#: Scores from which episodes start.
ENTER_SCORES = (4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 12.0, 14.0, 16.0, 20.0)

#: Budgets: episodes a day and symbol.
BUDGETS_PER_DAY = (4.0, 2.0, 1.0, 0.5, 0.25, 0.1, 0.03)


def trade_off(
    events: Sequence[Event],
    sets: Mapping[str, Sequence[KlinesRun]],
    detector: DetectorConfig,
    enters: Sequence[float] = ENTER_SCORES,
) -> list[dict[str, float | None]]:
    """Return a curve: alerts in quiet weeks against known events, for scores to start at.

    A row has `enter`, `alerts_per_day` (per symbol), `quiet_alerts_per_day` (likewise, during
    events that are `quiet`), `events_found` and `symbols_found` (shares: of the events, and of the
    files they concern); null where there is nothing to count.

    Args:
        events: Known ones, of any kind.
        sets: Runs by folder; events of other folders are left out.
        detector: Whose rules, but for `enter`.
        enters: Scores above the detector's `exit`.

    Raises:
        ValueError: One of them is not.
    """
    return [
        {"enter": enter, **_worth(events, sets, _entering_at(detector, enter))} for enter in enters
    ]


def budget_trade_off(
    events: Sequence[Event],
    sets: Mapping[str, Sequence[KlinesRun]],
    detector: DetectorConfig,
    budgets_per_day: Sequence[float] = BUDGETS_PER_DAY,
) -> list[dict[str, float | None]]:
    """Return a curve as `trade_off` does, for budgets of a symbol's episodes.

    A row has `budget_per_day` instead of `enter`. Until a symbol's own scores are known its fixed
    ones hold, whatever the budget.

    Args:
        events: Known ones, of any kind.
        sets: Runs by folder; events of other folders are left out.
        detector: Whose rules.
        budgets_per_day: Of episodes of any severity.
    """
    return [
        {"budget_per_day": minor, **_worth(events, sets, _budgeted(detector, minor))}
        for minor in budgets_per_day
    ]


def episodes_of(run: KlinesRun, rules: EpisodesConfig) -> list[tuple[int, int]]:
    """Return start and end of the episodes that rules make of a run's scores.

    One that is open lasts to the end of the file.
    """
    last_us = int(run.end_us[-1])
    fill_us = run.forward_fill_us
    made = Episodes([run.symbol], [rules], every_us=run.every_us, forward_fill_us=fill_us)
    return [
        (one.start_us, last_us if one.end_us is None else one.end_us)
        for one in made.push(scored_rows(run, rules))
    ]


def scored_rows(run: KlinesRun, rules: EpisodesConfig) -> ScoredRows:
    """Return what episodes are made of, with the thresholds in force where rules have budgets."""
    steps = run.horizon_us // run.every_us
    rows = np.arange(len(run.close))
    with np.errstate(invalid="ignore"):
        moves = np.log(run.close / run.close[np.maximum(rows - steps, 0)])
    scores = Scores(
        score=run.score,
        direction=np.sign(np.nan_to_num(moves)).astype(np.int8),
        move_bp=moves * 1e4,
        horizon_steps=steps,
        samples=np.zeros_like(steps),
        window_steps=np.zeros_like(steps),
    )
    symbol_index = np.zeros(len(rows), dtype=np.int32)
    in_force = Spot([rules], every_us=run.every_us).push(symbol_index, run.end_us, scores)
    return ScoredRows(symbol_index, run.end_us, scores, in_force)


def _entering_at(detector: DetectorConfig, enter: float) -> EpisodesConfig:
    """Return a detector's rules with another score to start at."""
    if enter <= detector.exit:
        raise ValueError(f"expected enter above exit {detector.exit:g}, found {enter:g}")
    return detector.model_copy(update={"enter": enter, "budget": None})


def _budgeted(detector: DetectorConfig, minor: float) -> EpisodesConfig:
    """Return a detector's rules with a budget a day; the rarer severities change no episode."""
    severities = {"minor": minor, "major": minor / 2, "critical": minor / 4}
    rates = {name: f"{per_day:.6f}/d" for name, per_day in severities.items()}
    return detector.model_copy(update={"budget": BudgetConfig.model_validate(rates)})


def _worth(
    events: Sequence[Event], sets: Mapping[str, Sequence[KlinesRun]], rules: EpisodesConfig
) -> dict[str, float | None]:
    """Return what rules cost, and what they find."""
    spans = {run.file: episodes_of(run, rules) for runs in sets.values() for run in runs}
    days = sum(days_within(run, (0, FOREVER_US)) for runs in sets.values() for run in runs)
    return {
        "alerts_per_day": sum(map(len, spans.values())) / days,
        "quiet_alerts_per_day": _quiet_rate(events, sets, spans),
        **_shares_found(events, sets, spans),
    }


def _quiet_rate(
    events: Sequence[Event],
    sets: Mapping[str, Sequence[KlinesRun]],
    spans: Mapping[str, Sequence[tuple[int, int]]],
) -> float | None:
    """Return how many episodes started per symbol and day of what is known to be quiet."""
    count, days = 0, 0.0
    for event in events:
        if event.kind != "quiet":
            continue
        for run in sets.get(event.set, ()):
            days += days_within(run, (event.start_us, event.end_us))
            count += sum(event.start_us < start <= event.end_us for start, _ in spans[run.file])
    return count / days if days else None


def _shares_found(
    events: Sequence[Event],
    sets: Mapping[str, Sequence[KlinesRun]],
    spans: Mapping[str, Sequence[tuple[int, int]]],
) -> dict[str, float | None]:
    """Return the share of events with an episode in any file, and of files with one."""
    found = [
        [
            any(event.overlaps(*span) for span in spans[run.file])
            for run in sets[event.set]
            if event.concerns(run)
        ]
        for event in expected_events(events, sets)
    ]
    files = [one for of_event in found for one in of_event]
    return {
        "events_found": sum(map(any, found)) / len(found) if found else None,
        "symbols_found": sum(files) / len(files) if files else None,
    }
