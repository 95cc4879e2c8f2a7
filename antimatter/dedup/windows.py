"""Windows: every run of n words of a text as a hash, and the anchors that tell which of them may occur twice.

    n = 4, parts of 2 words      a b c d e f        windows  abcd  bcde  cdef
    parts by hash: cd < ab < de < ef < bc           anchors  cd    cd    cd: one for all three

Words are the pieces of normalization `words`, and a window's hash is that of a shingle (antimatter.dedup.shingles). An
anchor of a window is the part of (n + 1) // 2 words in it with the smallest hash, the leftmost of equal ones
(winnowing: Schleimer, Wilkerson, Aiken 2003, section 3). It depends on the window alone, so two equal windows at
different places have equal anchors, as far apart as the windows: a window whose anchor stands at one place only occurs
once. Neighbours mostly share an anchor: there are about 2 for every n - part + 2 words of a random text, 1 for 13 words
at n = 50. (Texts of one word all the time have an anchor a word. Winnowing's robust form would spare these, but it
would make the anchor of a window depend on what stands before it.)
"""

from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numba import njit

from antimatter.dedup.shingles import MULTIPLIER, find_pieces, pieces_of, power
from antimatter.text.characters import buffers


class Windows(NamedTuple):
    """The windows of n texts: W of them, with A anchors, both in the order of the texts."""

    words: np.ndarray
    """int64[n]: words of each text"""
    starts: np.ndarray
    """int64[n+1]: the windows of text d are hashes[starts[d]:starts[d+1]]; a text of fewer words has none"""
    hashes: np.ndarray
    """uint64[W]"""
    anchors: np.ndarray
    """uint64[A]: hashes of parts"""
    firsts: np.ndarray
    """int64[A+1]: windows firsts[a] to firsts[a+1] have anchor a"""


class Spans(NamedTuple):
    """S maximal runs of covered words."""

    documents: np.ndarray
    """int64[S], ascending"""
    begins: np.ndarray
    """int64[S]: number of the first word in its document"""
    ends: np.ndarray
    """int64[S]: number behind the last word"""
    counts: np.ndarray
    """int64[S]: how often the window in it that occurs most often does"""
    windows: np.ndarray
    """int64[S]: index of the first such window"""


def find_windows(texts: pa.Array, size: int) -> Windows:
    """The windows of `size` words of canonical texts (contents.canonical). Memory: 24 bytes a word."""
    data, offsets = buffers(texts)
    known = pieces_of("words")
    return Windows(*_find(data, offsets, known.flags, known.lower, size, (size + 1) // 2))


def covered(starts: np.ndarray, counts: np.ndarray, size: int) -> Spans:
    """Where windows of `size` words that occur at least twice lie: what they cover, in runs as long as can be.

    starts  int64[n+1], as in Windows
    counts  int[W]: occurrences of each window
    """
    rows = np.flatnonzero(counts >= 2)
    return Spans(*_covered(starts, rows, counts, size))


@njit(cache=True)
def _find(data, offsets, flags, lower, size, part):  # type: ignore[no-untyped-def]
    n = len(offsets) - 1
    longest = np.int64(0)
    for d in range(n):
        longest = max(longest, offsets[d + 1] - offsets[d])
    room = (offsets[n] - offsets[0]) // 2 + n + 1  # a word takes two bytes, but for a text's last; untouched is free
    words, starts = np.zeros(n, np.int64), np.zeros(n + 1, np.int64)
    hashes, anchors, firsts = np.empty(room, np.uint64), np.empty(room, np.uint64), np.empty(room, np.int64)
    found, parts = np.empty(longest // 2 + 2, np.uint64), np.empty(longest // 2 + 2, np.uint64)
    queue = np.empty(longest // 2 + 2, np.int64)
    window_weight, part_weight = power(size), power(part)
    made, anchored = 0, 0
    for d in range(n):
        _, count = find_pieces(data, offsets[d], offsets[d + 1], flags, lower, found)
        words[d] = count
        if count >= size:
            _roll(found, count, part, part_weight, parts)
            _roll(found, count, size, window_weight, hashes[made:])
            anchored = _anchor(parts, count - part + 1, size - part + 1, made, queue, anchors, firsts, anchored)
            made += count - size + 1
        starts[d + 1] = made
    firsts[anchored] = made
    return words, starts, hashes[:made].copy(), anchors[:anchored].copy(), firsts[: anchored + 1].copy()


@njit(cache=True)
def _roll(found, count, size, weight, hashes):  # type: ignore[no-untyped-def]
    """The hash of every run of `size` of the first `count` words."""
    value = np.uint64(0)
    for index in range(count):
        value = value * np.uint64(MULTIPLIER) + found[index]
        if index >= size:
            value -= found[index - size] * weight
        if index >= size - 1:
            hashes[index - size + 1] = value


@njit(cache=True)
def _anchor(parts, count, width, made, queue, anchors, firsts, anchored):  # type: ignore[no-untyped-def]
    """Anchors of the windows of a document, each of `width` parts; returns how many there are now.

    queue: places of parts that may still become the smallest one, ascending in place and in hash.
    """
    head = tail = 0
    last = -1
    for place in range(count):
        while tail > head and parts[queue[tail - 1]] > parts[place]:
            tail -= 1
        queue[tail] = place
        tail += 1
        window = place - width + 1
        if window < 0:
            continue
        if queue[head] < window:
            head += 1
        if queue[head] != last:
            last = queue[head]
            anchors[anchored], firsts[anchored] = parts[last], made + window
            anchored += 1
    return anchored


@njit(cache=True)
def _covered(starts, rows, counts, size):  # type: ignore[no-untyped-def]
    documents, begins, ends = (
        np.empty(len(rows), np.int64),
        np.empty(len(rows), np.int64),
        np.empty(len(rows), np.int64),
    )
    most, windows = np.empty(len(rows), np.int64), np.empty(len(rows), np.int64)
    found, document = 0, 0
    for row in rows:
        is_new = found == 0
        while starts[document + 1] <= row:
            document += 1
        word = row - starts[document]
        if is_new or documents[found - 1] != document or word > ends[found - 1]:
            documents[found], begins[found], most[found] = document, word, 0
            found += 1
        ends[found - 1] = word + size
        if counts[row] > most[found - 1]:
            most[found - 1], windows[found - 1] = counts[row], row
    return (
        documents[:found].copy(),
        begins[:found].copy(),
        ends[:found].copy(),
        most[:found].copy(),
        windows[:found].copy(),
    )
