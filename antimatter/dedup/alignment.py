"""Which words of two texts are equal in the same order: the longest common subsequence, bounded for long texts.

Exact up to CELLS words x words, by bit vectors: a row of the table is one long integer (Hyyrö 2004, "Bit-parallel
LCS-length computation revisited"). Longer texts are cut at word n-grams that occur once in either (patience diff), and
where there are none into slices of equal parts. So no input takes more than a few seconds.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

CELLS = 1 << 26
"""Largest table computed exactly, in bits: 8 MB."""
GRAMS = (16, 8, 4, 2)
"""Words of the n-grams at which longer texts are cut, tried in this order; powers of two."""
SLICE_WORDS = 2048
"""Words of a slice where no n-gram occurs once."""
ISLAND_WORDS = 3
"""A run of so few equal words between larger changes is chance: two unlike sentences share a "the"."""

Run = tuple[int, int, int]
"""First word on the left, first word on the right, equal words from there on."""


def equal_runs(left: Sequence[str], right: Sequence[str]) -> list[Run]:
    """Runs of equal words in rising order on both sides, as long as possible, islands left out.

    >>> equal_runs("the cat sat on a mat".split(), "the cat lay on a mat".split())
    [(0, 0, 2), (3, 3, 3)]
    """
    numbers: dict[str, int] = {}
    a, b = (
        np.fromiter((numbers.setdefault(word, len(numbers)) for word in words), np.int64, len(words))
        for words in (left, right)
    )
    return _without_islands(_joined(_aligned(a, b, 0, 0, GRAMS)), len(left), len(right))


def _aligned(a: NDArray[np.int64], b: NDArray[np.int64], i: int, j: int, grams: tuple[int, ...]) -> Iterator[Run]:
    """Runs of two stretches that begin at words i and j of the texts."""
    shorter = min(len(a), len(b))
    head = _equal(a[:shorter], b[:shorter])
    tail = _equal(a[head:][::-1][: shorter - head], b[head:][::-1][: shorter - head])
    yield i, j, head
    inner_a, inner_b = a[head : len(a) - tail], b[head : len(b) - tail]
    if len(inner_a) * len(inner_b) <= CELLS:
        yield from _longest(inner_a.tolist(), inner_b.tolist(), i + head, j + head)
    elif grams:
        at = 0, 0
        for x, y, n in [*_anchors(inner_a, inner_b, grams[0]), (len(inner_a), len(inner_b), 0)]:
            gap = inner_a[at[0] : x], inner_b[at[1] : y]
            yield from _aligned(*gap, i + head + at[0], j + head + at[1], grams[1:])
            yield i + head + x, j + head + y, n
            at = x + n, y + n
    else:
        pieces = -(-max(len(inner_a), len(inner_b)) // SLICE_WORDS)
        cuts = [(len(inner_a) * piece // pieces, len(inner_b) * piece // pieces) for piece in range(pieces + 1)]
        for (x, y), (end_x, end_y) in pairwise(cuts):
            yield from _longest(inner_a[x:end_x].tolist(), inner_b[y:end_y].tolist(), i + head + x, j + head + y)
    yield i + len(a) - tail, j + len(b) - tail, tail


def _equal(a: NDArray[np.int64], b: NDArray[np.int64]) -> int:
    """Equal entries at the beginning of two arrays of one length."""
    differing = np.flatnonzero(a != b)
    return int(differing[0]) if len(differing) else len(a)


def _longest(a: list[int], b: list[int], i: int, j: int) -> Iterator[Run]:
    """A longest common subsequence, word by word. Bit x of state y is 0 where the length of that of a[:x + 1] and
    b[:y + 1] is above that of a[:x] and b[:y + 1]."""
    places: dict[int, int] = {}
    for x, word in enumerate(a):
        places[word] = places.get(word, 0) | 1 << x
    every = (1 << len(a)) - 1
    state, states = every, []
    for word in b:
        met = state & places.get(word, 0)
        state = (state + met | state - met) & every
        states.append(state)
    x, y, found = len(a) - 1, len(b) - 1, []
    while x >= 0 and y >= 0:
        if states[y] >> x & 1:
            x -= 1
        elif y and not states[y - 1] >> x & 1:
            y -= 1
        else:
            found.append((i + x, j + y, 1))
            x, y = x - 1, y - 1
    return reversed(found)


def _anchors(a: NDArray[np.int64], b: NDArray[np.int64], size: int) -> Iterator[Run]:
    """n-grams that occur once in a and once in b: the longest chain of them that rises in both, none overlapping."""
    if min(len(a), len(b)) < size:
        return
    grams_a, grams_b = a, b
    for half in (2**power for power in range(size.bit_length() - 1)):
        grams_a, grams_b = _paired(grams_a, grams_b, half)
    once_a, at_a = _single(grams_a)
    once_b, at_b = _single(grams_b)
    _, chosen_a, chosen_b = np.intersect1d(once_a, once_b, assume_unique=True, return_indices=True)
    at_a, at_b = at_a[chosen_a], at_b[chosen_b]
    order = np.argsort(at_a)
    end_x = end_y = 0
    for x, y in _rising(at_a[order].tolist(), at_b[order].tolist()):
        covered = max(0, end_x - x, end_y - y)
        if covered < size:
            yield x + covered, y + covered, size - covered
            end_x, end_y = x + size, y + size


def _paired(a: NDArray[np.int64], b: NDArray[np.int64], distance: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Numbers of the pairs of entries `distance` apart: equal pairs, equal numbers, in both arrays."""
    most = np.int64(max(a.max(), b.max()) + 1)  # below 2^31: a text has fewer words
    pairs = [array[:-distance] * most + array[distance:] for array in (a, b)]
    _, numbers = np.unique(np.concatenate(pairs), return_inverse=True)
    return numbers[: len(pairs[0])], numbers[len(pairs[0]) :]


