"""Who stands in for whom where chance is measured: no one for himself."""

import numpy as np
from numpy.typing import NDArray


def derangement(count: int, seed: int) -> NDArray[np.int64]:
    """A permutation of 0 .. count - 1 that leaves nothing in its place, int64 [count].

    All on one random cycle (Sattolo 1986). Raises: ValueError for fewer than 2, of which there is none.
    """
    if count < 2:
        raise ValueError(f"{count} cannot be permuted so that nothing stays in its place")
    order = np.random.default_rng(seed).permutation(count)
    found = np.empty(count, dtype=np.int64)
    found[order] = np.roll(order, 1)
    return found
