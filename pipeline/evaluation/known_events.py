"""Alerts on recorded months against what is known of them: crashes, quiet weeks, outages."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from pipeline.durations import DAY, SECOND
from pipeline.errors import ReplayError
from pipeline.times import microseconds

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pipeline.evaluation.klines import KlinesRun

#: Kinds of events that a detector of returns should find.
EXPECTED = ("market_crash", "single_coin")

#: After all bars there are.
FOREVER_US = 1 << 62

_FIELDS = ("event_id", "set", "from_utc", "to_utc", "kind", "evidence_in_the_file")


@dataclass(frozen=True, slots=True)
class Event:
    """Something that is known to have happened in the files of a set.

    Attributes:
        event_id: Its name.
        set: The folder of the files.
        start_us: When it began.
        end_us: When it was over.
        kind: `market_crash`, `single_coin`, `outage`, `scheduled_news` or `quiet`.
        evidence: What was seen; of a single coin it starts with its name.
    """

    event_id: str
    set: str
    start_us: int
    end_us: int
    kind: str
    evidence: str

    def concerns(self, run: KlinesRun) -> bool:
        """Tell whether a file has bars of its time, and is of its coin where it is of one."""
        covers = np.any((run.end_us > self.start_us) & (run.end_us <= self.end_us))
        coin = self.evidence.split(" ")[0]
        return bool(covers) and (self.kind != "single_coin" or run.symbol.startswith(coin))

    def overlaps(self, start_us: int, end_us: int) -> bool:
        """Tell whether it has a moment in common with an episode."""
        return start_us <= self.end_us and end_us >= self.start_us


def read_events(path: Path) -> list[Event]:
    """Read events: a line each, with a header; times are UTC, to the minute.

    The sixth field is free text to the end of the line, quoted or not, whatever is in it.

    Raises:
        ReplayError: A line is none, or there is no such file.
    """
    try:
        header, *lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise ReplayError(f"{path}: expected a list of events, found {error}") from error
    if header != ",".join(_FIELDS):
        raise ReplayError(f"{path}: expected {','.join(_FIELDS)}, found {header!r}")
    events = []
    for number, line in enumerate(lines, start=2):
        try:
            event_id, folder, start, end, kind, evidence = line.split(",", 5)
            times = (_time_us(start), _time_us(end))
        except ValueError as error:
            raise ReplayError(
                f"{path}, line {number}: expected an event, found {line!r}"
            ) from error
        events.append(Event(event_id, folder, *times, kind, evidence.strip('"')))
    return events


def events_found(
    events: Sequence[Event], sets: Mapping[str, Sequence[KlinesRun]]
) -> list[dict[str, Any]]:
    """Return, event by event that should be found, in which of its files an alert overlaps it.

    A row has `event`, `set`, `kind`, `found`, `symbols` (how many it concerns), `missed` (those of
    them without an alert), `started` (how many have one that starts in it, and was not open
    before), `score` (the highest of the alerts that overlap, null for none), `delay_s` (median over
    symbols from its start to that of the first such alert: negative where that was open before).

    Args:
        events: Known ones, of any kind.
        sets: Runs by folder; events of other folders are left out.
    """
    return [
        _row_of(event, [run for run in sets[event.set] if event.concerns(run)])
        for event in expected_events(events, sets)
    ]


def expected_events(
    events: Sequence[Event], sets: Mapping[str, Sequence[KlinesRun]]
) -> list[Event]:
    """Return the events that a detector should find in the sets that there are."""
    return [event for event in events if event.kind in EXPECTED and event.set in sets]


def alerts_at_outages(run: KlinesRun, reach_us: int) -> list[str]:
    """Return the ids of alerts that started at an outage's edge: there should be none.

    Args:
        run: Of a file.
        reach_us: How far before the start and after the end of an outage its edges reach; the
            longest horizon is what a return spans.
    """
    starts = run.alerts["start_time"].to_physical().to_numpy()
    at_edge = np.zeros(len(starts), dtype=np.bool_)
    for outage in run.outages:
        at_edge |= (starts > outage.start_us - reach_us) & (starts <= outage.end_us + reach_us)
    ids: list[str] = run.alerts["alert_id"].filter(pl.Series(at_edge)).to_list()
    return ids


def days_within(run: KlinesRun, span_us: tuple[int, int]) -> float:
    """Return how many days of a file's bars end after the first and up to the second time.

    Minutes of an outage count where the engine publishes them; those are few.
    """
    inside = (run.end_us > span_us[0]) & (run.end_us <= span_us[1])
    return int(np.count_nonzero(inside)) * run.every_us / DAY


def alert_rates(
    runs: Sequence[KlinesRun], within_us: tuple[int, int] = (0, FOREVER_US)
) -> dict[str, Any]:
    """Return how often alerts started, per symbol and time.

    The row has `symbols`, `days` (of all together), `judged` (the share of bars with a score),
    `alerts`, `alerts_per_day` (minor or worse), `major_per_30_days` (major or worse),
    `critical_per_30_days`, and `time_in_alarm` (a share). Rates are null without a bar.

    Args:
        runs: Of files.
        within_us: Count what starts after the first and up to the second of these times.
    """
    first_us, last_us = within_us
    days = sum(days_within(run, within_us) for run in runs)
    alarm_us = judged = 0
    counts = {"minor": 0, "major": 0, "critical": 0}
    for run in runs:
        inside = (run.end_us > first_us) & (run.end_us <= last_us)
        judged += int(np.count_nonzero(inside & ~np.isnan(run.score))) * run.every_us
        for (start, end), severity in zip(run.spans_us(), run.alerts["severity"], strict=True):
            if first_us < start <= last_us:
                counts[severity] += 1
                alarm_us += min(end, last_us) - start
    total = sum(counts.values())
    rate = (lambda count: count / days) if days else (lambda _: None)
    return {
        "symbols": len({run.symbol for run in runs}),
        "days": days,
        "judged": rate(judged / DAY),
        "alerts": total,
        "alerts_per_day": rate(total),
        "major_per_30_days": rate(30 * (counts["major"] + counts["critical"])),
        "critical_per_30_days": rate(30 * counts["critical"]),
        "time_in_alarm": rate(alarm_us / DAY),
    }


def _row_of(event: Event, concerned: Sequence[KlinesRun]) -> dict[str, Any]:
    scores: list[float] = []
    starts_us: list[int] = []
    missed = []
    started = 0
    for run in concerned:
        peaks = zip(run.spans_us(), run.alerts["peak_score"].to_list(), strict=True)
        hits = [(start, peak) for (start, end), peak in peaks if event.overlaps(start, end)]
        if not hits:
            missed.append(run.symbol)
            continue
        scores.append(max(peak for _, peak in hits))
        starts_us.append(hits[0][0])
        started += any(start >= event.start_us for start, _ in hits)
    return {
        "event": event.event_id,
        "set": event.set,
        "kind": event.kind,
        "found": bool(scores),
        "symbols": len(concerned),
        "missed": missed,
        "started": started,
        "score": max(scores, default=None),
        "delay_s": float(np.median(starts_us) - event.start_us) / SECOND if scores else None,
    }


def _time_us(text: str) -> int:
    return microseconds(datetime.fromisoformat(text).replace(tzinfo=UTC))
