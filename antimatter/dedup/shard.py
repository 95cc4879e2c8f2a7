"""The work on one shard: sketch its documents, yield their rows for the shuffles, shingle its candidates.

scratch/index/shard-i.arrow         id, source, digest, length, pieces, criterion_0...: what ranking needs
scratch/keys/shard-i.npy            uint64[documents, bands]
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from antimatter.corpus.shards import read_shard, shard_name
from antimatter.corpus.signals import signals_of
from antimatter.dedup import candidates
from antimatter.dedup.bands import buckets
from antimatter.dedup.contents import canonical, content_digests
from antimatter.dedup.shingles import shingle_sets
from antimatter.dedup.signatures import permutations, signatures, sketch
from antimatter.execution.scratch import array_path, arrow_path, from_halves, halves, map_arrow, save, write_arrow
from antimatter.params.dedup import Dedup

SLICE_BYTES = 8_000_000


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where dedup reads and writes."""

    documents: Path
    """data/filtered/documents"""
    signals: Path | None
    """data/filtered/signals; needed only if `keep` asks for a signal"""
    output: Path
    scratch: Path

    @property
    def candidates(self) -> Path:
        """Shingles and signatures of the documents that share a bucket (dedup/candidates.py)."""
        return self.scratch / "candidates"


def sketch_shard(index: int, *, places: Places, settings: Dedup) -> dict[str, Any]:
    """Digest, rank criteria and band keys of every document of a shard."""
    table = read_shard(places.documents / shard_name(index), ["id", "source", "text"])
    salts = source_salts(table.column("source"), settings)
    drawn = permutations(settings.bands * settings.rows, settings.seed)
    digests, keys, pieces, signed = [], [], [], []
    start = 0
    for chunk in table.column("text").chunks:
        texts = canonical(chunk)
        own = salts[start : start + len(texts)]
        start += len(texts)
        digests.append(content_digests(texts, collapse=settings.normalization != "none"))
        made = sketch(texts, settings.normalization, settings.shingle_words, drawn, settings.bands, own)
        keys.append(made.keys)
        pieces.append(made.pieces)
        if settings.index == "datasketch":
            signed.append(signatures(shingle_sets(texts, settings.normalization, settings.shingle_words), drawn))
    lengths = np.asarray(pc.binary_length(table.column("text")), dtype=np.int64)
    columns = {
        "id": table.column("id"),
        "source": table.column("source").cast(pa.string()),
        "digest": from_halves(np.concatenate([*digests, np.empty((0, 2), np.uint64)])),
        "length": pa.array(lengths),
        "pieces": pa.array(np.concatenate([*pieces, np.empty(0, np.int64)])),
    }
    for number, values in enumerate(criteria(index, table, lengths, places, settings)):
        columns[f"criterion_{number}"] = pa.array(values)
    write_arrow(arrow_path(places.scratch, "index", index), pa.table(columns))
    every = np.concatenate([*keys, np.empty((0, settings.bands), np.uint64)])
    save(array_path(places.scratch, "keys", index), every)
    if settings.index == "datasketch":
        whole = np.concatenate([*signed, np.empty((0, len(drawn.a)), np.uint64)])
        save(array_path(places.scratch, "signatures", index), whole)
    return {"documents": table.num_rows, "bytes": int(lengths.sum())}


def source_salts(sources: pa.ChunkedArray, settings: Dedup) -> np.ndarray:
    """uint64[n]: equal for documents that may meet (params.dedup.Dedup.scope)."""
    if settings.scope == "global":
        return np.zeros(len(sources), dtype=np.uint64)
    coded = pc.dictionary_encode(sources.combine_chunks())
    names = [xxhash.xxh3_64_intdigest(name.encode()) for name in coded.dictionary.to_pylist()]
    salts: np.ndarray = np.array(names, dtype=np.uint64)[coded.indices.to_numpy()]
    return salts


