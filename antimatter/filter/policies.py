"""Policies: which languages and rules the documents of a source must pass.

A judge is a policy made ready. It judges a whole shard at once: language first, since English rules say little about
French, then the rule sets in the policy's order, then what was set by hand.
"""

import difflib
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from antimatter.corpus.alarm import Limit
from antimatter.errors import AntiMatterError
from antimatter.filter.rule_sets import RULE_SETS
from antimatter.filter.rules import Failure, MissingSignal, Rule
from antimatter.params.filter import Filter, Policy

Place = tuple[str | int, ...]
"""The way from a policy to what is wrong in it: ("thresholds", "c4.sentences")."""
Signals = Mapping[str, np.ndarray | Sequence[object]]
"""Columns of the signals of n documents by name: numbers or bools, and in `language` codes or None (a list, an array of
objects or an Arrow array)."""

_LINE_FACTS = ("characters", "lines_in", "lines_removed", "words_in", "words_removed", "removed_word_share")
_LINE_STEPS = {
    "c4_lines": (*_LINE_FACTS, "lorem_ipsum", "curly_brace"),
    "c4_datatrove_lines": (*_LINE_FACTS, "lorem_ipsum", "curly_brace"),
    "refinedweb_lines": _LINE_FACTS,
}
NEEDS = {
    "bad_words": "filter.bad_words",
    "quality_score": "filter.quality_model",
    "masked_characters": "filter.decontamination.action: mask",
    **{f"{step}.{fact}": f"clean.steps: {step}" for step, facts in _LINE_STEPS.items() for fact in facts},
}
"""What must be configured for a signal to exist; the others always do."""
NUMBERS = (
    "characters", "words", "lines", "paragraphs", "sentences", "stop_words", "longest_word", "mean_word_length",
    "mean_line_length", "alphabetic_word_share", "capital_word_share", "stop_word_share", "unique_word_share",
    "unigram_entropy", "hash_to_word_ratio", "ellipsis_to_word_ratio", "bullet_line_share", "ellipsis_line_share",
    "end_mark_line_share", "end_mark_line_share_datatrove", "short_line_share", "short_line_share_datatrove",
    "newline_to_word_ratio", "digit_share", "letter_share", "upper_case_share", "whitespace_share",
    "punctuation_share", "symbol_share", "bracket_share", "curly_bracket_share", "non_alphanumeric_share", "url_share",
    "duplicate_line_share", "duplicate_line_character_share", "duplicate_paragraph_share",
    "duplicate_paragraph_character_share", *(f"top_{n}gram_share" for n in (2, 3, 4)),
    *(f"duplicate_{n}gram_share" for n in range(5, 11)), "repeated_line_share", "repeated_line_character_share",
    "repeated_line_character_share_fineweb", "repeated_paragraph_share", "repeated_paragraph_character_share",
    *(f"top_{n}gram_share_datatrove" for n in (2, 3, 4)),
    *(f"duplicate_{n}gram_share_datatrove" for n in range(5, 11)),
    "language_score", "language_arbitrated", "contaminated_matches", *NEEDS,
)  # fmt: skip
"""The signals that a rule may judge; some exist only if something is configured."""

_ORIGIN = (
    "Penedo et al. 2024 (FineWeb), arXiv 2406.17557, section 3.3; Penedo et al. 2023, arXiv 2306.01116, section 3.1"
)


class Verdicts(NamedTuple):
    """R rules on n documents."""

    reasons: tuple[str, ...]
    """The rules in their order, R of them."""
    fails: np.ndarray
    """bool [R, n]"""
    values: np.ndarray
    """float64 [R, n], what failed; NaN where the rule was kept or there is no number."""
    thresholds: np.ndarray
    """float64 [R, n], the bound that was crossed; NaN as in `values`."""

    def failures(self, document: int) -> list[Failure]:
        """What one document fails, in rule order; empty means that it stays."""
        return [
            Failure(
                self.reasons[rule], _or_none(self.values[rule, document]), _or_none(self.thresholds[rule, document])
            )
            for rule in np.flatnonzero(self.fails[:, document])
        ]


