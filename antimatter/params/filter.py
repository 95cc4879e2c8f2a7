"""Group `filter`: which documents stay. Filtering judges and never edits, but for masking evaluation items."""

import difflib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated, Literal

from antimatter.params.ranges import Matches, Range

RuleSet = Literal[
    "gopher_quality",
    "gopher_repetition",
    "gopher_repetition_datatrove",
    "c4",
    "c4_datatrove",
    "fineweb",
    "fineweb_datatrove",
    "refinedweb",
]
LanguageCode = Annotated[str, Matches(r"[a-z]{2,3}")]
Sha256 = Annotated[str, Matches(r"([0-9a-f]{64})?")]


@dataclass(frozen=True, kw_only=True)
class HandRule:
    """A threshold by hand on any signal: keep a document if at_least <= signal <= at_most."""

    signal: str
    """A column of data/filtered/signals (docs/filter.md lists them)."""
    at_least: float | None = None
    at_most: float | None = None

    def problems(self) -> Iterator[str]:
        """A rule without a bound, or with bounds that nothing satisfies."""
        if self.at_least is None and self.at_most is None:
            yield "at_least or at_most must be given"
        elif self.at_least is not None and self.at_most is not None and self.at_least > self.at_most:
            yield f"at_least {self.at_least:g} is above at_most {self.at_most:g}: no document could stay"


@dataclass(frozen=True, kw_only=True)
class Policy:
    """What is asked of the documents of some sources: one rule set for all kinds of text would destroy a mix."""

    name: Annotated[str, Matches(r"[a-z][a-z0-9_]*")]
    """How `filter.sources` refers to it."""
    rule_sets: tuple[RuleSet, ...] = ("gopher_quality",)
    """Rule sets of antimatter/filter/rule_sets.py in this order, all of which a document must pass."""
    without: tuple[str, ...] = ()
    """Rules of these sets that are not asked for, by reason (c4.bad_words)."""
    thresholds: dict[str, float] = field(default_factory=dict)
    """Thresholds by reason that replace the paper's (gopher_quality.stop_words: 1); of a rule with two bounds, with the
    side: gopher_quality.word_count.low: 20."""
    rules: tuple[HandRule, ...] = ()
    """Thresholds by hand on single signals, as RedPajama-V2 intends; the reason is by_hand.<signal>."""
    languages: tuple[LanguageCode, ...] = ()
    """ISO 639 codes to keep (two letters where there are two); empty keeps every language."""
    minimum_language_score: Annotated[float, Range(0.0, 1.0)] | None = None
    """Probability that the detected language needs, in place of filter.languages."""
    max_removed_share: Annotated[float, Range(0.0, 1.0)] | None = None
    """In place of filter.max_removed_share_per_source, for the sources of this policy."""

    def problems(self) -> Iterator[str]:
        """Names that stand twice."""
        if self.minimum_language_score is not None and not self.languages:
            yield "minimum_language_score has no languages to judge: name them, or leave it out"
        for name in ("rule_sets", "without", "languages"):
            values = getattr(self, name)
            for value in sorted({value for value in values if values.count(value) > 1}):
                yield f"{name} names {value} twice"
        signals = [rule.signal for rule in self.rules if rule is not None]
        for signal in sorted({signal for signal in signals if signals.count(signal) > 1}):
            yield f"rules judges {signal} twice: give one rule both bounds"