def criteria(index: int, table: pa.Table, lengths: np.ndarray, places: Places, settings: Dedup) -> list[np.ndarray]:
    """float64[n] for each criterion of `keep`, smaller is better; a signal that a document lacks is worst."""
    known = {"length": lengths.astype(np.float64)}
    if "source" in {criterion.removeprefix("-") for criterion in settings.keep}:
        order = {name: float(place) for place, name in enumerate(settings.source_priority)}
        last = float(len(order))
        known["source"] = -np.array([order.get(name, last) for name in table.column("source").to_pylist()])
    if settings.signals and places.signals:
        measured = signals_of(places.signals / shard_name(index), table.column("id"), settings.signals, "filter")
        for name in settings.signals:
            known[name] = pc.cast(measured.column(name), pa.float64()).to_numpy()
    columns = []
    for criterion in settings.keep:
        values = known[criterion.removeprefix("-")]
        values = values if criterion.startswith("-") else -values
        columns.append(np.where(np.isnan(values), np.inf, values))
    return columns


def copy_rows(index: int, *, places: Places, settings: Dedup, starts: np.ndarray, partitions: int) -> pa.Table:
    """Digest and rank of the documents of a shard, for the search for exact copies; of equal ones in the shard the best
    alone, the others are written to scratch/own_copies/."""
    batch = map_arrow(arrow_path(places.scratch, "index", index))
    digests, ids = halves(batch.column("digest")), halves(batch.column("id"))
    high = digests[:, 0] ^ source_salts(pa.chunked_array([batch.column("source")]), settings)
    columns = {
        "partition": (high % np.uint64(partitions)).astype(np.int32),
        "document": np.arange(starts[index], starts[index + 1], dtype=np.int64),
        "high": high,
        "low": digests[:, 1],
        "id_high": ids[:, 0],
        "id_low": ids[:, 1],
    }
    columns |= {f"criterion_{k}": batch.column(f"criterion_{k}").to_numpy() for k in range(len(settings.keep))}
    copies, bests = equal_documents(columns, settings)
    save_copies(places, "own_copies", index, columns["document"][copies], columns["document"][bests])
    is_best = np.ones(batch.num_rows, dtype=bool)
    is_best[copies] = False
    return pa.table({name: pa.array(values[is_best]) for name, values in columns.items()})


def merge_copies(partition: int, tables: list[pa.Table], *, places: Places, settings: Dedup) -> dict[str, Any]:
    """The exact copies among the documents of one partition, each with the best ranked of its kind."""
    table = pa.concat_tables(tables)
    columns = {name: table.column(name).to_numpy() for name in table.column_names}
    copies, bests = equal_documents(columns, settings)
    save_copies(places, "copies", partition, columns["document"][copies], columns["document"][bests])
    return {"copies": len(copies)}


def equal_documents(columns: dict[str, np.ndarray], settings: Dedup) -> tuple[np.ndarray, np.ndarray]:
    """(copies, the best ranked of each one's kind): rows of documents with equal digests."""
    order = np.lexsort((columns["low"], columns["high"]))
    is_first = is_new(columns["high"][order], columns["low"][order])
    shared = order[~(is_first & np.append(is_first[1:], True))]  # only these have to be ranked
    ranked = [f"criterion_{k}" for k in reversed(range(len(settings.keep)))]
    shared = shared[np.lexsort([columns[name][shared] for name in ("id_low", "id_high", *ranked, "low", "high")])]
    is_best = is_new(columns["high"][shared], columns["low"][shared])
    bests = shared[is_best][np.cumsum(is_best) - 1] if len(shared) else shared
    return shared[~is_best], bests[~is_best]


def is_new(high: np.ndarray, low: np.ndarray) -> np.ndarray:
    """bool[n]: of sorted pairs those that differ from the one before."""
    found = np.ones(len(high), dtype=bool)
    found[1:] = (high[1:] != high[:-1]) | (low[1:] != low[:-1])
    return found


def save_copies(places: Places, kind: str, part: int, copies: np.ndarray, representatives: np.ndarray) -> None:
    found = {"copy": pa.array(copies), "representative": pa.array(representatives)}
    write_arrow(arrow_path(places.scratch, kind, part), pa.table(found))


def band_rows(index: int, *, places: Places, starts: np.ndarray, partitions: int) -> pa.Table:
    """(partition, key, document) for every band of every document of a shard that has shingles and is no exact copy."""
    keys = np.load(array_path(places.scratch, "keys", index), mmap_mode="r")
    is_copy = np.load(places.scratch / "is_copy.npy", mmap_mode="r")[starts[index] : starts[index + 1]]
    has_shingles = map_arrow(arrow_path(places.scratch, "index", index)).column("pieces").to_numpy() > 0
    chosen = np.flatnonzero(has_shingles & ~is_copy)
    flat = keys[chosen].reshape(-1)
    return pa.table(
        {
            "partition": pa.array((flat % np.uint64(partitions)).astype(np.int32)),
            "key": pa.array(flat),
            "document": pa.array(np.repeat(chosen + starts[index], keys.shape[1])),
        }
    )


