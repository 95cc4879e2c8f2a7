"""fastText's lid.176 as a kernel: the same labels and scores as the library, several times as fast.

A sample is split at ASCII white space. Each word counts with its own row, if the model knows it, and with the rows of
its character n-grams ("<" and ">" mark its ends) that the model has kept; the end of the line counts once. The average
of all rows is the hidden vector; hierarchical softmax turns it into probabilities of labels.

Two departures from the library, both where its file format shines through: it stops reading at a word "</s>" and does
not count words that begin with "__label__"; to us these are words like others.
"""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numba import njit

from antimatter.filter.language import lid176
from antimatter.filter.language.codes import standard
from antimatter.filter.language.samples import pack, speaking
from antimatter.filter.language.verdicts import Verdicts, undecided

_BATCH = 1024  # samples: bounds the memory for probabilities
_OFFSET_BASIS, _PRIME = np.uint32(2166136261), np.uint32(16777619)  # FNV-1a, 32 bits
_EPSILON = 1e-5  # fastText takes log(p + 1e-5) at every node


class _Arrays(NamedTuple):
    """What the kernel reads; W words, L labels, D dimensions."""

    slots: np.ndarray
    """int32[power of two]: index of a word by its hash, linear probing; -1 is empty"""
    word_bytes: np.ndarray
    word_starts: np.ndarray
    """uint8[], int64[W + 1]"""
    word_sums: np.ndarray
    """float32[W, D]: the rows of a word and its n-grams, added up once"""
    word_counts: np.ndarray
    """int64[W]: how many rows that were"""
    row_of_bucket: np.ndarray
    rows: np.ndarray
    nodes: np.ndarray
    children: np.ndarray
    """as in lid176.Model"""


class FastText:
    """The detector: see the module."""

    def __init__(self, minimum_letters: int) -> None:
        self.minimum_letters = minimum_letters

    def detect(self, samples: Sequence[str]) -> Verdicts:
        """As Detector.detect promises."""
        verdicts = undecided(len(samples))
        rows, texts = speaking(samples, self.minimum_letters)
        codes = labels()
        for start in range(0, len(rows), _BATCH):
            found = probabilities(texts[start : start + _BATCH])
            best = found.argmax(axis=1)
            verdicts.scores[rows[start : start + _BATCH]] = found[np.arange(len(best)), best]
            for row, label in zip(rows[start : start + _BATCH], best.tolist(), strict=True):
                verdicts.languages[row] = codes[label]
        return verdicts


@functools.cache
def labels() -> list[str]:
    """Our codes for the columns of `probabilities`."""
    return [standard(label) or label for label in lid176.load().labels]


def probabilities(texts: Sequence[str]) -> np.ndarray:
    """float64[n, L], six decimals, at most 1; of texts as they are: nothing is stripped or lowered."""
    data, offsets = pack(texts)
    found: np.ndarray = _probabilities(data, offsets, *_arrays())
    np.minimum(found, 1.0, out=found)
    return found.round(6, out=found)


@functools.cache
def _arrays() -> _Arrays:
    model = lid176.load()
    size = 4 * len(model.words)
    slots = np.full(1 << size.bit_length(), -1, dtype=np.int32)
    word_starts = np.zeros(len(model.words) + 1, dtype=np.int64)
    np.cumsum([len(word) for word in model.words], out=word_starts[1:])
    word_bytes = np.frombuffer(b"".join(model.words), dtype=np.uint8)
    word_sums = np.zeros((len(model.words), model.rows.shape[1]), dtype=np.float32)
    word_counts = np.zeros(len(model.words), dtype=np.int64)
    _prepare(word_bytes, word_starts, model.row_of_bucket, model.rows, slots, word_sums, word_counts)
    return _Arrays(
        slots, word_bytes, word_starts, word_sums, word_counts, model.row_of_bucket, model.rows, model.nodes,
        model.children,
    )  # fmt: skip


@njit(cache=True, inline="always")
def _step(hash_, byte):  # type: ignore[no-untyped-def]
    """FNV-1a, but for bytes above 127: fastText reads them as negative numbers, so the upper bits flip too."""
    return np.uint32((hash_ ^ np.uint32(np.int8(byte))) * _PRIME)  # numba widens products to 64 bits


@njit(cache=True)
def _hash(data, start, end):  # type: ignore[no-untyped-def]
    hash_ = _OFFSET_BASIS
    for i in range(start, end):
        hash_ = _step(hash_, data[i])
    return hash_