@dataclass(frozen=True, kw_only=True)
class Language:
    """How the language of a document is found."""

    detector: Literal["cascade", "fasttext", "langdetect", "py3langid"] = "cascade"
    """fasttext: lid.176, 176 languages. langdetect: 55, slow. py3langid: 140, no share-alike model.
    cascade: fasttext where it is confident, else it and langdetect agree on one."""
    sample_characters: Annotated[int, Range(20, 100_000)] = 1000
    """Characters of a document on which its language is judged: half from its start, half from its middle. Accuracy
    stops growing at 200 to 500, doubtful scores get fewer up to 1000 (benchmarks/language_cpu.py)."""
    minimum_letters: Annotated[int, Range(1, 1000)] = 20
    """A sample with fewer letters is undetermined; a letter of a script without spaces counts as two."""
    confident: Annotated[float, Range(0.0, 1.0)] = 0.7
    """cascade: a score of fasttext from which it decides alone. At 0.7 langdetect is asked about 1 % of prose and 4 %
    of technical English; at 0.8 about 1 % and 18 %, and as many documents come out right."""
    arbiter_characters: Annotated[int, Range(20, 10_000)] = 300
    """cascade: characters of the sample that langdetect reads; more of them change nothing."""
    seed: Annotated[int, Range(0, 2**31 - 1)] = 0
    """langdetect draws random numbers; this seeds them, anew for every document."""


@dataclass(frozen=True, kw_only=True)
class Decontamination:
    """What happens to documents that hold items of the evaluation sets in data/benchmarks."""

    action: Literal["remove", "mask", "report"] = "remove"
    """remove the document; mask: cut the shared words out of it; report: only the signals tell."""
    ngram: Annotated[int, Range(4, 100)] = 13
    """Words in a row, compared without case and punctuation, that a document must share with an item (Brown et al.
    2020, GPT-3, appendix C: 13). Twice as many letters in scripts without spaces. Sequences of fewer than 4 different
    words are never sought."""
    shortest: Annotated[int, Range(4, 100)] = 8
    """An item of fewer than `ngram` but at least this many words is sought whole; shorter ones are not sought. Twice as
    many letters in scripts without spaces."""
    minimum_matches: Annotated[int, Range(1, 1_000_000)] = 1
    """Words at which a shared n-gram begins, of all sets together, that a document must have. A short item that stands
    whole is enough."""

    def problems(self) -> Iterator[str]:
        """Contradictions inside the group."""
        if self.shortest > self.ngram:
            yield f"shortest {self.shortest} is above ngram {self.ngram}"


@dataclass(frozen=True, kw_only=True)
class WatchedFile:
    """A file of the user's own outside DVC's sight; its digest stands in for it."""

    path: str = ""
    """Empty: there is none."""
    sha256: Sha256 = ""

    def problems(self) -> Iterator[str]:
        """A path without a digest, or a digest without a path."""
        if bool(self.path) != bool(self.sha256):
            yield "path and sha256 go together: DVC sees no change of the file itself"


@dataclass(frozen=True, kw_only=True)
class Filter:
    """Group `filter` of params.yaml. A change reruns filter and everything after it."""

    language: Language = field(default_factory=Language)
    """The detector."""
    languages: dict[str, Annotated[float, Range(0.0, 1.0)]] = field(default_factory=lambda: {"en": 0.65})
    """Probability that a language needs, by code (FineWeb, RefinedWeb: 0.65; C4: 0.99 by langdetect)."""
    decontamination: Decontamination = field(default_factory=Decontamination)
    """Evaluation items in the text."""
    quality_model: WatchedFile = field(default_factory=WatchedFile)
    """A classifier made by `antimatter train-quality`; gives the signal quality_score."""
    bad_words: WatchedFile = field(default_factory=WatchedFile)
    """Words and phrases, one a line, UTF-8; gives the signal bad_words, which the rule c4.bad_words judges."""
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
            yield "policies is empty: at least one is needed"
        for name in sorted({name for name in names if names.count(name) > 1}):
            yield f"policies defines {name} twice"
        for source, policy in self.sources.items():
            if policy not in names:
                near = difflib.get_close_matches(policy, names, n=1)
                hint = f" Did you mean {near[0]}?" if near else ""
                yield f"sources gives {source} the policy {policy}, which is not among {', '.join(names)}.{hint}"
        for each in self.policies:
            if each.minimum_language_score is None:
                for language in each.languages:
                    if language not in self.languages:
                        yield (
                            f"policies has {each.name} keep language {language}, which has no probability in "
                            "filter.languages (and the policy gives no minimum_language_score)"
                        )