def merge_bands(partition: int, tables: list[pa.Table], *, places: Places) -> dict[str, Any]:
    """The buckets of one partition: scratch/buckets/, rows (bucket, document)."""
    table = pa.concat_tables(tables)
    return save_buckets(
        partition, *buckets(table.column("key").to_numpy(), table.column("document").to_numpy()), places
    )


def save_buckets(partition: int, bucket: np.ndarray, document: np.ndarray, places: Places) -> dict[str, Any]:
    """Keep the members of buckets, as bands.buckets returns them."""
    found = pa.table({"bucket": pa.array(bucket), "document": pa.array(document)})
    write_arrow(arrow_path(places.scratch, "buckets", partition), found)
    sizes = np.bincount(bucket) if len(bucket) else np.zeros(1, dtype=np.int64)
    return {"buckets": int(bucket[-1]) + 1 if len(bucket) else 0, "members": len(bucket), "largest": int(sizes.max())}


def member_rows(partition: int, *, places: Places, first: np.ndarray, count: int, partitions: int) -> pa.Table:
    """(partition, rank, bucket) for every member of the buckets of a partition; partitions are runs of ranks."""
    batch = map_arrow(arrow_path(places.scratch, "buckets", partition))
    ranks = np.load(places.scratch / "ranks.npy", mmap_mode="r")[batch.column("document").to_numpy()].astype(np.int64)
    return pa.table(
        {
            "partition": pa.array((ranks * partitions // max(1, count)).astype(np.int32)),
            "rank": pa.array(ranks),
            "bucket": pa.array(batch.column("bucket").to_numpy() + first[partition]),
        }
    )


def merge_members(partition: int, tables: list[pa.Table], *, places: Places) -> dict[str, Any]:
    """Memberships of one run of ranks, by rank and bucket: scratch/members/."""
    table = pa.concat_tables(tables)
    rank, bucket = table.column("rank").to_numpy(), table.column("bucket").to_numpy()
    order = np.lexsort((bucket, rank))
    ordered = pa.table({"rank": pa.array(rank[order]), "bucket": pa.array(bucket[order])})
    write_arrow(arrow_path(places.scratch, "members", partition), ordered)
    return {"members": len(order)}


def shingle_candidates(index: int, *, places: Places, settings: Dedup, starts: np.ndarray) -> dict[str, Any]:
    """Shingles and signatures of a shard's candidates, from their texts into dedup/candidates.py's files."""
    ranks = np.load(places.scratch / "ranks.npy", mmap_mode="r")[starts[index] : starts[index + 1]]
    rows = np.flatnonzero(ranks >= 0)
    if not len(rows):
        return {"documents": 0, "bytes": 0}
    texts = read_shard(places.documents / shard_name(index), ["text"]).column("text").take(pa.array(rows))
    lengths = np.asarray(pc.binary_length(texts), dtype=np.int64)
    drawn = permutations(settings.bands * settings.rows, settings.seed)
    firsts = np.flatnonzero(np.diff(np.cumsum(lengths) // SLICE_BYTES, prepend=-1))  # shingles take more than the text
    for start, stop in zip(firsts, [*firsts[1:], len(rows)], strict=True):
        some = texts.slice(start, stop - start).combine_chunks()
        found = shingle_sets(canonical(some), settings.normalization, settings.shingle_words)
        candidates.fill(places.candidates, ranks[rows[start:stop]], found, signatures(found, drawn))
    return {"documents": len(rows), "bytes": int(lengths.sum())}


def rows_by_shard(
    places: Places, starts: np.ndarray, documents: np.ndarray
) -> Iterator[tuple[pa.RecordBatch, np.ndarray, slice]]:
    """(index of a shard, rows in it, where they lie in `documents`), for ascending documents."""
    bounds = np.searchsorted(documents, starts)
    for index in range(len(starts) - 1):
        own = slice(int(bounds[index]), int(bounds[index + 1]))
        if own.start < own.stop:
            yield map_arrow(arrow_path(places.scratch, "index", index)), documents[own] - starts[index], own
