"""What if: the filter settings with other rule sets or thresholds, for a study that changes no file.

gopher_quality.stop_words=1        another threshold; of a rule with two bounds: gopher_quality.word_count.low=20
by_hand.digit_share.high=0.2       a rule on any signal
language.uncertain=0.8             the probability that a language needs
"""

import difflib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import cast

from antimatter.errors import AntiMatterError
from antimatter.filter.policies import judges
from antimatter.filter.rule_sets import RULE_SETS
from antimatter.filter.rules import Rule
from antimatter.params.filter import Filter, HandRule, Policy, RuleSet
from antimatter.params.ranges import Range

LANGUAGE_SCORE = "language.uncertain"
_PROBABILITY = Range(0.0, 1.0)
_SIDES = ("low", "high")


class UnknownName(AntiMatterError, LookupError):
    """No rule set, threshold, source or signal of that name; the message names the nearest one."""


def with_trial(
    settings: Filter, policies: Collection[str], rule_sets: Sequence[str] | None, thresholds: Mapping[str, float]
) -> Filter:
    """Settings whose `policies` ask for `rule_sets` (None: for their own) with these thresholds.

    A threshold goes to every one of the policies that has its rule; what a policy says about rules that it loses with
    its rule sets is forgotten.
    Raises: UnknownName if there is no such rule set, or if none of the policies has the rule of a threshold;
            AntiMatterError for a threshold that cannot be.
    """
    for name in rule_sets or ():
        if name not in RULE_SETS:
            raise UnknownName(f"{name} is not a rule set. {nearest_name(name, RULE_SETS)}")
    changed = {
        policy.name: policy if rule_sets is None else _with_rule_sets(policy, rule_sets)
        for policy in settings.policies
        if policy.name in policies
    }
    for reason, value in thresholds.items():
        if reason.startswith("by_hand."):
            changed = {name: _with_hand_rule(policy, reason, value) for name, policy in changed.items()}
            continue
        having = [name for name, policy in changed.items() if reason in _threshold_names(settings, policy)]
        if not having:
            known = {name for policy in changed.values() for name in _threshold_names(settings, policy)}
            raise UnknownName(
                f"no policy of the sources studied has a threshold {reason}. {nearest_name(reason, known)}"
            )
        for name in having:
            changed[name] = _with_threshold(changed[name], reason, value)
    return _with_policies(settings, changed)


def without_absent(settings: Filter, policies: Collection[str], present: Collection[str]) -> tuple[Filter, list[Rule]]:
    """Settings whose `policies` lack the rules on signals that are not `present`, and those rules, each once."""
    absent: dict[str, Rule] = {}
    changed = {}
    for policy in settings.policies:
        if policy.name not in policies:
            continue
        rules = [rule for rule in _rules(settings, policy) if rule.signal not in present]
        absent |= {rule.reason: rule for rule in rules}
        signals = {rule.signal for rule in rules if rule.reason.startswith("by_hand.")}
        others = tuple(rule.reason for rule in rules if not rule.reason.startswith("by_hand."))
        hand = tuple(rule for rule in policy.rules if rule.signal not in signals)
        kept = {reason: value for reason, value in policy.thresholds.items() if _base(reason) not in others}
        changed[policy.name] = replace(policy, without=policy.without + others, rules=hand, thresholds=kept)
    return _with_policies(settings, changed), list(absent.values())


def nearest_name(name: str, known: Collection[str]) -> str:
    """The end of a message about a name that is not known."""
    near = difflib.get_close_matches(name, sorted(known), n=1)
    return f"Did you mean {near[0]}?" if near else f"There are: {', '.join(sorted(known)) or 'none'}."


def _rules(settings: Filter, policy: Policy) -> tuple[Rule, ...]:
    return judges(replace(settings, policies=(policy,), sources={}))[policy.name].rules


def _threshold_names(settings: Filter, policy: Policy) -> list[str]:
    names = [name for rule in _rules(settings, policy) for name in rule.threshold_names()]
    return [*names, LANGUAGE_SCORE] if policy.languages else names  # one for all languages, whatever each needs now


def _with_policies(settings: Filter, changed: Mapping[str, Policy]) -> Filter:
    return replace(settings, policies=tuple(changed.get(policy.name, policy) for policy in settings.policies))


def _with_rule_sets(policy: Policy, rule_sets: Sequence[str]) -> Policy:
    left = {rule.reason for name in rule_sets for rule in RULE_SETS[name]}
    return replace(
        policy,
        rule_sets=cast(tuple[RuleSet, ...], tuple(rule_sets)),
        without=tuple(reason for reason in policy.without if reason in left),
        thresholds={reason: value for reason, value in policy.thresholds.items() if _base(reason) in left},
    )


def _with_threshold(policy: Policy, reason: str, value: float) -> Policy:
    if reason == LANGUAGE_SCORE:
        if problem := _PROBABILITY.problem(value):
            raise AntiMatterError(f"{reason} is {value:g}: {problem}, it is a probability")
        return replace(policy, minimum_language_score=value)
    return replace(policy, thresholds={**policy.thresholds, reason: value})


def _with_hand_rule(policy: Policy, reason: str, value: float) -> Policy:
    signal, _, side = reason.removeprefix("by_hand.").rpartition(".")
    if side not in _SIDES:
        raise UnknownName(f"{reason}: say which side is meant, {reason}.low or {reason}.high")
    before = next((rule for rule in policy.rules if rule.signal == signal), HandRule(signal=signal))
    after = HandRule(
        signal=signal,
        at_least=value if side == "low" else before.at_least,
        at_most=value if side == "high" else before.at_most,
    )
    if problems := list(after.problems()):
        raise UnknownName(f"{reason}={value:g}: {'; '.join(problems)}")
    rules = dict.fromkeys((*(rule.signal for rule in policy.rules), signal))  # its place among the others stays
    hand = {rule.signal: rule for rule in (*policy.rules, after)}
    return replace(policy, rules=tuple(hand[signal] for signal in rules))


def _base(reason: str) -> str:
    """The reason without the side of a bound."""
    return reason.removesuffix(".low").removesuffix(".high")
