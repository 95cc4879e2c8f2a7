"""Deduplication of a whole corpus, step by step.

    sketch      digests and band keys of every document                     workers, shard by shard
    copies      equal digests meet; the best ranked represents them         shuffle by digest
    buckets     equal band keys meet; those of one document go              shuffle by key
    candidates  documents in buckets are ranked; their shingles are written workers, shard by shard
    members     memberships of buckets, by rank                             shuffle by rank
    meet        in rank order, each candidate meets the kept ones           here: a comparison takes a microsecond
    lines       what stands in several documents that are kept, if asked    shuffle by hash
    part        what stays, the ledger, the signals                         workers, shard by shard
    spans       passages that are repeated in them, counted if asked        shuffles by hash

Memory here: 5 bytes a document, about 150 a document that shares a bucket or its content with another; in each worker
one shard, or one partition of a shuffle (64 MB). Everything else lies in files.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from antimatter.corpus.shards import shard_paths
from antimatter.dedup import candidates, lines, shard, spans
from antimatter.dedup.assign import Leaders, Verdicts, meet, rank_order
from antimatter.dedup.scratch import arrow_path, from_halves, halves, map_arrow, save, write_arrow
from antimatter.dedup.shard import Places
from antimatter.dedup.summary import summary
from antimatter.dedup.verify import least_agreements
from antimatter.execution.progress import Progress
from antimatter.execution.workspace import Workspace
from antimatter.params.dedup import Dedup

ROWS = 4_000_000
"""Of a shuffle that meet in one place."""


class Buckets(NamedTuple):
    """What scratch/buckets/ holds, a file a partition."""

    first: np.ndarray
    """int64[partitions+1]: number of the first bucket of each"""
    members: int
    largest: int


class Found(NamedTuple):
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


def deduplicate(work: Workspace, documents: Path, signals: Path | None, settings: Dedup) -> dict[str, Any]:
    """Write documents, removed and signals below work.output; returns the report.

    documents  shards to deduplicate
    signals    shards with a row for each of them and more; needed only if settings.keep names a signal
    """
    places = Places(documents=documents, signals=signals, output=work.output, scratch=work.scratch)
    shards = range(len(shard_paths(documents)))
    sketched = work.map(partial(shard.sketch_shard, places=places, settings=settings), shards, title="sketch")
    starts = np.cumsum([0] + [result["documents"] for result in sketched]).astype(np.int64)
    save(places.scratch / "starts.npy", starts)
    copies, representatives = find_copies(work, places, settings, starts)
    buckets = find_buckets(work, places, settings, starts)
    chosen, by_rank = rank_candidates(places, settings, starts, len(buckets.first) - 1)
    verdicts, hottest = near_duplicates(work, places, settings, starts, buckets, chosen[by_rank])
    found = resolve(places, starts, copies, representatives, chosen[by_rank], verdicts)
    for index in shards:
        own = slice(*np.searchsorted(found.documents, starts[index : index + 2]))
        write_arrow(arrow_path(places.scratch, "verdicts", index), verdict_rows(found, verdicts, own, starts[index]))
    save(places.scratch / "kept.npy", kept(found, int(starts[-1])))
    report: dict[str, Any] = {}
    if settings.lines.unit != "none":
        repeated = lines.find_repeated(
            work, documents, shards, unit=settings.lines.unit, min_words=settings.lines.min_words
        )
    results = work.map(partial(shard.part_shard, places=places, settings=settings), shards, title="part")
    if settings.lines.unit != "none":
        report["lines"] = lines.summary(work.scratch, repeated, [result["lines"] for result in results])
    if settings.repeated_spans:
        report["repeated_spans"] = spans.find_repeated(work, documents, shards, words=settings.repeated_spans)
    return summary(work.counts(results), found, verdicts, buckets, hottest, settings) | report


def find_copies(work: Workspace, places: Places, settings: Dedup, starts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(copies ascending, representative of each), document numbers int64. Writes scratch/is_copy.npy."""
    documents, shards = int(starts[-1]), range(len(starts) - 1)
    partitions = documents * 4 // ROWS + 1  # a row takes as much as four of the others
    rows = partial(shard.copy_rows, places=places, settings=settings, starts=starts, partitions=partitions)
    merge = partial(shard.merge_copies, places=places, settings=settings)
    work.exchange(rows, shards, partitions, merge, title="copies")
    batches = [map_arrow(arrow_path(places.scratch, "copies", partition)) for partition in range(partitions)]
    copies = np.concatenate([batch.column("copy").to_numpy() for batch in batches])
    representatives = np.concatenate([batch.column("representative").to_numpy() for batch in batches])
    is_copy = np.zeros(documents, dtype=bool)
    is_copy[copies] = True
    save(places.scratch / "is_copy.npy", is_copy)
    order = np.argsort(copies)
    return copies[order], representatives[order]


def find_buckets(work: Workspace, places: Places, settings: Dedup, starts: np.ndarray) -> Buckets:
    """Documents, other than copies, that share a band key: scratch/buckets/."""
    if settings.index == "datasketch":
        from antimatter.dedup.index_datasketch import find_buckets as buckets_of_datasketch  # half a second to import

        found = [buckets_of_datasketch(places, settings, starts)]
    else:
        partitions = int(starts[-1]) * settings.bands // ROWS + 1
        rows = partial(shard.band_rows, places=places, starts=starts, partitions=partitions)
        merge = partial(shard.merge_bands, places=places)
        found = work.exchange(rows, range(len(starts) - 1), partitions, merge, title="bands")
    first = np.cumsum([0] + [result["buckets"] for result in found]).astype(np.int64)
    return Buckets(first, sum(result["members"] for result in found), max(result["largest"] for result in found))


