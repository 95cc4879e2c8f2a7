"""Lines and paragraphs: how they begin and end, and how much of them is there twice.

A line lies between line feeds, stripped, and is not blank; a paragraph is a run of lines without a blank one between.
Equal lines are known by a 64-bit hash of their characters.
"""

import numpy as np
import pyarrow as pa
from numba import njit

from antimatter.text.characters import BULLET, CLOSER, END_MARK, SPACE, buffers, decode, tables
from antimatter.text.words import SEED, absorb, longer, mix, regrown, slots_for

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
    for d in range(len(offsets) - 1):
        row = counts[d]
        most = newlines[d] + 1
        lines, paragraphs = _group(min(most, _ROOM)), _group(min(most, _ROOM))
        open_lines, size = np.uint64(0), np.int64(0)  # the paragraph so far: its hash and characters
        i, end = offsets[d], offsets[d + 1]
        while i <= end:
            if _is_full(lines):
                lines = _grown(lines)
            if _is_full(paragraphs):
                paragraphs = _grown(paragraphs)
            i, open_lines, size = _scan(data, i, end, flags, row, lines, paragraphs, open_lines, size)
        row[0], row[12] = _members(lines), _members(paragraphs)
        row[8], row[9], row[10], row[11] = _equal_ones(lines)
        row[13], row[14], row[15], row[16] = _equal_ones(paragraphs)


@njit(cache=True)
def _scan(data, i, end, flags, row, lines, paragraphs, open_lines, size):  # type: ignore[no-untyped-def]
    """Lines from byte i on, until the text ends (then i is end + 1) or a group is full; the new i, open_lines, size."""
    while i <= end:
        # what is good is the state behind the last non-space character
        value = good = np.uint64(SEED)
        length = good_length = dots = 0
        first = last = np.int64(0)
        is_end = is_ellipsis = space_before = False
        while i < end and data[i] != 10:
            point, i = decode(data, i)
            flag = np.int64(flags[point])
            if flag & SPACE:
                if length == 0:
                    continue
                space_before = True
            elif length == 0:
                first = flag
            value = absorb(value, point)
            length += 1
            if flag & SPACE == 0:
                if space_before:
                    is_end, dots, space_before = False, 0, False
                if flag & CLOSER == 0:
                    is_end = flag & END_MARK != 0
                dots = dots + 1 if point == 46 else 0
                is_ellipsis = dots >= 3 or point == 0x2026
                good, good_length, last = value, length, flag
        i += 1
        if good_length:
            key = mix(good)
            _enter(lines, key, good_length)
            open_lines = mix(open_lines ^ key)
            size += good_length
            row[1] += good_length
            row[2] += good_length < 30
            row[3] += good_length <= 30
            row[4] += first & BULLET != 0
            row[5] += is_ellipsis
            row[6] += is_end
            row[7] += last & END_MARK != 0
        if size and (i > end or good_length == 0):
            _enter(paragraphs, open_lines, size)
            open_lines, size = np.uint64(0), np.int64(0)
        if _is_full(lines) or _is_full(paragraphs):
            break
    return i, open_lines, size


_ROOM = 1 << 12
"""Different lines for which there is room at first."""


@njit(cache=True)
def _group(room):  # type: ignore[no-untyped-def]
    """Equal things: (table of places, keys, times, characters of one, [how many different ones])."""
    table = np.full(slots_for(room), -1, np.int32)
    return (
        table,
        np.empty(room, np.uint64),
        np.empty(room, np.int32),
        np.empty(room, np.int32),
        np.zeros(1, np.int64),
    )


@njit(cache=True)
def _is_full(group):  # type: ignore[no-untyped-def]
    return group[4][0] == len(group[1])


@njit(cache=True)
def _grown(group):  # type: ignore[no-untyped-def]
    _, keys, times, sizes, known = group
    return regrown(keys, known[0], slots_for(2 * len(keys))), longer(keys), longer(times), longer(sizes), known


@njit(cache=True)
def _enter(group, key, size):  # type: ignore[no-untyped-def]
    table, keys, times, sizes, known = group
    last = np.uint64(len(table) - 1)
    slot = key & last
    while table[slot] >= 0 and keys[table[slot]] != key:
        slot = (slot + np.uint64(1)) & last
    place = table[slot]
    if place < 0:
        place = np.int32(known[0])
        table[slot], keys[place], times[place], sizes[place] = place, key, 0, size
        known[0] += 1
    times[place] += 1


@njit(cache=True)
def _members(group):  # type: ignore[no-untyped-def]
    total = 0
    for times in group[2][: group[4][0]]:
        total += times
    return total


@njit(cache=True)
def _equal_ones(group):  # type: ignore[no-untyped-def]
    """(members of groups of two or more, their characters, members but the first, their characters)."""
    members = characters = repeats = repeat_characters = np.int64(0)
    for place in range(group[4][0]):
        times, size = np.int64(group[2][place]), np.int64(group[3][place])
        if times > 1:
            members += times
            characters += times * size
            repeats += times - 1
            repeat_characters += (times - 1) * size
    return members, characters, repeats, repeat_characters
