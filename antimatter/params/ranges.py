"""What a parameter may be: the annotations that the groups of params.yaml put on their fields.

    words: Annotated[int, Range(1, 50)] = 5          a closed interval
    name:  Annotated[str, Matches(r"[a-z_]+")]       a whole-string pattern
    mode:  Literal["a", "b"] = "a"                   a choice (the standard type)

Standard library alone: the groups are imported on bare GPU machines too.
"""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Range:
    """Closed interval [low, high] for int and float fields."""

    low: float
    high: float

    def problem(self, value: float) -> str | None:
        """The expectation in words if value lies outside, else None."""
        return None if self.low <= value <= self.high else f"must lie in [{self.low:g}, {self.high:g}]"


@dataclass(frozen=True)
class Matches:
    """A regular expression that the whole string must match."""

    pattern: str

    def problem(self, value: str) -> str | None:
        """The expectation in words if value does not match, else None."""
        return None if re.fullmatch(self.pattern, value) else f"must match {self.pattern}"
