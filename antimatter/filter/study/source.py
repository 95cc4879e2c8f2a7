"""One source in the filter study: sizes of what each rule removes, distributions of signals, documents at thresholds.

Pure: it is given the signals of some documents as arrays and adds them to what it knows; the order does not matter.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from antimatter.filter.policies import Judge
from antimatter.filter.rules import Rule
from antimatter.filter.study.borderline import Beside, Example, Threshold, nearest, sides, thresholds_of
from antimatter.filter.study.distribution import Distribution
from antimatter.params.filter import Filter


class Size(NamedTuple):
    """Some documents and their characters."""

    documents: int
    characters: int

    def __add__(self, other: object) -> "Size":
        if not isinstance(other, Size):
            return NotImplemented
        return Size(self.documents + other.documents, self.characters + other.characters)


NOTHING = Size(0, 0)
UNDETERMINED = "undetermined"


@dataclass
class Losses:
    """What one rule does to one source."""

    failed: Size = NOTHING
    alone: Size = NOTHING
    """Of the failed, those that fail no other rule: what dropping this rule would bring back."""
    first: Size = NOTHING
    """Of the failed, those that no earlier rule removes."""


class Judged(NamedTuple):
    """The verdicts on n documents: a row of `fails` (bool [R, n]) for each of the R rules in the order of judging."""

    rules: list[Rule]
    fails: np.ndarray

    @property
    def removed(self) -> np.ndarray:
        """bool [n]"""
        return np.asarray(self.fails.any(axis=0))

    def fails_on(self, signal: str) -> np.ndarray:
        """bool [n]: fails any of the rules on a signal."""
        return np.asarray(self.fails[[row for row, rule in enumerate(self.rules) if rule.signal == signal]].any(axis=0))


def judge_documents(judge: Judge, part: Mapping[str, np.ndarray], settings: Filter) -> Judged:
    """The verdicts on the documents of `part` (signals, n of each): contamination first, as in the stage."""
    rules, fails = _contamination(part, settings)
    verdicts = judge.verdicts(part)
    by_reason = {rule.reason: rule for rule in judge.rules}
    rules += [by_reason[reason] for reason in verdicts.reasons]
    return Judged(rules, np.concatenate([fails, np.asarray(verdicts.fails, dtype=bool)]))


def _contamination(part: Mapping[str, np.ndarray], settings: Filter) -> tuple[list[Rule], np.ndarray]:
    """A rule for every evaluation set whose items stand in these documents, if such documents are to be removed."""
    documents = len(part["characters"])
    if settings.decontamination.action != "remove" or "contaminated_set" not in part:
        return [], np.zeros((0, documents), dtype=bool)
    sets = part["contaminated_set"]
    enough = part["contaminated_matches"] >= settings.decontamination.minimum_matches
    names = sorted({name for name in sets.tolist() if name is not None})
    rules = [
        Rule(reason=f"decontamination.{name}", signal="contaminated_matches", source="Brown et al. 2020, appendix C")
        for name in names
    ]
    fails = [(sets == name) & enough for name in names]
    return rules, np.array(fails, dtype=bool).reshape(len(names), documents)


@dataclass
class SourceStudy:
    """One source under its policy. Rules and losses are in the order in which rules remove."""

    source: str
    policy: str
    whole: Size = NOTHING
    removed: Size = NOTHING
    removed_now: Size = NOTHING
    """What params.yaml as it stands removes; the same as `removed` if nothing else was tried."""
    rules: dict[str, Rule] = field(default_factory=dict)
    losses: dict[str, Losses] = field(default_factory=dict)
    beside: dict[Threshold, Beside] = field(default_factory=dict)
    signals: dict[str, Distribution] = field(default_factory=dict)
    languages: dict[str, int] = field(default_factory=dict)
    """Documents by language code, "undetermined" for none."""

    def thresholds(self, signal: str) -> list[Threshold]:
        """The thresholds that stand on a signal."""
        return [
            threshold
            for reason, rule in self.rules.items()
            if rule.signal == signal
            for threshold in thresholds_of(rule)
            if threshold.bound
        ]

    def add(self, judged: Judged, part: Mapping[str, np.ndarray], asked: Sequence[str] = ()) -> None:
        """Count these documents, and their values of the signals judged and of those asked for by name."""
        characters = part["characters"]
        self.whole += size_of(np.ones(len(characters), dtype=bool), characters)
        self.removed += size_of(judged.removed, characters)
        failed_rules = judged.fails.sum(axis=0)
        untouched = np.ones(len(characters), dtype=bool)
        for rule, fails in zip(judged.rules, judged.fails, strict=True):
            self.rules[rule.reason] = rule
            losses = self.losses.setdefault(rule.reason, Losses())
            losses.failed += size_of(fails, characters)
            losses.alone += size_of(fails & (failed_rules == 1), characters)
            losses.first += size_of(fails & untouched, characters)
            untouched &= ~fails
        for code, documents in Counter(part["language"].tolist()).items():
            name = code or UNDETERMINED
            self.languages[name] = self.languages.get(name, 0) + documents
        for name in dict.fromkeys((*(rule.signal for rule in judged.rules), *asked)):
            if _is_number(part[name]):
                chosen = np.ones(len(characters), dtype=bool) if name in asked else _is_asked_about(judged, name)
                if chosen.any():
                    fails = judged.fails_on(name)[chosen]
                    self.signals.setdefault(name, Distribution()).add(part[name][chosen], fails)

    def offer_examples(
        self, judged: Judged, part: Mapping[str, np.ndarray], shard: int, rows: np.ndarray, limit: int
    ) -> None:
        """Let these documents, rows of a shard, be among the `limit` nearest ones on each side of each threshold.

        part["id"]: uint64 [n, 2] that sort as the ids do.
        """
        eligible = np.ones(len(rows), dtype=bool)  # not those of another language: their score is not of this one
        for rule, fails in zip(judged.rules, judged.fails, strict=True):
            numbers = part[rule.signal].astype(np.float64) if _is_number(part[rule.signal]) else None
            for threshold in thresholds_of(rule):
                beside = self.beside.setdefault(threshold, Beside())
                distances = np.zeros(len(rows))
                if numbers is not None and threshold.bound:
                    distances = np.abs(numbers - threshold.value)
                chosen_on = sides(threshold, numbers, fails, eligible)
                beside.beyond += int(np.count_nonzero(chosen_on["removed"]))
                for side, chosen in chosen_on.items():
                    found = [
                        Example(
                            distance=float(distances[index]),
                            id=part["id"][index].tobytes(),
                            value=_shown(part[rule.signal][index]),
                            shard=shard,
                            row=int(rows[index]),
                            others=_others(judged, rule, index),
                        )
                        for index in nearest(distances, chosen, part["id"], limit)
                    ]
                    setattr(beside, side, sorted(getattr(beside, side) + found)[:limit])
            if rule.reason.startswith("language."):
                eligible &= ~fails


def _shown(value: object) -> float | str:
    """A value of a signal: the number, or the language code."""
    return UNDETERMINED if value is None else value if isinstance(value, str) else float(value)  # type: ignore[arg-type]


def _is_asked_about(judged: Judged, signal: str) -> np.ndarray:
    """bool [n]: whose value of a signal matters: the score of another language than the policy's does not."""
    elsewhere = [row for row, rule in enumerate(judged.rules) if rule.signal == "language"]
    return np.asarray(~judged.fails[elsewhere if signal == "language_score" else []].any(axis=0))


def _others(judged: Judged, rule: Rule, index: int) -> tuple[str, ...]:
    """The other rules that a document fails."""
    reasons = [judged.rules[row].reason for row in np.flatnonzero(judged.fails[:, index])]
    return tuple(reason for reason in reasons if reason != rule.reason)


def size_of(chosen: np.ndarray, characters: np.ndarray) -> Size:
    """Of the chosen documents (bool [n])."""
    return Size(int(np.count_nonzero(chosen)), int(characters[chosen].sum()))


def _is_number(values: np.ndarray | None) -> bool:
    return values is not None and values.dtype.kind in "biuf"
