"""Readers of a running pipeline: every call has a deadline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ray
from ray.exceptions import RayError

from actors.session import find_budget, find_coordinator
from pipeline.errors import ClusterError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    import polars as pl
    from ray.actor import ActorHandle

    from actors.coordinator import CoordinatorStatus
    from pipeline.board import BoardSnapshot
    from pipeline.budget import Spending
    from pipeline.changes import Outcome
    from pipeline.config import Config

_TIMEOUT_S = 10.0


class PipelineClient:
    """A view of the pipeline that runs on the joined cluster; it is a BoardSource.

    Args:
        coordinator: Its handle; stays valid when Ray restarts the actor.
    """

    def __init__(self, coordinator: ActorHandle[Any]) -> None:
        self._coordinator = coordinator

    def snapshot(self, since: int) -> BoardSnapshot:
        """Return what changed after a version; see BoardSource.

        Raises:
            ClusterError: The coordinator does not answer.
        """
        snapshot: BoardSnapshot = self._call("snapshot", since)
        return snapshot

    def bars(self, since: int = 0) -> pl.DataFrame:
        """Return the BARS applied after a version, as far back as the history reaches."""
        bars: pl.DataFrame = self._call("bars", since)
        return bars

    def config(self) -> Config:
        """Return what the pipeline runs."""
        config: Config = self._call("config")
        return config

    def market(self, since: int = 0) -> pl.DataFrame:
        """Return the MARKET rows known after a version, as far back as the history reaches."""
        market: pl.DataFrame = self._call("market", since)
        return market

    def residuals(self, since: int = 0) -> pl.DataFrame:
        """Return the RESIDUALS known after a version, as far back as the history reaches."""
        residuals: pl.DataFrame = self._call("residuals", since)
        return residuals

    def regime_changes(self) -> pl.DataFrame:
        """Return the newest REGIME_CHANGES, by time."""
        changes: pl.DataFrame = self._call("regime_changes")
        return changes

    def correlations(self) -> pl.DataFrame:
        """Return CORRELATIONS as they now are."""
        correlations: pl.DataFrame = self._call("correlations")
        return correlations

    def report(self) -> dict[str, Any]:
        """Return the run report so far."""
        report: dict[str, Any] = self._call("report")
        return report

    def spending(self) -> Spending:
        """Return how much of the venue's limits is used.

        Raises:
            ClusterError: The budget's actor does not answer.
        """
        budget = find_budget()
        if budget is None:
            raise ClusterError("the pipeline has no budget: it is being stopped")
        try:
            spending: Spending = ray.get(budget.spending.remote(), timeout=_TIMEOUT_S)
        except RayError as error:
            raise ClusterError(f"the budget does not answer: {error}") from error
        return spending

    def status(self) -> CoordinatorStatus:
        """Return where the coordinator stands."""
        status: CoordinatorStatus = self._call("status")
        return status

    def ask_change(
        self, *, asked: datetime, by: str, symbol: str | None, settings: Sequence[str], why: str
    ) -> int:
        """Ask for thresholds to be changed; return the number of the change."""
        number: int = self._call(
            "ask_change", asked=asked, by=by, symbol=symbol, settings=settings, why=why
        )
        return number

    def change_outcome(self, number: int) -> Outcome | None:
        """Return what became of a change; null while nobody has settled it."""
        outcome: Outcome | None = self._call("change_outcome", number)
        return outcome

    def request_stop(self) -> None:
        """Ask for the pipeline to be stopped."""
        self._call("request_stop")

    def _call(self, method: str, *arguments: object, **named: object) -> Any:  # noqa: ANN401 - typed by each caller
        try:
            reference = getattr(self._coordinator, method).remote(*arguments, **named)
            return ray.get(reference, timeout=_TIMEOUT_S)
        except RayError as error:
            raise ClusterError(f"the coordinator does not answer {method}: {error}") from error


def find_pipeline() -> PipelineClient | None:
    """Return the pipeline that runs on the joined cluster, if one does."""
    coordinator = find_coordinator()
    return None if coordinator is None else PipelineClient(coordinator)
