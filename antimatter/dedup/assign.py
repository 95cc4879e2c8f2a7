"""Which copy stays: a document leaves only for a better-ranked document that stays and was verified against it.

    ranks in a bucket:   3  8  9  20           3 is kept; 8 meets 3, 9 meets 3 (and 8, if 8 was kept), ...

Documents are ranked by a total order, so the answer depends on no order of reading. In rank order, each document meets
the *kept* members of its buckets. It leaves for the most similar of those that verify; otherwise it is kept and met by
those behind it. Since whoever is met stays, no verdict is ever taken back, and there are no chains: a ~ b and b ~ c
remove c only if a or another kept document matches c itself.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numba import njit

from antimatter.dedup.candidates import Candidates
from antimatter.dedup.verify import agreements, common, highest_possible, shared_bands
from antimatter.execution.scratch import allocate

STATISTICS = ("met", "skipped_by_size", "skipped_by_signature", "compared", "duplicates", "left_out")
BINS = 20
"""Of the histogram of similarities: steps of 0.05, and one bin for 1."""


def rank_order(criteria: list[np.ndarray], digests: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """int64[n]: document indices from best to worst.

    criteria  float64[n] each, the first decides first, the smallest is best
    digests, ids  uint64[n, 2], 16 bytes as two big-endian halves; what decides if nothing else does
    """
    last_first = [ids[:, 1], ids[:, 0], digests[:, 1], digests[:, 0], *reversed(criteria)]
    return np.lexsort(last_first)


@dataclass
class Verdicts:
    """What became of C candidates, by rank."""

    keeper: np.ndarray
    """int32[C]: the rank that it leaves for; -1: it is kept"""
    nearest: np.ndarray
    """int32[C]: the most similar one that it was compared with (the keeper, if it has one); -1: none"""
    similarity: np.ndarray
    """float64[C]: exact Jaccard similarity with `nearest`"""
    containment: np.ndarray
    """float64[C]: share of its shingles that `nearest` has"""
    estimate: np.ndarray
    """float64[C]: share of places in which their signatures agree"""
    bands: np.ndarray
    """int32[C]: bands in which their signatures agree"""
    has_met: np.ndarray
    """bool[C]: a bucket held a kept document before it"""
    parent: np.ndarray
    """int32[C]: towards the best rank of its cluster: all that verified pairs connect"""
    statistics: np.ndarray
    """int64[6]: STATISTICS"""
    similarities: np.ndarray
    """int64[21]: pairs compared exactly, by similarity rounded down to a twentieth"""
    errors: np.ndarray = field(default_factory=lambda: np.zeros(2, dtype=np.float64))
    """float64[2]: sum of estimate - similarity over these pairs, and of its absolute value"""

    @classmethod
    def none_yet(cls, candidates: int) -> "Verdicts":
        return cls(
            keeper=np.full(candidates, -1, dtype=np.int32),
            nearest=np.full(candidates, -1, dtype=np.int32),
            similarity=np.zeros(candidates),
            containment=np.zeros(candidates),
            estimate=np.zeros(candidates),
            bands=np.zeros(candidates, dtype=np.int32),
            has_met=np.zeros(candidates, dtype=bool),
            parent=np.arange(candidates, dtype=np.int32),
            statistics=np.zeros(len(STATISTICS), dtype=np.int64),
            similarities=np.zeros(BINS + 1, dtype=np.int64),
        )

    def clusters(self) -> np.ndarray:
        """int32[C]: the best rank of each one's cluster."""
        found: np.ndarray = _roots(self.parent)
        return found


