"""Words: where they lie in a text, and the words of many texts as one dictionary of 64-bit hashes.

    "Don't stop, don't!"   ->   Don't stop don't      ids 0 1 2       (exact apart, folded alike)

A token is a run of non-space characters. In it every letter of a script without spaces is a word of its own, with the
marks behind it; each other piece is one word if it holds a letter or digit, from the first to the last of these, with
the marks behind: punctuation around a word is no part of it, inside it is ("don't", "well-known", "3.5"). Words are
known by their hash alone: two of a billion different ones share one with probability 0.03.
"""

import unicodedata
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numba import njit

from antimatter.text.characters import (
    ALNUM,
    ALONE,
    IGNORED,
    LETTER,
    LOWER,
    MARK,
    SPACE,
    STANDS_ALONE,
    STOP_WORDS,
    UPPER,
    buffers,
    decode,
    fold_character,
    loose_flags,
    tables,
)

HAS_LETTER = 1
ALL_CAPITALS = 2
ALONE_KIND = 4
STOP_WORD_SHIFT = 4
SEED = 0xCBF29CE484222325  # FNV-1a's offset basis and prime, applied to code points
_PRIME = 0x100000001B3
_MASK = 0xFFFFFFFFFFFFFFFF


class Words(NamedTuple):
    """The words of n texts; D distinct ones (by `exact`) in the order of first occurrence."""

    starts: np.ndarray
    """int64[n+1]: the words of text d are ids[starts[d]:starts[d+1]]"""
    ids: np.ndarray
    """int32[W]: indices into the arrays below"""
    exact: np.ndarray
    """uint64[D]: hash of the word as it stands"""
    folded: np.ndarray
    """uint64[D]: hash of the word in lower case"""
    characters: np.ndarray
    """int32[D]: its length in code points"""
    kinds: np.ndarray
    """uint8[D]: HAS_LETTER, ALL_CAPITALS (upper case, no lower case in it), ALONE_KIND (a letter of a script without
    spaces); bits 4-7: 1 + index in STOP_WORDS, or 0"""


def segment(texts: pa.Array, loose: bool = False) -> Words:
    """The words of an array of string or large_string without nulls. Memory: 4 bytes a word, 21 a distinct one.

    loose  runs of letters, digits and marks alone, for comparing differently written texts (text/loose_words.py)
    """
    data, offsets = buffers(texts)
    known = tables()
    flags = loose_flags() if loose else known.flags
    starts, ids, exact, folded, characters, kinds = _segment(data, offsets, flags, known.lower)
    for index, word in enumerate(STOP_WORDS):
        kinds[folded == np.uint64(word_hash(word))] |= (index + 1) << STOP_WORD_SHIFT
    return Words(starts, ids, exact, folded, characters, kinds)


def words_of(text: str) -> list[str]:
    """The words of one text, in plain Python.

    >>> words_of('He said: "don\\'t" -- 3 times! 第3章')
    ['He', 'said', "don't", '3', 'times', '第', '3', '章']
    """
    return [text[start:end] for start, end in spans_of(text)]


def spans_of(text: str) -> list[tuple[int, int]]:
    """(start, end) of each word in characters, in plain Python."""
    return [span for start, end in _pieces(text) if (span := _trimmed(text, start, end)) is not None]


def fold(word: str) -> str:
    """Lower case, character by character (so that lengths stay: İ is left alone, a final sigma is an ordinary one)."""
    return "".join(map(fold_character, word))


def word_hash(word: str) -> int:
    """64 bits that stand for a word: FNV-1a over code points, the upper half folded into the lower one at each step (so
    that no algebra finds words that share a hash), then the finalizer of MurmurHash3.

    Words.exact holds word_hash(word), Words.folded word_hash(fold(word)).
    """
    value = SEED
    for character in word:
        value = ((value ^ ord(character)) * _PRIME) & _MASK
        value ^= value >> 32
    value = ((value ^ (value >> 33)) * 0xFF51AFD7ED558CCD) & _MASK
    value = ((value ^ (value >> 33)) * 0xC4CEB9FE1A85EC53) & _MASK
    return value ^ (value >> 33)


