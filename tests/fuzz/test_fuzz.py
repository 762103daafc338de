from __future__ import annotations

from random import Random

import pytest

from tests.fuzz.mutations import mutate
from tests.fuzz.run import fuzz
from tests.fuzz.targets import StreamTarget, targets


def test_fuzz_of_20000_frames_counts_each_and_never_crashes() -> None:
    progress = list(fuzz(20_000, seed=20_260_101))[-1]

    assert progress.frames == 20_000
    assert set(progress.outcomes) == {target.name for target in targets()}
    for outcomes in progress.outcomes.values():
        # Some frames are still what they were, most are not.
        assert any(not outcome.startswith(("rejected", "refused")) for outcome in outcomes)
        assert any(outcome.startswith(("rejected", "refused")) for outcome in outcomes)


def test_mutations_are_the_same_for_the_same_seed() -> None:
    corpus = targets()[0].corpus

    def mutated(seed: int) -> list[bytes]:
        random = Random(seed)  # noqa: S311 - not for secrets
        return [mutate(random.choice(corpus), random, corpus) for _ in range(100)]

    assert mutated(1) == mutated(1)
    assert mutated(1) != mutated(2)


def test_target_that_loses_a_message_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    target = targets()[0]
    assert isinstance(target, StreamTarget)

    class Forgetful:
        def __init__(self, venue: object) -> None:
            self._venue = venue

        def parse(self, messages: list[bytes], receive_us: list[int]) -> object:
            return self._venue.parse(messages[1:], receive_us[1:])  # type: ignore[attr-defined]

    monkeypatch.setattr(target, "_venue", Forgetful(target._venue))
    with pytest.raises(AssertionError, match="3 messages, 2 counted"):
        target.feed(target.corpus[:3])