@njit(cache=True)
def _prepare(word_bytes, word_starts, row_of_bucket, rows, slots, word_sums, word_counts):  # type: ignore[no-untyped-def]
    """Fill slots, word_sums and word_counts."""
    scratch = np.empty(len(word_bytes) + 2, dtype=np.uint8)
    for word in range(len(word_starts) - 1):
        start, end = word_starts[word], word_starts[word + 1]
        slot = _hash(word_bytes, start, end) & (len(slots) - 1)
        while slots[slot] >= 0:
            slot = (slot + 1) & (len(slots) - 1)
        slots[slot] = word
        word_sums[word] = rows[word]
        word_counts[word] = 1
        if word > 0:  # the end of the line has no n-grams
            word_counts[word] += _add_ngrams(word_bytes, start, end, scratch, row_of_bucket, rows, word_sums[word])


@njit(cache=True)
def _add_ngrams(data, start, end, scratch, row_of_bucket, rows, total):  # type: ignore[no-untyped-def]
    """Add the rows of the n-grams of "<word>" to `total`; how many there were."""
    size = end - start + 2
    scratch[0] = 0x3C
    scratch[1 : size - 1] = data[start:end]
    scratch[size - 1] = 0x3E
    count = 0
    for first in range(size):
        if scratch[first] & 0xC0 == 0x80:  # inside a character
            continue
        hash_ = _OFFSET_BASIS
        i = first
        for characters in range(1, 5):
            if i >= size:
                break
            hash_ = _step(hash_, scratch[i])
            i += 1
            while i < size and scratch[i] & 0xC0 == 0x80:
                hash_ = _step(hash_, scratch[i])
                i += 1
            if characters >= 2:
                row = row_of_bucket[hash_ % np.uint32(len(row_of_bucket))]
                if row > 0:
                    count += 1
                    for d in range(len(total)):
                        total[d] += rows[row, d]
    return count


@njit(cache=True, inline="always")
def _is_separator(byte):  # type: ignore[no-untyped-def]
    return byte == 0x20 or 0x09 <= byte <= 0x0D or byte == 0


@njit(cache=True)
def _find(data, start, end, slots, word_bytes, word_starts):  # type: ignore[no-untyped-def]
    """Index of a word, or -1."""
    slot = _hash(data, start, end) & (len(slots) - 1)
    while slots[slot] >= 0:
        word = slots[slot]
        if word_starts[word + 1] - word_starts[word] == end - start:
            same = True
            for i in range(end - start):
                if word_bytes[word_starts[word] + i] != data[start + i]:
                    same = False
                    break
            if same:
                return word
        slot = (slot + 1) & (len(slots) - 1)
    return -1


@njit(cache=True)
def _probabilities(  # type: ignore[no-untyped-def]
    data, offsets, slots, word_bytes, word_starts, word_sums, word_counts, row_of_bucket, rows, nodes, children
):
    """float64[n, L]"""
    labels = len(nodes) + 1
    found = np.empty((len(offsets) - 1, labels), dtype=np.float64)
    reached = np.empty(2 * labels - 1, dtype=np.float64)  # probability of each node of the tree
    longest = 0
    for sample in range(len(offsets) - 1):
        longest = max(longest, offsets[sample + 1] - offsets[sample])
    scratch = np.empty(longest + 2, dtype=np.uint8)
    total = np.empty(rows.shape[1], dtype=np.float32)
    for sample in range(len(offsets) - 1):
        total[:] = 0
        count = 0
        i, end = offsets[sample], offsets[sample + 1]
        while i < end:
            if _is_separator(data[i]):
                i += 1
                continue
            start = i
            while i < end and not _is_separator(data[i]):
                i += 1
            word = _find(data, start, i, slots, word_bytes, word_starts)
            if word >= 0:
                count += word_counts[word]
                for d in range(len(total)):
                    total[d] += word_sums[word, d]
            else:
                count += _add_ngrams(data, start, i, scratch, row_of_bucket, rows, total)
        for d in range(len(total)):  # the end of the line
            total[d] = (total[d] + rows[0, d]) * np.float32(1.0 / (count + 1))
        reached[2 * labels - 2] = 1.0
        for node in range(labels - 2, -1, -1):  # a parent stands behind its children
            product = np.float32(0)
            for d in range(len(total)):
                product += total[d] * nodes[node, d]
            right = 1.0 / (1.0 + np.exp(-np.float64(product)))
            reached[children[node, 0]] = reached[labels + node] * (1.0 - right + _EPSILON)
            reached[children[node, 1]] = reached[labels + node] * (right + _EPSILON)
        found[sample] = reached[:labels]
    return found
