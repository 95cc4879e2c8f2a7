"""Byte-pair encoding of one piece of text, as SentencePiece does it (Kudo & Richardson 2018, arXiv 1808.06226; the rule
is Sennrich et al. 2016, arXiv 1508.07909): characters are symbols; of all neighbours whose concatenation is a piece the
one with the highest score is merged, the leftmost of equals, until none is left.

    l o w e r   ->   l o w er   ->   lo w er   ->   low er        scores: er > lo > low

A symbol is a number: a piece's id, or, for a character that stands in pieces without being one, a number behind them.
Merges are looked up by pair of symbols. A heap of (rank of the score, position) gives the next one; what a merge made
stale is recognised when it comes up. With dropout a merge that comes up is left out with probability p, for good
(Provilkov et al. 2020, arXiv 1910.13267).
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from antimatter.text.characters import decode
from antimatter.text.words import mix
from antimatter.tokenizer.vocabulary import WHITESPACE_MARK

SPACE, SYMBOL_SPACE = 0x20, ord(WHITESPACE_MARK)
UNKNOWN = -1
_NONE = -1


class Merges(NamedTuple):
    """A vocabulary as kernels need it."""

    symbols: np.ndarray
    """int32[0x110000]: code point -> symbol, UNKNOWN where no piece holds it; a space has the symbol of U+2581"""
    pairs: np.ndarray
    """uint64[2^k]: 0, or left symbol << 32 | right symbol, plus one"""
    merged: np.ndarray
    """int32[2^k]: the piece that the pair in this slot makes"""
    ranks: np.ndarray
    """uint32[V]: 0 for the highest score; equal scores share a rank"""
    first_byte: int
    """id of the byte token <0x00>; the others follow it"""


class Bench(NamedTuple):
    """Room for the symbols of one unit, used again and again."""

    symbols: np.ndarray
    """int32[n]"""
    after: np.ndarray
    """int32[n]: the next symbol that is alive"""
    before: np.ndarray
    """int32[n]"""
    heap: np.ndarray
    """uint64[3 n]: rank << 32 | position of the left symbol"""
    random: np.ndarray
    """uint64[1]: state of SplitMix64"""


def bench(characters: int) -> Bench:
    """Room for units of so many characters."""
    symbols, after, before = (np.zeros(characters, dtype=np.int32) for _ in range(3))
    return Bench(symbols, after, before, np.zeros(3 * characters + 3, dtype=np.uint64), np.zeros(1, dtype=np.uint64))


def merges_of(pieces: dict[str, int], scores: np.ndarray, first_byte: int) -> Merges:
    """The merges of NORMAL pieces {text with U+2581 for a space: id}; scores float32[V]."""
    symbols = dict(pieces)
    for character in sorted({character for piece in pieces for character in piece}):
        symbols.setdefault(character, len(scores) + len(symbols))
    table = np.full(0x110000, UNKNOWN, dtype=np.int32)
    for symbol, number in symbols.items():
        if len(symbol) == 1:
            table[ord(symbol)] = number
    table[SPACE] = table[SYMBOL_SPACE]
    found = [
        (left << 32 | right, number)
        for piece, number in pieces.items()
        for cut in range(1, len(piece))
        if (left := symbols.get(piece[:cut])) is not None and (right := symbols.get(piece[cut:])) is not None
    ]
    pairs = np.zeros(1 << max(4, (2 * len(found)).bit_length()), dtype=np.uint64)
    merged = np.zeros(len(pairs), dtype=np.int32)
    keys = np.array([key for key, _ in found], dtype=np.uint64)
    _fill(pairs, merged, keys, np.array([number for _, number in found], dtype=np.int32))
    _, ranks = np.unique(-scores.astype(np.float64), return_inverse=True)
    return Merges(table, pairs, merged, ranks.astype(np.uint32), first_byte)


@njit(cache=True)
def _fill(pairs, merged, keys, numbers):  # type: ignore[no-untyped-def]
    mask = np.uint64(len(pairs) - 1)
    for index in range(len(keys)):
        place = mix(keys[index]) & mask
        while pairs[place] != 0:
            place = (place + np.uint64(1)) & mask
        pairs[place] = keys[index] + np.uint64(1)
        merged[place] = numbers[index]


@njit(cache=True)
def merge_of(pairs, merged, left, right):  # type: ignore[no-untyped-def]
    """The piece that two symbols make, or -1."""
    key = (np.uint64(left) << np.uint64(32)) | np.uint64(right)
    mask = np.uint64(len(pairs) - 1)
    place = mix(key) & mask
    while pairs[place] != 0:
        if pairs[place] == key + np.uint64(1):
            return merged[place]
        place = (place + np.uint64(1)) & mask
    return np.int32(_NONE)


@njit(cache=True)
def _push(heap, size, key):  # type: ignore[no-untyped-def]
    place = size
    while place > 0 and heap[(place - 1) >> 1] > key:
        heap[place] = heap[(place - 1) >> 1]
        place = (place - 1) >> 1
    heap[place] = key
    return size + 1


@njit(cache=True)
def _pop(heap, size):  # type: ignore[no-untyped-def]
    """Takes heap[0] away; returns the new size."""
    size -= 1
    key = heap[size]
    place = 0
    while True:
        child = 2 * place + 1
        if child >= size:
            break
        if child + 1 < size and heap[child + 1] < heap[child]:
            child += 1
        if heap[child] >= key:
            break
        heap[place] = heap[child]
        place = child
    heap[place] = key
    return size


@njit(cache=True)
def _is_left_out(random, dropout):  # type: ignore[no-untyped-def]
    """One draw: SplitMix64 (Steele et al. 2014), its upper 53 bits as a number in [0, 1)."""
    random[0] += np.uint64(0x9E3779B97F4A7C15)
    value = random[0]
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    value ^= value >> np.uint64(31)
    return np.float64(value >> np.uint64(11)) * 2.0**-53 < dropout


@njit(cache=True)
def encode_unit(data, start, end, vocabulary, room, dropout, out, position):  # type: ignore[no-untyped-def]
    """Write the ids of data[start:end], at most one a byte, to out[position:]; returns the position behind them.

    vocabulary  Merges; room  Bench for at least as many characters as there are bytes
    """
    codes, pairs, merged, ranks, first_byte = vocabulary
    symbols, after, before, heap, random = room
    count = 0
    i = start
    while i < end:
        point, i = decode(data, i)
        symbols[count] = codes[point] if point < len(codes) else UNKNOWN  # broken UTF-8
        after[count] = count + 1
        before[count] = count - 1
        count += 1
    size = 0
    for left in range(count - 1):
        if symbols[left] >= 0 and symbols[left + 1] >= 0:
            piece = merge_of(pairs, merged, symbols[left], symbols[left + 1])
            if piece >= 0:
                size = _push(heap, size, (np.uint64(ranks[piece]) << np.uint64(32)) | np.uint64(left))
    while size:
        key = heap[0]
        size = _pop(heap, size)
        place = np.int64(key & np.uint64(0xFFFFFFFF))
        if symbols[place] < 0:  # merged into another one
            continue
        right = after[place]
        if right >= count:
            continue
        piece = merge_of(pairs, merged, symbols[place], symbols[right])
        if piece < 0 or np.uint64(ranks[piece]) != key >> np.uint64(32):
            continue
        if dropout > 0.0 and _is_left_out(random, dropout):
            continue
        symbols[place] = piece
        symbols[right] = -2
        behind = after[right]
        after[place] = behind
        if behind < count:
            before[behind] = place
            if symbols[behind] >= 0:
                piece = merge_of(pairs, merged, symbols[place], symbols[behind])
                if piece >= 0:
                    size = _push(heap, size, (np.uint64(ranks[piece]) << np.uint64(32)) | np.uint64(place))
        front = before[place]
        if front >= 0 and symbols[front] >= 0:
            piece = merge_of(pairs, merged, symbols[front], symbols[place])
            if piece >= 0:
                size = _push(heap, size, (np.uint64(ranks[piece]) << np.uint64(32)) | np.uint64(front))
    # ids; characters without a piece of their own are spelt byte by byte
    alive = np.int64(0)
    i = start
    read = 0  # characters
    while alive < count:
        first = i
        while read < after[alive]:
            i += 1
            while i < end and data[i] & 0xC0 == 0x80:
                i += 1
            read += 1
        if 0 <= symbols[alive] < len(ranks):
            out[position] = symbols[alive]
            position += 1
        else:
            for byte in range(first, i):
                out[position] = first_byte + np.int32(data[byte])
                position += 1
        alive = np.int64(after[alive])
    return position
