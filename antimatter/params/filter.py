"""Group `filter`: which documents stay. Filtering judges and never edits."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated, Literal

from antimatter.params.ranges import Matches, Range


@dataclass(frozen=True, kw_only=True)
class Policy:
    """What is asked of the documents of some sources: one rule set for all kinds of text would destroy a mix."""

    name: Annotated[str, Matches(r"[a-z][a-z0-9_]*")]
    """How `filter.sources` refers to it."""
    rule_sets: tuple[Literal["gopher_quality"], ...] = ("gopher_quality",)
    """Rule sets of antimatter/filter/rules.py, all of which a document must pass."""
    languages: tuple[Annotated[str, Matches(r"[a-z]{2}(-[a-z]{2})?")], ...] = ()
    """ISO 639-1 codes to keep; empty keeps every language."""
    minimum_language_score: Annotated[float, Range(0.0, 1.0)] = 0.65
    """Probability that the detected language needs (FineWeb, RefinedWeb: 0.65)."""
    thresholds: dict[str, float] = field(default_factory=dict)
    """Thresholds by reason that replace the paper's, e.g. gopher_quality.word_count: 20 (the lower bound)."""


@dataclass(frozen=True, kw_only=True)
class Filter:
    """Group `filter` of params.yaml. A change reruns filter and everything after it."""

    language_characters: Annotated[int, Range(20, 10_000)] = 1000
    """Characters at the start of a document on which its language is judged."""
    language_seed: Annotated[int, Range(0, 2**31)] = 0
    """langdetect draws random numbers; this seeds them."""
    policies: tuple[Policy, ...] = (Policy(name="prose"),)
    """The policies that sources may name."""
    sources: dict[str, str] = field(default_factory=dict)
    """Policy of each source by name; a source not named here gets the first policy."""
    max_removed_share_per_source: Annotated[float, Range(0.0, 1.0)] = 1.0
    """A source of at least 100 documents that loses a larger share of them stops the stage, with its reasons."""

    def problems(self) -> Iterator[str]:
        """Contradictions inside the group."""
        names = [policy.name for policy in self.policies]
        if not names:
            yield "has no policies: at least one is needed"
        for name in sorted({name for name in names if names.count(name) > 1}):
            yield f"defines policy {name} twice"
        for source, policy in self.sources.items():
            if policy not in names:
                yield f"gives source {source} the policy {policy}, which is not among {', '.join(names)}"
