"""The bodies of REST answers, read or refused."""

from __future__ import annotations

from typing import Annotated, TypeVar

import msgspec

from pipeline.errors import VenueError
from pipeline.venues.rows import UNDECODABLE

#: What markets can be ranked by: not NaN, not infinite, and of no asset are there so many units.
Volume = Annotated[float, msgspec.Meta(ge=0.0, le=1e30)]

_MAX_QUOTED_LENGTH = 200

_Answer = TypeVar("_Answer")


def decode_answer(body: bytes, answer: type[_Answer], what: str) -> _Answer:
    """Return what a body holds; numbers may be strings, as venues write prices and sizes.

    Args:
        body: As it was sent.
        answer: What it has to be.
        what: Names that in the error.

    Raises:
        VenueError: It is something else.
    """
    try:
        return msgspec.json.decode(body, type=answer, strict=False)
    except UNDECODABLE as error:
        found = body[:_MAX_QUOTED_LENGTH].decode(errors="replace")
        raise VenueError(f"expected {what}, found {found}: {error}") from error
