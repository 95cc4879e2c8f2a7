"""Shingles: the runs of n pieces that a document is compared by, as 64-bit hashes (Broder 1997).

    "The cat sat on the mat.", n = 5   ->   {"the cat sat on the", "cat sat on the mat"}

What a piece is, the normalization says (params.dedup.Dedup.normalization); a letter of a script without spaces is a
piece of its own in each. A shingle's hash is the polynomial of its pieces' hashes (antimatter.text.words.word_hash), so
that order counts and a window rolls:
    piece_1 M^(n-1) + piece_2 M^(n-2) + ... + piece_n   (mod 2^64)
A document of fewer than n pieces is one shingle as a whole, so that equal short documents still meet. Two documents
that differ in one inner word of w share (w - 9) of (w + 1) shingles for n = 5: below 49 words that is under 0.8.
"""

import functools
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numba import njit

from antimatter.text.characters import (
    ALNUM,
    IGNORED,
    MARK,
    SPACE,
    STANDS_ALONE,
    buffers,
    decode,
    loose_flags,
    tables,
)
from antimatter.text.loose_words import loose_words_of
from antimatter.text.words import SEED, absorb, fold, is_mark, mix, stands_alone, word_hash

MULTIPLIER = 0x9E3779B97F4A7C15  # 2^64 / golden ratio, odd
BUFFER = 4096  # pieces that are found before they are used
_MASK = 2**64 - 1


class Shingles(NamedTuple):
    """The shingles of n documents, ascending and distinct within each."""

    starts: np.ndarray
    """int64[n+1]: those of document d are hashes[starts[d]:starts[d+1]]"""
    hashes: np.ndarray
    """uint64[S]"""


class Pieces(NamedTuple):
    """What kernels know about a normalization."""

    flags: np.ndarray
    """uint16[0x110000], as of antimatter.text.characters"""
    lower: np.ndarray
    """uint32[k]: the code point that stands for each below k; empty: each stands for itself"""


@functools.cache
def pieces_of(normalization: str) -> Pieces:
    """The tables of none | spacing | words."""
    if normalization == "words":
        return Pieces(loose_flags(), tables().lower)
    flags: np.ndarray = tables().flags.copy()
    spaces = (flags & SPACE) != 0
    flags[~spaces] |= ALNUM
    if normalization == "none":
        flags[spaces] |= ALNUM | STANDS_ALONE
    flags.setflags(write=False)
    return Pieces(flags, np.empty(0, dtype=np.uint32))


def shingle_sets(texts: pa.Array, normalization: str, size: int) -> Shingles:
    """The shingles of canonical texts (contents.canonical): string or large_string without nulls.

    Memory: 8 bytes a piece.
    """
    data, offsets = buffers(texts)
    known = pieces_of(normalization)
    starts, hashes = _shingle_sets(data, offsets, known.flags, known.lower, size)
    return Shingles(starts, hashes)


def plain_pieces(text: str, normalization: str) -> list[str]:
    """The pieces of a canonical text, in plain Python.

    >>> [plain_pieces("The  cat,\\n2 hats 第3章", how) for how in ("words", "spacing")]
    [['the', 'cat', '2', 'hats', '第', '3', '章'], ['The', 'cat,', '2', 'hats', '第', '3', '章']]
    >>> plain_pieces("if x:\\n  y", "none")
    ['if', ' ', 'x:', '\\n', ' ', ' ', 'y']
    """
    if normalization == "words":
        return [fold(word) for word in loose_words_of(text)]
    found: list[str] = []
    goes_on = is_alone = False
    for character in text:
        alone = stands_alone(character) or (normalization == "none" and character.isspace())
        if character.isspace() and not alone:
            goes_on = False
        elif goes_on and not alone and (not is_alone or (is_mark(character) and not found[-1].isspace())):
            found[-1] += character
        else:
            found.append(character)
            goes_on, is_alone = True, alone
    return found


