"""Classes of training frequency: how well a model predicts common and rare tokens is one figure for each."""

import numpy as np
from numpy.typing import NDArray

CLASSES = 10


def frequency_classes(counts_V: NDArray[np.int64]) -> NDArray[np.int8]:
    """int8 [V]: 0 for the most frequent tokens .. 9 for the rarest, each class about a tenth of all occurrences.

    counts_V: int64 [V], occurrences in training. Tokens stand in the order of their counts, ties in that of their ids;
    a token's class is the tenth in which its first occurrence lies, so a token that fills several tenths leaves the
    later ones empty. Tokens without any occurrence are in the last class.

    >>> frequency_classes(np.array([0, 5, 30, 30, 35])).tolist()
    [9, 9, 3, 6, 0]
    """
    total = int(counts_V.sum())
    order = np.argsort(-counts_V, kind="stable")
    before = np.cumsum(counts_V[order]) - counts_V[order]
    classes_V = np.full(len(counts_V), CLASSES - 1, dtype=np.int8)
    if total:
        classes_V[order] = np.minimum(before * CLASSES // total, CLASSES - 1)
    return classes_V
