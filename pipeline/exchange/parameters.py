"""The parameters of a REST request, and the venue's words for what is wrong with them."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from pipeline.errors import CryptoctopusError

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

_DIGITS = re.compile(r"[0-9]{1,20}")
_LARGEST = 2**62  # what still fits the arithmetic on 64 bits


class BadRequestError(CryptoctopusError):
    """A request the venue answers with status 400; `rest.respond` turns it into that answer."""

    def __init__(self, code: int, message: str) -> None:
        self.code = code
        super().__init__(message)


class Parameters:
    """The query of one request, each name read at most once."""

    def __init__(self, query: Sequence[tuple[str, str]]) -> None:
        self._sent = dict(query)
        self._read: set[str] = set()
        if len(self._sent) < len(query):
            raise BadRequestError(-1101, "Duplicate values for a parameter detected.")

    def text(self, name: str) -> str | None:
        """Return the value of `name`; null when it was not sent.

        Raises:
            BadRequestError: It was sent empty.
        """
        self._read.add(name)
        value = self._sent.get(name)
        if value == "":
            raise BadRequestError(-1105, f"Parameter '{name}' was empty.")
        return value

    def mandatory(self, name: str) -> str:
        """Return the value of `name`.

        Raises:
            BadRequestError: It was not sent, or empty.
        """
        value = self.text(name)
        if value is None:
            raise BadRequestError(
                -1102,
                f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.",
            )
        return value

    def integer(self, name: str) -> int | None:
        """Return a whole number; null when it was not sent.

        Raises:
            BadRequestError: It is not one.
        """
        value = self.text(name)
        if value is None:
            return None
        if not _DIGITS.fullmatch(value):
            raise BadRequestError(
                -1100,
                f"Illegal characters found in parameter '{name}'; "
                "legal range is '^[0-9]{1,20}$'.",
            )
        number = int(value)
        if number > _LARGEST:
            raise invalid(name)
        return number

    def start_us(self, name: str) -> int | None:
        """Return a time, sent in milliseconds or microseconds as its magnitude tells."""
        value = self.integer(name)
        return None if value is None else value * _unit_us(value)

    def until_us(self, name: str) -> int | None:
        """Return the first microsecond after the sent (inclusive) unit of time."""
        value = self.integer(name)
        return None if value is None else (value + 1) * _unit_us(value)

    def limit(self, *, default: int, most: int) -> int:
        """Return how many rows are asked for.

        Raises:
            BadRequestError: It is not in `1..most`.
        """
        value = self.integer("limit")
        if value is None:
            return default
        if not 1 <= value <= most:
            raise invalid("limit")
        return value

    def symbol(self, listed: Container[str]) -> str:
        """Return the mandatory `symbol`.

        Raises:
            BadRequestError: It is missing, or not listed.
        """
        return _listed(self.mandatory("symbol"), listed)

    def symbols(self, listed: Container[str]) -> list[str] | None:
        """Return the asked symbols of `symbol` or `symbols=["A","B"]`; null when neither was sent.

        Raises:
            BadRequestError: Both were sent, the list is malformed, or a symbol is not listed.
        """
        one, several = self.text("symbol"), self.text("symbols")
        if one is not None and several is not None:
            raise BadRequestError(-1128, "Combination of optional parameters invalid.")
        if one is not None:
            return [_listed(one, listed)]
        if several is None:
            return None
        try:
            names = json.loads(several)
        except (ValueError, RecursionError):
            names = None
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise BadRequestError(
                -1100,
                "Illegal characters found in parameter 'symbols'; "
                'legal range is \'^\\["[A-Z0-9-_.]{1,20}"(,"[A-Z0-9-_.]{1,20}"){0,}\\]$\'.',
            )
        return [_listed(name, listed) for name in names]

    def all_read(self) -> None:
        """Check that nothing was sent that the endpoint does not know.

        Raises:
            BadRequestError: Something was.
        """
        read, sent = len(self._read & self._sent.keys()), len(self._sent)
        if read < sent:
            raise BadRequestError(
                -1104,
                f"Not all sent parameters were read; read '{read}' parameter(s) "
                f"but was sent '{sent}'.",
            )


def invalid(name: str) -> BadRequestError:
    """Return the error for a value that is out of range."""
    return BadRequestError(-1130, f"Data sent for parameter '{name}' is not valid.")


def _unit_us(time: int) -> int:
    return 1 if time >= 10**15 else 1000


def _listed(symbol: str, listed: Container[str]) -> str:
    if symbol not in listed:
        raise BadRequestError(-1121, "Invalid symbol.")
    return symbol
