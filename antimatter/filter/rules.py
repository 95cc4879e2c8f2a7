"""Rules as data: a signal, the interval in which it must lie, and who said so.

A document passes a rule set if it passes each of its rules. The reason in the ledger is the first rule that failed,
in the order below; the others that failed are recorded beside it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple


@dataclass(frozen=True, kw_only=True)
class Rule:
    """Keep a document if low <= signal <= high; None leaves a side open."""

    reason: str
    signal: str
    low: float | None = None
    high: float | None = None
    source: str
    note: str = ""

    def failure(self, signals: Mapping[str, float]) -> "Failure | None":
        """What is wrong with a document of these signals, if anything."""
        value = float(signals[self.signal])
        if self.low is not None and value < self.low:
            return Failure(self.reason, value, self.low)
        if self.high is not None and value > self.high:
            return Failure(self.reason, value, self.high)
        return None


class Failure(NamedTuple):
    """One failed rule: its name, the measured value and the bound that it crossed."""

    reason: str
    value: float | None
    threshold: float | None


_GOPHER = "Rae et al. 2021 (Gopher), arXiv 2112.11446, appendix A1.1, quality filtering"

GOPHER_QUALITY = (
    Rule(
        reason="gopher_quality.word_count",
        signal="words",
        low=50,
        high=100_000,
        source=_GOPHER,
        note="a word holds at least one letter or digit; some implementations count bare punctuation too",
    ),
    Rule(reason="gopher_quality.mean_word_length", signal="mean_word_length", low=3, high=10, source=_GOPHER),
    Rule(
        reason="gopher_quality.hash_to_word",
        signal="hash_to_word_ratio",
        high=0.1,
        source=_GOPHER,
        note="the paper's symbol-to-word ratio is judged for hash and ellipsis apart, not for their sum",
    ),
    Rule(reason="gopher_quality.ellipsis_to_word", signal="ellipsis_to_word_ratio", high=0.1, source=_GOPHER),
    Rule(reason="gopher_quality.bullet_lines", signal="bullet_line_share", high=0.9, source=_GOPHER),
    Rule(reason="gopher_quality.ellipsis_lines", signal="ellipsis_line_share", high=0.3, source=_GOPHER),
    Rule(
        reason="gopher_quality.alphabetic_words",
        signal="alphabetic_word_share",
        low=0.8,
        source=_GOPHER,
        note="a letter of any script; some implementations take a-z alone",
    ),
    Rule(
        reason="gopher_quality.stop_words",
        signal="stop_words",
        low=2,
        source=_GOPHER,
        note="distinct ones of the paper's eight, in any case; English only, so it doubles as a language rule",
    ),
)

RULE_SETS: dict[str, tuple[Rule, ...]] = {"gopher_quality": GOPHER_QUALITY}


def rules_for(rule_sets: Iterable[str], thresholds: Mapping[str, float]) -> tuple[Rule, ...]:
    """The rules of these sets in order, with thresholds replaced by reason: the lower bound where there is one.

    Raises: ValueError if a threshold names no rule of these sets.
    """
    rules = [rule for name in rule_sets for rule in RULE_SETS[name]]
    known = [rule.reason for rule in rules]
    for reason in thresholds:
        if reason not in known:
            raise ValueError(f"threshold for {reason}, but the rules of this policy are {', '.join(known) or 'none'}")
    return tuple(_with_threshold(rule, thresholds.get(rule.reason)) for rule in rules)


def _with_threshold(rule: Rule, threshold: float | None) -> Rule:
    if threshold is None:
        return rule
    return replace(rule, low=threshold) if rule.low is not None else replace(rule, high=threshold)


def judge(signals: Mapping[str, float], rules: Iterable[Rule]) -> list[Failure]:
    """All failed rules in rule order; empty means that the document stays."""
    return [failure for rule in rules if (failure := rule.failure(signals))]
