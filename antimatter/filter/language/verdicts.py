"""What every detector promises: languages and scores for a batch of samples, each judged on its own."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np


class Verdicts(NamedTuple):
    """What a detector says about n samples."""

    languages: list[str | None]
    """ISO 639-1 code, or 639-3 where there is none; None where nobody can tell"""
    scores: np.ndarray
    """float64[n] in [0, 1], six decimals: the detector's probability of that language; 0 where the language is None"""
    arbitrated: np.ndarray
    """bool[n]: a second detector was asked; False throughout but for the cascade"""


class Detector(Protocol):
    """A way to tell the language of samples."""

    def detect(self, samples: Sequence[str]) -> Verdicts:
        """One verdict a sample. It depends on that sample alone, not on its neighbours, the process or its past; no
        text makes it raise (a lone surrogate does not either)."""


def undecided(count: int) -> Verdicts:
    """None of `count` samples is determined; for a detector to fill in."""
    return Verdicts([None] * count, np.zeros(count, dtype=np.float64), np.zeros(count, dtype=np.bool_))