def plain_shingles(text: str, normalization: str, size: int) -> set[int]:
    """The shingle hashes of one canonical text, in plain Python."""
    words = [word_hash(piece) for piece in plain_pieces(text, normalization)]
    runs = [words[start : start + size] for start in range(len(words) - size + 1)] or ([words] if words else [])
    return {functools.reduce(lambda value, word: (value * MULTIPLIER + word) & _MASK, run, 0) for run in runs}


@njit(cache=True)
def power(size):  # type: ignore[no-untyped-def]
    """MULTIPLIER to this power: the weight of a piece that leaves a window of `size`."""
    result = np.uint64(1)
    for _ in range(size):
        result *= np.uint64(MULTIPLIER)
    return result


@njit(cache=True)
def find_pieces(data, i, end, flags, lower, found):  # type: ignore[no-untyped-def]
    """Hashes of pieces from byte i on into `found`, until the end or until it is full; (byte to go on from, number)."""
    seed = np.uint64(SEED)
    is_open = is_alone = takes_marks = False
    value = seed
    count = 0
    while i < end:
        point, behind = decode(data, i)
        flag = np.int64(flags[point])
        if flag & IGNORED:
            i = behind
            continue
        if is_open and (flag & (SPACE | STANDS_ALONE) != 0 or (is_alone and not (takes_marks and flag & MARK))):
            found[count] = mix(value)
            count += 1
            is_open = is_alone = False
            if count == len(found):
                return i, count
        i = behind
        if not is_open:
            if flag & ALNUM == 0:
                continue
            is_open, is_alone, takes_marks = True, flag & STANDS_ALONE != 0, flag & SPACE == 0
            value = seed
        value = absorb(value, lower[point] if point < len(lower) else point)
    if is_open:
        found[count] = mix(value)
        count += 1
    return i, count


@njit(cache=True)
def roll(found, count, size, before, value, weight, shingles):  # type: ignore[no-untyped-def]
    """Shingles that end in the `count` pieces at found[size:], where found[:size] are the `size` pieces before these.

    before, value  pieces of the document so far, and the polynomial of the last `size` of them
    Returns (number of shingles, value); the last `size` pieces are moved to found[:size].
    """
    made = 0
    for index in range(count):
        value = value * np.uint64(MULTIPLIER) + found[size + index]
        if before + index >= size:
            value -= found[index] * weight
        if before + index >= size - 1:
            shingles[made] = value
            made += 1
    for index in range(size):
        found[index] = found[count + index]
    return made, value


@njit(cache=True)
def _shingle_sets(data, offsets, flags, lower, size):  # type: ignore[no-untyped-def]
    n = len(offsets) - 1
    starts = np.zeros(n + 1, np.int64)
    hashes = np.empty(offsets[n] - offsets[0], np.uint64)  # a piece takes a byte or more; untouched is unpaid
    found = np.empty(BUFFER + size, np.uint64)
    weight = power(size)
    filled = 0
    for d in range(n):
        i, end = offsets[d], offsets[d + 1]
        first, pieces, value = filled, 0, np.uint64(0)
        while i < end:
            i, count = find_pieces(data, i, end, flags, lower, found[size:])
            made, value = roll(found, count, size, pieces, value, weight, hashes[filled:])
            pieces += count
            filled += made
        if 0 < pieces < size:
            hashes[filled] = value
            filled += 1
        hashes[first:filled].sort()
        filled = _distinct(hashes, first, filled)
        starts[d + 1] = filled
    return starts, hashes[:filled].copy()


@njit(cache=True)
def _distinct(hashes, first, end):  # type: ignore[no-untyped-def]
    """Ascending hashes[first:end] without repetitions, moved together; their end."""
    kept = first
    for index in range(first, end):
        if index == first or hashes[index] != hashes[index - 1]:
            hashes[kept] = hashes[index]
            kept += 1
    return kept