@dataclass(frozen=True)
class Judge:
    """A policy made ready. Contamination is judged elsewhere, before all of this."""

    policy: Policy
    languages: Mapping[str, float]
    """The score that each kept language needs, by code; empty keeps every language."""
    rules: tuple[Rule, ...]
    """All rules in the order of judging; the three of language lead if languages are asked for."""

    @property
    def needs(self) -> tuple[Rule, ...]:
        """The rules whose signals exist only if something is configured (rule.needs says what)."""
        return tuple(rule for rule in self.rules if rule.needs)

    def verdicts(self, signals: Signals) -> Verdicts:
        """What each rule says of each of n documents.

        Raises: MissingSignal if a rule's signal is not among these, or has no value for some document.
        """
        documents = len(next(iter(signals.values()), ()))
        values = np.full((len(self.rules), documents), np.nan)
        thresholds = values.copy()
        fails = np.zeros(values.shape, dtype=bool)
        if self.languages:
            self._judge_language(signals, fails, values, thresholds)
        first = len(_language_rules(self.languages))
        for row, rule in enumerate(self.rules[first:], first):
            column = np.asarray(self._column(signals, rule), dtype=np.float64)
            thresholds[row] = rule.thresholds_crossed(column)
            fails[row] = ~np.isnan(thresholds[row])
            values[row, fails[row]] = column[fails[row]]
        return Verdicts(tuple(rule.reason for rule in self.rules), fails, values, thresholds)

    def _judge_language(self, signals: Signals, fails: np.ndarray, values: np.ndarray, thresholds: np.ndarray) -> None:
        """Fill the rows of the language rules: undetermined, other, uncertain."""
        import pyarrow as pa  # here: who checks parameters needs the names of rules alone

        _, other, uncertain = self.rules[:3]
        column = self._column(signals, other)
        codes = (column if isinstance(column, pa.Array) else pa.array(column, type=pa.string())).dictionary_encode()
        scores = np.asarray(self._column(signals, uncertain), dtype=np.float64)
        asked = [self.languages.get(code, np.nan) for code in codes.dictionary.to_pylist()]
        position = codes.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        needed = np.array([*asked, np.nan])[position]  # NaN for a language that is not kept, and for none
        determined = position >= 0
        if np.isnan(scores[determined]).any():
            raise MissingSignal(f"{uncertain.reason} cannot judge: language_score has no value where language has one")
        fails[0] = ~determined
        fails[1] = determined & np.isnan(needed)
        fails[2] = scores < needed
        values[1:3] = np.where(fails[1:3], scores, np.nan)
        thresholds[1] = np.where(fails[1], min(self.languages.values()), np.nan)
        thresholds[2] = np.where(fails[2], needed, np.nan)

    def _column(self, signals: Signals, rule: Rule) -> np.ndarray | Sequence[object]:
        if rule.signal not in signals:
            what = f"it needs {rule.needs}" if rule.needs else "data/filtered/signals has no such column"
            raise MissingSignal(
                f"policy {self.policy.name}: {rule.reason} judges {rule.signal}, which was not measured: {what}"
            )
        return signals[rule.signal]


def judges(settings: Filter) -> dict[str, Judge]:
    """A judge for every policy by name.

    Raises: AntiMatterError naming everything that is wrong with the policies: unknown rules, thresholds, signals.
    """
    wrong = [
        f"filter.policies, {policy.name}: {'.'.join(map(str, place))} {what}"
        for policy in settings.policies
        for place, what in problems_of(policy)
    ]
    if wrong:
        raise AntiMatterError("\n  ".join(wrong))
    ready = {}
    for policy in settings.policies:
        own = policy.minimum_language_score
        languages = {code: settings.languages[code] if own is None else own for code in policy.languages}
        ready[policy.name] = Judge(policy, languages, (*_language_rules(languages), *rules_of(policy)))
    return ready


def policy_of(source: str, settings: Filter) -> str:
    """The name of the policy of a source: its own, or the first one."""
    return settings.sources.get(source, settings.policies[0].name)


def limits_by_source(sources: Iterable[str], settings: Filter) -> dict[str, Limit]:
    """The share that each of these sources may lose, where its policy says another than the group."""
    own = {policy.name: policy.max_removed_share for policy in settings.policies}
    limits = {}
    for source in sources:
        policy = policy_of(source, settings)
        share = own[policy]
        if share is not None:
            limits[source] = Limit(share, f"max_removed_share of policy {policy}")
    return limits