def _single(grams: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Values that occur once, and where."""
    values, places, counts = np.unique(grams, return_index=True, return_counts=True)
    return values[counts == 1], places[counts == 1]


def _rising(xs: list[int], ys: list[int]) -> list[tuple[int, int]]:
    """The longest chain in which both rise; the xs rise already."""
    lasts: list[int] = []  # lasts[n]: the smallest y that ends a chain of n + 1
    ends: list[int] = []  # where it stands
    before: list[int] = []
    for place, y in enumerate(ys):
        length = bisect_left(lasts, y)
        before.append(ends[length - 1] if length else -1)
        lasts[length : length + 1] = [y]
        ends[length : length + 1] = [place]
    chain, place = [], ends[-1] if ends else -1
    while place >= 0:
        chain.append((xs[place], ys[place]))
        place = before[place]
    return chain[::-1]


def _joined(runs: Iterable[Run]) -> list[Run]:
    """Runs of at least one word; those that touch become one."""
    joined: list[Run] = []
    for i, j, n in runs:
        if joined and n and (joined[-1][0] + joined[-1][2], joined[-1][1] + joined[-1][2]) == (i, j):
            joined[-1] = (joined[-1][0], joined[-1][1], joined[-1][2] + n)
        elif n:
            joined.append((i, j, n))
    return joined


def _without_islands(runs: list[Run], left: int, right: int) -> list[Run]:
    """Without runs of at most ISLAND_WORDS between two changes of more than twice their length."""
    kept: list[Run] = []
    end_i = end_j = 0
    for (i, j, n), (next_i, next_j, _) in pairwise([*runs, (left, right, 0)]):
        before, after = max(i - end_i, j - end_j), max(next_i - i - n, next_j - j - n)
        if n > ISLAND_WORDS or before <= 2 * n or after <= 2 * n:
            kept.append((i, j, n))
            end_i, end_j = i + n, j + n
    return kept
