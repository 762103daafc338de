"""The only place that starts, joins and leaves Ray, and that finds a running pipeline."""

from __future__ import annotations

import logging
import os
import signal
import socket
from typing import TYPE_CHECKING, Any

import ray
from ray.exceptions import RayError

from pipeline.errors import ClusterError

if TYPE_CHECKING:
    from ray.actor import ActorHandle

logger = logging.getLogger(__name__)

#: Ray's default namespace is a new one for every driver: names would not be found again.
NAMESPACE = "cryptoctopus"
COORDINATOR = "coordinator"
BUDGET = "budget"

_AUTHENTICATION = (
    "for want of a token: set RAY_AUTH_MODE=token and make the cluster's token readable "
    "(~/.ray/auth_token, RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH; `ray get-auth-token` shows it)"
)

_QUOTED = 300
_KNOCK_S = 5.0


def join_cluster(address: str | None) -> bool:
    """Join a cluster, or start one on this machine.

    Args:
        address: `local` starts one, `auto` joins the one on this machine, else its `HOST:PORT`;
            null means RAY_ADDRESS, or `local` where that is not set.

    Returns:
        Whether the cluster was started here, and so ends with this process.

    Raises:
        ClusterError: It cannot be reached, or does not let us in.
    """
    address = address or os.environ.get("RAY_ADDRESS") or "local"
    is_local = address == "local"
    if address not in {"local", "auto"}:
        _knock(address)
    # A laptop needs no dashboard: eleven processes fewer.
    only_local: dict[str, Any] = {"include_dashboard": False} if is_local else {}
    # A service manager sends SIGTERM to a whole group: Ray's processes, started in it, would be
    # gone before the pipeline is drained. They inherit that it is blocked; Ray has other means.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:
        ray.init(
            address=address,
            namespace=NAMESPACE,
            logging_level=logging.WARNING,
            log_to_driver=True,
            # What an actor logs appears here, and in Ray's own log files.
            runtime_env={"worker_process_setup_hook": "actors.logs.configure_logging"},
            **only_local,
        )
    except (ConnectionError, RuntimeError, ValueError, RayError) as error:
        raise ClusterError(_explain(address, error)) from error
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    logger.info("cluster joined address=%s", address)
    return is_local


def _knock(address: str) -> None:
    """Fail in seconds when nobody listens: Ray itself would try for five minutes."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        raise ClusterError(f"Ray: expected auto, local or HOST:PORT, found {address!r}")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_KNOCK_S).close()
    except OSError as error:
        raise ClusterError(f"Ray at {address} cannot be reached: {error}") from error


def leave_cluster() -> None:
    """Leave the cluster; one that was started here ends."""
    ray.shutdown()


def find_coordinator() -> ActorHandle[Any] | None:
    """Return the coordinator of the pipeline that runs on the joined cluster, if one does."""
    try:
        return ray.get_actor(COORDINATOR, namespace=NAMESPACE)
    except ValueError:
        return None


def find_budget() -> ActorHandle[Any] | None:
    """Return the request budget of the pipeline that runs on the joined cluster, if one does."""
    try:
        return ray.get_actor(BUDGET, namespace=NAMESPACE)
    except ValueError:
        return None


def _explain(address: str, error: Exception) -> str:
    if address == "auto" and isinstance(error, ConnectionError):
        return "no Ray cluster runs on this machine: `cryptoctopus run` starts one"
    text = " ".join(str(error).split())
    if address != "local" and isinstance(error, ConnectionError):
        # Somebody answered our knock: Ray says nothing more than this when a token is missing.
        return (
            f"Ray at {address} does not let us in, most likely {_AUTHENTICATION}: {text[:_QUOTED]}"
        )
    if "auth" in text.lower() or "token" in text.lower():
        return f"Ray at {address} does not let us in {_AUTHENTICATION}: {text[:_QUOTED]}"
    return f"Ray at {address} cannot be reached: {text[:_QUOTED]}"
