"""Modules of users: the features and detectors they add to the built-in ones."""

from __future__ import annotations

import importlib
import re
from typing import TYPE_CHECKING, TypeVar

from pipeline.detect.protocol import DetectorKind
from pipeline.features import BUILT_IN, Feature

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from types import ModuleType

_Kind = TypeVar("_Kind", Feature, DetectorKind)


def load_plugins(plugins: Sequence[str]) -> list[ModuleType]:
    """Return modules by their names.

    Raises:
        ValueError: One cannot be imported, or has neither features nor detectors.
    """
    modules = []
    for plugin in plugins:
        try:
            module = importlib.import_module(plugin)
        except (Exception, SystemExit) as error:
            raise ValueError(
                f"expected a module that can be imported, found {plugin!r}: {error}"
            ) from error
        if not _own(module, Feature) and not _own(module, DetectorKind):
            raise ValueError(
                f"expected functions marked @feature or @detector in {plugin!r}, found none"
            )
        modules.append(module)
    return modules


def load_features(plugins: Sequence[str], *, reserved: Collection[str] = ()) -> list[Feature]:
    """Return the features of modules.

    Args:
        plugins: Their names.
        reserved: Names that are taken.

    Raises:
        ValueError: A module cannot be loaded, or has a feature whose name is taken.
    """
    loaded: list[Feature] = []
    for module in load_plugins(plugins):
        for one in _own(module, Feature):
            if re.fullmatch(r"[a-z][a-z0-9_]*", re.sub(r"\{\w+\}", "5m", one.template)) is None:
                raise ValueError(
                    f"expected a name of small letters, digits and _, found {one.template!r} "
                    f"in {module.__name__}"
                )
            if (
                one.template.startswith("coverage_")
                or one.template in reserved
                or any(one.clashes_with(other) for other in (*BUILT_IN, *loaded))
            ):
                raise ValueError(
                    f"expected a name of its own, found {one.template!r} in {module.__name__}"
                )
            loaded.append(one)
    return loaded


def load_detectors(plugins: Sequence[str]) -> list[DetectorKind]:
    """Return the detectors of modules.

    Raises:
        ValueError: A module cannot be loaded.
    """
    return [one for module in load_plugins(plugins) for one in _own(module, DetectorKind)]


def _own(module: ModuleType, kind: type[_Kind]) -> list[_Kind]:
    """Return what a module makes itself, not what it imports of others."""
    held = dict.fromkeys(one for one in vars(module).values() if isinstance(one, kind))
    return [one for one in held if one.build.__module__ == module.__name__]
