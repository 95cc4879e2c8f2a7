"""How many sentences a text has, by rules that need no language model.

A sentence ends with its line, or at an end mark (any script; closing quotes and brackets may follow) before a space, if
what comes next is no lower-case letter and the mark is not the full stop of an abbreviation or an initial. Full-width
marks need no space. A sentence holds a letter or digit.

Rae et al. and Raffel et al. split with NLTK's Punkt, a model of English: benchmarks/filter_cpu.py tells how often the
two disagree about C4's three sentences.
"""

import numpy as np
import pyarrow as pa
from numba import njit

from antimatter.text.characters import (
    ABBREVIATIONS,
    ALNUM,
    CLOSER,
    END_MARK,
    LOWER,
    NO_SPACE_MARK,
    SPACE,
    UPPER,
    buffers,
    decode,
    decode_before,
    tables,
)

_LONGEST = max(map(len, ABBREVIATIONS))


def count_sentences(texts: pa.Array) -> np.ndarray:
    """int64[n]: sentences of each of n texts."""
    data, offsets = buffers(texts)
    known = tables()
    abbreviations = np.array(sorted(map(_key, ABBREVIATIONS)), dtype=np.uint64)
    counts = np.zeros(len(offsets) - 1, dtype=np.int64)
    _count(data, offsets, known.flags, known.lower, abbreviations, counts)
    return counts


def _key(word: str) -> int:
    """A number for an abbreviation of ASCII letters: its bytes from the last to the first, base 256.

    >>> _key("dr") == ord("r") * 256 + ord("d")
    True
    """
    return int.from_bytes(word[::-1].encode("ascii"), "big")


@njit(cache=True)
def _count(data, offsets, flags, lower, abbreviations, counts):  # type: ignore[no-untyped-def]
    for d in range(len(offsets) - 1):
        i, end = offsets[d], offsets[d + 1]
        start = i
        sentences = 0
        has_word = False
        while i < end:
            at = i
            point, i = decode(data, i)
            if point == 10:
                sentences += has_word
                has_word = False
                continue
            flag = np.int64(flags[point])
            if flag & ALNUM:
                has_word = True
            elif flag & END_MARK and has_word:
                marks, no_space, following = 1, flag & NO_SPACE_MARK, np.int64(0)
                while i < end:
                    next_point, behind = decode(data, i)
                    following = np.int64(flags[next_point])
                    if next_point == 10 or following & (END_MARK | CLOSER) == 0:
                        break
                    marks += following & END_MARK != 0
                    no_space |= following & NO_SPACE_MARK
                    i = behind
                if i == end or data[i] == 10:
                    ends = True
                elif following & SPACE:
                    beyond = i
                    following = np.int64(SPACE)
                    while beyond < end and data[beyond] != 10 and following & SPACE:
                        next_point, beyond = decode(data, beyond)
                        following = np.int64(flags[next_point])
                    ends = following & LOWER == 0
                    if ends and following & SPACE == 0 and point == 46 and marks == 1:
                        ends = not _is_abbreviation(data, start, at, flags, lower, abbreviations)
                else:
                    ends = no_space != 0 and following & LOWER == 0
                if ends:
                    sentences += 1
                    has_word = False
        counts[d] = sentences + has_word


@njit(cache=True)
def _is_abbreviation(data, start, at, flags, lower, abbreviations):  # type: ignore[no-untyped-def]
    """Whether the letters and digits right before byte `at` are one capital, or an abbreviation in any case."""
    key = np.uint64(0)
    length = 0
    is_capital = is_ascii = True
    while at > start:
        point, at = decode_before(data, at)
        flag = np.int64(flags[point])
        if flag & ALNUM == 0:
            break
        length += 1
        if length > _LONGEST:
            return False
        small = lower[point] if point < len(lower) else point
        is_capital &= flag & UPPER != 0
        is_ascii &= small < 128
        key = (key << np.uint64(8)) | np.uint64(small & 0x7F)
    if length == 1 and is_capital:
        return True
    place = np.searchsorted(abbreviations, key)
    return is_ascii and place < len(abbreviations) and abbreviations[place] == key
