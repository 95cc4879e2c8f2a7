"""MinHash signatures: datasketch's, scheme affine64, over our shingle hashes (Broder 1997).

    value_k = min over the shingles h of (a_k fmix64(h) + b_k) mod 2^64     what datasketch.MinHash(hashfunc=int) has

Signatures of two documents agree in a share of places that estimates their Jaccard similarity, with a standard
deviation of sqrt(s (1 - s) / permutations): 0.038 at s = 0.8 for 112. That proposes; it cannot decide.
"""

from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numba import njit

from antimatter.dedup.shingles import BUFFER, MULTIPLIER, Shingles, find_pieces, pieces_of, power, roll
from antimatter.text.characters import buffers
from antimatter.text.words import mix

SCHEME = "affine64"
EMPTY = 2**64 - 1
"""Every value of the signature of a document without shingles."""


class Permutations(NamedTuple):
    """x -> a x + b mod 2^64, each a odd: a bijection; uint64[P] both."""

    a: np.ndarray
    b: np.ndarray


class Sketches(NamedTuple):
    """What bands need to know of n documents."""

    keys: np.ndarray
    """uint64[n, bands]"""
    pieces: np.ndarray
    """int64[n]: how many pieces each has; without any it has no shingles"""


def permutations(count: int, seed: int) -> Permutations:
    """As datasketch 2 draws them for affine64: all factors first, then all summands."""
    draw = np.random.RandomState(seed)  # its streams never change: NumPy's NEP 19
    a = [int(value) * 2 + 1 for value in draw.randint(0, 2**63, size=count, dtype=np.uint64)]
    b = draw.randint(0, 2**64, size=count, dtype=np.uint64)
    return Permutations(np.array(a, dtype=np.uint64), b)


def sketch(
    texts: pa.Array, normalization: str, size: int, drawn: Permutations, bands: int, salts: np.ndarray
) -> Sketches:
    """Band keys straight from canonical texts; neither shingles nor signatures are kept.

    texts: string or large_string without nulls. salts: uint64[n], documents with different ones never share a key.
    """
    data, offsets = buffers(texts)
    known = pieces_of(normalization)
    keys = np.empty((len(texts), bands), dtype=np.uint64)
    pieces = np.zeros(len(texts), dtype=np.int64)
    _sketch(data, offsets, known.flags, known.lower, size, drawn.a, drawn.b, salts, keys, pieces)
    return Sketches(keys, pieces)


def signatures(shingles: Shingles, drawn: Permutations) -> np.ndarray:
    """uint64[n, P]; a document without shingles has all ones."""
    signed = np.full((len(shingles.starts) - 1, len(drawn.a)), EMPTY, dtype=np.uint64)
    _sign(shingles.starts, shingles.hashes, drawn.a, drawn.b, signed)
    return signed


def band_keys(signed: np.ndarray, bands: int, salts: np.ndarray) -> np.ndarray:
    """uint64[n, bands] of signatures uint64[n, bands x rows] and salts uint64[n]: one key a band, a mix of its rows, of
    the band's number and of the salt. Different rows share a key with probability 2^-64."""
    keys = np.empty((len(signed), bands), dtype=np.uint64)
    for row in range(len(signed)):
        _write_keys(signed[row], salts[row], keys[row])
    return keys


@njit(cache=True)
def _lower(row, shingles, count, a, b):  # type: ignore[no-untyped-def]
    """Take shingles[:count] into a signature; eight at a time, so that each value is loaded and stored less often."""
    done = 0
    while done + 8 <= count:
        h0, h1, h2, h3 = mix(shingles[done]), mix(shingles[done + 1]), mix(shingles[done + 2]), mix(shingles[done + 3])
        h4, h5, h6, h7 = (
            mix(shingles[done + 4]),
            mix(shingles[done + 5]),
            mix(shingles[done + 6]),
            mix(shingles[done + 7]),
        )
        for k in range(len(row)):
            factor, summand = a[k], b[k]
            left = min(
                min(factor * h0 + summand, factor * h1 + summand), min(factor * h2 + summand, factor * h3 + summand)
            )
            right = min(
                min(factor * h4 + summand, factor * h5 + summand), min(factor * h6 + summand, factor * h7 + summand)
            )
            row[k] = min(row[k], min(left, right))
        done += 8
    while done < count:
        h0 = mix(shingles[done])
        for k in range(len(row)):
            row[k] = min(row[k], a[k] * h0 + b[k])
        done += 1


@njit(cache=True)
def _write_keys(row, salt, keys):  # type: ignore[no-untyped-def]
    rows = len(row) // len(keys)
    for band in range(len(keys)):
        key = salt + np.uint64(band + 1)
        for index in range(rows):
            key = mix(key * np.uint64(MULTIPLIER) + row[band * rows + index])
        keys[band] = key


@njit(cache=True)
def _sketch(data, offsets, flags, lower, size, a, b, salts, keys, pieces):  # type: ignore[no-untyped-def]
    found = np.empty(BUFFER + size, np.uint64)
    shingles = np.empty(BUFFER, np.uint64)
    row = np.empty(len(a), np.uint64)
    weight = power(size)
    for d in range(len(offsets) - 1):
        i, end = offsets[d], offsets[d + 1]
        total, value = 0, np.uint64(0)
        row[:] = np.uint64(EMPTY)
        while i < end:
            i, count = find_pieces(data, i, end, flags, lower, found[size:])
            made, value = roll(found, count, size, total, value, weight, shingles)
            total += count
            _lower(row, shingles, made, a, b)
        if 0 < total < size:
            shingles[0] = value
            _lower(row, shingles, 1, a, b)
        pieces[d] = total
        _write_keys(row, salts[d], keys[d])


@njit(cache=True)
def _sign(starts, hashes, a, b, signed):  # type: ignore[no-untyped-def]
    for d in range(len(starts) - 1):
        _lower(signed[d], hashes[starts[d] : starts[d + 1]], starts[d + 1] - starts[d], a, b)
