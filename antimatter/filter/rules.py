"""Rules as data: a signal, the bounds that it must keep, and who said so.

Bounds are met or crossed exactly, as if fractions were compared. A share is one division of two whole numbers, rounded
once; a bound is a decimal p/q, rounded once. Rounding never turns an order round, so only two different numbers that
become the same float64 could deceive. Those lie less than 2**-49 apart (below 16), but a/b and p/q differ by at least
1/(b q), which is more: b counts something in a document (below 2**31), and q is at most 100,000 (five decimals).
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from antimatter.errors import AntiMatterError

_CROSSES = {"at_least": np.less, "more_than": np.less_equal, "at_most": np.greater, "less_than": np.greater_equal}
_SIDES = {"at_least": "low", "more_than": "low", "at_most": "high", "less_than": "high"}


class MissingSignal(AntiMatterError, LookupError):
    """A rule cannot judge, because its signal is not there or has no value for a document."""


class Failure(NamedTuple):
    """One failed rule: its name, the measured value and the bound that it crossed (None where there is no number)."""

    reason: str
    value: float | None
    threshold: float | None


@dataclass(frozen=True, kw_only=True)
class Rule:
    """Keep a document if its signal keeps every bound that is given.

    >>> rule = Rule(reason="fineweb.short_lines", signal="short_line_share", less_than=0.67, source="a paper")
    >>> rule.fails(np.array([0.66, 0.67])).tolist(), rule.threshold_crossed(0.9)
    ([False, True], 0.67)
    """

    reason: str
    """<rule set>.<what is judged>, as the ledger names it."""
    signal: str
    """A column of data/filtered/signals."""
    at_least: float | None = None
    at_most: float | None = None
    more_than: float | None = None
    less_than: float | None = None
    source: str
    """Paper, arXiv number, section."""
    note: str = ""
    """Which reading was chosen, and what known code does otherwise."""
    needs: str = ""
    """What must be configured for the signal to exist: "clean.steps: c4_lines", "filter.bad_words"."""

    @property
    def bounds(self) -> dict[str, float]:
        """The given bounds by kind."""
        return {kind: bound for kind in _CROSSES if (bound := getattr(self, kind)) is not None}

    def fails(self, values: np.ndarray) -> np.ndarray:
        """bool [n]: where a value crosses a bound. values: int32, float64 or bool [n], as for `thresholds_crossed`."""
        failing: np.ndarray = ~np.isnan(self.thresholds_crossed(values))
        return failing

    def thresholds_crossed(self, values: np.ndarray) -> np.ndarray:
        """float64 [n]: the bound that each value crosses, NaN where it keeps them all. True counts as 1.

        Raises: MissingSignal if a value is NaN or null: a comparison would keep such a document in silence.
        """
        numbers = np.asarray(values, dtype=np.float64)
        missing = np.flatnonzero(np.isnan(numbers))
        if len(missing):
            raise MissingSignal(
                f"{self.reason} cannot judge: the signal {self.signal} has no value for {len(missing)} of "
                f"{len(numbers)} documents, the first of them number {missing[0]}"
            )
        crossed = np.full(len(numbers), np.nan)
        for kind, bound in self.bounds.items():
            crossed[_CROSSES[kind](numbers, bound)] = bound
        return crossed

    def threshold_crossed(self, value: float) -> float:
        """The bound that a failing value crosses; NaN if it keeps them all."""
        return float(self.thresholds_crossed(np.array([value]))[0])

    def threshold_names(self) -> dict[str, str]:
        """What a policy calls each bound, with its kind: the reason; of two bounds <reason>.low and <reason>.high.

        >>> Rule(reason="a.length", signal="words", at_least=50, at_most=100, source="a paper").threshold_names()
        {'a.length.low': 'at_least', 'a.length.high': 'at_most'}
        """
        if len(self.bounds) == 1:
            (kind,) = self.bounds
            return {self.reason: kind}
        return {f"{self.reason}.{_SIDES[kind]}": kind for kind in self.bounds}

    def with_threshold(self, name: str, threshold: float) -> "Rule":
        """The rule with another number in the bound of this name; whether the bound itself is kept stays as it was.

        Raises: KeyError if no bound has this name.
        """
        bounds: dict[str, float | None] = {self.threshold_names()[name]: threshold}
        return replace(self, **bounds)  # type: ignore[arg-type]
