"""Read a configuration: file, then overrides, then every problem at once with its dotted path."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import ValidationError

from pipeline.config import RULE, Config
from pipeline.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence
    from pathlib import Path

    from pydantic_core import ErrorDetails


class _Loader(yaml.SafeLoader):
    """Safe YAML in which a key said twice is a problem, not the last one winning."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002 - the base's signature
        seen: set[object] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise yaml.constructor.ConstructorError(
                    problem=f"expected a name as key, found {key!r}",
                    problem_mark=key_node.start_mark,
                )
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    problem=f"key {key!r} appears twice", problem_mark=key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep=deep)


def load_config(path: Path, settings: Sequence[str] = ()) -> Config:
    """Return the configuration of a file, with `dotted.path=value` settings applied over it.

    Raises:
        ConfigError: The file cannot be read, or anything in it is wrong; lists every problem.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(str(path), [f"expected a readable UTF-8 file: {error}"]) from error
    return config_of(_read_mapping(text, str(path)), str(path), settings)


def config_of(raw: dict[str, Any], where: str, settings: Sequence[str]) -> Config:
    """Return the configuration of a mapping, with `dotted.path=value` settings written into it.

    Args:
        raw: As a file would have it.
        where: To be named in what is wrong.
        settings: In order.

    Raises:
        ConfigError: Anything in it is wrong; lists every problem.
    """
    problems = [problem for setting in settings if (problem := _apply_setting(raw, setting))]
    try:
        config = Config.model_validate(_merge_overrides(raw))
    except ValidationError as error:
        problems.extend(_describe(error))
    if problems:
        raise ConfigError(where, problems)
    return config


#: What of a detector may change while it runs: when there is an alert, not what a score is.
CHANGEABLE = ("enter", "exit", "hold", "cool_down", "min_move_bp", "severity", "budget")


def retuned(config: Config, symbol: str | None, settings: Sequence[str]) -> Config:
    """Return a running configuration with other thresholds.

    Args:
        config: In effect.
        symbol: Whose; null for all.
        settings: `enter=7`, `severity.major=9`, `budget=null`: keys of `detector` in CHANGEABLE.

    Raises:
        ConfigError: The symbol is not watched, a key cannot change, or what results is wrong;
            lists every problem.
    """
    place = "thresholds"
    if symbol is not None and symbol not in config.symbols:
        problem = f"expected a symbol that is watched, found {symbol}"
        raise ConfigError(place, [problem])
    raw = config.model_dump(mode="json")
    if symbol is None:
        sections = [raw["detector"], *(one["detector"] for one in raw["overrides"].values())]
    else:
        override = raw["overrides"].setdefault(symbol, {"detector": copy.deepcopy(raw["detector"])})
        sections = [override["detector"]]
    problems = []
    for setting in settings:
        key = setting.partition("=")[0].partition(".")[0]
        if key not in CHANGEABLE:
            problems.append(f"--set: expected one of {', '.join(CHANGEABLE)}, found {setting!r}")
            continue
        wrong = [_apply_setting(one, setting) for one in sections]
        problems += [text for text in wrong[:1] if text is not None]
    try:
        changed = Config.model_validate(raw)
    except ValidationError as error:
        problems.extend(_describe(error))
    if problems:
        raise ConfigError(place, problems)
    changes = {"detector": changed.detector, "overrides": changed.overrides}
    return config.model_copy(update=changes)


def _read_mapping(text: str, path: str) -> dict[str, Any]:
    try:
        raw = yaml.load(text, Loader=_Loader)  # noqa: S506 - a subclass of SafeLoader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = "" if mark is None else f"line {mark.line + 1}, column {mark.column + 1}: "
        raise ConfigError(path, [f"{place}expected valid YAML: {error.problem}"]) from error
    except yaml.YAMLError as error:
        raise ConfigError(path, [f"expected valid YAML: {error}"]) from error
    if not isinstance(raw, dict):
        found = "an empty file" if raw is None else type(raw).__name__
        raise ConfigError(path, [f"expected a mapping of sections, found {found}"])
    return raw


def _apply_setting(raw: dict[str, Any], setting: str) -> str | None:
    """Write one `dotted.path=value` into `raw`; return what is wrong with it, if anything."""
    dotted, separator, text = setting.partition("=")
    keys = dotted.split(".")
    if not separator or not all(keys):
        return f"--set: expected dotted.path=value, found {setting!r}"
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        return f"--set {dotted}: expected a YAML value, found {text!r}"
    section = raw
    for key in keys[:-1]:
        section = section.setdefault(key, {})
        if not isinstance(section, dict):
            return f"--set {dotted}: expected a section at {key}, found {section!r}"
    section[keys[-1]] = value
    return None


def _merge_overrides(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Return `raw` with every symbol's detector filled up from the main one.

    What is not a mapping is left as it is: validation names it.
    """
    base = raw.get("detector", {})
    overrides = raw.get("overrides")
    if not isinstance(overrides, dict) or not isinstance(base, dict):
        return dict(raw)
    merged = {}
    for symbol, override in overrides.items():
        merged[symbol] = override
        if isinstance(override, dict) and isinstance(override.get("detector"), dict):
            merged[symbol] = {**override, "detector": _merge(base, override["detector"])}
    return {**raw, "overrides": merged}


def _merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        if isinstance(below, dict) and isinstance(value, dict):
            merged[key] = _merge(below, value)
        else:
            merged[key] = value
    return merged


def _describe(error: ValidationError) -> list[str]:
    """Return one line a problem; a section's problem is not told again for each override of it."""
    problems = []
    inherited = set()
    for detail in error.errors():
        # As the file has it.
        keys = tuple("symbols" if key == RULE else str(key) for key in detail["loc"])
        if "detector" in keys:  # pydantic puts behind it which detector's configuration it is
            at = keys.index("detector")
            keys = keys[: at + 1] + keys[at + 2 :]
        text = _text(detail)
        if keys[:1] == ("detector",):
            inherited.add((keys[1:], text))
        if keys[:1] == ("overrides",) and (keys[3:], text) in inherited:
            continue
        problems.append(f"{'.'.join(keys) or 'file'}: {text}")
    return problems


def _text(detail: ErrorDetails) -> str:
    if detail["type"] == "extra_forbidden":
        return "unknown key"
    if detail["type"] == "missing":
        return "required, but missing"
    text = detail["msg"].removeprefix("Value error, ")
    return text if "found" in text else f"{text}, found {detail['input']!r}"
