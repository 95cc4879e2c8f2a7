"""Deduplication of a whole corpus, step by step, as the stage tells it.

Memory: the arrays over all documents (ids, digests, lengths, ranks, verdicts) take about 100 bytes a document; the
members of buckets 16 bytes each; shingles and signatures stay in mapped files.
"""

from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from antimatter.corpus.shards import atomic_path
from antimatter.dedup import shard
from antimatter.dedup.assign import Verdict, exact_duplicates, near_duplicates, rank_order
from antimatter.dedup.bands import s_curve
from antimatter.dedup.verify import highest_possible, jaccard
from antimatter.execution.workspace import Workspace
from antimatter.params.dedup import Dedup

PARTITIONS = 16


def sketch(work: Workspace, source: Path, shards: Sequence[int], settings: Dedup) -> None:
    """Shingles and signatures of every document, into work.scratch."""
    work.map(
        partial(shard.sketch_shard, source=source, scratch=work.scratch, settings=settings), shards, title="sketch"
    )


def rank(work: Workspace, shards: Sequence[int]) -> tuple[NDArray[np.int64], list[Verdict]]:
    """Rank all documents and find the exact copies.

    Returns: document number by rank, int64 [n]; the verdicts on exact copies.
    Writes:  scratch/starts.npy (first document number of each shard), scratch/ranks.npy (rank by document number,
             -1 for an exact copy, which needs no bands).
    """
    index = [shard.map_arrow(shard.arrow_path(work.scratch, "index", i)) for i in shards]
    starts = np.concatenate([[0], np.cumsum([batch.num_rows for batch in index])]).astype(np.int64)
    lengths = np.concatenate([batch.column("length").to_numpy() for batch in index])
    digests = np.concatenate([_halves(batch.column("digest")) for batch in index])
    ids = np.concatenate([_halves(batch.column("id")) for batch in index])
    by_rank = rank_order(lengths, digests, ids)
    exact = exact_duplicates(digests[by_rank])
    ranks = np.empty(len(by_rank), dtype=np.int64)
    ranks[by_rank] = np.arange(len(by_rank))
    for verdict in exact:
        ranks[by_rank[verdict.removed]] = -1
    _save(work.scratch / "starts.npy", starts)
    _save(work.scratch / "ranks.npy", ranks)
    return by_rank, exact


def near(
    work: Workspace, shards: Sequence[int], by_rank: NDArray[np.int64], settings: Dedup
) -> tuple[list[Verdict], int]:
    """Near duplicates among the rest: bands propose, exact Jaccard decides. Returns verdicts, pairs compared."""
    yield_bands = partial(shard.band_rows, scratch=work.scratch, settings=settings, partitions=PARTITIONS)
    merge = partial(shard.merge_bands, scratch=work.scratch)
    found = work.exchange(yield_bands, shards, PARTITIONS, merge, title="bands")
    first = np.concatenate([[0], np.cumsum([result["buckets"] for result in found])])
    batches = [shard.map_arrow(shard.arrow_path(work.scratch, "buckets", p)) for p in range(PARTITIONS)]
    bucket = np.concatenate([batch.column("bucket").to_numpy() + first[p] for p, batch in enumerate(batches)])
    member = np.concatenate([batch.column("rank").to_numpy() for batch in batches])
    sketches = shard.Sketches(work.scratch, np.load(work.scratch / "starts.npy"))

    def similarity(left: int, right: int) -> float:
        mine, yours = sketches.shingles(int(by_rank[left])), sketches.shingles(int(by_rank[right]))
        if highest_possible(len(mine), len(yours)) < settings.threshold:
            return 0.0
        return jaccard(mine, yours)

    return near_duplicates(bucket, member, similarity, settings.threshold)


def part(
    work: Workspace, source: Path, shards: Sequence[int], by_rank: NDArray[np.int64], verdicts: list[Verdict]
) -> list[dict[str, Any]]:
    """Write what stays and the ledger; returns the shards' results."""
    ids = np.concatenate(
        [_halves(shard.map_arrow(shard.arrow_path(work.scratch, "index", i)).column("id")) for i in shards]
    )
    kept_id: list[bytes | None] = [None] * len(by_rank)
    similarity: list[float | None] = [None] * len(by_rank)
    exact = [False] * len(by_rank)
    for verdict in verdicts:
        document = int(by_rank[verdict.removed])
        kept_id[document] = ids[by_rank[verdict.keeper]].astype(">u8").tobytes()
        similarity[document] = verdict.similarity
        exact[document] = verdict.exact
    columns = {
        "kept_id": pa.array(kept_id, type=pa.binary(16)),
        "similarity": pa.array(similarity, type=pa.float64()),
        "exact": pa.array(exact, type=pa.bool_()),
    }
    shard.write_arrow(work.scratch / "verdicts.arrow", pa.table(columns))
    write = partial(shard.part_shard, source=source, scratch=work.scratch, output=work.output)
    return work.map(write, shards, title="dedup")


def summary(verdicts: list[Verdict], compared: int, settings: Dedup) -> dict[str, Any]:
    """What the report says beside the counts: pairs, clusters (a keeper and its copies) and the S-curve."""
    sizes = Counter(Counter(verdict.keeper for verdict in verdicts).values())
    return {
        "pairs_compared": compared,
        "clusters": sum(sizes.values()),
        "largest_cluster": max(sizes, default=0) + 1 if sizes else 0,
        "found_at_similarity": s_curve(settings.bands, settings.rows),
        "scheme": f"affine64, seed {settings.seed}, {settings.bands * settings.rows} permutations, "
        f"{settings.shingle_words}-word shingles, normalization {settings.normalization}",
    }


def _halves(ids: pa.FixedSizeBinaryArray) -> NDArray[np.uint64]:
    """16-byte values as uint64 [n, 2], most significant half first, in an order equal to that of the bytes."""
    raw = np.frombuffer(ids.buffers()[1], dtype=">u8")[2 * ids.offset : 2 * (ids.offset + len(ids))]
    return raw.reshape(-1, 2).astype(np.uint64)


def _save(path: Path, array: NDArray[Any]) -> None:
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        np.save(file, array, allow_pickle=False)