def stands_alone(character: str) -> bool:
    """Whether a character is a letter of a script without spaces.

    >>> [stands_alone(character) for character in "水กก่ねaé"]
    [True, True, True, False, True, False, False]
    """
    point = ord(character)
    return character.isalpha() and any(low <= point <= high for low, high in ALONE)


def is_mark(character: str) -> bool:
    """Categories Mn, Mc, Me."""
    return unicodedata.category(character)[0] == "M"


def _pieces(text: str) -> Iterator[tuple[int, int]]:
    """Tokens, cut before and behind the letters that stand alone."""
    start, end = 0, len(text)
    position = 0
    while position < end:
        if text[position].isspace():
            yield start, position
            position += 1
            start = position
        elif stands_alone(text[position]):
            yield start, position
            start, position = position, position + 1
            while position < end and is_mark(text[position]):
                position += 1
            yield start, position
            start = position
        else:
            position += 1
    yield start, end


def _trimmed(text: str, start: int, end: int) -> tuple[int, int] | None:
    """A piece without what surrounds its letters and digits; None if it has none."""
    inner = [position for position in range(start, end) if text[position].isalnum()]
    if not inner:
        return None
    last = inner[-1] + 1
    while last < end and is_mark(text[last]):
        last += 1
    return inner[0], last


@njit(cache=True)
def mix(value):  # type: ignore[no-untyped-def]
    """The finalizer of MurmurHash3 (64 bits): every bit of uint64 `value` reaches every bit of the result."""
    value = (value ^ (value >> np.uint64(33))) * np.uint64(0xFF51AFD7ED558CCD)
    value = (value ^ (value >> np.uint64(33))) * np.uint64(0xC4CEB9FE1A85EC53)
    return value ^ (value >> np.uint64(33))


@njit(cache=True, inline="always")
def absorb(value, point):  # type: ignore[no-untyped-def]
    """The hash of a text one character longer; the first value is `SEED`, the last one goes through `mix`."""
    value = (value ^ np.uint64(point)) * np.uint64(_PRIME)
    return value ^ (value >> np.uint64(32))


@njit(cache=True)
def slots_for(entries):  # type: ignore[no-untyped-def]
    """Size of an open-addressing table for so many entries: a power of two, at most half full."""
    size = 64
    while size < 2 * entries:
        size *= 2
    return size


@njit(cache=True)
def regrown(hashes, entries, size):  # type: ignore[no-untyped-def]
    """int32[size] table of the indices of the first `entries` hashes, -1 where free."""
    table = np.full(size, -1, np.int32)
    for index in range(entries):
        slot = np.int64(hashes[index] & np.uint64(size - 1))
        while table[slot] >= 0:
            slot = (slot + 1) & (size - 1)
        table[slot] = index
    return table


@njit(cache=True)
def longer(array):  # type: ignore[no-untyped-def]
    """A copy with room for twice as many."""
    result = np.empty(2 * len(array), array.dtype)
    result[: len(array)] = array
    return result


_BUFFER = 4096  # words that are found before they are looked up


