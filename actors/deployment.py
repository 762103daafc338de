"""Where plain classes become Ray actors: their options, names and handles, in one place."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

import ray
from ray.exceptions import GetTimeoutError, RayActorError, RayError, RayTaskError
from ray.util import list_named_actors
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from actors.budget import BudgetKeeper
from actors.coordinator import Coordinator
from actors.exchange_host import ExchangeHost
from actors.session import BUDGET, COORDINATOR, NAMESPACE
from actors.symbol import SymbolWorker
from pipeline.errors import ClusterError, CryptoctopusError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ray import ObjectRef
    from ray.actor import ActorHandle

    from pipeline.board import BoardPlan
    from pipeline.budget import Lease
    from pipeline.config import Config
    from pipeline.delivery import Envelope
    from pipeline.sharding import Shard
    from pipeline.venues.protocol import Limits

logger = logging.getLogger(__name__)

ALREADY_RUNS = "a pipeline runs on this cluster already: `cryptoctopus stop` ends it"

_PUSH_TIMEOUT_S = 5.0
_BUDGET_TIMEOUT_S = 2.0

#: Detached actors outlive the driver that made them, on a cluster that does; `stop` ends them.
_COMMON: dict[str, Any] = {
    "namespace": NAMESPACE,
    "lifetime": "detached",
    # A frame that was pushed twice is told apart by its number; Ray's own retries reorder.
    "max_task_retries": 0,
}

_WORKER_ENVIRONMENT = {"env_vars": {"POLARS_MAX_THREADS": "1"}}


class CoordinatorPush:
    """Pushes to the coordinator by its name; made in one process, used in another."""

    def __init__(self) -> None:
        self._coordinator: ActorHandle[Any] | None = None

    def __call__(self, envelope: Envelope) -> int:
        """Deliver an envelope and return the watermark.

        Raises:
            ConnectionError: It is not known whether it arrived.
        """
        try:
            if self._coordinator is None:
                self._coordinator = ray.get_actor(COORDINATOR, namespace=NAMESPACE)
            reference = self._coordinator.push.remote(envelope)
            watermark: int = ray.get(reference, timeout=_PUSH_TIMEOUT_S)
        except (RayError, ValueError) as error:
            raise ConnectionError(str(error).partition("\n")[0]) from error
        return watermark


class BudgetCall:
    """Asks the budget's actor by its name; made in one process, used in another."""

    def __init__(self) -> None:
        self._budget: ActorHandle[Any] | None = None

    def lease(self, asked: int, least: int, *, unspent: int, used: int | None) -> Lease:
        """See BudgetKeeper.

        Raises:
            ConnectionError: The actor does not answer; so do the others.
        """
        lease: Lease = self._call("lease", asked, least, unspent=unspent, used=used)
        return lease

    def close(self, seconds: float, reason: str) -> None:
        """See BudgetKeeper."""
        self._call("close", seconds, reason)

    def dial_wait_s(self) -> float:
        """See BudgetKeeper."""
        wait_s: float = self._call("dial_wait_s")
        return wait_s

    def _call(self, method: str, *arguments: object, **named: object) -> Any:  # noqa: ANN401 - typed by each caller
        try:
            if self._budget is None:
                self._budget = ray.get_actor(BUDGET, namespace=NAMESPACE)
            reference = getattr(self._budget, method).remote(*arguments, **named)
            return ray.get(reference, timeout=_BUDGET_TIMEOUT_S)
        except (RayError, ValueError) as error:
            raise ConnectionError(str(error).partition("\n")[0]) from error


def start_budget(limits: Limits, venue: str, path: Path) -> ActorHandle[Any]:
    """Create the actor of the one request budget, on this node, whose file it keeps.

    Raises:
        ClusterError: The cluster has one already.
    """
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=True)
    options = _COMMON | {
        "name": BUDGET,
        "max_restarts": -1,
        "num_cpus": 0,
        "scheduling_strategy": here,
    }
    try:
        return ray.remote(BudgetKeeper).options(**options).remote(limits, venue, path)
    except ValueError as error:
        raise ClusterError(ALREADY_RUNS) from error


def start_coordinator(plan: BoardPlan, config: Config) -> ActorHandle[Any]:
    """Create the coordinator's actor.

    Raises:
        ClusterError: The cluster has one already.
    """
    options = _COMMON | {
        "name": COORDINATOR,
        "max_restarts": -1,
        "max_concurrency": 8,
        "num_cpus": 0,
    }
    try:
        return ray.remote(Coordinator).options(**options).remote(plan, config)
    except ValueError as error:
        raise ClusterError(ALREADY_RUNS) from error


def start_symbol_actor(shard: Shard, config: Config, *, cpus: float) -> ActorHandle[Any]:
    """Create the actor of a shard; it does nothing before its `start` is called."""
    options = _COMMON | {
        "name": f"shard:{shard.name}",
        "max_restarts": -1,
        # `stop` waits for the last push while `status` must answer.
        "max_concurrency": 4,
        "num_cpus": cpus,
        "scheduling_strategy": "SPREAD",
        "runtime_env": _WORKER_ENVIRONMENT,
    }
    ends = CoordinatorPush(), BudgetCall()
    return ray.remote(SymbolWorker).options(**options).remote(shard, config, *ends)


def start_exchange(config: Config) -> ActorHandle[Any]:
    """Create the actor of the built-in exchange.

    It is not restarted: a new one would be another market.
    """
    options = _COMMON | {"name": "exchange", "max_restarts": 0, "max_concurrency": 4, "num_cpus": 0}
    return ray.remote(ExchangeHost).options(**options).remote(config)


def answer_of(reference: ObjectRef[Any], *, timeout_s: float, what: str) -> Any:  # noqa: ANN401 - typed by each caller
    """Return an actor's answer.

    Raises:
        CryptoctopusError: The actor raised it.
        ClusterError: The actor died, or did not answer in time.
    """
    try:
        return ray.get(reference, timeout=timeout_s)
    except RayTaskError as error:
        if isinstance(error.cause, CryptoctopusError):
            raise error.cause from None
        raise ClusterError(f"{what} failed: {error.cause!r}") from error
    except (RayActorError, GetTimeoutError) as error:
        raise ClusterError(f"{what} did not answer: {error}") from error


def actors_named() -> dict[str, ActorHandle[Any]]:
    """Return every actor of the pipeline on the joined cluster, by name."""
    listed = list_named_actors(all_namespaces=True)
    names = [actor["name"] for actor in listed if actor["namespace"] == NAMESPACE]
    found = {}
    for name in names:
        try:
            found[name] = ray.get_actor(name, namespace=NAMESPACE)
        except ValueError:  # it ended since it was listed
            continue
    return found


def drain(symbol_actors: Sequence[ActorHandle[Any]], *, timeout_s: float) -> int:
    """Stop symbol actors, all at once; return how many did not say that all was acknowledged."""
    references = [actor.stop.remote() for actor in symbol_actors]
    if not references:
        return 0
    done, late = ray.wait(references, num_returns=len(references), timeout=timeout_s)
    undrained = len(late)
    for reference in done:
        try:
            undrained += not ray.get(reference)
        except (RayActorError, RayTaskError) as error:
            logger.warning("drain failed: %s", error)
            undrained += 1
    return undrained


def end(actors: Sequence[ActorHandle[Any]]) -> None:
    """End actors for good, and wait until their names are free."""
    for actor in actors:
        ray.kill(actor, no_restart=True)
    deadline_s = time.monotonic() + 10
    while set(actors) & set(actors_named().values()) and time.monotonic() < deadline_s:
        time.sleep(0.05)
