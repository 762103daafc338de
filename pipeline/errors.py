"""Every error this project raises on purpose.

    CryptoctopusError
      ConfigError            a configuration with problems, all of them listed       exit 2
      SchemaError            a frame that is not what its schema says: a bug, or a changed venue
      VenueError             the venue did not do what its protocol says
        VenueRefused         it said no, and will say no again: do not retry
        VenueDisconnected    it could not be reached: retry with back-off
      ReplayError            a recording that is missing, truncated or out of order  exit 2
      DataError              a data set that is missing or not as its publisher has it   exit 2
      OutputError            a file of ours that cannot be written, as on a full disk
      ClusterError           Ray cannot be reached, or an actor is lost for good
      AddressError           a host and port that cannot be listened on

Broken market data is not an error: it is a row of REJECTED with a reason.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class CryptoctopusError(Exception):
    """The root of the tree above."""


class ConfigError(CryptoctopusError):
    """A configuration that cannot be used.

    Attributes:
        path: The file, or the place the values came from.
        problems: One line each, `dotted.path: what was expected, what was found`.
    """

    def __init__(self, path: str, problems: Sequence[str]) -> None:
        self.path = path
        self.problems = tuple(problems)
        super().__init__("\n".join(f"{path}: {problem}" for problem in self.problems))

    def __reduce__(self) -> tuple[type[ConfigError], tuple[str, tuple[str, ...]]]:
        """Rebuild from the parts, so that the error survives a trip between processes."""
        return type(self), (self.path, self.problems)


class SchemaError(CryptoctopusError):
    """A frame whose columns or types differ from its schema."""


class VenueError(CryptoctopusError):
    """The venue did not do what its protocol says."""


class VenueRefused(VenueError):  # noqa: N818 - the tree reads as what happened
    """The venue said no and will say no again."""


class VenueDisconnected(VenueError):  # noqa: N818 - the tree reads as what happened
    """The venue could not be reached, or went away."""


class ReplayError(CryptoctopusError):
    """A recording that is missing, truncated or out of order."""


class DataError(CryptoctopusError):
    """A data set to evaluate on that is missing or not as its publisher has it."""


class OutputError(CryptoctopusError):
    """A file of ours that cannot be written or removed: no space, or no permission."""


class ClusterError(CryptoctopusError):
    """Ray cannot be reached, or an actor is lost for good."""


class ExchangeEnded(CryptoctopusError):  # noqa: N818 - the tree reads as what happened
    """The built-in exchange has ended by itself."""


class AddressError(CryptoctopusError):
    """A host and port that cannot be listened on: taken, unknown or not permitted."""
