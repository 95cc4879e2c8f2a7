"""Policies: which rules and languages the documents of a source must pass."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from antimatter.errors import AntiMatterError
from antimatter.filter.rules import Failure, Rule, judge, rules_for
from antimatter.params.filter import Filter, Policy


@dataclass(frozen=True)
class Judge:
    """A policy made ready: its rules with their thresholds."""

    policy: Policy
    rules: tuple[Rule, ...]

    def failures(self, signals: Mapping[str, Any]) -> list[Failure]:
        """What a document of these signals fails: language first, since English rules say little about French."""
        found = []
        if self.policy.languages:
            language, score = signals["language"], signals["language_score"]
            if language is None:
                found.append(Failure("language.undetermined", None, None))
            elif language not in self.policy.languages:
                found.append(Failure("language.other", score, self.policy.minimum_language_score))
            elif score < self.policy.minimum_language_score:
                found.append(Failure("language.uncertain", score, self.policy.minimum_language_score))
        return found + judge(signals, self.rules)


def judges(settings: Filter) -> dict[str, Judge]:
    """A judge for every policy by name.

    Raises: AntiMatterError if a policy replaces the threshold of a rule that it does not have.
    """
    ready = {}
    for policy in settings.policies:
        try:
            ready[policy.name] = Judge(policy, rules_for(policy.rule_sets, policy.thresholds))
        except ValueError as error:
            raise AntiMatterError(f"filter.policies, {policy.name}: {error}") from error
    return ready


def policy_of(source: str, settings: Filter) -> str:
    """The name of the policy of a source: its own, or the first one."""
    return settings.sources.get(source, settings.policies[0].name)
