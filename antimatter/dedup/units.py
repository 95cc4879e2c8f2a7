"""Units: the lines or paragraphs of texts, what they are compared by, and texts without some of them.

    "Menu  HOME\\n\\nA cat.\\nIt sat.\\n"    three lines:     "menu home"  "a cat."  "it sat."
                                           two paragraphs:  "menu home"  "a cat. it sat."

A line lies between line feeds and is not blank (whitespace alone); a paragraph is a run of such lines without a blank
one between. Units are equal if they are so without whitespace at their ends, each run of whitespace inside as one space
(so a paragraph may be broken into other lines), in lower case (character by character: antimatter.text.words.fold).
Of canonically equal texts they are the same: those of the form NFC, as shingles and digests.
Equal ones are known by 128 bits: of a trillion different units two share them with probability 1e-15.
"""

from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numba import njit

from antimatter.dedup.contents import canonical
from antimatter.text.characters import ALNUM, SPACE, STANDS_ALONE, buffers, decode, tables
from antimatter.text.words import SEED, absorb, mix

KINDS = ("line", "paragraph")
LOW_SEED = 0x243F6A8885A308D3  # the first 64 binary places of pi
LOW_MULTIPLIER = 0xD6E8FEB86659FD93  # odd


class Units(NamedTuple):
    """The units of n texts: U of them, in their order; 36 bytes each. Their bytes are those of the text as it is, words
    and hashes those of its form NFC."""

    starts: np.ndarray
    """int64[n+1]: those of text d are starts[d] to starts[d+1]"""
    begins: np.ndarray
    """int64[U]: first byte of its first line, in the data buffer of the texts"""
    ends: np.ndarray
    """int64[U]: byte behind its last line, where a line feed stands or the text ends"""
    words: np.ndarray
    """int32[U]: words (antimatter.text.words: with a letter or digit; letters of scripts without spaces one by one)"""
    high: np.ndarray
    """uint64[U]: a hash of what it is compared by: antimatter.text.words.word_hash"""
    low: np.ndarray
    """uint64[U]: another one, as independent of it as can be:
    value = LOW_SEED;  value = (value ^ character) * LOW_MULTIPLIER, value ^= value >> 29  for each;  then mix(value)"""


def find_units(texts: pa.Array, kind: str) -> Units:
    """The units of an array of string or large_string without nulls.

    kind  line | paragraph
    """
    if kind not in KINDS:
        raise ValueError(f"a unit is one of {', '.join(KINDS)}, not {kind!r}")
    known, forms = tables(), canonical(texts)
    found = Units(*_find(*buffers(texts), known.flags, known.lower, kind == "paragraph"))
    if forms is texts:
        return found
    of_forms = Units(*_find(*buffers(forms), known.flags, known.lower, kind == "paragraph"))
    assert (found.starts == of_forms.starts).all(), "NFC makes no line feed, and no blank line"
    return of_forms._replace(begins=found.begins, ends=found.ends)


def without(texts: pa.Array, units: Units, leaving: np.ndarray) -> pa.Array:
    """The texts without the units that leave, of the same type.

    leaving: bool[U]. A line goes with its line break. Where something went, the blank lines around it become one, or
    none at the ends of the text; all others stay as they are, so a text that loses nothing is the same to the byte. A
    line break is a line feed, with the carriage return before it if there is one.

    >>> texts = pa.array(["One.\\n\\nTwo.\\n\\n\\nThree.", "One.\\nTwo.\\n"])
    >>> without(texts, find_units(texts, "line"), np.array([False, True, False, False, True])).to_pylist()
    ['One.\\n\\nThree.', 'One.']
    >>> crlf = pa.array(["One.\\r\\n\\r\\nTwo.\\r\\n\\r\\nThree.\\r\\n"])
    >>> without(crlf, find_units(crlf, "line"), np.array([False, True, False])).to_pylist()
    ['One.\\r\\n\\r\\nThree.\\r\\n']
    """
    data, offsets = buffers(texts)
    kept, bounds = _without(data, offsets, units.starts, units.begins, units.ends, leaving)
    width = np.int64 if pa.types.is_large_string(texts.type) else np.int32
    return pa.Array.from_buffers(texts.type, len(texts), [None, pa.py_buffer(bounds.astype(width)), pa.py_buffer(kept)])