class Leaders:
    """The kept members of every bucket, the last one first: lists in mapped files, 8 bytes a bucket and 8 a
    membership at most."""

    def __init__(self, folder: Path, buckets: int, memberships: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        kind = np.dtype(np.int32 if memberships < 2**31 else np.int64)

        def mapped(name: str, kind: np.dtype[Any], entries: int) -> np.ndarray:
            allocate(folder / name, kind.itemsize * entries)
            return np.memmap(folder / name, dtype=kind, mode="r+", shape=entries).view(np.ndarray)

        self.heads = mapped("heads", kind, buckets)
        self.heads[:] = -1
        self.counts = mapped("counts", np.dtype(np.int32), buckets)
        self.members = mapped("members", np.dtype(np.int32), memberships)
        self.before = mapped("before", kind, memberships)
        self.filled = 0


def meet(
    ranks: np.ndarray,
    buckets: np.ndarray,
    leaders: Leaders,
    candidates: Candidates,
    verdicts: Verdicts,
    *,
    threshold: float,
    least: int,
    most: int,
    rows: int,
) -> None:
    """Judge the next candidates.

    ranks, buckets  int64[m] each, memberships by (rank, bucket): all those of a rank, and the ranks of one call before
           those of the next
    least  places in which signatures must agree to be compared (verify.least_agreements)
    most   leaders of a bucket that a candidate meets
    rows   of a band
    """
    widest = int(np.bincount(ranks - ranks[0]).max()) if len(ranks) else 0
    leaders.filled = _meet(
        ranks, buckets, leaders.heads, leaders.counts, leaders.members, leaders.before, leaders.filled,
        candidates.offsets, candidates.counts, candidates.shingles, candidates.signatures,
        verdicts.keeper, verdicts.nearest, verdicts.similarity, verdicts.containment, verdicts.estimate, verdicts.bands,
        verdicts.has_met, verdicts.parent, verdicts.statistics, verdicts.similarities, verdicts.errors,
        threshold, least, most, rows, np.empty(widest * most, dtype=np.int32),
    )  # fmt: skip


@njit(cache=True)
def _meet(  # type: ignore[no-untyped-def]
    ranks, buckets, heads, counts, members, before, filled,
    offsets, sizes, shingles, signed,
    keeper, nearest, similarity, containment, estimate, bands, has_met, parent, statistics, similarities, errors,
    threshold, least, most, rows, met,
):  # fmt: skip
    first = 0
    while first < len(ranks):
        rank = ranks[first]
        end, found = first, 0
        while end < len(ranks) and ranks[end] == rank:
            bucket = buckets[end]
            link, walked = heads[bucket], 0
            while link >= 0 and walked < most:
                met[found] = members[link]
                found += 1
                link = before[link]
                walked += 1
            statistics[5] += max(0, counts[bucket] - most)
            end += 1
        met[:found].sort()
        has_met[rank] = found > 0
        mine = shingles[offsets[rank] : offsets[rank] + sizes[rank]]
        best, index = -1.0, 0
        while index < found:
            leader = met[index]
            while index < found and met[index] == leader:
                index += 1
            statistics[0] += 1
            if highest_possible(sizes[leader], sizes[rank]) < threshold:
                statistics[1] += 1
                continue
            same = agreements(signed[leader], signed[rank])
            if same < least:
                statistics[2] += 1
                continue
            shared = common(shingles[offsets[leader] : offsets[leader] + sizes[leader]], mine)
            union = sizes[leader] + sizes[rank] - shared
            found_similarity, agree = shared / union, same / signed.shape[1]
            statistics[3] += 1
            similarities[BINS * shared // union] += 1
            errors[0] += agree - found_similarity
            errors[1] += abs(agree - found_similarity)
            if found_similarity >= threshold:
                statistics[4] += 1
                _join(parent, leader, rank)
            if found_similarity > best:
                best = found_similarity
                nearest[rank], similarity[rank] = leader, found_similarity
                bands[rank] = shared_bands(signed[leader], signed[rank], rows)
                containment[rank], estimate[rank] = shared / sizes[rank], agree
        if best >= threshold:
            keeper[rank] = nearest[rank]
        else:
            for place in range(first, end):
                bucket = buckets[place]
                members[filled], before[filled] = rank, heads[bucket]
                heads[bucket] = filled
                counts[bucket] += 1
                filled += 1
        first = end
    return filled


@njit(cache=True)
def _root(parent, rank):  # type: ignore[no-untyped-def]
    while parent[rank] != rank:
        parent[rank] = parent[parent[rank]]
        rank = parent[rank]
    return rank


@njit(cache=True)
def _join(parent, left, right):  # type: ignore[no-untyped-def]
    left, right = _root(parent, left), _root(parent, right)
    if left < right:
        parent[right] = left
    else:
        parent[left] = right


@njit(cache=True)
def _roots(parent):  # type: ignore[no-untyped-def]
    roots = np.empty_like(parent)
    for rank in range(len(parent)):
        roots[rank] = _root(parent, rank)
    return roots
