"""What became of every trade while things went wrong."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pipeline.chaos.scenarios import Scenario, Sign


#: A symbol whose newest trade is older has not caught up: each trades many times a second.
LATE_S = 2.0


@dataclass(frozen=True, slots=True)
class Sight:
    """What a pipeline shows at one moment, all symbols together.

    Attributes:
        connected: Every feed is.
        reconnects: Connections opened in the place of others, lost or not.
        stale: A market has newer trades than its stream tells.
        pending: Ids that are missing.
        backfilled: Ids that were fetched.
        duplicates: Rows whose id was there.
        rejected: Messages that were not market data.
        skewed: A clock is known to be wrong.
        behind_s: The oldest newest trade of any symbol, on the venue's clock.
    """

    connected: bool
    reconnects: int
    stale: bool
    pending: int
    backfilled: int
    duplicates: int
    rejected: int
    skewed: bool
    behind_s: float

    def shows(self, sign: Sign, before: Sight) -> bool:
        """Whether it shows a sign that was not there before."""
        return {
            "connection": self.connected < before.connected or self.reconnects > before.reconnects,
            "stale": self.stale > before.stale,
            "ids": self.pending > before.pending or self.backfilled > before.backfilled,
            "duplicates": self.duplicates > before.duplicates,
            "rejected": self.rejected > before.rejected,
            "clock": self.skewed > before.skewed,
            "lag": self.behind_s > LATE_S >= before.behind_s,
            "none": False,
        }[sign]

    @property
    def is_well(self) -> bool:
        """Whether nothing is missing."""
        return self.connected and self.pending == 0 and self.behind_s < LATE_S


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one scenario led to.

    Attributes:
        issued: Ids between the first and the last that the pipeline accounts for, by the exchange.
        live: Of them, those read from the stream.
        backfilled: Those fetched over REST.
        lost: Those given up.
        expected_lost: Those that the exchange serves nowhere.
        mistaken_lost: Ids that are only in one of the two: lost, or served nowhere.
        duplicates_applied: Those counted more than once.
        hash_equal: Whether a hash over every applied trade is the exchange's over all it issued,
            without those that it serves nowhere.
        bars_equal: Whether all bars are those of a run that nothing disturbed.
        detect_s: From the fault until the pipeline showed that it knew; null if it never did, or
            there was nothing to notice.
        detect_within_s: The most that may be; null where there was nothing to notice.
        heal_s: From the fault until nothing was missing any more; null if something still was.
        needless: How often, with nothing wrong, a market had its connection replaced, or some was
            seen as stale; null where something was wrong.
        false_alerts: Alerts that stand, and that an undisturbed run does not have.
        missed_alerts: Alerts that do not stand, and that it has.
    """

    issued: int
    live: int
    backfilled: int
    lost: int
    expected_lost: int
    mistaken_lost: int
    duplicates_applied: int
    hash_equal: bool
    bars_equal: bool
    detect_s: float | None
    detect_within_s: float | None
    heal_s: float | None
    needless: int | None
    false_alerts: int
    missed_alerts: int

    @property
    def noticed_in_time(self) -> bool:
        """Whether the pipeline knew soon enough, or there was nothing to notice."""
        if self.detect_within_s is None:
            return True
        return self.detect_s is not None and self.detect_s <= self.detect_within_s

    @property
    def is_good(self) -> bool:
        """Whether nothing was lost that could be had, and nothing was made up."""
        return (
            self.lost == self.expected_lost
            and self.mistaken_lost == 0
            and self.live + self.backfilled + self.lost == self.issued
            and self.duplicates_applied == 0
            and self.hash_equal
            and self.bars_equal
            and self.noticed_in_time
            and self.heal_s is not None
            and not self.needless
            and self.false_alerts == 0
            and self.missed_alerts == 0
        )


def count_mistaken(
    rows: Mapping[str, Mapping[str, Any]], withheld: Mapping[str, Sequence[Sequence[int]]]
) -> int:
    """Return how many ids are lost but served, or served nowhere but not lost.

    Args:
        rows: Of the run report, by symbol. A lost id of which it does not tell which counts too.
        withheld: By symbol the ids served nowhere, as ranges with both ends inclusive.
    """
    mistaken = 0
    for symbol, row in rows.items():
        differ = _ids(row["lost_ranges"]) ^ _ids(withheld.get(symbol, []))
        mistaken += len(differ) + row["lost_untold"]
    return mistaken


def _ids(ranges: Sequence[Sequence[int]]) -> set[int]:
    return {trade_id for first, last in ranges for trade_id in range(first, last + 1)}


def scoreboard(rate_per_s: float, outcomes: Mapping[str, Outcome]) -> dict[str, Any]:
    """Return the report of `chaos`."""
    return {
        "rate_per_s": rate_per_s,
        "faults": {
            name: {**asdict(outcome), "good": outcome.is_good} for name, outcome in outcomes.items()
        },
    }


def chosen(scenarios: Sequence[Scenario], names: Sequence[str]) -> list[Scenario]:
    """Return the scenarios of some names, or all where none is given.

    Raises:
        ValueError: There is none of a name.
    """
    known = {scenario.name: scenario for scenario in scenarios}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ValueError(f"expected faults of {_quoted(known)}, found {_quoted(unknown)}")
    return [known[name] for name in names] if names else list(scenarios)


def _quoted(names: Iterable[str]) -> str:
    """Return names of which some have commas in them."""
    return ", ".join(f"'{name}'" for name in names)
