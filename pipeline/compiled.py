"""How loops are compiled: once, kept on disk, without the interpreter's lock.

numba tells from a function's own file whether the copy on disk is stale, not from the files of what
it inlines. So copies are kept apart for every state of all the sources that are compiled.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from numba import config, njit

if TYPE_CHECKING:
    from collections.abc import Callable

_Loop = TypeVar("_Loop", bound="Callable[..., Any]")


def _folder() -> Path:
    """Return where compiled copies of the loops as they now stand are kept."""
    sources = [path.read_bytes() for path in sorted(Path(__file__).parent.rglob("*.py"))]
    loops = [text for text in sources if b"from pipeline.compiled import" in text]
    state = hashlib.sha256(b"\0".join(loops)).hexdigest()[:16]
    root = Path(config.CACHE_DIR or Path(__file__).parent / "__pycache__")
    return root / f"compiled-{state}"


if os.access(Path(__file__).parent, os.W_OK) or config.CACHE_DIR:
    config.CACHE_DIR = str(_folder())  # where it cannot be written, numba looks for a place itself


def compiled(signature: object, *, counted: bool = True) -> Callable[[_Loop], _Loop]:
    """Compile a function for one signature.

    Args:
        signature: Of numba's types.
        counted: Whether arrays are reference-counted within: without, a function cannot make any,
            and one that passes many about is several times faster.
    """
    compile_it: Callable[[_Loop], _Loop] = njit(signature, cache=True, nogil=True, _nrt=counted)
    return compile_it


def inlined(function: _Loop) -> _Loop:
    """Compile a function as part of those that call it."""
    part: _Loop = njit(inline="always")(function)
    return part
