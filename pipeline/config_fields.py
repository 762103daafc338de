"""What the fields of a configuration are made of: durations, lists, sections."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer

from pipeline.durations import format_duration, parse_duration

if TYPE_CHECKING:
    from collections.abc import Callable


def reader(low: str, high: str) -> Callable[[object], int]:
    """Return what reads a duration of `low` to `high`, both allowed, as whole microseconds."""

    def read(value: object) -> int:
        if not isinstance(value, str):
            raise ValueError(f"expected a duration such as {low}, found {value!r}")  # noqa: TRY004 - pydantic collects ValueErrors
        duration_us = parse_duration(value)
        if not parse_duration(low) <= duration_us <= parse_duration(high):
            raise ValueError(f"expected {low} to {high}, found {value}")
        return duration_us

    return read


def between(low: str, high: str) -> BeforeValidator:
    """Return what a field of a duration from `low` to `high` is annotated with."""
    return BeforeValidator(reader(low, high))


#: Reads a grid step.
read_step = reader("100ms", "1h")


def written_step_us(every: object) -> int | None:
    """Return the step of a grid as it was written; null is none, or one to be told of elsewhere."""
    try:
        return read_step(every)
    except ValueError:
        return None


def _as_tuple(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


#: Durations are microseconds inside, and written as people write them.
WRITTEN = PlainSerializer(format_duration)


#: YAML has lists; what never changes is a tuple.
LISTED = BeforeValidator(_as_tuple)


class Section(BaseModel):
    """A mapping of the file: unknown keys are problems, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)
