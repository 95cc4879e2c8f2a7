"""A sliding window whose median and spread cost little: neither moves much for a few outliers.

The spread is 1.4826 x the median absolute deviation, which is the standard deviation of Gaussian values. Mean and
standard deviation would blind themselves: one value of 9.0 among losses of 3.2 +- 0.03 hides a doubled loss for as long
as it stays in a window of 128.
"""

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterable

_TO_STANDARD_DEVIATION = 1.4826


class Window:
    """The last `size` values given to `push`, finite floats.

    >>> window = Window(5, [3.0, 3.1, 9.0, 2.9, 3.0])
    >>> window.median(), round(window.spread(), 3)
    (3.0, 0.148)
    """

    def __init__(self, size: int, values: Iterable[float] = ()) -> None:
        self._order = deque(values, maxlen=size)
        self._sorted = sorted(self._order)

    def __len__(self) -> int:
        return len(self._order)

    def values(self) -> list[float]:
        """Oldest first: what a second Window needs to be this one."""
        return list(self._order)

    def push(self, value: float) -> None:
        """Take `value` in; the oldest leaves when the window is full."""
        if len(self._order) == self._order.maxlen:
            del self._sorted[bisect_left(self._sorted, self._order[0])]
        self._order.append(value)
        insort(self._sorted, value)

    def median(self) -> float:
        """Of an even number of values the mean of the middle two. The window must not be empty."""
        count = len(self._sorted)
        return (self._sorted[(count - 1) // 2] + self._sorted[count // 2]) / 2

    def spread(self) -> float:
        """1.4826 x the median of the distances to the median. The window must not be empty."""
        count, middle = len(self._sorted), self.median()
        lower, upper = self._radius(middle, (count + 1) // 2), self._radius(middle, count // 2 + 1)
        return _TO_STANDARD_DEVIATION * (lower + upper) / 2

    def _radius(self, middle: float, count: int) -> float:
        """How far the `count`-th nearest value lies from `middle`; the nearest ones are neighbours in the order."""
        values = self._sorted
        starts = range(len(values) - count + 1)
        # the further right those neighbours start, the further they reach right of the middle and the less left of it
        start = bisect_left(starts, True, key=lambda i: values[i + count - 1] - middle >= middle - values[i])
        near = (i for i in (start - 1, start) if i in starts)
        return min(max(middle - values[i], values[i + count - 1] - middle) for i in near)
