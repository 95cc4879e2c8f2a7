"""How a signal is distributed over documents, in memory that does not grow with them.

Values are kept to 11 significant bits, cut towards zero: whole numbers up to 2048 exactly, others to 0.1 %. There are
few such numbers, so each is counted, and distributions of shards add up in any order to the same one. How many of the
documents fail is counted beside each value, from the verdicts: a shortened value may lie beyond a threshold that the
whole one keeps (0.8 becomes 0.7998).
"""

from collections.abc import Sequence

import numpy as np

_CUT_BITS = np.int64(~((1 << 42) - 1))  # of the 52 bits of a float64's fraction 10 stay


class Distribution:
    """Counts of the values of one signal; what is not finite (no value) is not counted."""

    def __init__(self) -> None:
        self._counts: dict[float, tuple[int, int]] = {}
        """value -> documents, and those of them that fail"""

    def add(self, values: np.ndarray, fails: np.ndarray | None = None) -> None:
        """Count these values: any numeric or bool dtype [n]. fails: bool [n], from the verdicts; None: none does."""
        numbers = np.asarray(values).astype(np.float64)
        finite = np.isfinite(numbers)
        failing = np.zeros(len(numbers), dtype=bool) if fails is None else fails
        cut, places = np.unique(shortened(numbers[finite]), return_inverse=True)
        counts = (np.bincount(places, minlength=len(cut)), np.bincount(places[failing[finite]], minlength=len(cut)))
        for value, here, failed in zip(cut.tolist(), *(one.tolist() for one in counts), strict=True):
            before = self._counts.get(value, (0, 0))
            self._counts[value] = (before[0] + here, before[1] + failed)

    def values(self) -> tuple[np.ndarray, np.ndarray]:
        """The different values in ascending order (float64 [k]) and how often each occurs (int64 [k])."""
        ordered = sorted(self._counts)
        counts = [self._counts[value][0] for value in ordered]
        return np.array(ordered, dtype=np.float64), np.array(counts, dtype=np.int64)

    def failing(self) -> np.ndarray:
        """int64 [k]: how many documents fail, for each of `values`."""
        return np.array([self._counts[value][1] for value in sorted(self._counts)], dtype=np.int64)

    @property
    def documents(self) -> int:
        """How many values were counted."""
        return sum(here for here, _ in self._counts.values())

    @property
    def failed(self) -> int:
        """How many of these documents fail."""
        return sum(failed for _, failed in self._counts.values())

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
    """float64 [n] with 11 significant bits, of finite float64 [n]; zero has no sign."""
    return ((values + 0.0).view(np.int64) & _CUT_BITS).view(np.float64) + 0.0
