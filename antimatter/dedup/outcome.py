"""The outcome: what becomes of the documents that share a bucket or their content with another."""

from typing import NamedTuple

import numpy as np
import pyarrow as pa

from antimatter.dedup import parting
from antimatter.dedup.assign import Verdicts
from antimatter.dedup.shard import Places, rows_by_shard
from antimatter.execution.scratch import from_halves, halves


class Outcome(NamedTuple):
    """What became of the documents that share a bucket or their content with another, ascending by document."""

    documents: np.ndarray
    """int64[m]"""
    representative: np.ndarray
    """int64[m]: position of the best of equal content; its own if it is that"""
    rank: np.ndarray
    """int64[m] among candidates, -1 if it shares no bucket; of copies their representative's"""
    nearest: np.ndarray
    """int64[m]: position of the document that it resembles most, or leaves for; -1: none"""
    is_copy: np.ndarray
    """bool[m]: leaves as an exact copy of `nearest`"""
    is_removed: np.ndarray
    """bool[m]"""
    cluster: np.ndarray
    """int64[m]: position of the best of its cluster"""
    cluster_size: np.ndarray
    """int64[m]"""
    copies: np.ndarray
    """int64[m]: documents of equal content, itself included"""
    stands_for: np.ndarray
    """int64[m]: itself and those that left for it; 0 if it is removed"""
    ids: np.ndarray
    """uint64[m, 2]"""
    sources: np.ndarray
    """int32[m], into source_names"""
    source_names: list[str]


def resolve(
    places: Places,
    starts: np.ndarray,
    copies: np.ndarray,
    representatives: np.ndarray,
    ranked: np.ndarray,
    verdicts: Verdicts,
) -> Outcome:
    """Both kinds of verdicts together, so that every keeper is kept.

    A copy has the shingles of its representative. Where that one itself left for a third document, the third was
    verified against those same shingles: it becomes the copy's keeper, at the same similarity.
    """
    documents = np.unique(np.concatenate([copies, representatives, ranked]))
    rank = np.full(len(documents), -1, dtype=np.int64)
    rank[np.searchsorted(documents, ranked)] = np.arange(len(ranked))
    representative = np.arange(len(documents))
    copy_places = np.searchsorted(documents, copies)
    representative[copy_places] = np.searchsorted(documents, representatives)
    rank = rank[representative]
    position = np.searchsorted(documents, ranked)  # by rank
    is_near = np.zeros(len(documents), dtype=bool)
    nearest, cluster = np.full(len(documents), -1), representative.copy()
    met = np.flatnonzero(rank >= 0)
    is_near[met] = verdicts.keeper[rank[met]] >= 0
    nearest[met] = np.where(verdicts.nearest[rank[met]] >= 0, position[verdicts.nearest[rank[met]]], -1)
    cluster[met] = position[verdicts.clusters()[rank[met]]]
    is_copy = (representative != np.arange(len(documents))) & ~is_near
    nearest[is_copy] = representative[is_copy]
    ids, sources, names = np.empty((len(documents), 2), np.uint64), np.empty(len(documents), np.int32), dict[str, int]()
    for batch, rows, own in rows_by_shard(places, starts, documents):
        ids[own] = halves(batch.column("id").take(pa.array(rows)))
        coded = batch.column("source").take(pa.array(rows)).dictionary_encode()
        codes = [names.setdefault(name, len(names)) for name in coded.dictionary.to_pylist()]
        sources[own] = np.array(codes, dtype=np.int32)[coded.indices.to_numpy()]
    is_removed, m = is_near | is_copy, len(documents)
    return Outcome(
        documents=documents,
        representative=representative,
        rank=rank,
        nearest=nearest,
        is_copy=is_copy,
        is_removed=is_removed,
        cluster=cluster,
        cluster_size=np.bincount(cluster, minlength=m)[cluster],
        copies=np.bincount(representative, minlength=m)[representative],
        stands_for=np.where(is_removed, 0, 1 + np.bincount(nearest[is_removed], minlength=m)),
        ids=ids,
        sources=sources,
        source_names=list(names),
    )


def kept(found: Outcome, documents: int) -> np.ndarray:
    """bool[documents]: those that are not removed."""
    keeps = np.ones(documents, dtype=bool)
    keeps[found.documents[found.is_removed]] = False
    return keeps


def verdict_rows(found: Outcome, verdicts: Verdicts, own: slice, start: int) -> pa.Table:
    """Verdicts on found.documents[own], which lie in the shard whose first document is `start`."""
    rank, nearest, is_copy, is_removed = found.rank[own], found.nearest[own], found.is_copy[own], found.is_removed[own]
    has_none, is_plain = nearest < 0, (nearest < 0) | is_copy

    def measured(values: np.ndarray, of_copies: float, mask: np.ndarray, kind: pa.DataType) -> pa.Array:
        taken = values[rank] if len(values) else np.zeros(len(rank))
        return pa.array(np.where(is_copy, of_copies, taken), kind, mask=mask)

    reasons = np.where(is_copy, "dedup.exact", "dedup.near")
    columns = [
        pa.array((found.documents[own] - start).astype(np.int32)),
        pa.array(reasons, pa.string(), mask=~is_removed),
        from_halves(found.ids[nearest], has_none),
        measured(verdicts.similarity, 1.0, has_none, pa.float64()),
        measured(verdicts.containment, 1.0, has_none, pa.float64()),
        measured(verdicts.estimate, 0.0, is_plain, pa.float64()),
        measured(verdicts.bands, 0, is_plain, pa.int32()),
        from_halves(found.ids[found.cluster[own]]),
        pa.array(found.cluster_size[own].astype(np.int32)),
        pa.array(found.copies[own].astype(np.int32)),
        pa.array(found.stands_for[own].astype(np.int32)),
    ]
    return pa.Table.from_arrays(columns, schema=parting.VERDICT)
