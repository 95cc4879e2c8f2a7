"""What an edit is: the text that it leaves, and how much it changed. The one shape that all steps share."""

from collections import Counter
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

_NOTHING: Mapping[str, int] = MappingProxyType({})


class Edit(NamedTuple):
    """What one step made of one text."""

    text: str
    characters: int = 0
    """Characters of the text before that were removed or replaced; 0 if and only if the text is unchanged."""
    facts: Mapping[str, int] = _NOTHING
    """What else the step counted (lines, masks of a kind); the same names for every text."""


Step = Callable[[str], Edit]


def lost_characters(before: str, after: str) -> int:
    """Characters of `before` that `after` no longer holds, order aside; at least 1 if the texts differ.

    So a removed or replaced character counts 1, however many took its place. Linear in the length of the texts.

    >>> lost_characters("a  b", "a b"), lost_characters("Ã©t", "ét"), lost_characters("ab", "ba")
    (1, 2, 1)
    """
    if before == after:
        return 0
    start = common_start(before, after)
    before, after = before[start:], after[start:]
    end = common_start(before[::-1], after[::-1])
    before, after = before[: len(before) - end], after[: len(after) - end]
    return max(1, (Counter(before) - Counter(after)).total())


def common_start(one: str, other: str) -> int:
    """Length of the longest common start: halving, because comparing slices is fast."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
