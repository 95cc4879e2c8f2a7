"""Group `dedup`: what counts as the same document twice, and which copy stays."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated, Literal

from antimatter.params.ranges import Matches, Range

Criterion = Annotated[str, Matches(r"-?[a-z][a-z0-9_.]*")]


@dataclass(frozen=True, kw_only=True)
class Lines:
    """Lines or paragraphs that stand in several documents: an optional pass over the documents that are kept.

    It does harm to code, whose lines repeat by nature, and to text that is broken into lines of equal width, where a
    line is part of a sentence: leave such sources out, or compare paragraphs."""

    unit: Literal["none", "line", "paragraph"] = "none"
    """What is compared, stripped and without case: none (no such pass) | line | paragraph (lines up to a blank one).
    Of equal ones the document with the smallest content digest keeps its first; the others are cut out (Raffel et al.
    2020, section 2.2, deduplicates lines)."""
    min_words: Annotated[int, Range(1, 1000)] = 3
    """Shorter ones stay wherever they stand: headings, single brackets."""
    min_sentences: Annotated[int, Range(0, 1000)] = 0
    """A document that was cut from so many sentences or more to fewer is removed (C4: 3); one without text always is.
    It takes along the lines that it keeps for others, as in C4: the report counts as units_lost those of which no copy
    is left; 0 loses none. A document that others left for is never removed: it stays uncut instead."""
    sources: tuple[str, ...] = ()
    """The sources that the pass looks at; empty: all. Documents of others are neither compared nor cut."""


@dataclass(frozen=True, kw_only=True)
class Dedup:
    """Group `dedup` of params.yaml. A change reruns dedup and everything after it."""

    normalization: Literal["none", "spacing", "words"] = "words"
    """Text as it is compared. words: letters, digits and their marks in lower case, whatever parts them. spacing: what
    stands between whitespace, as it stands. none: as spacing, and every whitespace character counts (indentation of
    code), for exact copies too. Digits, accents and vowel signs always stay: without them templates that differ in
    numbers alone would be equal."""
    shingle_words: Annotated[int, Range(1, 50)] = 5
    """Words in one shingle (Broder 1997), letters in scripts without spaces; a shorter document is one shingle as a
    whole."""
    bands: Annotated[int, Range(1, 64)] = 14
    rows: Annotated[int, Range(1, 64)] = 8
    """A pair of Jaccard similarity s becomes a candidate with probability 1 - (1 - s**rows)**bands: 0.92 at s = 0.8."""
    threshold: Annotated[float, Range(0.01, 1.0)] = 0.8
    """Exact Jaccard similarity from which a candidate is a duplicate. Candidates only propose; this decides."""
    seed: Annotated[int, Range(0, 2**32 - 1)] = 1
    """Of the permutations."""
    index: Literal["bands", "datasketch"] = "bands"
    """Who finds documents that share a band: our sorted files, or datasketch's MinHashLSH in memory (5.5 KB a document:
    for small corpora). Both find the same."""
    leaders_per_bucket: Annotated[int, Range(1, 10_000)] = 32
    """A document is compared with at most so many kept documents of each of its buckets, those of the nearest rank.
    What a hot bucket holds beyond is counted in the report."""
    scope: Literal["global", "source"] = "global"
    """Whom a document is compared with: all, or its own source alone (FineWeb found each crawl by itself better)."""
    keep: tuple[Criterion, ...] = ("length",)
    """Which of two duplicates stays, first difference decides: length (the longest), source (the first in
    source_priority), or a signal of data/filtered/signals (the largest); with - in front the smallest. Then the content
    digest, then the id."""
    source_priority: tuple[str, ...] = ()
    """For `source` in keep: the best source first; those not named come after all."""
    lines: Lines = field(default_factory=Lines)
    """Lines that stand in several documents."""
    repeated_spans: Annotated[int, Range(0, 1000)] = 0
    """Count passages of at least so many words that stand more than once in what is kept (Lee et al. 2022: 50); nothing
    is removed for it. 0: do not look."""
    max_removed_share_per_source: Annotated[float, Range(0.0, 1.0)] = 0.6
    """A source of at least 100 documents that loses a larger share of them stops the stage, with an explanation."""

    @property
    def signals(self) -> tuple[str, ...]:
        """The signals of data/filtered/signals that `keep` looks at."""
        names = (criterion.removeprefix("-") for criterion in self.keep)
        return tuple(name for name in names if name not in ("length", "source"))

    def problems(self) -> Iterator[str]:
        """Contradictions inside the group."""
        at_threshold = 1 - (1 - self.threshold**self.rows) ** self.bands
        if at_threshold < 0.5:
            yield (
                f"finds only {at_threshold:.0%} of the pairs at threshold {self.threshold:g} with {self.bands} bands x "
                f"{self.rows} rows; take more bands or fewer rows"
            )
        if self.index == "datasketch" and self.bands < 2:
            yield "index datasketch needs 2 bands or more"
        if "-source" in self.keep:
            yield "keep names -source: source_priority says which source is the best, turn that round"
        names = [criterion.removeprefix("-") for criterion in self.keep]
        for name in sorted({name for name in names if names.count(name) > 1}):
            yield f"keep names {name} twice"
        if "source" in names and not self.source_priority:
            yield "keep looks at source, but source_priority is empty: name the sources, best first"
        if self.source_priority and "source" not in names:
            yield "source_priority is given, but keep does not look at source: put source into keep"
        for source in sorted({s for s in self.source_priority if self.source_priority.count(s) > 1}):
            yield f"source_priority names {source} twice"
        if self.lines.min_sentences and self.lines.unit == "none":
            yield "lines.min_sentences judges documents that the pass has cut: give lines.unit too"
        if self.lines.sources and self.lines.unit == "none":
            yield "lines.sources says where lines are compared: give lines.unit too"
        for source in sorted({s for s in self.lines.sources if self.lines.sources.count(s) > 1}):
            yield f"lines.sources names {source} twice"
