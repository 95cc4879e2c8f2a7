"""Phrases: where sequences of words from a list stand in texts, found in one pass for any number of them.

    list     "cat sat" (owner 0)   "the cat sat on" (owner 1)         text     "The cat sat -- on a mat."
    matches  position 0, 4 words, owner 1;   position 1, 2 words, owner 0

Words are compared by Words.folded: case does not count, nor what `segment` takes for no part of a word. A sequence of
n words is known by a key of 64 bits, built from those of its halves (which overlap where n is no power of two):

    key(1 word) = its folded hash      key(n words) = mix(key(first p) * M + key(last p) + n),  p = 2^k, p < n <= 2p

A polynomial mod 2^64 would need one multiplication less, but a text of two words can be arranged so that its keys are
equal. A sequence outside of a list of T phrases is taken for one of them with probability T / 2^64: with a million
phrases once in 18 trillion words. Time: words x (log2 of the longest + distinct lengths), whatever a text repeats.
"""

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from antimatter.text.words import Words, longer, mix

_MULTIPLIER = 0x9E3779B97F4A7C15  # 2^64 / golden ratio, odd
_BLOCK = 4096
"""Words at a time: their keys stay in the fastest cache."""
_BITS_PER_PHRASE = 16
"""Of the bitmap: of the sequences that are no phrase's head at most one in 16 gets past it."""


class Phrases(NamedTuple):
    """T phrases as arrays that do not change (they may be mapped from a file). 18 to 24 bytes a phrase. All are
    different but for those with owners in several groups: these stand here once a group."""

    lengths: np.ndarray
    """int64[L]: the numbers of words that occur, ascending"""
    keys: np.ndarray
    """uint64[T], ascending"""
    owners: np.ndarray
    """int32[T]: whom each phrase belongs to"""
    directory: np.ndarray
    """int32[2^b + 1]: the keys that begin with the b bits `k` are keys[directory[k]:directory[k + 1]]"""
    heads: np.ndarray
    """uint8[2^m / 8]: a bitmap of the last m bits of the keys of all heads, the first p words of a phrase: nearly all
    places in a text are done with one look into it"""


class Matches(NamedTuple):
    """M places where a phrase stands, by document, position and length."""

    documents: np.ndarray
    """int64[M], ascending"""
    positions: np.ndarray
    """int64[M]: number of the phrase's first word in its document"""
    lengths: np.ndarray
    """int64[M], words"""
    owners: np.ndarray
    """int64[M]"""


class Keyed(NamedTuple):
    """P phrases of one group as keys, on their way into the arrays of Phrases: 20 bytes each, whatever their length."""

    keys: np.ndarray
    """uint64[P]"""
    heads: np.ndarray
    """uint64[P]: the keys of their first p words"""
    owners: np.ndarray
    """int32[P]"""
    lengths: np.ndarray
    """int64[L]: the numbers of words that occur"""
    group: int
    """Of the owners: an equal phrase of another group is a match beside this one."""


def keyed(
    words: NDArray[np.uint64],
    starts: NDArray[np.int64],
    lengths: NDArray[np.int64],
    owners: NDArray[np.int32],
    group: int = 0,
) -> Keyed:
    """Phrases that stand in one long sequence of folded word hashes.

    words    uint64[W]
    starts   int64[P]: phrase p is words[starts[p]:starts[p] + lengths[p]]; phrases may overlap
    lengths  int64[P], at least 1
    owners   int32[P]
    Raises: ValueError for a length below 1 or a phrase that is not inside `words`.
    """
    if len(starts) and (lengths.min() < 1 or starts.min() < 0 or (starts + lengths).max() > len(words)):
        raise ValueError(f"phrases must hold a word and lie inside the {len(words)} words")
    keys, heads = _keys(words, starts, lengths)
    return Keyed(keys, heads, owners.astype(np.int32), np.unique(lengths).astype(np.int64), group)


def build(parts: Sequence[Keyed]) -> Phrases:
    """All phrases of the parts; of a phrase that stands in a group twice the first one counts.

    Raises: ValueError if the groups of the parts do not ascend.
    """
    if any(part.group > behind.group for part, behind in itertools.pairwise(parts)):
        raise ValueError("parts must come in the order of their groups")
    keys, owners = _joined(parts, "keys", np.uint64), _joined(parts, "owners", np.int32)
    groups = np.repeat([part.group for part in parts], [len(part.keys) for part in parts]).astype(np.int32)
    order = np.argsort(keys, kind="stable")
    keys, owners, groups = keys[order], owners[order], groups[order]
    is_first = np.ones(len(keys), dtype=bool)
    is_first[1:] = (keys[1:] != keys[:-1]) | (groups[1:] != groups[:-1])
    keys, owners = keys[is_first], owners[is_first]
    bits = max(1, len(keys).bit_length())
    directory = np.zeros(2**bits + 1, dtype=np.int32)
    np.cumsum(np.bincount((keys >> np.uint64(64 - bits)).astype(np.int64), minlength=2**bits), out=directory[1:])
    flags = np.zeros(max(64, 1 << (_BITS_PER_PHRASE * len(keys)).bit_length()), dtype=bool)
    for part in parts:
        flags[part.heads & np.uint64(len(flags) - 1)] = True
    arrays = (
        np.unique(_joined(parts, "lengths", np.int64)),
        keys,
        owners,
        directory,
        np.packbits(flags, bitorder="little"),
    )
    for array in arrays:
        array.setflags(write=False)  # as mapped ones are: the kernel is compiled for one kind
    return Phrases(*arrays)


