"""Group `dedup`: what counts as the same document twice."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

from antimatter.params.ranges import Range


@dataclass(frozen=True, kw_only=True)
class Dedup:
    """Group `dedup` of params.yaml. A change reruns dedup and everything after it."""

    normalization: Literal["none", "spacing", "words"] = "words"
    """Text before shingling: none | spacing (whitespace runs to one space) | words (also lower case, punctuation to
    space). Digits and marks always stay: without them templates that differ in numbers alone would be equal."""
    shingle_words: Annotated[int, Range(1, 50)] = 5
    """Words in one shingle (Broder 1997); a shorter document is one shingle as a whole."""
    bands: Annotated[int, Range(1, 64)] = 14
    rows: Annotated[int, Range(1, 64)] = 8
    """A pair of Jaccard similarity s becomes a candidate with probability 1 - (1 - s**rows)**bands: 0.92 at s = 0.8."""
    threshold: Annotated[float, Range(0.01, 1.0)] = 0.8
    """Exact Jaccard similarity from which a candidate is a duplicate. Candidates only propose; this decides."""
    seed: Annotated[int, Range(0, 2**32 - 1)] = 1
    """Of the permutations."""
    max_removed_share_per_source: Annotated[float, Range(0.0, 1.0)] = 0.6
    """A source of at least 100 documents that loses a larger share of them stops the stage, with an explanation."""

    def problems(self) -> Iterator[str]:
        """Contradictions inside the group."""
        at_threshold = 1 - (1 - self.threshold**self.rows) ** self.bands
        if at_threshold < 0.5:
            yield (
                f"finds only {at_threshold:.0%} of the pairs at threshold {self.threshold:g} with {self.bands} bands x "
                f"{self.rows} rows; take more bands or fewer rows"
            )
