"""Lines and paragraphs: how they begin and end, and how much of them is there twice.

A line lies between line feeds, stripped, and is not blank; a paragraph is a run of lines without a blank one between.
Equal lines are known by a 64-bit hash of their characters.
"""

import numpy as np
import pyarrow as pa
from numba import njit

from antimatter.text.characters import BULLET, CLOSER, END_MARK, SPACE, buffers, decode, tables
from antimatter.text.words import mix, slots_for

COUNTS = (
    "lines", "line_characters", "below_30", "up_to_30", "bullets", "ellipsis_ends", "end_marks", "bare_end_marks",
    "duplicate_lines", "duplicate_line_characters", "repeated_lines", "repeated_line_characters",
    "paragraphs", "duplicate_paragraphs", "duplicate_paragraph_characters", "repeated_paragraphs",
    "repeated_paragraph_characters",
)  # fmt: skip
"""end_marks: lines whose last character is an end mark, closers skipped; bare_end_marks: nothing skipped. duplicate:
all members of a group of equal ones; repeated: all but the first."""


def count_lines(texts: pa.Array, newlines: np.ndarray) -> dict[str, np.ndarray]:
    """int64[n] for each of COUNTS, of an array of n texts with so many line feeds."""
    data, offsets = buffers(texts)
    counts = np.zeros((len(offsets) - 1, len(COUNTS)), dtype=np.int64)
    _count(data, offsets, tables().flags, newlines, counts)
    return dict(zip(COUNTS, counts.T.copy(), strict=True))


@njit(cache=True)
def _count(data, offsets, flags, newlines, counts):  # type: ignore[no-untyped-def]
    prime = np.uint64(0x100000001B3)
    for d in range(len(offsets) - 1):
        row = counts[d]
        most = newlines[d] + 1
        hashes, sizes = np.empty(most, np.uint64), np.empty(most, np.int64)
        paragraph_hashes, paragraph_sizes = np.empty(most, np.uint64), np.empty(most, np.int64)
        lines = paragraphs = paragraph_size = 0
        paragraph_hash = np.uint64(0)
        i, end = offsets[d], offsets[d + 1]
        at_end = False
        while not at_end:
            # one line; what is good is the state behind its last non-space character
            value = good = np.uint64(0)
            size = good_size = dots = 0
            first = last = np.int64(0)
            is_end = is_ellipsis = space_before = False
            while i < end and data[i] != 10:
                point, i = decode(data, i)
                flag = np.int64(flags[point])
                if flag & SPACE:
                    if size == 0:
                        continue
                    space_before = True
                elif size == 0:
                    first = flag
                value = (value ^ np.uint64(point)) * prime
                size += 1
                if flag & SPACE == 0:
                    if space_before:
                        is_end, dots, space_before = False, 0, False
                    if flag & CLOSER == 0:
                        is_end = flag & END_MARK != 0
                    dots = dots + 1 if point == 46 else 0
                    is_ellipsis = dots >= 3 or point == 0x2026
                    good, good_size, last = value, size, flag
            at_end = i >= end
            i += 1
            if good_size:
                hashes[lines], sizes[lines] = mix(good ^ np.uint64(good_size)), good_size
                paragraph_hash = mix((paragraph_hash ^ hashes[lines]) * prime)
                paragraph_size += good_size
                lines += 1
                row[1] += good_size
                row[2] += good_size < 30
                row[3] += good_size <= 30
                row[4] += first & BULLET != 0
                row[5] += is_ellipsis
                row[6] += is_end
                row[7] += last & END_MARK != 0
            if paragraph_size and (at_end or good_size == 0):
                paragraph_hashes[paragraphs], paragraph_sizes[paragraphs] = paragraph_hash, paragraph_size
                paragraphs += 1
                paragraph_hash, paragraph_size = np.uint64(0), 0
        row[0] = lines
        row[8], row[9], row[10], row[11] = _equal_ones(hashes[:lines], sizes)
        row[12] = paragraphs
        row[13], row[14], row[15], row[16] = _equal_ones(paragraph_hashes[:paragraphs], paragraph_sizes)


@njit(cache=True)
def _equal_ones(hashes, sizes):  # type: ignore[no-untyped-def]
    """(members of groups of two or more, their characters, members but the first, their characters)."""
    n = len(hashes)
    members = characters = repeats = repeat_characters = 0
    if n < 2:
        return members, characters, repeats, repeat_characters
    last = np.uint64(slots_for(n) - 1)
    table = np.full(slots_for(n), -1, np.int32)
    is_repeated = np.zeros(n, np.bool_)
    for index in range(n):
        slot = hashes[index] & last
        while table[slot] >= 0 and hashes[table[slot]] != hashes[index]:
            slot = (slot + np.uint64(1)) & last
        if table[slot] < 0:
            table[slot] = index
            continue
        repeats += 1
        repeat_characters += sizes[index]
        first = table[slot]
        if not is_repeated[first]:
            is_repeated[first] = True
            members += 1
            characters += sizes[first]
    return members + repeats, characters + repeat_characters, repeats, repeat_characters
