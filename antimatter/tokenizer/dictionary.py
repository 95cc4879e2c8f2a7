"""A dictionary of distinct byte strings that kernels fill: each new one gets the next number, from 0.

    find_or_add(..., b"the")  ->  0          arena  t h e _ c a t ...
    find_or_add(..., b" cat") ->  1          starts 0 3 7 ...
    find_or_add(..., b"the")  ->  0

Open addressing with linear probing. The hash of up to 7 bytes is those bytes themselves, bijectively mixed: where
hashes are equal, strings are. Longer strings are compared byte by byte, so a number never stands for two. Kernels
cannot grow arrays without losing speed: find_or_add answers FULL, the kernel returns where it stands, `grow` doubles
what is too small, and the kernel goes on from there.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from antimatter.text.words import mix

FULL = -1
SEED = 1
_SHORT = 7  # bytes that a hash holds, below the 1 that says how many they are
_LONG = 1 << 40  # in a slot: its string is longer
_FIRST = 1 << 16  # strings that fit before the first growth


class Arrays(NamedTuple):
    """What kernels take; read anew after `grow`."""

    slots: np.ndarray
    """uint64[2^k, 2]: hash; 0, or number + 1, with _LONG"""
    starts: np.ndarray
    """int64[capacity + 1]: string n is arena[starts[n]:starts[n + 1]]"""
    arena: np.ndarray
    """uint8[]"""
    size: np.ndarray
    """int64[1]: strings"""


class Dictionary:
    """Memory: the strings' bytes and about 40 bytes each, twice that while it grows."""

    def __init__(self, strings: int = _FIRST) -> None:
        """`strings` fit (of 8 bytes on average) before anything grows."""
        slots = 1 << max(4, (2 * strings - 1).bit_length())
        self.arrays = Arrays(
            np.zeros((slots, 2), dtype=np.uint64),
            np.zeros(slots // 2 + 1, dtype=np.int64),
            np.zeros(8 * (slots // 2), dtype=np.uint8),
            np.zeros(1, dtype=np.int64),
        )

    def __len__(self) -> int:
        return int(self.arrays.size[0])

    @property
    def bytes(self) -> int:
        """Bytes of all strings together."""
        return int(self.arrays.starts[len(self)])

    @property
    def memory(self) -> int:
        """Bytes of its arrays."""
        return sum(array.nbytes for array in self.arrays)

    def grow(self, needed: int) -> None:
        """Make room for another string of `needed` bytes."""
        slots, starts, arena, size = self.arrays
        if self.bytes + needed > len(arena):
            arena = np.concatenate([arena, np.zeros(max(len(arena), needed), dtype=np.uint8)])
        if len(self) + 1 > len(slots) // 2:
            starts = np.concatenate([starts, np.zeros(len(slots) // 2, dtype=np.int64)])
            slots = np.zeros((2 * len(slots), 2), dtype=np.uint64)
            _fill(slots, starts, arena, len(self))
        self.arrays = Arrays(slots, starts, arena, size)

    def clear(self) -> None:
        """Forget all strings, keep the memory."""
        self.arrays.slots[:] = 0
        self.arrays.size[0] = 0


@njit(cache=True)
def hash_step(value, byte):  # type: ignore[no-untyped-def]
    """The hash of a string (SEED at first) taken one byte further: shifted in; what falls out on top is mixed in."""
    top = value >> np.uint64(56)
    return ((value << np.uint64(8)) | np.uint64(byte)) ^ (top * np.uint64(0x9E3779B97F4A7C15))


@njit(cache=True, inline="always")  # a call with so many arrays costs as much as the search
def find_or_add(slots, starts, arena, size, data, start, end, value):  # type: ignore[no-untyped-def]
    """The number of data[start:end], whose finished hash is `value`; FULL if it is new and there is no room."""
    mask = np.uint64(len(slots) - 1)
    place = value & mask
    length = end - start
    kind = np.uint64(_LONG) if length > _SHORT else np.uint64(0)
    while slots[place, 1] != 0:
        if slots[place, 0] == value and slots[place, 1] & np.uint64(_LONG) == kind:
            number = np.int64(slots[place, 1] & np.uint64(0xFFFFFFFF)) - 1
            if kind == 0:
                return number
            first = starts[number]
            if starts[number + 1] - first == length:
                same = 0
                while same < length and arena[first + same] == data[start + same]:
                    same += 1
                if same == length:
                    return number
        place = (place + np.uint64(1)) & mask
    number = size[0]
    first = starts[number]
    if number + 1 > len(slots) // 2 or first + length > len(arena):
        return FULL
    for offset in range(length):
        arena[first + offset] = data[start + offset]
    starts[number + 1] = first + length
    slots[place, 0] = value
    slots[place, 1] = np.uint64(number + 1) | kind
    size[0] = number + 1
    return number


@njit(cache=True)
def _fill(slots, starts, arena, size):  # type: ignore[no-untyped-def]
    mask = np.uint64(len(slots) - 1)
    for number in range(size):
        value = np.uint64(SEED)
        for position in range(starts[number], starts[number + 1]):
            value = hash_step(value, arena[position])
        value = mix(value)
        place = value & mask
        while slots[place, 1] != 0:
            place = (place + np.uint64(1)) & mask
        slots[place, 0] = value
        is_long = starts[number + 1] - starts[number] > _SHORT
        slots[place, 1] = np.uint64(number + 1) | (np.uint64(_LONG) if is_long else np.uint64(0))
