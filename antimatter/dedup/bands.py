"""Bands: documents that agree on all rows of a band share a bucket and become candidates (Indyk & Motwani 1998).

signature   v v v v v v v v | v v v v v v v v | ...        14 bands of 8 rows
key64                K0     |        K1       | ...        equal keys in one band: one bucket
"""

import numpy as np
from numpy.typing import NDArray

from antimatter.dedup.shingles import MULTIPLIER, fmix64


def band_keys(signatures: NDArray[np.uint64], bands: int, rows: int) -> NDArray[np.uint64]:
    """uint64 [documents, bands]: one key a band, a mix of its rows; the band's number is mixed in too."""
    documents = len(signatures)
    keys = np.empty((documents, bands), dtype=np.uint64)
    for band in range(bands):
        block = signatures[:, band * rows : (band + 1) * rows]
        key = np.full(documents, band + 1, dtype=np.uint64)
        for row in range(rows):
            key = fmix64(key * np.uint64(MULTIPLIER) + block[:, row])
        keys[:, band] = key
    return keys


def find_probability(similarity: float, bands: int, rows: int) -> float:
    """Chance that a pair of this Jaccard similarity shares at least one bucket: 1 - (1 - s^rows)^bands."""
    return float(1 - (1 - similarity**rows) ** bands)


def s_curve(bands: int, rows: int) -> dict[str, float]:
    """find_probability at 0.5, 0.6, ... 1.0, for the report."""
    return {f"{tenth / 100:.2f}": round(find_probability(tenth / 100, bands, rows), 4) for tenth in range(50, 101, 5)}


def buckets(keys: NDArray[np.uint64], ranks: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Buckets of at least two documents.

    keys, ranks:  [n], one entry a document and band.
    Returns:      (bucket, rank), int64 [m] each: the members, sorted by bucket number, then rank.
    """
    order = np.lexsort((ranks, keys))
    keys, ranks = keys[order], ranks[order]
    starts = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]])) if len(keys) else np.empty(0, np.int64)
    sizes = np.diff(np.append(starts, len(keys)))
    shared = np.repeat(sizes >= 2, sizes)
    numbers = np.repeat(np.cumsum(sizes >= 2) - 1, sizes)
    return numbers[shared].astype(np.int64), ranks[shared].astype(np.int64)