def rank_candidates(
    places: Places, settings: Dedup, starts: np.ndarray, partitions: int
) -> tuple[np.ndarray, np.ndarray]:
    """(the C documents that share a bucket, ascending; their indices from best to worst). Writes scratch/ranks.npy: the
    rank of every document, int32, -1 for those that share none."""
    is_candidate = np.zeros(int(starts[-1]), dtype=bool)
    for partition in range(partitions):
        is_candidate[map_arrow(arrow_path(places.scratch, "buckets", partition)).column("document").to_numpy()] = True
    chosen = np.flatnonzero(is_candidate)
    names = [f"criterion_{k}" for k in range(len(settings.keep))]
    columns = {name: np.empty(len(chosen)) for name in names}
    digests, ids = np.empty((len(chosen), 2), np.uint64), np.empty((len(chosen), 2), np.uint64)
    for batch, rows, own in rows_by_shard(places, starts, chosen):
        taken = batch.take(pa.array(rows))
        digests[own], ids[own] = halves(taken.column("digest")), halves(taken.column("id"))
        for name in names:
            columns[name][own] = taken.column(name).to_numpy()
    by_rank = rank_order(list(columns.values()), digests, ids)
    ranks = np.full(int(starts[-1]), -1, dtype=np.int32)
    ranks[chosen[by_rank]] = np.arange(len(chosen), dtype=np.int32)
    save(places.scratch / "ranks.npy", ranks)
    return chosen, by_rank


def rows_by_shard(
    places: Places, starts: np.ndarray, documents: np.ndarray
) -> Iterator[tuple[pa.RecordBatch, np.ndarray, slice]]:
    """(index of a shard, rows in it, where they lie in `documents`), for ascending documents."""
    bounds = np.searchsorted(documents, starts)
    for index in range(len(starts) - 1):
        own = slice(int(bounds[index]), int(bounds[index + 1]))
        if own.start < own.stop:
            yield map_arrow(arrow_path(places.scratch, "index", index)), documents[own] - starts[index], own


def near_duplicates(
    work: Workspace, places: Places, settings: Dedup, starts: np.ndarray, buckets: Buckets, ranked: np.ndarray
) -> tuple[Verdicts, list[tuple[int, int]]]:
    """Judge the candidates, whose documents are `ranked`, in rank order.

    Returns the verdicts, and of the buckets with the most kept documents (how many, rank of the last one)."""
    verdicts = Verdicts.none_yet(len(ranked))
    if not len(ranked):
        return verdicts, []
    pieces = np.empty(len(ranked), dtype=np.int64)
    in_order = np.argsort(ranked)
    for batch, rows, own in rows_by_shard(places, starts, ranked[in_order]):
        pieces[in_order[own]] = batch.column("pieces").to_numpy()[rows]
    candidates.create(places.candidates, pieces, settings.bands * settings.rows)
    shingle = partial(shard.shingle_candidates, places=places, settings=settings, starts=starts)
    work.map(shingle, range(len(starts) - 1), title="shingles")
    partitions = buckets.members // ROWS + 1
    rows_of = partial(shard.member_rows, places=places, first=buckets.first, count=len(ranked), partitions=partitions)
    merge = partial(shard.merge_members, places=places)
    work.exchange(rows_of, range(len(buckets.first) - 1), partitions, merge, title="members")
    leaders = Leaders(places.scratch / "leaders", int(buckets.first[-1]), buckets.members)
    files = candidates.view(places.candidates)
    least = least_agreements(settings.threshold, settings.bands * settings.rows)
    with Progress("meet", partitions) as progress:
        for partition in range(partitions):
            batch = map_arrow(arrow_path(places.scratch, "members", partition))
            meet(
                batch.column("rank").to_numpy(), batch.column("bucket").to_numpy(), leaders, files, verdicts,
                threshold=settings.threshold, least=least, most=settings.leaders_per_bucket, rows=settings.rows,
            )  # fmt: skip
            progress.advance(0, 0)
    over = np.flatnonzero(leaders.counts > settings.leaders_per_bucket)
    hottest = over[np.lexsort((leaders.members[leaders.heads[over]], -leaders.counts[over]))]
    return verdicts, [(int(leaders.counts[bucket]), int(leaders.members[leaders.heads[bucket]])) for bucket in hottest]


def resolve(
    places: Places,
    starts: np.ndarray,
    copies: np.ndarray,
    representatives: np.ndarray,
    ranked: np.ndarray,
    verdicts: Verdicts,
) -> Found:
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
    return Found(
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


def kept(found: Found, documents: int) -> np.ndarray:
    """bool[documents]: those that are not removed."""
    keeps = np.ones(documents, dtype=bool)
    keeps[found.documents[found.is_removed]] = False
    return keeps


def verdict_rows(found: Found, verdicts: Verdicts, own: slice, start: int) -> pa.Table:
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
    return pa.Table.from_arrays(columns, schema=shard.VERDICT)
