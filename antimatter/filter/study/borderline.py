"""Borderline documents: those next to a threshold on its two sides, which show what moving it would mean.

Chosen by value alone, equal ones by id, so that shards may come in any order. The texts are opened for the chosen
documents only, a row group each.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow.parquet as pq

from antimatter.corpus.shards import shard_name, shard_paths
from antimatter.filter.rules import Rule

BOUNDS = {"at_least": ">=", "more_than": ">", "at_most": "<=", "less_than": "<"}
"""The bounds that a rule may have, and how they are written: keep a document if signal >= 50."""
LOWER = ("at_least", "more_than")


class Threshold(NamedTuple):
    """One bound of a rule."""

    reason: str
    bound: str
    """A key of BOUNDS; "" for a rule without a number, such as language.other."""
    value: float


class Example(NamedTuple):
    """A document near a threshold; ordered by distance, then by id."""

    distance: float
    id: bytes
    value: float | str
    """Of the signal; a language code, "undetermined", or a number."""
    shard: int
    row: int
    others: tuple[str, ...]
    """The other rules that it fails."""


@dataclass
class Beside:
    """The documents nearest to a threshold on its two sides, nearest first."""

    beyond: int = 0
    """All documents that it removes."""
    kept: list[Example] = field(default_factory=list)
    removed: list[Example] = field(default_factory=list)


def thresholds_of(rule: Rule) -> list[Threshold]:
    """The bounds of a rule, the lower one first; one without a number if it has none."""
    bounds = [Threshold(rule.reason, name, rule.bounds[name]) for name in BOUNDS if name in rule.bounds]
    return bounds or [Threshold(rule.reason, "", 0.0)]


def nearest(distances: np.ndarray, chosen: np.ndarray, ids: np.ndarray, limit: int) -> np.ndarray:
    """Positions of the `limit` smallest distances among the chosen, equal ones by id.

    distances float64 [n]; chosen bool [n]; ids uint64 [n, 2] that sort as the ids do. Returns int64, nearest first.
    """
    candidates = np.flatnonzero(chosen)
    if limit == 0 or not len(candidates):
        return candidates[:0]
    if len(candidates) > limit:
        farthest = np.partition(distances[candidates], limit - 1)[limit - 1]
        candidates = candidates[distances[candidates] <= farthest]
    order = np.lexsort((ids[candidates, 1], ids[candidates, 0], distances[candidates]))
    return candidates[order[:limit]]


def sides(
    threshold: Threshold, numbers: np.ndarray | None, fails: np.ndarray, eligible: np.ndarray
) -> Mapping[str, np.ndarray]:
    """Who may stand beside a threshold, bool [n] a side: those that the rule removes, those that it keeps.

    numbers: float64 [n] or None for a rule without a number, which has no side where documents stay.
    eligible: the documents that the rule is really about.
    """
    if not threshold.bound or numbers is None:
        return {"removed": fails}
    beyond = numbers <= threshold.value if threshold.bound in LOWER else numbers >= threshold.value
    return {"removed": fails & beyond, "kept": ~fails & eligible & np.isfinite(numbers)}


def excerpts(documents: Path, examples: Sequence[Example], characters: int) -> dict[bytes, str]:
    """The beginnings of the texts of these documents, by id; only the row groups that hold them are read.

    A document that is no longer where the signals saw it is left out.
    Raises: MissingData if the folder holds no shards.
    """
    found = {}
    shard_paths(documents)
    by_shard: dict[int, list[Example]] = {}
    for example in examples:
        by_shard.setdefault(example.shard, []).append(example)
    for shard in sorted(by_shard):
        path = documents / shard_name(shard)
        if not path.exists():
            continue
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            sizes = [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]
            starts = np.concatenate([[0], np.cumsum(sizes)])
            groups = np.searchsorted(starts, [example.row for example in by_shard[shard]], side="right") - 1
            for group in sorted(set(groups.tolist())):
                if group >= file.num_row_groups:
                    continue
                table = file.read_row_group(group, columns=["id", "text"])
                for example, at in zip(by_shard[shard], groups, strict=True):
                    row = example.row - int(starts[group])
                    if at == group and table.column("id")[row].as_py() == example.id:
                        found[example.id] = table.column("text")[row].as_py()[:characters]
    return found
