"""What results depend on, as digests: the configuration, the code, and whatever else is said."""

from __future__ import annotations

import hashlib
import inspect
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import polars as pl

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.config import Config

#: The sections of a configuration that change what comes out.
_MATTERS = {"sampling", "features", "detector", "overrides", "plugins"}

_SOURCES = Path(__file__).parent.parent


def config_digest(config: Config) -> str:
    """Return 16 hex digits over what matters of a configuration."""
    matters = config.model_dump(mode="json", include=_MATTERS)
    return digest(matters, config.actors.max_held_trades)


def code_digest(plugins: Sequence[str]) -> str:
    """Return 16 hex digits over this program, the user's plugins, and what both compute with."""
    sources = [
        (str(path.relative_to(_SOURCES)), path.read_text(encoding="utf-8"))
        for path in sorted(_SOURCES.rglob("*.py"))
    ]
    sources += [text for name in plugins for text in _plugin_sources(name)]
    return digest(versions(), sources)


def _plugin_sources(name: str) -> list[tuple[str, str]]:
    """Return the source of a module, or of everything in a package."""
    module = import_module(name)
    folders = [Path(folder) for folder in getattr(module, "__path__", [])]
    paths = [path for folder in folders for path in sorted(folder.rglob("*.py"))]
    if not paths:
        return [(name, inspect.getsource(module))]
    return [(path.name, path.read_text(encoding="utf-8")) for path in paths]


def versions() -> dict[str, str]:
    """Return the versions that a result may depend on."""
    packages = ("cryptoctopus", "numba", "numpy")
    return {**{name: version(name) for name in packages}, "polars": pl.__version__}


def digest(*facts: object) -> str:
    """Return 16 hex digits over facts that JSON can say."""
    encoded = msgspec.json.encode(facts, order="sorted")
    return hashlib.sha256(encoded).hexdigest()[:16]
