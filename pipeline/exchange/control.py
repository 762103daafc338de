"""Control messages: what one connection is subscribed to, and the answers it gets."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from pipeline.errors import CryptoctopusError

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Streams a connection may hold.
STREAMS_LIMIT = 1024

_METHODS = ("SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS", "SET_PROPERTY", "GET_PROPERTY")
_TEXT_ID = re.compile(r"[0-9A-Za-z_-]{1,36}")

RequestId = int | str | None


class _RefusedError(CryptoctopusError):
    """A request that gets an error reply; never leaves this module."""

    def __init__(self, code: int, message: str) -> None:
        self.code = code
        super().__init__(message)


class Session:
    """The subscriptions of one connection, in the order they were made.

    Attributes:
        streams: The names, junk included: it is listed, and carries nothing.
        combined: Whether messages are wrapped with the name of their stream.
    """

    def __init__(self, streams: Iterable[str], *, combined: bool) -> None:
        self.streams = dict.fromkeys(streams)
        self.combined = combined

    @property
    def overfull(self) -> bool:
        """Whether it holds too many streams, which only those of a url can be."""
        return len(self.streams) > STREAMS_LIMIT

    def reply(self, text: str) -> str:
        """Carry out one control message and return the answer.

        An error is wrapped as live servers were seen to do: `{"error":{"code","msg"},"id"}`.
        """
        request_id: RequestId = None
        try:
            request = _parse(text)
            request_id = _request_id(request)
            result = self._perform(request)
        except _RefusedError as refusal:
            error = {"code": refusal.code, "msg": str(refusal)}
            return _compact({"error": error, "id": request_id})
        return _compact({"result": result, "id": request_id})

    def _perform(self, request: dict[str, object]) -> object:
        method = request.get("method")
        params = request.get("params", [])
        if method is None:
            raise _RefusedError(2, "Invalid request: missing field `method`")
        if method not in _METHODS:
            expected = ", ".join(f"`{name}`" for name in _METHODS)
            raise _RefusedError(
                2, f"Invalid request: unknown variant `{method}`, expected one of {expected}"
            )
        if not isinstance(params, list):
            raise _RefusedError(2, "Invalid request: params must be an array")
        if method == "LIST_SUBSCRIPTIONS":
            return list(self.streams)
        if method in {"SUBSCRIBE", "UNSUBSCRIBE"}:
            self._change(params, subscribe=method == "SUBSCRIBE")
            return None
        return self._property(params, assign=method == "SET_PROPERTY")

    def _change(self, names: list[object], *, subscribe: bool) -> None:
        known = [name for name in names if isinstance(name, str)]
        if len(known) < len(names):
            raise _RefusedError(2, "Invalid request: stream name must be a string")
        if not subscribe:
            for name in known:
                self.streams.pop(name, None)
            return
        streams = self.streams | dict.fromkeys(known)
        if len(streams) > STREAMS_LIMIT:
            raise _RefusedError(4, "Too many subscriptions")
        self.streams = streams

    def _property(self, params: list[object], *, assign: bool) -> bool | None:
        if len(params) > 1 + assign:
            raise _RefusedError(2, "Invalid request: too many parameters")
        if not params or not isinstance(params[0], str):
            raise _RefusedError(2, "Invalid request: property name must be a string")
        if params[0] != "combined":
            raise _RefusedError(0, "Unknown property")
        if not assign:
            return self.combined
        if len(params) < 2 or not isinstance(params[1], bool):
            raise _RefusedError(1, "Invalid value type: expected Boolean")
        self.combined = params[1]
        return None


def _parse(text: str) -> dict[str, object]:
    try:
        request = json.loads(text)
    except json.JSONDecodeError as error:
        raise _RefusedError(
            3, f"Invalid JSON: expected value at line {error.lineno} column {error.colno}"
        ) from error
    except (ValueError, RecursionError) as error:  # digits or nesting without end
        raise _RefusedError(3, "Invalid JSON: limit exceeded at line 1 column 1") from error
    if not isinstance(request, dict):
        raise _RefusedError(2, "Invalid request: expected an object")
    return request


def _request_id(request: dict[str, object]) -> RequestId:
    found = request.get("id")
    if found is None:
        return None
    if isinstance(found, str) and _TEXT_ID.fullmatch(found):
        return found
    if isinstance(found, int) and not isinstance(found, bool) and -(2**63) <= found < 2**63:
        return found
    raise _RefusedError(2, "Invalid request: request ID must be an unsigned integer")


def _compact(value: dict[str, object]) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