def _joined(parts: Sequence[Keyed], field: str, kind: type) -> NDArray[Any]:
    return np.concatenate([np.zeros(0, dtype=kind), *(getattr(part, field) for part in parts)])


def search(phrases: Phrases, words: Words) -> Matches:
    """Every place in the texts where a phrase stands; none reaches from one text into the next."""
    if len(phrases.keys) == 0 or len(words.ids) == 0:
        return Matches(*(np.zeros(0, dtype=np.int64) for _ in Matches._fields))
    rows = _search(words.starts, words.ids, words.folded, *phrases)
    document, position, length, _ = rows.T
    return Matches(*np.ascontiguousarray(rows[np.lexsort((length, position, document))].T))


def count(matches: Matches, documents: int) -> NDArray[np.int32]:
    """Matches in each of so many documents, int32[documents]; two that overlap are two."""
    return np.bincount(matches.documents, minlength=documents).astype(np.int32)


@njit(cache=True)
def _join(left, right, length):  # type: ignore[no-untyped-def]
    return mix(left * np.uint64(_MULTIPLIER) + right + np.uint64(length))


@njit(cache=True)
def _keys(words, starts, lengths):  # type: ignore[no-untyped-def]
    """uint64[P] twice: the key of each phrase, and that of its head: its first p words."""
    keys = np.empty((2, len(starts)), np.uint64)
    level = np.empty(64, np.uint64)
    for phrase in range(len(starts)):
        length = lengths[phrase]
        while len(level) < length:
            level = longer(level)
        for i in range(length):
            level[i] = words[starts[phrase] + i]
        power, filled = 1, length
        while 2 * power < length:
            filled -= power
            for i in range(filled):
                level[i] = _join(level[i], level[i + power], 2 * power)
            power *= 2
        keys[0, phrase] = level[0] if length == 1 else _join(level[0], level[length - power], length)
        keys[1, phrase] = level[0]
    return keys[0], keys[1]


@njit(cache=True)
def _search(starts, ids, folded, lengths, keys, owners, directory, heads):  # type: ignore[no-untyped-def]
    """int64[M, 4]: document, position, length, owner of every match; block by block, in a block by size of the head."""
    longest = lengths[-1]
    shift, buckets = np.uint64(64), len(directory) - 1
    while buckets > 1:
        buckets >>= 1
        shift -= np.uint64(1)
    mask = np.uint64(8 * len(heads) - 1)
    level = np.empty(_BLOCK + longest, np.uint64)
    rows, found = np.empty((64, 4), np.int64), 0
    for document in range(len(starts) - 1):
        first, size = starts[document], starts[document + 1] - starts[document]
        for block in range(0, size, _BLOCK):
            loaded = min(_BLOCK + longest - 1, size - block)
            for i in range(loaded):
                level[i] = folded[ids[first + block + i]]
            power, filled = 1, loaded
            begin = 0
            while begin < len(lengths) and lengths[begin] <= loaded:
                while 2 * power < lengths[begin]:  # level[i] becomes the key of the words i to i + 2 power
                    filled -= power
                    for i in range(filled):
                        level[i] = _join(level[i], level[i + power], 2 * power)
                    power *= 2
                end = begin + 1
                while end < len(lengths) and lengths[end] <= 2 * power:
                    end += 1
                for i in range(min(_BLOCK, loaded - lengths[begin] + 1)):
                    place = level[i] & mask
                    if (heads[place >> np.uint64(3)] >> (place & np.uint64(7))) & 1 == 0:
                        continue
                    for length in lengths[begin:end]:
                        if i + length > loaded:
                            break
                        key = level[i] if length == 1 else _join(level[i], level[i + length - power], length)
                        bucket = key >> shift
                        for entry in range(directory[bucket], directory[bucket + np.uint64(1)]):
                            if keys[entry] == key:
                                if found == len(rows):
                                    wider = np.empty((2 * found, 4), np.int64)
                                    wider[:found] = rows
                                    rows = wider
                                rows[found, 0], rows[found, 1] = document, block + i
                                rows[found, 2], rows[found, 3] = length, owners[entry]
                                found += 1
                begin = end
    return rows[:found]
