from __future__ import annotations

from typing import Any

import pytest
import ray
from ray.exceptions import RayTaskError

from actors import deployment
from actors.exchange_host import ExchangeHost
from actors.supervise import Pipeline
from pipeline.config import Config
from pipeline.errors import ClusterError, ExchangeEnded
from pipeline.sharding import Shard


class Calls:
    """Stands for a handle; notes what is called."""

    def __init__(self) -> None:
        self.made: list[tuple[object, ...]] = []

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - as a handle's
        return self

    def remote(self, *arguments: object) -> None:
        self.made.append(arguments)


def test_watch_of_an_exchange_that_is_not_served_any_more_ends_the_pipeline(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def get(_: object, timeout: float) -> None:
        cause = ExchangeEnded("the exchange has ended by itself")
        assert timeout > 0
        raise RayTaskError("ping", "traceback", cause)

    pipeline = Pipeline(Config.model_validate({"symbols": ["BTCUSDT"]}), "some.yaml")
    pipeline._exchange = Calls()  # type: ignore[assignment]  # a handle's double
    monkeypatch.setattr(ray, "get", get)
    with pytest.raises(ClusterError, match=r"exchange is lost for good: .*ended by itself"):
        pipeline.watch()


def test_ping_of_an_exchange_host_looks_whether_it_is_served(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    host = ExchangeHost(Config.model_validate({"symbols": ["BTCUSDT"]}))
    host.ping()  # it has not started
    host._server = server = Calls()  # type: ignore[assignment]  # a double
    monkeypatch.setattr(Calls, "check", lambda self: self.made.append(("checked",)), raising=False)
    host.ping()
    assert server.made == [("checked",)]


def test_shard_that_ends_before_it_has_started_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ended: list[object] = []
    monkeypatch.setattr(deployment, "drain", lambda actors, timeout_s: 0)  # noqa: ARG005 - by name
    monkeypatch.setattr(deployment, "end", ended.extend)
    pipeline = Pipeline(Config.model_validate({"symbols": ["BTCUSDT"]}), "some.yaml")
    pipeline._coordinator = coordinator = Calls()  # type: ignore[assignment]  # a handle's double
    starting = Calls()
    pipeline._symbol_actors = {"A": starting}  # type: ignore[dict-item]  # likewise
    pipeline._starts = {"of A": "A", "of C": "C"}  # type: ignore[dict-item]  # references
    pipeline._planned = [Shard("B", ("B",)), Shard("D", ("D",))]

    pipeline._end_shard("A")
    pipeline._end_shard("B")  # which nobody has begun to start

    assert list(pipeline._starts.values()) == ["C"]
    assert pipeline._planned == [Shard("D", ("D",))]
    assert pipeline._symbol_actors == {}
    assert ended == [starting]
    assert coordinator.made == [("A",)]