def without_limits(settings: Filter) -> Filter:
    """The settings without the limits on the outcome: they change no verdict, so raising one must repeat nothing."""
    policies = tuple(replace(policy, max_removed_share=None) for policy in settings.policies)
    return replace(settings, policies=policies, max_removed_share_per_source=1.0)


def rules_of(policy: Policy) -> tuple[Rule, ...]:
    """The rules of a policy without problems, with its thresholds, in their order; not those of language."""
    chosen = [rule for name in policy.rule_sets for rule in RULE_SETS[name] if rule.reason not in policy.without]
    by_hand = [
        Rule(
            reason=f"by_hand.{rule.signal}",
            signal=rule.signal,
            at_least=rule.at_least,
            at_most=rule.at_most,
            source=f"by hand: filter.policies, {policy.name}",
            needs=NEEDS.get(rule.signal, ""),
        )
        for rule in policy.rules
    ]
    return (*(_with_thresholds(rule, policy) for rule in chosen), *by_hand)


def problems_of(policy: Policy) -> Iterator[tuple[Place, str]]:
    """(place in the policy, what is wrong) for every name and threshold that cannot be."""
    for rule_set in policy.rule_sets:
        if rule_set not in RULE_SETS:
            yield ("rule_sets",), f"names {rule_set}, which is no rule set.{_nearest(rule_set, RULE_SETS)}"
    rules = {rule.reason: rule for name in policy.rule_sets for rule in RULE_SETS.get(name, ())}
    for reason in policy.without:
        if reason not in rules:
            yield ("without",), f"names {reason}, which is no rule of policy {policy.name}.{_nearest(reason, rules)}"
    named = {name: rule for rule in rules.values() for name in rule.threshold_names()}
    for name, threshold in policy.thresholds.items():
        place = ("thresholds", name)
        if name in rules and name not in named:
            sides = " or ".join(rules[name].threshold_names())
            yield place, f"is a rule with two bounds: say which one, {sides}"
        elif name not in named:
            yield place, f"is no rule of policy {policy.name}.{_nearest(name, named)}"
        elif named[name].reason in policy.without:
            yield place, f"is a threshold of {named[name].reason}, which the policy is without"
        elif not math.isfinite(threshold):
            yield place, f"is {threshold}: must be a finite number; to leave the rule out, name it in `without`"
        elif _is_impossible(_with_thresholds(named[name], policy)):
            yield place, f"is {threshold:g}, which leaves no value that could stay: the low bound is above the high one"
    for index, rule in enumerate(policy.rules):
        if rule.signal not in NUMBERS:
            what = f"is {rule.signal}, which is no signal that a rule can judge.{_nearest(rule.signal, NUMBERS)}"
            yield ("rules", index, "signal"), what
        for bound in (rule.at_least, rule.at_most):
            if bound is not None and not math.isfinite(bound):
                yield ("rules", index), f"has the bound {bound} for {rule.signal}: must be a finite number"


def _with_thresholds(rule: Rule, policy: Policy) -> Rule:
    for name in rule.threshold_names():
        if name in policy.thresholds:
            rule = rule.with_threshold(name, policy.thresholds[name])
    return rule


def _is_impossible(rule: Rule) -> bool:
    return rule.at_least is not None and rule.at_most is not None and rule.at_least > rule.at_most


def _language_rules(languages: Mapping[str, float]) -> tuple[Rule, ...]:
    """What the verdicts on language are called; a bound stands here only if all languages need the same score."""
    if not languages:
        return ()
    scores = set(languages.values())
    note = ", ".join(f"{code} {score:g}" for code, score in languages.items())
    return (
        Rule(reason="language.undetermined", signal="language", source=_ORIGIN, note="too few letters to tell"),
        Rule(reason="language.other", signal="language", source=_ORIGIN, note=f"kept: {note}"),
        Rule(
            reason="language.uncertain",
            signal="language_score",
            at_least=min(scores) if len(scores) == 1 else None,
            source=_ORIGIN,
            note=f"needed: {note}",
        ),
    )


def _or_none(number: float) -> float | None:
    return None if math.isnan(number) else float(number)


def _nearest(wrong: str, right: Iterable[str]) -> str:
    near = difflib.get_close_matches(wrong, list(right), n=1, cutoff=0.5)
    return f" Did you mean {near[0]}?" if near else ""
