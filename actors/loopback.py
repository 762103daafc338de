"""Which addresses only this machine can reach."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:  # another name: it may lead anywhere
        return False


def is_loopback_url(url: str) -> bool:
    """Return whether only this machine can reach the host of a url."""
    return is_loopback(urlsplit(url).hostname or "")
