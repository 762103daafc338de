"""Feeds every target with frames of which most are broken."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING

from tests.fuzz.mutations import mutate
from tests.fuzz.targets import StreamTarget, targets

if TYPE_CHECKING:
    from collections.abc import Iterator

_BATCH = 200

#: One frame of so many is looked at alone, too.
_ALONE_EVERY = 50

#: Streams of trades are what has to hold most.
_SHARE_OF_OTHERS = 0.1


@dataclass(slots=True)
class Progress:
    """How far a run is.

    Attributes:
        frames: Fed so far.
        outcomes: By target, how many of them were what.
    """

    frames: int = 0
    outcomes: dict[str, Counter[str]] = field(default_factory=dict)


def fuzz(frames: int, seed: int) -> Iterator[Progress]:
    """Feed `frames` frames, and yield the progress after each batch.

    Raises:
        AssertionError: A target did not do what it must; any other exception is a crash.
    """
    random = Random(seed)  # noqa: S311 - not for secrets
    progress = Progress()
    all_targets = targets()
    weights = [1.0 if isinstance(t, StreamTarget) else _SHARE_OF_OTHERS for t in all_targets]
    while progress.frames < frames:
        (target,) = random.choices(all_targets, weights)
        messages = [
            mutate(random.choice(target.corpus), random, target.corpus)
            for _ in range(min(_BATCH, frames - progress.frames))
        ]
        try:
            outcomes = target.feed(messages)
            for message in messages[::_ALONE_EVERY]:
                target.check_alone(message)
        except BaseException as error:
            error.add_note(f"{target.name}, after {progress.frames} frames of seed {seed}")
            raise
        progress.frames += len(messages)
        progress.outcomes.setdefault(target.name, Counter()).update(outcomes)
        yield progress
