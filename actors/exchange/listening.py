"""The address and the certificate the exchange listens with."""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING

from pipeline.errors import AddressError, ConfigError

if TYPE_CHECKING:
    from pathlib import Path


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket; port 0 takes any free one.

    Raises:
        AddressError: The address cannot be bound.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        # `create_server` adds the address in its own words.
        reason, _, _ = str(error.strerror).partition(" (while")
        raise AddressError(f"exchange: cannot listen on {host}:{port}: {reason}") from error


def tls_context(cert: Path, key: Path | None) -> ssl.SSLContext:
    """Return a server's context of a PEM chain and its key; null: the key is in the same file.

    Raises:
        ConfigError: They cannot be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(cert, key)
    except OSError as error:
        raise ConfigError("exchange", [f"tls_cert: cannot use {cert}: {error}"]) from error
    return context
