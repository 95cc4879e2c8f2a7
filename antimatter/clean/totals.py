"""What the steps did to the whole corpus, added up from its shards: clean's own part of reports/clean.json."""

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import ftfy


def steps_report(steps: Sequence[str], shards: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """For each step, in order: name, documents, characters, what else it counts, and the same per source."""
    totals: dict[str, dict[str, dict[str, int]]] = {step: {} for step in steps}
    for shard in shards:
        for step, sources in shard.items():
            for source, numbers in sources.items():
                total = totals[step].setdefault(source, dict.fromkeys(numbers, 0))
                for name, number in numbers.items():
                    total[name] += number
    return [{"name": step, **_sum(sources.values()), "sources": _sorted(sources)} for step, sources in totals.items()]


def _sum(parts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total = {"documents": 0, "characters": 0}
    for part in parts:
        for name, number in part.items():
            total[name] = total.get(name, 0) + number
    return total


def _sorted(sources: Mapping[str, Any]) -> dict[str, Any]:
    return dict(sorted(sources.items()))


def libraries() -> dict[str, str]:
    """Versions that decide how text is repaired."""
    return {"ftfy": ftfy.__version__, "unicode": unicodedata.unidata_version}
