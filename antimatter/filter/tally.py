"""What rules and languages came to, by source: a shard's part of reports/filter.json, and the sum of all shards'.

failed  documents that a rule would remove
alone   those that nothing else would remove: what the rule costs or is worth
first   those that it did remove, being the first that failed: what the ledger calls the reason
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

UNDETERMINED = "undetermined"
_KINDS = ("failed", "alone", "first")


class Tally:
    """Documents by policy, reason and source, and by source and language."""

    def __init__(self) -> None:
        self.rules: dict[str, dict[str, dict[str, list[int]]]] = {}
        """policy -> reason -> source -> [failed, alone, first]; reasons in the order of judging"""
        self.languages: dict[str, dict[str, int]] = {}
        """source -> language -> documents"""
        self.arbitrated = 0
        self.contaminated: dict[str, list[int]] = {}
        """evaluation set -> [documents that share enough, most of it with this set, characters cut out of them]"""

    def add_rules(
        self, policy: str, reasons: Sequence[str], fails: np.ndarray, first: np.ndarray, sources: pa.DictionaryArray
    ) -> None:
        """Verdicts of one policy on n documents of some sources.

        fails  bool[R, n]
        first  int64[n]: the first reason that a document fails, -1 if it fails none
        """
        of_policy = self.rules.setdefault(policy, {})
        names = sources.dictionary.to_pylist()
        codes = np.asarray(sources.indices)
        is_only = fails.sum(axis=0) == 1
        for row, reason in enumerate(reasons):
            of_reason = of_policy.setdefault(reason, {})
            for kind, chosen in enumerate((fails[row], fails[row] & is_only, first == row)):
                for code, documents in enumerate(np.bincount(codes[chosen], minlength=len(names)).tolist()):
                    if documents:
                        of_reason.setdefault(names[code], [0, 0, 0])[kind] += documents

    def add_languages(self, sources: pa.DictionaryArray, languages: pa.Array, arbitrated: np.ndarray) -> None:
        """The language of n documents, null where it is undetermined."""
        pairs = pa.table({"source": sources.cast(pa.string()), "language": languages.fill_null(UNDETERMINED)})
        for row in pairs.group_by(["source", "language"]).aggregate([([], "count_all")]).to_pylist():
            of_source = self.languages.setdefault(row["source"], {})
            of_source[row["language"]] = of_source.get(row["language"], 0) + row["count_all"]
        self.arbitrated += int(arbitrated.sum())

    def add_contamination(
        self, sets: Sequence[str], by_set: np.ndarray, reaches: np.ndarray, masked: np.ndarray
    ) -> None:
        """What n documents share with S sets, whatever is done about it.

        by_set   int32[n, S]: matches
        reaches  bool[n]: enough of them
        masked   int32[n]: characters cut out
        """
        best = by_set.argmax(axis=1) if len(sets) else np.zeros(len(by_set), dtype=np.int64)
        for place, name in enumerate(sets):
            mine = reaches & (best == place)
            numbers = self.contaminated.setdefault(name, [0, 0])
            numbers[0] += int(mine.sum())
            numbers[1] += int(masked[mine].sum())

    def to_plain(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "rules": self.rules,
            "languages": self.languages,
            "arbitrated": self.arbitrated,
            "contaminated": self.contaminated,
        }

    @classmethod
    def sum(cls, shards: Iterable[Mapping[str, Any]]) -> "Tally":
        """The whole from the plain tallies of its shards."""
        total = cls()
        for plain in shards:
            total.arbitrated += plain["arbitrated"]
            for name, numbers in plain["contaminated"].items():
                before = total.contaminated.get(name, [0, 0])
                total.contaminated[name] = [one + other for one, other in zip(before, numbers, strict=True)]
            for source, languages in plain["languages"].items():
                of_source = total.languages.setdefault(source, {})
                for language, documents in languages.items():
                    of_source[language] = of_source.get(language, 0) + documents
            for policy, reasons in plain["rules"].items():
                of_policy = total.rules.setdefault(policy, {})
                for reason, sources in reasons.items():
                    of_reason = of_policy.setdefault(reason, {})
                    for source, numbers in sources.items():
                        before = of_reason.get(source, [0, 0, 0])
                        of_reason[source] = [one + other for one, other in zip(before, numbers, strict=True)]
        return total

    def languages_report(self) -> dict[str, dict[str, int]]:
        """By source, the most frequent language first."""
        return {
            source: dict(sorted(languages.items(), key=lambda item: (-item[1], item[0])))
            for source, languages in sorted(self.languages.items())
        }

    def rule_report(self, policy: str, reason: str) -> dict[str, Any]:
        """failed, alone and first of one rule, in all and by source."""
        sources = self.rules.get(policy, {}).get(reason, {})
        total = [sum(numbers[kind] for numbers in sources.values()) for kind in range(len(_KINDS))]
        return {
            **dict(zip(_KINDS, total, strict=True)),
            "sources": {name: dict(zip(_KINDS, numbers, strict=True)) for name, numbers in sorted(sources.items())},
        }
