"""The built-in exchange as an actor, for a pipeline that brings its own venue."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import ray

from actors.exchange.server import ExchangeServer
from pipeline.exchange.listings import PROFILES
from pipeline.market import SyntheticMarket

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.config import Config


class ExchangeHost:
    """Serves the synthetic market of a configuration.

    Args:
        config: For the symbols and the market's settings.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self._server: ExchangeServer | None = None

    def start(self) -> tuple[str, str]:
        """Listen on a free port, and return the WebSocket and the REST url.

        On a cluster of one machine nobody else can reach it.

        Raises:
            CryptoctopusError: The market has no such symbols, or no address can be bound.
        """
        nodes = {node["NodeManagerAddress"] for node in ray.nodes() if node["Alive"]}
        host = "127.0.0.1" if len(nodes) == 1 else ray.util.get_node_ip_address()
        market = synthetic_market(self._config, start_us=time.time_ns() // 1000)
        self._server = ExchangeServer(market, host=host, port=0)
        port = self._server.start()
        return f"ws://{host}:{port}", f"http://{host}:{port}"

    def ping(self) -> None:
        """Answer if the exchange is served.

        Raises:
            ExchangeEnded: It has ended by itself.
        """
        if self._server is not None:
            self._server.check()


def synthetic_market(
    config: Config, *, start_us: int, own_rates: Mapping[str, float] | None = None
) -> SyntheticMarket:
    """Return the market a configuration describes, as of a time.

    Args:
        config: What it describes.
        start_us: That time.
        own_rates: See SyntheticMarket.

    Raises:
        ConfigError: It has no such symbols.
    """
    symbols = config.symbols
    if config.symbol_rule is not None:  # all there are to choose from
        quote = config.symbol_rule.quote
        symbols = tuple(name for name, one in PROFILES.items() if one.listing.quote_asset == quote)
    return SyntheticMarket(
        symbols,
        seed=config.exchange.seed,
        start_us=start_us,
        trades_per_s=config.exchange.trades_per_s,
        jumps_per_hour=config.exchange.jumps_per_hour,
        history_us=config.exchange.history,
        own_rates=own_rates or {},
    )
