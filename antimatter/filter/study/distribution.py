"""How a signal is distributed over documents, in memory that does not grow with them.

Values are kept to 11 significant bits, cut towards zero: whole numbers up to 2048 exactly, others to 0.1 %. There are
few such numbers, so each is counted, and distributions of shards add up in any order to the same one.
"""

from collections.abc import Sequence

import numpy as np

_CUT_BITS = np.int64(~((1 << 42) - 1))  # of the 52 bits of a float64's fraction 10 stay


class Distribution:
    """Counts of the values of one signal; what is not finite (no value) is not counted."""

    def __init__(self) -> None:
        self._counts: dict[float, int] = {}

    def add(self, values: np.ndarray) -> None:
        """Count these values: any numeric or bool dtype [n]."""
        cut, counts = np.unique(shortened(values), return_counts=True)
        for value, count in zip(cut.tolist(), counts.tolist(), strict=True):
            self._counts[value] = self._counts.get(value, 0) + count

    def values(self) -> tuple[np.ndarray, np.ndarray]:
        """The different values in ascending order (float64 [k]) and how often each occurs (int64 [k])."""
        ordered = sorted(self._counts)
        counts = [self._counts[value] for value in ordered]
        return np.array(ordered, dtype=np.float64), np.array(counts, dtype=np.int64)

    @property
    def documents(self) -> int:
        """How many values were counted."""
        return sum(self._counts.values())

    def quantiles(self, shares: Sequence[float]) -> list[float]:
        """The smallest value that at least this share of the documents does not exceed, for each share in (0, 1].

        0 asks for the smallest value. Without documents: nan.

        >>> lengths = Distribution()
        >>> lengths.add(np.array([1, 2, 3, 4]))
        >>> lengths.quantiles([0, 0.5, 0.51, 1])
        [1.0, 2.0, 3.0, 4.0]
        """
        values, counts = self.values()
        if not len(values):
            return [float("nan")] * len(shares)
        ranks = np.ceil(np.array(shares) * counts.sum() - 1e-9)
        return [float(value) for value in values[np.searchsorted(np.cumsum(counts), ranks)]]


def shortened(values: np.ndarray) -> np.ndarray:
    """The finite values as float64 with 11 significant bits; zero has no sign."""
    numbers = np.asarray(values).astype(np.float64)
    finite = numbers[np.isfinite(numbers)] + 0.0
    return (finite.view(np.int64) & _CUT_BITS).view(np.float64) + 0.0
