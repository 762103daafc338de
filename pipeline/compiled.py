"""How loops are compiled: once, kept on disk, without the interpreter's lock.

numba tells from a function's own file whether the copy on disk is stale, not from the files of what
it inlines. So copies are kept apart for every state of all the sources that are compiled.
"""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from numba import config, njit

if TYPE_CHECKING:
    from collections.abc import Callable

_Loop = TypeVar("_Loop", bound="Callable[..., Any]")
_IMPORT = re.compile(rb"^from pipeline(?:\.\w+)*?(?:\.(\w+))? import", re.MULTILINE)


def _folder() -> Path:
    """Return where compiled copies of the loops as they now stand are kept."""
    folder = Path(__file__).parent
    texts: dict[str, bytes] = {}
    for path in sorted(folder.rglob("*.py")):  # modules of one name in two folders count as one
        name = f"pipeline.{path.stem}"
        texts[name] = texts.get(name, b"") + path.read_bytes()
    loops = {name for name, text in texts.items() if b"from pipeline.compiled import" in text}
    # And what they take their constants from.
    taken = {f"pipeline.{name.decode()}" for loop in loops for name in _IMPORT.findall(texts[loop])}
    sources = [texts[name] for name in sorted(loops | (taken & texts.keys()))]
    state = hashlib.sha256(b"\0".join(sources)).hexdigest()[:16]
    root = Path(config.CACHE_DIR or Path(__file__).parent / "__pycache__")
    return root / f"compiled-{state}"


if os.access(Path(__file__).parent, os.W_OK) or config.CACHE_DIR:
    config.CACHE_DIR = str(_folder())  # where it cannot be written, numba looks for a place itself


def compiled(signature: object, *, counted: bool = False) -> Callable[[_Loop], _Loop]:
    """Compile a function for one signature.

    Args:
        signature: Of numba's types.
        counted: Whether arrays are reference-counted within, which makes a loop that passes many
            about several times slower. Only then can a function make an array, or a view of one.
    """
    compile_it: Callable[[_Loop], _Loop] = njit(
        signature, cache=True, nogil=True, error_model="numpy", _nrt=counted
    )
    return compile_it


def inlined(function: _Loop) -> _Loop:
    """Compile a function as part of those that call it."""
    part: _Loop = njit(inline="always")(function)
    return part
