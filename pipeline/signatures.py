"""Types for the signatures of compiled functions."""

from __future__ import annotations

from typing import Any

from numba import types


def given(item: Any) -> Any:  # noqa: ANN401 - numba's types have none
    """Return the type of a column that is only read, and may be the memory of a frame."""
    return types.Array(item, 1, "C", readonly=True)


def together(*parts: Any) -> Any:  # noqa: ANN401 - as above
    """Return the type of a tuple."""
    return types.Tuple(parts)
