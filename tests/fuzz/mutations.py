"""Breaks messages: in their bytes, in their values, in their shape; the same for the same seed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from random import Random

    Mutation = Callable[[bytes, Random, Sequence[bytes]], bytes]

_NUMBER = re.compile(rb"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")
_VALUE = re.compile(rb'-?\d+(?:\.\d+)?|"(?:[^"\\]|\\.)*"|true|false|null|\[\]|\{\}')
_MEMBER = re.compile(rb'"\w+":(?:-?\d+(?:\.\d+)?|"(?:[^"\\]|\\.)*"|true|false|null)')

#: Numbers at the edges of what machines hold, and some that are none.
NUMBERS = (
    *(
        b"0",
        b"-0",
        b"-1",
        b"0.0",
        b"1e-400",
        b"1e400",
        b"-1e400",
        b"1E+999999",
        b"1e-9",
        b"00",
        b"01",
    ),
    *(b"9007199254740993", b"9223372036854775807", b"9223372036854775808", b"18446744073709551616"),
    *(b"NaN", b"Infinity", b"-Infinity", b"0x10", b"1_000", b"1.", b".5", b"+1", b"9" * 400),
    *(b"0.00000001", b"92233720368.54775807", b"92233720369", b"1e5", b"253402300800000"),
)
#: Values of every type.
VALUES = (
    *(b"null", b"true", b"false", b"[]", b"{}", b'""', b'"x"', b"0", b"1.5", b"[null]", b'{"a":1}'),
    *(
        b'"\\ud800"',
        b'"\\udc00\\ud800"',
        b'"\\u0000"',
        b'"NaN"',
        b'"1e400"',
        b'"' + b"A" * 5_000 + b'"',
    ),
    *(b'"0001-01-01T00:00:00+14:00"', b'"9999-12-31T23:59:60Z"', b'"2021-02-30T00:00:00Z"'),
    *('"é"'.encode(), '"这是"'.encode(), b"'x'", b"undefined"),
)
#: Bytes that are no UTF-8, or that text should not hold.
_BYTES = (
    b"\xff",
    b"\xc0\x80",
    b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80",
    b"\x80",
    b"\0",
    b"\x1b",
    b"\r\n",
)


def mutate(frame: bytes, random: Random, corpus: Sequence[bytes]) -> bytes:
    """Return a frame with one to three things broken.

    Args:
        frame: What is broken.
        random: Chooses.
        corpus: Other frames, to take parts of.
    """
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        frame = random.choice(_MUTATIONS)(frame, random, corpus)
    return frame


def _flip(frame: bytes, random: Random, _: Sequence[bytes]) -> bytes:
    changed = bytearray(frame)
    for _ in range(random.randint(1, 4) if changed else 0):
        changed[random.randrange(len(changed))] ^= 1 << random.randrange(8)
    return bytes(changed)


def _truncate(frame: bytes, random: Random, _: Sequence[bytes]) -> bytes:
    cut = random.randint(0, len(frame))
    return frame[:cut] if random.random() < 0.7 else frame[cut:]


def _splice(frame: bytes, random: Random, corpus: Sequence[bytes]) -> bytes:
    other = random.choice(corpus)
    return frame[: random.randint(0, len(frame))] + other[random.randint(0, len(other)) :]


def _repeat(frame: bytes, random: Random, _: Sequence[bytes]) -> bytes:
    start = random.randint(0, len(frame))
    stop = min(len(frame), start + random.randint(1, 40))
    return frame[:stop] + frame[start:stop] * random.randint(1, 3) + frame[stop:]


def _swap_number(frame: bytes, random: Random, _: Sequence[bytes]) -> bytes:
    return _replace(_NUMBER, frame, random, random.choice(NUMBERS))


def _swap_value(frame: bytes, random: Random, _: Sequence[bytes]) -> bytes:
    return _replace(_VALUE, frame, random, random.choice(VALUES))


def _swap_type(frame: bytes, random: Random, _: Sequence[bytes]) -> bytes:
    """Quote a value that has no quotes, or take away those it has."""
    found = list(_VALUE.finditer(frame))
    if not found:
        return frame
    match = random.choice(found)
    value = match[0]
    changed = value[1:-1] if value.startswith(b'"') else b'"' + value + b'"'
    return frame[: match.start()] + changed + frame[match.end() :]


def _nest(frame: bytes, random: Random, _: Sequence[bytes]) -> bytes:
    depth = random.choice((1, 2, 50, 5_000, 100_000)) if random.random() < 0.1 else 2
    opened, closed = random.choice(((b"[", b"]"), (b'{"data":', b"}"), (b'{"x":', b"}")))
    nested = opened * depth + b"1" + closed * depth
    return nested if random.random() < 0.2 else _replace(_VALUE, frame, random, nested)


def _repeat_member(frame: bytes, random: Random, _: Sequence[bytes]) -> bytes:
    """Name a key twice, perhaps with another value the second time."""
    found = list(_MEMBER.finditer(frame))
    if not found:
        return frame
    match = random.choice(found)
    key = match[0].split(b":", 1)[0]
    value = random.choice((match[0].split(b":", 1)[1], *VALUES[:8]))
    return frame[: match.end()] + b"," + key + b":" + value + frame[match.end() :]


def _drop_member(frame: bytes, random: Random, _: Sequence[bytes]) -> bytes:
    return _replace(_MEMBER, frame, random, b'"z":0')


def _insert_bytes(frame: bytes, random: Random, _: Sequence[bytes]) -> bytes:
    place = random.randint(0, len(frame))
    return frame[:place] + random.choice(_BYTES) + frame[place:]


def _join(frame: bytes, random: Random, corpus: Sequence[bytes]) -> bytes:
    return frame + random.choice((b"", b" ", b",", b"\n")) + random.choice(corpus)


_MUTATIONS: tuple[Mutation, ...] = (
    _flip,
    _truncate,
    _splice,
    _repeat,
    _swap_number,
    _swap_value,
    _swap_type,
    _nest,
    _repeat_member,
    _drop_member,
    _insert_bytes,
    _join,
)


def _replace(pattern: re.Pattern[bytes], frame: bytes, random: Random, by: bytes) -> bytes:
    found = list(pattern.finditer(frame))
    if not found:
        return frame
    match = random.choice(found)
    return frame[: match.start()] + by + frame[match.end() :]
