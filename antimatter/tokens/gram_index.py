"""N-grams of tokens as 64-bit hashes, and an index of them on disk that is mapped, never read whole.

    ids 5 6 7 8, n = 3    ->    hash(5 6 7)  hash(6 7 8)

An n-gram never reaches from one document into the next. Its hash is the polynomial of its ids mod 2^64, which rolls,
made even by MurmurHash3's finalizer: of 440 million n-grams here and 8.8 billion there, 0.2 pairs of different ones are
expected to share one.

    grams.npy    uint64[G]         the hashes, ascending and distinct
    filter.npy   uint64[2^k]       16 bits a hash or more: each sets three, chosen by its lower bits, in the word that
                                   its upper k bits choose; 1 % of the hashes that are not there find theirs set
    buckets.npy  int64[2^b + 1]    hashes whose upper b bits are v: grams[buckets[v]:buckets[v + 1]], 32 to 64 on
                                   average
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from antimatter.corpus.shards import atomic_path
from antimatter.execution.scratch import array_path, save
from antimatter.text.words import mix

Ids = NDArray[np.unsignedinteger[Any]]
Hashes = NDArray[np.uint64]
MULTIPLIER = 0x9E3779B97F4A7C15  # 2^64 / golden ratio, odd
_GRAMS_A_WORD = 4
_GRAMS_A_BUCKET = 64


class Index(NamedTuple):
    """The three arrays, mapped."""

    grams: Hashes
    words: Hashes
    buckets: NDArray[np.int64]


def grams(ids: Ids, starts: NDArray[np.int64], size: int) -> tuple[Hashes, NDArray[np.int64]]:
    """(hashes uint64 [G], starts int64 [n + 1]) of the n-grams of n documents, in their order.

    ids     uint16 or uint32: document d is ids[starts[d]:starts[d + 1]]; one of fewer than `size` ids has no n-gram
    starts  int64 [n + 1], never falling
    """
    of_each = np.maximum(np.diff(starts) - size + 1, 0)
    bounds = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(of_each, dtype=np.int64)])
    hashes = np.empty(bounds[-1], dtype=np.uint64)
    _grams(np.ascontiguousarray(ids, dtype=np.uint32), starts, size, hashes)
    return hashes, bounds


def power_of_two(least: int) -> int:
    """The smallest 2^k >= least."""
    return 1 << max(0, (least - 1).bit_length())


def distinct(hashes: Hashes) -> Hashes:
    """Ascending, each once; `hashes` is sorted in place."""
    hashes.sort()  # np.unique goes through a table of hashes: ten times slower where nearly all are distinct
    is_first = np.ones(len(hashes), dtype=np.bool_)
    np.not_equal(hashes[1:], hashes[:-1], out=is_first[1:])
    return hashes[is_first]


def write_run(folder: Path, partition: int, hashes: Hashes) -> int:
    """Keep the distinct ones of the hashes of one partition for `build`; returns their number."""
    run = distinct(hashes)
    save(array_path(folder, "runs", partition), run)
    return len(run)


def partition_of(hashes: Hashes, partitions: int) -> NDArray[np.int32]:
    """The run of each hash: its upper bits. partitions: a power of two."""
    return ((hashes >> np.uint64(32)) * np.uint64(partitions) >> np.uint64(32)).astype(np.int32)


def build(folder: Path, lengths: Sequence[int]) -> None:
    """Join the runs of `write_run`, which hold so many hashes each, to the index; the runs are removed.

    Filter and buckets come out piece by piece as well, because all three go by the upper bits. grams.npy appears last:
    with it the index is whole. Memory: three runs, and 1/8 to 1/4 of a byte a hash.
    """
    if not (folder / "grams.npy").exists():
        total, partitions = sum(lengths), len(lengths)
        word_count = max(2, partitions, power_of_two(-(-total // _GRAMS_A_WORD)))
        bucket_count = max(2, partitions, power_of_two(-(-total // _GRAMS_A_BUCKET)))
        of_bucket = np.zeros(bucket_count + 1, dtype=np.int64)
        with (
            _array_file(folder / "grams.npy", total) as add_grams,
            _array_file(folder / "filter.npy", word_count) as add_words,
        ):
            for partition in range(partitions):
                run = np.load(array_path(folder, "runs", partition))
                piece = np.zeros(word_count // partitions, dtype=np.uint64)
                _fill(run, piece, _shift(word_count))
                _count(run, of_bucket[1:], _shift(bucket_count))
                add_grams(run)
                add_words(piece)
            save(folder / "buckets.npy", np.cumsum(of_bucket))
    for partition in range(len(lengths)):
        array_path(folder, "runs", partition).unlink(missing_ok=True)


def opened(folder: Path) -> Index:
    """The index that `build` wrote."""
    return Index(mapped(folder / "grams.npy"), mapped(folder / "filter.npy"), mapped(folder / "buckets.npy"))


def mapped(path: Path) -> NDArray[Any]:
    """An array of a .npy file, mapped; plain, because numba compiles nothing for the subclass."""
    array: NDArray[Any] = np.load(path, mmap_mode="r").view(np.ndarray)
    return array


def no_marks(index: Index) -> NDArray[np.uint8]:
    """A bit for each hash of the index, all 0."""
    return np.zeros(-(-len(index.grams) // 8), dtype=np.uint8)


def mark_grams(ids: Ids, starts: NDArray[np.int64], size: int, index: Index, marks: NDArray[np.uint8]) -> None:
    """Set the bits of the hashes that occur in n documents; see `grams` for ids and starts."""
    ids = np.ascontiguousarray(ids, dtype=np.uint32)
    _mark_grams(ids, starts, size, *index, _shift(len(index.words)), _shift(len(index.buckets) - 1), marks)


def mark_places(places: NDArray[np.int64], marks: NDArray[np.uint8]) -> None:
    """Set the bits of hashes by their places in the index."""
    _mark_places(places, marks)


def marked_places(marks: NDArray[np.uint8]) -> NDArray[np.int64]:
    """The places of the hashes whose bits are set, ascending."""
    places = np.empty(np.bitwise_count(marks).sum(dtype=np.int64), dtype=np.int64)
    _marked_places(marks, places)
    return places


def are_marked(hashes: Hashes, index: Index, marks: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Whether the bit of each hash is set.

    Raises: ValueError if the index lacks one.
    """
    found = np.empty(len(hashes), dtype=np.bool_)
    lacking = _are_marked(hashes, index.grams, index.buckets, _shift(len(index.buckets) - 1), marks, found)
    if lacking:
        raise ValueError(f"{lacking} of {len(hashes)} n-grams are not in the index: it was built of other documents")
    return found