@njit(cache=True)
def _segment(data, offsets, flags, lower):  # type: ignore[no-untyped-def]
    """See Words. Arrays grow out here: in a loop that may replace an array, numba counts references at each step."""
    n = len(offsets) - 1
    starts = np.zeros(n + 1, np.int64)
    ids = np.empty((offsets[n] - offsets[0]) // 2 + n + 1, np.int32)  # a word takes two bytes, but for a text's last
    count = 0
    table = np.full(1 << 14, -1, np.int32)
    exact, folded = np.empty(1 << 13, np.uint64), np.empty(1 << 13, np.uint64)
    characters, kinds = np.empty(1 << 13, np.int32), np.empty(1 << 13, np.uint8)
    distinct = 0
    new_exact, new_folded = np.empty(_BUFFER, np.uint64), np.empty(_BUFFER, np.uint64)
    new_characters, new_kinds = np.empty(_BUFFER, np.int32), np.empty(_BUFFER, np.uint8)
    new_ids = np.empty(_BUFFER, np.int32)
    for d in range(n):
        i, end = offsets[d], offsets[d + 1]
        while i < end:
            i, found = _scan(data, i, end, flags, lower, new_exact, new_folded, new_characters, new_kinds)
            if distinct + found > len(exact):
                exact, folded = longer(exact), longer(folded)
                characters, kinds = longer(characters), longer(kinds)
                table = regrown(exact, distinct, 2 * len(table))
            known = distinct
            distinct = _number(new_exact[:found], new_ids, exact, distinct, table)
            for index in range(found):
                word = new_ids[index]
                ids[count + index] = word
                if word >= known:
                    folded[word], characters[word] = new_folded[index], new_characters[index]
                    kinds[word] = new_kinds[index]
            count += found
        starts[d + 1] = count
    return (
        starts,
        ids[:count],
        exact[:distinct].copy(),
        folded[:distinct].copy(),
        characters[:distinct].copy(),
        kinds[:distinct].copy(),
    )


@njit(cache=True)
def _number(found, numbers, exact, distinct, table):  # type: ignore[no-untyped-def]
    """The number of each word found into `numbers`; new ones are entered. Returns how many distinct words there are."""
    last = np.uint64(len(table) - 1)
    for index in range(len(found)):
        key = found[index]
        slot = key & last
        word = table[slot]
        while word >= 0 and exact[word] != key:
            slot = (slot + np.uint64(1)) & last
            word = table[slot]
        if word < 0:
            word = np.int32(distinct)
            table[slot], exact[word] = word, key
            distinct += 1
        numbers[index] = word
    return distinct


@njit(cache=True)
def _scan(data, i, end, flags, lower, exact, folded, characters, kinds):  # type: ignore[no-untyped-def]
    """Words from byte i on, until the end or until the arrays are full; (byte to go on from, number of words).

    In an open word the hashes of all its characters run on; what counts is where they last were good: behind a letter,
    a digit, or a mark of these.
    """
    seed = np.uint64(SEED)
    is_open = is_alone = is_good = False
    hash_now = folded_now = hash_good = folded_good = seed
    length_now = length_good = 0
    case_now = case_good = letters = np.int64(0)
    found = 0
    while True:
        point, flag, behind = np.uint32(32), np.int64(SPACE), i
        if i < end:
            point, behind = decode(data, i)
            flag = np.int64(flags[point])
        if is_open and (flag & (SPACE | STANDS_ALONE) != 0 or (is_alone and flag & (MARK | IGNORED) == 0)):
            exact[found], folded[found] = mix(hash_good), mix(folded_good)
            characters[found] = length_good
            kind = (HAS_LETTER if letters else 0) | (ALL_CAPITALS if case_good == UPPER else 0)
            kinds[found] = kind | (ALONE_KIND if is_alone else 0)
            found += 1
            is_open = is_alone = False
            if found == len(exact):
                return i, found
        if i >= end:
            return end, found
        i = behind
        if flag & IGNORED:
            continue
        if flag & ALNUM:
            if not is_open:
                is_open, is_alone = True, flag & STANDS_ALONE != 0
                hash_now = folded_now = seed
                length_now = 0
                case_now = letters = np.int64(0)
            is_good = True
        elif flag & MARK == 0:
            is_good = False
        if is_open:
            hash_now = absorb(hash_now, point)
            small = lower[point] if point < len(lower) else point
            folded_now = absorb(folded_now, small)
            length_now += 1
            case_now |= flag & (UPPER | LOWER)
            letters |= flag & LETTER
            if is_good:
                hash_good, folded_good, length_good, case_good = hash_now, folded_now, length_now, case_now
