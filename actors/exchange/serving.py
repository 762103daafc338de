"""What `cryptoctopus exchange` does: one exchange in the foreground, until it is interrupted."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from actors.exchange.server import ExchangeServer
from actors.exchange_host import synthetic_market
from actors.interruption import INTERRUPTED, interruption
from pipeline.exchange.replay import open_replay

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pipeline.config import Config
    from pipeline.exchange.limits import Limits
    from pipeline.exchange.trades import TradeSource

_WATCH_S = 1.0


def serve_exchange(  # noqa: PLR0913 - one source, and the options of one command by name
    config: Config,
    replay: Sequence[str],
    *,
    host: str,
    port: int,
    speed: float,
    admin: bool,
    tls_cert: Path | None,
    tls_key: Path | None,
    limits: Limits,
) -> int:
    """Serve recordings, or the synthetic market of a configuration; return the exit code.

    Raises:
        CryptoctopusError: A recording cannot be read, or the address not bound, or the exchange
            has ended by itself.
    """
    source: TradeSource
    if replay:
        source = open_replay(replay)
    else:
        source = synthetic_market(config, start_us=time.time_ns() // 1000)
    server = ExchangeServer(
        source,
        host=host,
        port=port,
        speed=speed,
        admin=admin,
        tls_cert=tls_cert,
        tls_key=tls_key,
        limits=limits,
    )
    bound = server.start()
    schemes = ("ws", "http") if tls_cert is None else ("wss", "https")
    urls = " ".join(f"{scheme}://{host}:{bound}" for scheme in schemes)
    print(f"exchange: {urls}", flush=True)  # noqa: T201 - the result
    interrupted = interruption()
    while not interrupted.wait(_WATCH_S):
        server.check()
    server.stop()
    return INTERRUPTED
