"""Verification: the exact Jaccard similarity of two sets of shingles."""

import numpy as np

from antimatter.dedup.shingles import Hashes


def jaccard(left: Hashes, right: Hashes) -> float:
    """|left & right| / |left | right| of sorted distinct hashes; 0 if both are empty: nothing was compared.

    >>> jaccard(np.array([1, 2, 3], dtype=np.uint64), np.array([2, 3, 4], dtype=np.uint64))
    0.5
    """
    if not len(left) or not len(right):
        return 0.0
    small, large = (left, right) if len(left) <= len(right) else (right, left)
    places = np.searchsorted(large, small)
    places[places == len(large)] = 0
    common = int((large[places] == small).sum())
    return common / (len(left) + len(right) - common)


def highest_possible(left: int, right: int) -> float:
    """The largest Jaccard similarity that two sets of these sizes can have."""
    return min(left, right) / max(left, right, 1)
