"""Fair timing side by side: peers take turns, and CPU seconds of all threads are what counts."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console

#: Progress; results go to standard output.
PROGRESS = Console(stderr=True)

OURS = "ours"


@dataclass(frozen=True, slots=True)
class Peer:
    """One way to do a job.

    Attributes:
        name: As the table shows it.
        run: The job; what it returns is what a user of this way would go on with.
        rows: Input rows of one run.
        check: Says what differs from the limit's result, as figures; raises when it does not count.
        rounds: Fewer than the others', for one that takes long.
    """

    name: str
    run: Callable[[], Any]
    rows: int
    check: Callable[[Any], dict[str, Any]]
    rounds: int | None = None


@dataclass(slots=True)
class _Times:
    cpu_s: list[float] = field(default_factory=list)
    wall_s: list[float] = field(default_factory=list)


def side_by_side(peers: Sequence[Peer], *, limit: str, rounds: int) -> dict[str, dict[str, Any]]:
    """Return each peer's figures; ratios are of CPU time a row, the median over rounds.

    Every peer runs once before it is timed: compiled code is compiled, its result is checked.
    Then all take turns, so that a machine that slows down slows all of them.
    """
    figures = {}
    for peer in peers:
        with PROGRESS.status(f"{peer.name}: check"):
            figures[peer.name] = peer.check(peer.run())
    times = {peer.name: _Times() for peer in peers}
    for turn in range(rounds):
        for peer in peers:
            if turn < (peer.rounds or rounds):
                with PROGRESS.status(f"{peer.name}: round {turn + 1} of {peer.rounds or rounds}"):
                    _time(peer, times[peer.name])
    a_row = {peer.name: [s / peer.rows for s in times[peer.name].cpu_s] for peer in peers}
    for peer in peers:
        cpu_s = statistics.median(times[peer.name].cpu_s)
        figures[peer.name] = {
            "cpu_s": rounded(cpu_s),
            "wall_s": rounded(statistics.median(times[peer.name].wall_s)),
            "ratio_to_limit": _ratio(a_row[peer.name], a_row[limit]),
            "ratio_to_ours": _ratio(a_row[peer.name], a_row.get(OURS, [])),
            "rows": peer.rows,
            "rows_per_cpu_s": round(rounded(peer.rows / cpu_s)),
            "rounds": len(times[peer.name].cpu_s),
            **figures[peer.name],
        }
    return figures


def rounded(value: float) -> float:
    """Return a figure with the digits that a measurement has."""
    return float(f"{value:.3g}")


def cpu_s_of(run: Callable[[], Any]) -> float:
    """Return the CPU seconds of all threads that a call takes."""
    began_s = time.process_time()
    run()
    return time.process_time() - began_s


def _time(peer: Peer, times: _Times) -> None:
    gc.collect()
    cpu_s, wall_s = time.process_time(), time.perf_counter()
    result = peer.run()
    times.cpu_s.append(time.process_time() - cpu_s)
    times.wall_s.append(time.perf_counter() - wall_s)
    del result


def _ratio(mine: list[float], other: list[float]) -> float | None:
    """Return the median ratio of the rounds that both took part in."""
    ratios = [a / b for a, b in zip(mine, other, strict=False)]
    return rounded(statistics.median(ratios)) if ratios else None