def _shift(parts: int) -> int:
    """How far a hash is shifted to the right to choose one of 2^k >= 2 parts by its upper bits."""
    return 65 - parts.bit_length()


@contextlib.contextmanager
def _array_file(path: Path, length: int) -> Iterator[Callable[[Hashes], object]]:
    """Takes an array of uint64 piece by piece and keeps it as .npy, whole or not at all."""
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        header = {"descr": "<u8", "fortran_order": False, "shape": (length,)}
        np.lib.format.write_array_header_1_0(file, header)
        yield lambda piece: file.write(piece.data)


@njit(cache=True)
def _weight(size):  # type: ignore[no-untyped-def]
    """What an id that leaves an n-gram weighs in the polynomial of the next one."""
    result = np.uint64(1)
    for _ in range(size):
        result *= np.uint64(MULTIPLIER)
    return result


@njit(cache=True)
def _grams(ids, starts, size, hashes):  # type: ignore[no-untyped-def]
    weight, made = _weight(size), 0
    for d in range(len(starts) - 1):
        first, end = starts[d], starts[d + 1]
        value = np.uint64(0)
        for i in range(first, min(first + size - 1, end)):
            value = value * np.uint64(MULTIPLIER) + np.uint64(ids[i])
        for i in range(first + size - 1, end):
            value = value * np.uint64(MULTIPLIER) + np.uint64(ids[i])
            if i - size >= first:
                value -= np.uint64(ids[i - size]) * weight
            hashes[made] = mix(value)
            made += 1


@njit(cache=True, inline="always")
def _bits(value):  # type: ignore[no-untyped-def]
    """The three bits of a hash in its word of the filter; they need not be different ones."""
    one, low = np.uint64(1), np.uint64(63)
    return (one << (value & low)) | (one << ((value >> np.uint64(6)) & low)) | (one << ((value >> np.uint64(12)) & low))


@njit(cache=True)
def _fill(run, words, shift):  # type: ignore[no-untyped-def]
    """Set the bits of hashes in `words`, the part of the filter that they share."""
    part = np.uint64(len(words) - 1)
    for value in run:
        words[(value >> np.uint64(shift)) & part] |= _bits(value)


@njit(cache=True)
def _count(run, counts, shift):  # type: ignore[no-untyped-def]
    for value in run:
        counts[value >> np.uint64(shift)] += 1


@njit(cache=True)
def _find(value, grams, buckets, shift):  # type: ignore[no-untyped-def]
    """The place of a hash, or -1."""
    bucket = np.int64(value >> np.uint64(shift))
    low, high = buckets[bucket], buckets[bucket + 1]
    end = high
    while low < high:
        middle = (low + high) >> 1
        if grams[middle] < value:
            low = middle + 1
        else:
            high = middle
    return low if low < end and grams[low] == value else np.int64(-1)


@njit(cache=True)
def _mark_grams(ids, starts, size, grams, words, buckets, word_shift, bucket_shift, marks):  # type: ignore[no-untyped-def]
    weight = _weight(size)  # _grams again: a hash that is looked up at once needs no room, 8 bytes a token
    for d in range(len(starts) - 1):
        first, end = starts[d], starts[d + 1]
        value = np.uint64(0)
        for i in range(first, min(first + size - 1, end)):
            value = value * np.uint64(MULTIPLIER) + np.uint64(ids[i])
        for i in range(first + size - 1, end):
            value = value * np.uint64(MULTIPLIER) + np.uint64(ids[i])
            if i - size >= first:
                value -= np.uint64(ids[i - size]) * weight
            mixed = mix(value)
            bits = _bits(mixed)
            if words[mixed >> np.uint64(word_shift)] & bits == bits:
                place = _find(mixed, grams, buckets, bucket_shift)
                if place >= 0:
                    marks[place >> 3] |= np.uint8(1 << (place & 7))


@njit(cache=True)
def _mark_places(places, marks):  # type: ignore[no-untyped-def]
    for place in places:
        marks[place >> 3] |= np.uint8(1 << (place & 7))


@njit(cache=True)
def _marked_places(marks, places):  # type: ignore[no-untyped-def]
    count = 0
    for index in range(len(marks)):
        if marks[index]:
            for bit in range(8):
                if (marks[index] >> bit) & 1:
                    places[count] = 8 * index + bit
                    count += 1


@njit(cache=True)
def _are_marked(hashes, grams, buckets, shift, marks, found):  # type: ignore[no-untyped-def]
    """Fill `found`; returns how many hashes the index lacks."""
    lacking = 0
    for index in range(len(hashes)):
        place = _find(hashes[index], grams, buckets, shift)
        if place < 0:
            lacking += 1
        else:
            found[index] = (marks[place >> 3] >> (place & 7)) & 1
    return lacking
