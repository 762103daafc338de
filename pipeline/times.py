"""Times as whole microseconds since 1970, and as Python has them: exact, both ways."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def time_at(time_us: int) -> datetime:
    """Return a time in UTC."""
    return _EPOCH + timedelta(microseconds=time_us)


def microseconds(time: datetime) -> int:
    """Return the microseconds of a time that knows its zone."""
    return (time - _EPOCH) // timedelta(microseconds=1)