@njit(cache=True)
def _find(data, offsets, flags, lower, is_paragraph):  # type: ignore[no-untyped-def]
    n = len(offsets) - 1
    room = (offsets[n] - offsets[0]) // 2 + n + 1  # a unit and its line break take two bytes; untouched memory is free
    starts = np.zeros(n + 1, np.int64)
    begins, ends, words = np.empty(room, np.int64), np.empty(room, np.int64), np.empty(room, np.int32)
    high, low = np.empty(room, np.uint64), np.empty(room, np.uint64)
    count = 0
    for d in range(n):
        i, end = offsets[d], offsets[d + 1]
        while i < end:
            i, begin, stop, found, one, other = _next_unit(data, i, end, flags, lower, is_paragraph)
            if found >= 0:
                begins[count], ends[count], words[count] = begin, stop, found
                high[count], low[count] = one, other
                count += 1
        starts[d + 1] = count
    return (
        starts,
        begins[:count].copy(),
        ends[:count].copy(),
        words[:count].copy(),
        high[:count].copy(),
        low[:count].copy(),
    )


@njit(cache=True)
def _next_unit(data, i, end, flags, lower, is_paragraph):  # type: ignore[no-untyped-def]
    """The first unit from byte i on, where a line begins: (where to go on, begin, end, words or -1 if there is none,
    high, low)."""
    one, other = np.uint64(SEED), np.uint64(LOW_SEED)
    begin = stop = i
    words = 0
    is_word = waits = is_found = is_line = False
    while i <= end:
        if i == end or data[i] == 10:
            if is_line:
                stop = i
            if is_found and not (is_line and is_paragraph):
                i += 1
                break
            i += 1
            is_line = is_word = False
            waits = is_found
            if not is_found:
                begin = i
            continue
        point, i = decode(data, i)
        flag = np.int64(flags[point])
        if flag & SPACE:
            is_word = False
            waits = is_found
            continue
        if waits:
            one, other = absorb(one, np.uint32(32)), _absorb_low(other, np.uint32(32))
            waits = False
        is_found = is_line = True
        if flag & STANDS_ALONE:
            words += 1
            is_word = False
        elif flag & ALNUM and not is_word:
            words += 1
            is_word = True
        small = lower[point] if point < len(lower) else point
        one, other = absorb(one, small), _absorb_low(other, small)
    return i, begin, stop, words if is_found else -1, mix(one), mix(other)


@njit(cache=True, inline="always")
def _absorb_low(value, point):  # type: ignore[no-untyped-def]
    value = (value ^ np.uint64(point)) * np.uint64(LOW_MULTIPLIER)
    return value ^ (value >> np.uint64(29))


@njit(cache=True)
def _without(data, offsets, starts, begins, ends, leaving):  # type: ignore[no-untyped-def]
    """(data, offsets) of the texts that remain. Between two units that follow each other stands one line feed, or more
    bytes if there are blank lines; a carriage return before it is the last byte of the unit."""
    n = len(offsets) - 1
    bounds = np.zeros(n + 1, np.int64)
    kept = np.empty(offsets[n] - offsets[0], np.uint8)
    size = 0
    for d in range(n):
        first, behind = starts[d], starts[d + 1]
        copied = offsets[d]  # what lies before is settled
        is_cut = is_blank = is_begun = False  # something went since the last unit that stayed; a blank line stood there
        for unit in range(first, behind):
            if unit > first and begins[unit] - ends[unit - 1] > 1:
                is_blank = True
            if leaving[unit]:
                is_cut = True
                continue
            if is_cut:
                if is_begun:
                    is_crlf = kept[size - 1] == 13
                    kept[size] = 10
                    size += 1
                    if is_blank:
                        if is_crlf:
                            kept[size] = 13
                            size += 1
                        kept[size] = 10
                        size += 1
                copied = begins[unit]
            length = ends[unit] - copied
            kept[size : size + length] = data[copied : copied + length]
            size += length
            copied = ends[unit]
            is_begun = True
            is_cut = is_blank = False
        if not is_cut:
            length = offsets[d + 1] - copied
            kept[size : size + length] = data[copied : copied + length]
            size += length
        elif is_begun and kept[size - 1] == 13:
            size -= 1
        bounds[d + 1] = size
    return kept[:size].copy(), bounds
