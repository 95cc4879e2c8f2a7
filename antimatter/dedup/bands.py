"""Bands: documents that agree on all rows of a band share a bucket and become candidates (Indyk & Motwani 1998).

signature   v v v v v v v v | v v v v v v v v | ...        14 bands of 8 rows
key64                K0     |        K1       | ...        equal keys in one band: one bucket
"""

from typing import NamedTuple

import numpy as np


class Buckets(NamedTuple):
    """What scratch/buckets/ holds, a file a partition."""

    first: np.ndarray
    """int64[partitions+1]: number of the first bucket of each"""
    members: int
    largest: int


def find_probability(similarity: float, bands: int, rows: int) -> float:
    """Chance that a pair of this Jaccard similarity shares at least one bucket: 1 - (1 - s^rows)^bands."""
    return float(1 - (1 - similarity**rows) ** bands)


def s_curve(bands: int, rows: int) -> dict[str, float]:
    """find_probability at 0.50, 0.55, ... 1.00, for the report."""
    return {f"{part / 100:.2f}": round(find_probability(part / 100, bands, rows), 4) for part in range(50, 101, 5)}


def say_curve(bands: int, rows: int) -> str:
    """The curve in a line.

    >>> say_curve(14, 8)
    '14 bands x 8 rows find a pair of similarity .50 5 %, .60 21 %, .70 56 %, .80 92 %, .90 over 99 %'
    """
    percent = {tenths: 100 * find_probability(tenths / 10, bands, rows) for tenths in range(5, 10)}
    told = ", ".join(f".{tenths}0 {'over 99' if part >= 99.5 else f'{part:.0f}'} %" for tenths, part in percent.items())
    return f"{bands} bands x {rows} rows find a pair of similarity {told}"


def buckets(keys: np.ndarray, documents: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Buckets of at least two documents.

    keys uint64[m], documents int64[m]: one entry a document and band.
    Returns: (bucket, document), int64 each: the members, bucket by bucket, buckets numbered from 0.
    """
    order = np.argsort(keys)
    keys = keys[order]
    is_first = np.ones(len(keys) + 1, dtype=bool)
    np.not_equal(keys[1:], keys[:-1], out=is_first[1:-1])
    is_single = is_first[:-1] & is_first[1:]
    number = np.cumsum(is_first[:-1] & ~is_single) - 1
    shared = ~is_single
    return number[shared].astype(np.int64), documents[order][shared].astype(np.int64)
