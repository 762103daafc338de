"""What can go wrong between a venue and us, and by what sign it has to be noticed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

#: What a pipeline shows once it has noticed: that a connection is gone or was replaced, that a
#: market is stale, that ids are missing or were fetched, rows it has refused, a clock that is
#: wrong, or that trades come late. `none`: there is nothing to notice, only to survive.
Sign = Literal["connection", "stale", "ids", "duplicates", "rejected", "clock", "lag", "none"]


@dataclass(frozen=True, slots=True)
class Scenario:
    """One way to disturb a running pipeline.

    Attributes:
        name: In the scoreboard.
        faults: What the exchange is told, one after the other; none: nothing is wrong, and no
            connection has to be replaced.
        sign: By which the pipeline has to notice it.
        lasts_s: How long it goes on before all faults are cleared.
        notice_s: How soon it has to be noticed; null: while it goes on.
        quiet: A market that trades only every half minute; each then has a connection of its own.
    """

    name: str
    faults: tuple[dict[str, Any], ...]
    sign: Sign
    lasts_s: float = 8.0
    notice_s: float | None = None
    quiet: str | None = None

    @property
    def detect_within_s(self) -> float | None:
        """How soon it has to be noticed; null where there is nothing to notice."""
        if self.sign == "none":
            return None
        return self.lasts_s if self.notice_s is None else self.notice_s


#: A connection that is dead has to be found within so long when its markets are busy.
_DEAD_S = 3.0

#: That one stream of a connection is silent is only known once REST was asked for its market.
_SILENT_S = 3.5


def _one(
    name: str,
    sign: Sign,
    lasts_s: float = 8.0,
    *,
    notice_s: float | None = None,
    **parameters: object,
) -> Scenario:
    """Return a scenario of one fault that goes by its name."""
    return Scenario(name, ({"fault": name, **parameters},), sign, lasts_s, notice_s)


SCENARIOS = (
    Scenario("calm", (), "none", 5.0),
    Scenario("quiet market", (), "none", 90.0, quiet="AVAXUSDT"),
    _one("abort", "connection", notice_s=_DEAD_S),
    Scenario("close 1001", ({"fault": "close", "code": 1001},), "connection", notice_s=_DEAD_S),
    Scenario("close 1008", ({"fault": "close", "code": 1008},), "connection", notice_s=_DEAD_S),
    _one("half_open", "connection", 12.0, notice_s=_DEAD_S, seconds=12),
    _one("no_ping", "none", 10.0),
    # Another connection takes over before the venue closes the one it has announced to close.
    _one("server_shutdown", "connection", 12.0, notice_s=5.0, close_after_s=5),
    _one("skip", "ids", count=50),
    _one("lose", "ids", 14.0, count=20),
    _one("duplicate", "duplicates", count=200),
    _one("reorder", "none", count=200),
    _one("skew", "clock", 10.0, ms=5000),
    _one("slow", "lag", 8.0, bytes_per_s=20_000),
    Scenario(
        "429 while healing",
        ({"fault": "rest_status", "status": 429, "retry_after_s": 3, "count": 2},
         {"fault": "skip", "count": 50}),
        "ids",
        12.0,
    ),
    Scenario(
        "418 while healing",
        ({"fault": "rest_status", "status": 418, "retry_after_s": 5, "count": 1},
         {"fault": "skip", "count": 50}),
        "ids",
        14.0,
    ),
    Scenario(
        "500 while healing",
        ({"fault": "rest_status", "status": 500, "count": 3}, {"fault": "skip", "count": 50}),
        "ids",
        12.0,
    ),
    Scenario(
        "rest_lag while healing",
        ({"fault": "rest_lag", "ms": 3000}, {"fault": "skip", "count": 50}),
        "ids",
        12.0,
    ),
    _one("truncate", "rejected", count=50),
    _one("silent", "stale", 20.0, notice_s=_SILENT_S, symbol="BTCUSDT"),
    Scenario(
        "abort, duplicate, reorder",
        ({"fault": "duplicate", "count": 200}, {"fault": "reorder", "count": 200},
         {"fault": "abort"}),
        "connection",
        notice_s=_DEAD_S,
    ),
    Scenario(
        "shutdown, skip, rest_lag",
        ({"fault": "rest_lag", "ms": 2000}, {"fault": "skip", "count": 50},
         {"fault": "server_shutdown", "close_after_s": 4}),
        "connection",
        14.0,
        notice_s=4.0,
    ),
)  # fmt: skip
