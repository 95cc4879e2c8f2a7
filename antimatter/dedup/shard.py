"""The work on one shard: sketch its documents, yield their rows for the shuffles, write what stays.

scratch/index/shard-i.arrow         id, source, digest, length, pieces, criterion_0...: what ranking needs
scratch/keys/shard-i.npy            uint64[documents, bands]
scratch/verdicts/shard-i.arrow      what became of the documents that share anything with another, by row
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from antimatter.corpus.ledger import LEDGER, Counts, Removal, ledger_table
from antimatter.corpus.shards import read_shard, shard_name, write_shard
from antimatter.corpus.signals import signals_of
from antimatter.dedup import candidates, lines
from antimatter.dedup.bands import buckets
from antimatter.dedup.contents import canonical, content_digests
from antimatter.dedup.scratch import arrow_path, from_halves, halves, map_arrow, save, write_arrow
from antimatter.dedup.shingles import shingle_sets
from antimatter.dedup.signatures import permutations, signatures, sketch
from antimatter.params.dedup import Dedup
from antimatter.params.loader import to_plain

VERDICT = pa.schema(
    [
        pa.field("row", pa.int32()),
        pa.field("reason", pa.string()),
        pa.field("nearest_id", pa.binary(16)),
        pa.field("nearest_similarity", pa.float64()),
        pa.field("nearest_containment", pa.float64()),
        pa.field("nearest_estimate", pa.float64()),
        pa.field("nearest_bands", pa.int32()),
        pa.field("cluster", pa.binary(16)),
        pa.field("cluster_size", pa.int32()),
        pa.field("copies", pa.int32()),
        pa.field("stands_for", pa.int32()),
    ]
)
"""Of a document that another resembles; `reason` is null if it stays."""
REMOVED = pa.schema(
    [
        *LEDGER,
        pa.field("containment", pa.float64()),
        pa.field("estimated_similarity", pa.float64()),
        pa.field("bands", pa.int32()),
        pa.field("cluster", pa.binary(16)),
        pa.field("cluster_size", pa.int32()),
    ]
)
"""The ledger, and what else is known of the pair: containment is the share of the removed document's shingles that the
kept one has; the estimate and the bands are null for exact copies, which need none."""
SIGNALS = ("copies", "stands_for", "cluster", "cluster_size")
NEAREST = ("nearest_id", "nearest_similarity", "nearest_containment", "nearest_estimate", "nearest_bands")
PIECE_BYTES = 8_000_000


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
    save(keys_path(places.scratch, index), every)
    if settings.index == "datasketch":
        whole = np.concatenate([*signed, np.empty((0, len(drawn.a)), np.uint64)])
        save(places.scratch / "signatures" / f"shard-{index:05d}.npy", whole)
    return {"documents": table.num_rows, "bytes": int(lengths.sum())}


def keys_path(scratch: Path, index: int) -> Path:
    return scratch / "keys" / f"shard-{index:05d}.npy"


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
    """Digest and rank of every document of a shard, for the search for exact copies."""
    batch = map_arrow(arrow_path(places.scratch, "index", index))
    digests, ids = halves(batch.column("digest")), halves(batch.column("id"))
    salts = source_salts(pa.chunked_array([batch.column("source")]), settings)
    high = digests[:, 0] ^ salts
    columns = {
        "partition": (high % np.uint64(partitions)).astype(np.int32),
        "document": np.arange(starts[index], starts[index + 1], dtype=np.int64),
        "high": high,
        "low": digests[:, 1],
        "id_high": ids[:, 0],
        "id_low": ids[:, 1],
    }
    columns |= {f"criterion_{k}": batch.column(f"criterion_{k}").to_numpy() for k in range(len(settings.keep))}
    return pa.table({name: pa.array(values) for name, values in columns.items()})


def merge_copies(partition: int, tables: list[pa.Table], *, places: Places, settings: Dedup) -> dict[str, Any]:
    """The exact copies among the documents of one partition, each with the best ranked of its kind."""
    table = pa.concat_tables(tables)
    columns = {name: table.column(name).to_numpy() for name in table.column_names}
    order = np.lexsort((columns["low"], columns["high"]))
    low, high = columns["low"][order], columns["high"][order]
    is_first = np.ones(len(order) + 1, dtype=bool)
    is_first[1:-1] = (low[1:] != low[:-1]) | (high[1:] != high[:-1])
    shared = order[~(is_first[:-1] & is_first[1:])]  # only these have to be ranked
    ranked = [f"criterion_{k}" for k in reversed(range(len(settings.keep)))]
    shared = shared[np.lexsort([columns[name][shared] for name in ("id_low", "id_high", *ranked, "low", "high")])]
    low, high = columns["low"][shared], columns["high"][shared]
    is_best = np.ones(len(shared), dtype=bool)
    is_best[1:] = (low[1:] != low[:-1]) | (high[1:] != high[:-1])
    documents = columns["document"][shared]
    best = documents[is_best][np.cumsum(is_best) - 1] if len(shared) else documents
    found = {"copy": documents[~is_best], "representative": best[~is_best]}
    write_arrow(arrow_path(places.scratch, "copies", partition), pa.table(found))
    return {"copies": len(found["copy"])}


def band_rows(index: int, *, places: Places, starts: np.ndarray, partitions: int) -> pa.Table:
    """(partition, key, document) for every band of every document of a shard that has shingles and is no exact copy."""
    keys = np.load(keys_path(places.scratch, index), mmap_mode="r")
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
    pieces = np.flatnonzero(np.diff(np.cumsum(lengths) // PIECE_BYTES, prepend=-1))  # shingles take more than the text
    for start, stop in zip(pieces, [*pieces[1:], len(rows)], strict=True):
        piece = texts.slice(start, stop - start).combine_chunks()
        found = shingle_sets(canonical(piece), settings.normalization, settings.shingle_words)
        candidates.fill(places.candidates, ranks[rows[start:stop]], found, signatures(found, drawn))
    return {"documents": len(rows), "bytes": int(lengths.sum())}


def part_shard(index: int, *, places: Places, settings: Dedup) -> dict[str, Any]:
    """Write the kept documents, the ledger and the signals of a shard, by its verdicts."""
    table = read_shard(places.documents / shard_name(index))
    verdicts = pa.Table.from_batches([map_arrow(arrow_path(places.scratch, "verdicts", index))])
    leaves = np.asarray(verdicts.column("reason").is_valid())
    removed = verdicts.filter(pa.array(leaves))
    rows = removed.column("row").to_numpy()
    keeps = np.ones(table.num_rows, dtype=bool)
    keeps[rows] = False
    documents = table if keeps.all() else table.filter(pa.array(keeps))
    ledger, signals = removed_table(index, table, removed, settings), signals_table(table, verdicts)
    result: dict[str, Any] = {}
    if settings.lines.unit != "none":
        edited = lines.edit_shard(index, documents, scratch=places.scratch, **to_plain(settings.lines))
        result["lines"] = lines.count_by_source(documents.column("source").to_pylist(), edited)
        signals = with_lines(signals, keeps, edited)
        emptied = emptied_table(index, documents, np.flatnonzero(keeps), edited, settings)
        ledger = pa.concat_tables([ledger, emptied]).sort_by("row")
        stays = pa.array(~edited.leaves)
        documents = documents.set_column(documents.schema.names.index("text"), "text", edited.texts).filter(stays)
    write_shard(places.output / "signals" / shard_name(index), signals)
    write_shard(places.output / "removed" / shard_name(index), ledger)
    write_shard(places.output / "documents" / shard_name(index), documents)
    counts = count(table, documents, ledger)
    return {
        "documents": table.num_rows,
        "bytes": sum(flow.bytes_in for flow in counts.sources.values()),
        "counts": counts.to_plain(),
        **result,
    }


def count(table: pa.Table, documents: pa.Table, ledger: pa.Table) -> Counts:
    """Documents and bytes by source: all, those that stay, and why the others go."""
    counts = Counts()
    for each, tell in ((table, counts.arrived), (documents, counts.kept)):
        sizes = pa.table({"source": each.column("source"), "size": pc.binary_length(each.column("text"))})
        totals = sizes.group_by("source").aggregate([("size", "count"), ("size", "sum")])
        for row in totals.to_pylist():
            tell(row["source"], row["size_count"], row["size_sum"])
    for row in ledger.group_by(["source", "reason"]).aggregate([([], "count_all")]).to_pylist():
        counts.removed(row["source"], row["reason"], row["count_all"])
    return counts


def with_lines(signals: pa.Table, keeps: np.ndarray, edited: lines.Edited) -> pa.Table:
    """What the pass over lines did to each document: null for those that were removed before it."""
    place = np.full(len(keeps), -1, dtype=np.int64)
    place[keeps] = np.arange(int(keeps.sum()))
    at = pa.array(place, mask=~keeps)
    for name, values in (
        ("units", edited.units), ("units_removed", edited.removed), ("characters_removed", edited.characters),
    ):  # fmt: skip
        signals = signals.append_column(f"lines_{name}", pa.array(values.astype(np.int32)).take(at))
    leaves = pc.fill_null(pa.array(edited.leaves).take(at), False)
    number = signals.schema.names.index("stands_for")
    stands_for = pc.if_else(leaves, pa.scalar(0, pa.int32()), signals.column("stands_for"))
    return signals.set_column(number, signals.schema.field(number), stands_for)


def emptied_table(index: int, documents: pa.Table, rows: np.ndarray, edited: lines.Edited, settings: Dedup) -> pa.Table:
    """The ledger of those of the kept documents, which lay at `rows`, that the pass over lines leaves too little of."""
    leaves = np.flatnonzero(edited.leaves)
    removals = [
        Removal(
            id=row["id"],
            source=row["source"],
            reason=lines.REASON,
            row=int(rows[leaf]),
            value=float(edited.sentences[leaf]),
            threshold=float(settings.lines.min_sentences),
        )
        for leaf, row in zip(
            leaves.tolist(), documents.select(["id", "source"]).take(pa.array(leaves)).to_pylist(), strict=True
        )
    ]
    table = ledger_table("dedup", index, removals)
    for field in REMOVED:
        if field.name not in LEDGER.names:
            table = table.append_column(field, pa.nulls(len(removals), field.type))
    return table


def removed_table(index: int, table: pa.Table, removed: pa.Table, settings: Dedup) -> pa.Table:
    """The ledger of a shard: `removed` are the verdicts of those that leave."""
    n = removed.num_rows
    chosen = table.select(["id", "source"]).take(removed.column("row"))
    given = {
        "id": chosen.column("id"),
        "source": chosen.column("source").cast(pa.string()),
        "stage": pa.repeat("dedup", n),
        "reason": removed.column("reason"),
        "value": removed.column("nearest_similarity"),
        "threshold": pa.repeat(settings.threshold, n),
        "shard": pa.repeat(pa.scalar(index, pa.int32()), n),
        "row": removed.column("row"),
        "kept_id": removed.column("nearest_id"),
        "similarity": removed.column("nearest_similarity"),
        "also_failed": pa.array([[]] * n, pa.list_(pa.string())),
        "detail": pa.nulls(n, pa.string()),
        "containment": removed.column("nearest_containment"),
        "estimated_similarity": removed.column("nearest_estimate"),
        "bands": removed.column("nearest_bands"),
        "cluster": removed.column("cluster"),
        "cluster_size": removed.column("cluster_size"),
    }
    return pa.Table.from_arrays([given[name] for name in REMOVED.names], schema=REMOVED)


def signals_table(table: pa.Table, verdicts: pa.Table) -> pa.Table:
    """A row per document: what it stands for, its cluster, and the document that it resembles most."""
    n = table.num_rows
    place = np.full(n, -1, dtype=np.int64)
    place[verdicts.column("row").to_numpy()] = np.arange(verdicts.num_rows)
    at = pa.array(place, mask=place < 0)
    told = {name: verdicts.column(name).take(at) for name in (*SIGNALS, *NEAREST)}
    ids = table.column("id")
    alone = {"copies": pa.repeat(1, n), "stands_for": pa.repeat(1, n), "cluster_size": pa.repeat(1, n)}
    columns = {"id": ids, "source": table.column("source").cast(pa.string())}
    for name in SIGNALS:
        other = ids if name == "cluster" else alone[name].cast(pa.int32())
        columns[name] = pc.if_else(told[name].is_valid(), told[name], other)
    columns |= {name: told[name] for name in NEAREST}
    fields = [pa.field(name, column.type, nullable=name in NEAREST) for name, column in columns.items()]
    return pa.Table.from_arrays(list(columns.values()), schema=pa.schema(fields))
