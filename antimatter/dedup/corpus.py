"""Deduplication of a whole corpus, step by step.

    sketch      digests and band keys of every document                     workers, shard by shard
    copies      equal digests meet; the best ranked represents them         shuffle by digest
    buckets     equal band keys meet; those of one document go              shuffle by key
    candidates  documents in buckets are ranked; their shingles are written workers, shard by shard
    members     memberships of buckets, by rank                             shuffle by rank
    meet        in rank order, each candidate meets the kept ones           here: 1 to 2 us a comparison of 300 shingles
    lines       what stands in several documents that are kept, if asked    shuffle by hash
    part        what stays, the ledger, the signals                         workers, shard by shard
    spans       passages that are repeated in them, counted if asked        shuffles by hash

Memory here: 5 bytes a document (56 with an optional pass), and at the peak about 250 a document that shares a bucket or
its content with another; in each worker a shard, or a partition of a shuffle (about 300 MB). The rest lies in files.
"""

import itertools
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from antimatter.corpus.shards import shard_paths
from antimatter.dedup import candidates, lines, parting, shard, spans
from antimatter.dedup.assign import Leaders, Verdicts, meet, rank_order
from antimatter.dedup.bands import Buckets
from antimatter.dedup.outcome import kept, resolve, verdict_rows
from antimatter.dedup.shard import Places, rows_by_shard
from antimatter.dedup.summary import summary
from antimatter.dedup.verify import least_agreements
from antimatter.errors import AntiMatterError
from antimatter.execution.progress import Progress
from antimatter.execution.scratch import arrow_path, halves, map_arrow, save, write_arrow
from antimatter.execution.workspace import Workspace
from antimatter.params.dedup import Dedup

ROWS = 4_000_000
"""Of a shuffle that meet in one place."""
TOGETHER = 10_000
"""Candidates that meet the others in one call."""
REMAP = 20
"""Calls after which the files of the candidates are mapped anew: what was read of them leaves memory."""
MOST_DOCUMENTS = 1_000_000
"""For datasketch's index."""


class TooManyDocuments(AntiMatterError, ValueError):
    """datasketch's index would not fit into memory."""


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
    if settings.index == "datasketch":
        require_few(int(starts[-1]))
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
        repeated = lines.find_repeated(work, documents, shards, settings.lines)
    results = work.map(partial(parting.part_shard, places=places, settings=settings), shards, title="part")
    if settings.lines.unit != "none":
        report["lines"] = lines.summary(work.scratch, repeated, [result["lines"] for result in results])
    if settings.repeated_spans:
        report["repeated_spans"] = spans.find_repeated(work, shards, words=settings.repeated_spans)
    return summary(work.counts(results), found, verdicts, buckets, hottest, settings) | report


def require_few(documents: int) -> None:
    """Raises TooManyDocuments for more than datasketch's index is for."""
    if documents > MOST_DOCUMENTS:
        raise TooManyDocuments(
            f"dedup.index: datasketch keeps 5.5 KB a document in memory, and there are {documents:,} documents. "
            "Set dedup.index to bands in params.yaml: it finds the same."
        )


def find_copies(work: Workspace, places: Places, settings: Dedup, starts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(copies ascending, representative of each), document numbers int64. Writes scratch/is_copy.npy.

    The best of equal documents in a shard stands for them, then the best of these: so a million of them in each of a
    thousand shards meet as a thousand.
    """
    documents, shards = int(starts[-1]), range(len(starts) - 1)
    partitions = documents * 4 // ROWS + 1  # its rows are three times as wide, and sorted by more
    rows = partial(shard.copy_rows, places=places, settings=settings, starts=starts, partitions=partitions)
    merge = partial(shard.merge_copies, places=places, settings=settings)
    work.exchange(rows, shards, partitions, merge, title="copies")
    copies, representatives = read_copies(places, "copies", partitions)
    own_copies, own_bests = read_copies(places, "own_copies", len(shards))
    if len(copies):
        at = np.minimum(np.searchsorted(copies, own_bests), len(copies) - 1)
        own_bests = np.where(copies[at] == own_bests, representatives[at], own_bests)
    copies, representatives = np.concatenate([copies, own_copies]), np.concatenate([representatives, own_bests])
    is_copy = np.zeros(documents, dtype=bool)
    is_copy[copies] = True
    save(places.scratch / "is_copy.npy", is_copy)
    order = np.argsort(copies)
    return copies[order], representatives[order]


def read_copies(places: Places, kind: str, parts: int) -> tuple[np.ndarray, np.ndarray]:
    """(copies ascending, their representatives) of all parts."""
    batches = [map_arrow(arrow_path(places.scratch, kind, part)) for part in range(parts)]
    copies = np.concatenate([batch.column("copy").to_numpy() for batch in batches])
    representatives = np.concatenate([batch.column("representative").to_numpy() for batch in batches])
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
    candidates.require_filled(places.candidates)
    partitions = buckets.members // ROWS + 1
    rows_of = partial(shard.member_rows, places=places, first=buckets.first, count=len(ranked), partitions=partitions)
    merge = partial(shard.merge_members, places=places)
    work.exchange(rows_of, range(len(buckets.first) - 1), partitions, merge, title="members")
    leaders = Leaders(places.scratch / "leaders", int(buckets.first[-1]), buckets.members)
    least = least_agreements(settings.threshold, settings.bands * settings.rows)
    ranks_of = np.bincount(np.arange(len(ranked)) * partitions // len(ranked), minlength=partitions)
    with Progress("meet", int((-(-ranks_of // TOGETHER)).sum())) as progress:
        for number, (rank, bucket) in enumerate(memberships(places, partitions)):
            if number % REMAP == 0:
                files = candidates.view(places.candidates)
            meet(
                rank, bucket, leaders, files, verdicts,
                threshold=settings.threshold, least=least, most=settings.leaders_per_bucket, rows=settings.rows,
            )  # fmt: skip
            progress.advance(int(rank[-1] - rank[0]) + 1, 0)
    over = np.flatnonzero(leaders.counts > settings.leaders_per_bucket)
    hottest = over[np.lexsort((leaders.members[leaders.heads[over]], -leaders.counts[over]))]
    return verdicts, [(int(leaders.counts[bucket]), int(leaders.members[leaders.heads[bucket]])) for bucket in hottest]


def memberships(places: Places, partitions: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(rank, bucket) of some ranks at a time, in order; between them a signal is heard."""
    for partition in range(partitions):
        batch = map_arrow(arrow_path(places.scratch, "members", partition))
        rank, bucket = batch.column("rank").to_numpy(), batch.column("bucket").to_numpy()
        if len(rank):
            bounds = np.searchsorted(rank, range(int(rank[0]), int(rank[-1]) + 1, TOGETHER)).tolist()
            for low, high in itertools.pairwise([*bounds, len(rank)]):
                yield rank[low:high], bucket[low:high]
