from __future__ import annotations

import pytest

from pipeline.sharding import plan_shards

GB = 1_000_000_000


def sizes(count: int, per_actor: int | str, cpus: float, memory_bytes: float) -> list[int]:
    symbols = [f"S{at}" for at in range(count)]
    shards = plan_shards(symbols, per_actor, cpus=cpus, memory_bytes=memory_bytes)  # type: ignore[arg-type]
    assert sorted(symbol for shard in shards for symbol in shard.symbols) == sorted(symbols)
    assert len({shard.name for shard in shards}) == len(shards)
    return [len(shard.symbols) for shard in shards]


@pytest.mark.parametrize(
    ("count", "per_actor", "cpus", "memory_bytes", "expected"),
    [
        (12, "auto", 2, 24 * GB, [1] * 12),
        (16, "auto", 2, 24 * GB, [1] * 16),
        (17, "auto", 2, 24 * GB, [17]),
        (17, "auto", 8, 24 * GB, [3, 3, 3, 3, 3, 2]),
        (12, "auto", 4, 8 * GB, [4, 4, 4]),  # 12 processes would take more than 2 GB
        (500, "auto", 4, 24 * GB, [100] * 5),
        (7, 3, 64, 24 * GB, [3, 2, 2]),
        (3, 10, 2, 24 * GB, [3]),
    ],
)
def test_plan_shards_of_symbols_sizes_them_by_the_rule(
    count: int, per_actor: int | str, cpus: float, memory_bytes: float, expected: list[int]
) -> None:
    assert sizes(count, per_actor, cpus, memory_bytes) == expected


def test_plan_shards_of_few_symbols_names_actors_after_them() -> None:
    shards = plan_shards(["BTCUSDT", "ETHUSDT"], "auto", cpus=2, memory_bytes=24 * GB)
    assert [shard.name for shard in shards] == ["BTCUSDT", "ETHUSDT"]
