"""Verification: the exact Jaccard similarity of two sets of shingles; signatures only say where to look.

a = {1 2 3}, b = {2 3 4}      Jaccard |a & b| / |a | b| = 2/4      containment of b in a: |a & b| / |b| = 2/3
"""

import math

from numba import njit

MISS = 1e-6
"""Probability with which signatures may hide a pair that is at the threshold."""


@njit(cache=True)
def common(left, right):  # type: ignore[no-untyped-def]
    """How many values two ascending arrays of distinct uint64 share."""
    i = j = shared = 0
    while i < len(left) and j < len(right):
        one, other = left[i], right[j]
        shared += one == other
        i += one <= other
        j += other <= one
    return shared


@njit(cache=True)
def jaccard(left, right):  # type: ignore[no-untyped-def]
    """|left & right| / |left | right| of ascending distinct hashes, one float64 division; 0 if both are empty: nothing
    was compared."""
    shared = common(left, right)
    union = len(left) + len(right) - shared
    return shared / union if union else 0.0


@njit(cache=True)
def highest_possible(left, right):  # type: ignore[no-untyped-def]
    """The largest Jaccard similarity that two sets of these sizes can have."""
    return min(left, right) / max(left, right) if max(left, right) else 0.0


@njit(cache=True)
def agreements(left, right):  # type: ignore[no-untyped-def]
    """In how many places two signatures agree."""
    same = 0
    for index in range(len(left)):
        same += left[index] == right[index]
    return same


@njit(cache=True)
def shared_bands(left, right, rows):  # type: ignore[no-untyped-def]
    """In how many bands of so many rows two signatures agree."""
    shared = 0
    for first in range(0, len(left), rows):
        same = 0
        for index in range(first, first + rows):
            same += left[index] == right[index]
        shared += same == rows
    return shared


def least_agreements(threshold: float, permutations: int) -> int:
    """Places in which the signatures of a pair at the threshold agree, but for a chance of less than 1e-6: a pair with
    fewer need not be compared. (Of ideal min-wise hashes: each place agrees with probability J by itself.)

    >>> least_agreements(0.8, 112)
    68
    """
    missed = 0.0
    for places in range(permutations + 1):
        if threshold < 1:
            logarithm = places * math.log(threshold) + (permutations - places) * math.log1p(-threshold)
            missed += math.exp(math.log(math.comb(permutations, places)) + logarithm)
        if missed >= MISS:
            return places
    return permutations
