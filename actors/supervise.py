"""Start a pipeline on the joined cluster, watch it, and drain it."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import ray
from ray.exceptions import ActorDiedError, GetTimeoutError, RayActorError, RayError, RayTaskError

from actors import deployment
from actors.allowance import Allowance
from actors.budget import BANS_FILE
from actors.following import Following
from actors.listing import listed_instruments
from actors.rest import RestClient
from actors.retuning import Audit
from actors.session import COORDINATOR
from actors.trust import trust_of
from pipeline.board import board_plan
from pipeline.errors import ClusterError
from pipeline.listed import as_listed
from pipeline.roster import Roster
from pipeline.sharding import plan_shards
from pipeline.venues.registry import venue_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ray import ObjectRef
    from ray.actor import ActorHandle

    from pipeline.board import BoardPlan
    from pipeline.changes import Change
    from pipeline.config import Config
    from pipeline.sharding import Shard
    from pipeline.venues.protocol import Venue

logger = logging.getLogger(__name__)

_START_TIMEOUT_S = 120.0
_WATCH_TIMEOUT_S = 2.0
_DRAIN_TIMEOUT_S = 40.0

#: In storage.directory: every change of thresholds.
_AUDIT = "changes.jsonl"

#: All symbol actors together ask for at most this share of the cluster's CPUs.
_CPU_SHARE = 0.5


class Pipeline:
    """One pipeline, from start to stop.

    Args:
        config: What to run.
        config_path: Where it came from, for messages.

    Attributes:
        restarts: How often Ray had to restart `symbol_actors` and `coordinator`.
    """

    def __init__(self, config: Config, config_path: str) -> None:
        self._config = config
        self._config_path = config_path
        self._exchange: ActorHandle[Any] | None = None
        self._coordinator: ActorHandle[Any] | None = None
        self._budget: ActorHandle[Any] | None = None
        self._incarnation: str | None = None
        self._audit = Audit(Path(config.storage.directory).absolute() / _AUDIT)
        self._symbol_actors: dict[str, ActorHandle[Any]] = {}
        self._starts: dict[ObjectRef[Any], str] = {}
        self._working: set[str] = set()
        self._planned: list[Shard] = []
        self._roster = Roster([], [])
        self._following: Following | None = None
        self._plan: BoardPlan | None = None
        self._cpus = 1.0
        self._cpus_per_actor = 0.0
        self.restarts = {"symbol_actors": 0, "coordinator": 0}

    def start(self) -> str | None:
        """Start all but the symbol actors, which `watch` starts.

        Returns:
            The board's address; null without a board.

        Raises:
            CryptoctopusError: Something could not start; what had started is stopped again.
        """
        if COORDINATOR in deployment.actors_named():
            raise ClusterError(deployment.ALREADY_RUNS)
        try:
            return self._start()
        except BaseException:
            self.stop()
            raise

    def _start(self) -> str | None:
        config = _here(self._with_exchange(self._config))
        trust = trust_of(config.venue.ca_file)
        venue = venue_of(config.venue)
        self._start_budget(venue, config)
        allowance = Allowance(deployment.BudgetCall(), venue.limits, venue.used_weight)
        rest = RestClient(allowance, trust=trust)
        if config.symbol_rule is None:
            instruments = listed_instruments(venue, rest, config.symbols, self._config_path)
        else:
            self._following = Following(venue, rest, config.symbol_rule)
            instruments = self._following.begin(self._config_path)
        config = as_listed(config, instruments)
        self._plan = board_plan(config, instruments, {})
        self._coordinator = deployment.start_coordinator(self._plan, config)
        url = self._serve_board()
        resources = ray.cluster_resources()
        self._cpus = resources.get("CPU", 1.0)
        self._planned = plan_shards(
            config.symbols,
            config.actors.symbols_per_actor,
            cpus=self._cpus,
            memory_bytes=resources.get("memory", 0.0),
        )
        self._roster = Roster(instruments, self._planned)
        self._cpus_per_actor = round(min(0.5, _CPU_SHARE * self._cpus / len(self._planned)), 2)
        self._config = config
        logger.info("starting symbols=%d actors=%d", len(config.symbols), len(self._planned))
        return url

    @property
    def rest_s(self) -> float:
        """How long to rest between two calls of `watch`: shorter while actors are to be started."""
        return 0.1 if self._planned or self._starts else 1.0

    def watch(self) -> bool:
        """Start what is to be started, also what Ray restarted; call it again and again.

        Returns:
            Whether the pipeline was asked to stop.

        Raises:
            ClusterError: An actor is lost for good.
        """
        self._watch_exchange()
        self._watch_listing()
        self._watch_starts()
        self._watch_symbol_actors()
        assert self._coordinator is not None  # noqa: S101 - watched only after `start`
        try:
            status = ray.get(self._coordinator.status.remote(), timeout=_WATCH_TIMEOUT_S)
        except RayError as error:
            _raise_if_dead(COORDINATOR, error)
            return False
        if self._incarnation != status.incarnation:
            if self._incarnation is not None:
                self.restarts["coordinator"] += 1
                logger.warning("coordinator restarted")
                self._coordinator.replan.remote(
                    self._plan, self._config
                )  # it started with the first one
                self._serve_board()
            self._incarnation = status.incarnation
        self._coordinator.note_restarts.remote(self.restarts)
        self._watch_changes(status.changes)
        return bool(status.stop_requested)

    def stop(self) -> dict[str, Any] | None:
        """Drain and end everything; return the run report, null if there is none."""
        undrained = deployment.drain(list(self._symbol_actors.values()), timeout_s=_DRAIN_TIMEOUT_S)
        if undrained:
            logger.error("not drained actors=%d: their last frames are lost", undrained)
        report = None
        if self._coordinator is not None:
            try:
                report = ray.get(self._coordinator.report.remote(), timeout=_DRAIN_TIMEOUT_S)
                ray.get(self._coordinator.close.remote(), timeout=_DRAIN_TIMEOUT_S)
            except RayError as error:
                logger.error("no report: %s", error)  # noqa: TRY400 - the line says it all
        others = [self._coordinator, self._budget, self._exchange]
        everything = [*self._symbol_actors.values(), *others]
        deployment.end([actor for actor in everything if actor is not None])
        self._symbol_actors, self._coordinator = {}, None
        self._budget = self._exchange = None
        self._planned, self._starts = [], {}
        return report

    def _with_exchange(self, config: Config) -> Config:
        """Start the built-in exchange if it is the venue; return the config with its urls."""
        if not config.venue.is_built_in:
            return config
        self._exchange = deployment.start_exchange(config)
        websocket_url, rest_url = deployment.answer_of(
            self._exchange.start.remote(), timeout_s=_START_TIMEOUT_S, what="the exchange"
        )
        urls = {"websocket_url": websocket_url, "rest_url": rest_url}
        return config.model_copy(update={"venue": config.venue.model_copy(update=urls)})

    def _start_budget(self, venue: Venue, config: Config) -> None:
        """Start the request budget of all processes, this one among them."""
        host = urlsplit(venue.time_request().url).netloc
        path = Path(config.storage.directory) / BANS_FILE
        self._budget = deployment.start_budget(venue.limits, host, path)
        deployment.answer_of(
            self._budget.spending.remote(), timeout_s=_START_TIMEOUT_S, what="the budget"
        )

    def _serve_board(self) -> str | None:
        if not self._config.board.serve:
            return None
        assert self._coordinator is not None  # noqa: S101 - made just before
        url: str = deployment.answer_of(
            self._coordinator.serve_board.remote(self._config.board),
            timeout_s=_START_TIMEOUT_S,
            what="the board",
        )
        return url

    def _watch_exchange(self) -> None:
        if self._exchange is None:
            return
        try:
            ray.get(self._exchange.ping.remote(), timeout=_WATCH_TIMEOUT_S)
        except RayTaskError as error:
            raise ClusterError(f"actor exchange is lost for good: {error.cause}") from error
        except (RayActorError, GetTimeoutError) as error:
            _raise_if_dead("exchange", error)

    def _watch_listing(self) -> None:
        """Follow a rule for symbols: start what enters, end the shards that hold nothing more."""
        change = None if self._following is None else self._following.look()
        if change is None or self._coordinator is None:
            return
        names = [instrument.symbol for instrument in change.entered]
        logger.info("markets changed entered=%s ended=%s", names, dict(change.ended))
        new, over = self._roster.change(change.entered, change.ended)
        instruments = self._roster.instruments
        self._config = as_listed(self._config, instruments)
        self._plan = board_plan(self._config, instruments, self._roster.ended)
        self._coordinator.replan.remote(self._plan, self._config)
        for name in over:
            self._end_shard(name)
        if new is not None:
            self._planned.append(new)

    def _watch_changes(self, changes: Sequence[Change]) -> None:
        """Make the changes of thresholds that somebody asked for."""
        assert self._coordinator is not None  # noqa: S101 - asked for only while it is watched
        for change in changes:
            self._config, outcome = self._audit.settle(change, self._config)
            self._plan = board_plan(self._config, self._roster.instruments, self._roster.ended)
            if outcome.refused is None:
                for actor in self._symbol_actors.values():
                    actor.retune.remote(self._config)
            self._coordinator.settle_change.remote(outcome, self._plan, self._config)

    def _end_shard(self, name: str) -> None:
        assert self._coordinator is not None  # noqa: S101 - ended only while it is watched
        self._planned = [shard for shard in self._planned if shard.name != name]
        self._starts = {pending: of for pending, of in self._starts.items() if of != name}
        self._working.discard(name)
        actor = self._symbol_actors.pop(name, None)
        if actor is not None:
            deployment.drain([actor], timeout_s=_WATCH_TIMEOUT_S)
            deployment.end([actor])
            self._coordinator.forget_shard.remote(name)

    def _watch_starts(self) -> None:
        """Start symbol actors, as many at a time as CPUs: the first are warm while others load."""
        while self._planned and len(self._starts) < max(1, int(self._cpus)):
            shard = self._planned.pop(0)
            actor = deployment.start_symbol_actor(shard, self._config, cpus=self._cpus_per_actor)
            self._symbol_actors[shard.name] = actor
            self._start_symbol_actor(shard.name)
        if not self._starts:
            return
        done, _ = ray.wait([*self._starts], num_returns=len(self._starts), timeout=0.0)
        for reference in done:
            name = self._starts.pop(reference)
            try:
                ray.get(reference)
            except RayTaskError as error:
                raise ClusterError(f"actor {name} cannot start: {error.cause!r}") from error
            except RayActorError as error:
                _raise_if_dead(name, error)  # else Ray restarts it, and it is started again

    def _start_symbol_actor(self, name: str) -> None:
        self._starts[self._symbol_actors[name].start.remote(self._config)] = name

    def _watch_symbol_actors(self) -> None:
        if not self._symbol_actors:
            return
        pending = {actor.status.remote(): name for name, actor in self._symbol_actors.items()}
        answered, _ = ray.wait([*pending], num_returns=len(pending), timeout=_WATCH_TIMEOUT_S)
        for reference in answered:
            name = pending[reference]
            try:
                status = ray.get(reference)
            except RayActorError as error:
                _raise_if_dead(name, error)
                continue
            if status.started and not status.dead:
                self._working.add(name)
            elif status.started:
                logger.error("actor broken shard=%s threads=%s", name, ",".join(status.dead))
                ray.kill(self._symbol_actors[name], no_restart=False)
            elif name not in self._starts.values():
                # Ray restarted its process, and a new process waits to be started.
                self.restarts["symbol_actors"] += name in self._working
                self._working.discard(name)
                logger.warning("symbol actor restarted shard=%s", name)
                self._start_symbol_actor(name)


def _raise_if_dead(name: str, error: Exception) -> None:
    if isinstance(error, ActorDiedError):
        cause = str(error).partition("\n")[0]
        raise ClusterError(f"actor {name} is lost for good: {cause}") from error


def _here(config: Config) -> Config:
    """Return a configuration whose files are named so that every process finds them."""
    venue, storage = config.venue, config.storage
    ca_file = None if venue.ca_file is None else str(Path(venue.ca_file).absolute())
    directory = str(Path(storage.directory).absolute())
    return config.model_copy(
        update={
            "venue": venue.model_copy(update={"ca_file": ca_file}),
            "storage": storage.model_copy(update={"directory": directory}),
        }
    )
