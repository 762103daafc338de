"""Whose certificates are believed. Nothing here, or anywhere, turns the check off."""

from __future__ import annotations

import ssl
from urllib.error import URLError

from pipeline.errors import ConfigError


def trust_of(ca_file: str | None) -> ssl.SSLContext:
    """Return what to check a venue's certificate against.

    Args:
        ca_file: PEM certificates of the only authorities to believe; null: those this machine
            believes.

    Raises:
        ConfigError: The file cannot be read, or has no certificates.
    """
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:  # also of a file without certificates
        reason = error.strerror or str(error)
        problem = f"expected a file of PEM certificates, found {ca_file}: {reason}"
        raise ConfigError("venue.ca_file", [problem]) from error


def distrust(error: BaseException) -> str | None:
    """Return why a certificate was not believed; null where that is not what went wrong."""
    cause = error.reason if isinstance(error, URLError) else error
    if not isinstance(cause, ssl.SSLCertVerificationError):
        return None
    return (
        f"its certificate is not trusted: {cause.verify_message}; "
        "venue.ca_file names an authority of your own"
    )
