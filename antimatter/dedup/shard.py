"""The work on one shard: sketch its documents, yield their band keys, write what stays.

scratch/sketches/shard-i.arrow      shingles list<uint64>, signature fixed_size_list<uint64>, one row a document
scratch/index/shard-i.arrow         id, source, digest, length: what ranking needs, for all shards at once
"""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from antimatter.corpus.ledger import Counts, Removal, ledger_table
from antimatter.corpus.shards import atomic_path, read_shard, shard_name, write_shard
from antimatter.dedup.bands import band_keys, buckets
from antimatter.dedup.shingles import Hashes, content_digest, normalize, shingle_hashes
from antimatter.dedup.signatures import signatures
from antimatter.params.dedup import Dedup


def arrow_path(scratch: Path, kind: str, index: int) -> Path:
    """scratch/<kind>/shard-00042.arrow"""
    return scratch / kind / f"shard-{index:05d}.arrow"


def write_arrow(path: Path, table: pa.Table) -> None:
    """An Arrow IPC file of one record batch, so that it can be mapped into memory column by column."""
    with atomic_path(path) as temporary, pa.OSFile(str(temporary), "wb") as sink:
        with pa.ipc.new_file(sink, table.schema) as writer:
            for batch in table.combine_chunks().to_batches() or [pa.RecordBatch.from_pylist([], schema=table.schema)]:
                writer.write_batch(batch)


def map_arrow(path: Path) -> pa.RecordBatch:
    """The record batch of such a file, mapped, not read."""
    return pa.ipc.open_file(pa.memory_map(str(path))).get_batch(0)


def sketch_shard(index: int, *, source: Path, scratch: Path, settings: Dedup) -> dict[str, Any]:
    """Shingle and sign the documents of a shard."""
    table = read_shard(source / shard_name(index), ["id", "source", "text"])
    digests, lengths, shingles = [], [], []
    for text in table.column("text").to_pylist():
        digests.append(content_digest(text))
        lengths.append(len(text.encode()))
        shingles.append(shingle_hashes(normalize(text, settings.normalization), settings.shingle_words))
    signed = signatures(shingles, settings.bands * settings.rows, settings.seed)
    offsets = np.concatenate([[0], np.cumsum([len(s) for s in shingles])]).astype(np.int64)
    flat = np.concatenate([*shingles, np.empty(0, np.uint64)])
    sketches = pa.table(
        {
            "shingles": pa.LargeListArray.from_arrays(pa.array(offsets), pa.array(flat)),
            "signature": pa.FixedSizeListArray.from_arrays(pa.array(signed.reshape(-1)), signed.shape[1]),
        }
    )
    write_arrow(arrow_path(scratch, "sketches", index), sketches)
    facts = table.select(["id", "source"])
    facts = facts.append_column("digest", pa.array(digests, type=pa.binary(16)))
    facts = facts.append_column("length", pa.array(lengths, type=pa.int64()))
    write_arrow(arrow_path(scratch, "index", index), facts)
    return {"documents": table.num_rows, "bytes": sum(lengths)}


def band_rows(index: int, *, scratch: Path, settings: Dedup, partitions: int) -> pa.Table:
    """(partition, key, rank) for every band of every document of a shard that is no exact copy."""
    ranks = np.load(scratch / "ranks.npy", mmap_mode="r")
    starts = np.load(scratch / "starts.npy")
    own = np.asarray(ranks[starts[index] : starts[index + 1]])
    sketches = map_arrow(arrow_path(scratch, "sketches", index))
    count = settings.bands * settings.rows
    signed = sketches.column("signature").flatten().to_numpy().reshape(-1, count)
    chosen = (own >= 0) & (np.diff(sketches.column("shingles").offsets.to_numpy()) > 0)
    keys = band_keys(signed[chosen], settings.bands, settings.rows)
    return pa.table(
        {
            "partition": pa.array((keys.reshape(-1) % np.uint64(partitions)).astype(np.int32)),
            "key": pa.array(keys.reshape(-1)),
            "rank": pa.array(np.repeat(own[chosen], settings.bands)),
        }
    )


def merge_bands(partition: int, tables: list[pa.Table], *, scratch: Path) -> dict[str, Any]:
    """The buckets of one partition, written to scratch/buckets/."""
    table = pa.concat_tables(tables)
    bucket, rank = buckets(table.column("key").to_numpy(), table.column("rank").to_numpy())
    write_arrow(
        arrow_path(scratch, "buckets", partition), pa.table({"bucket": pa.array(bucket), "rank": pa.array(rank)})
    )
    return {"buckets": int(bucket[-1]) + 1 if len(bucket) else 0}


def part_shard(index: int, *, source: Path, scratch: Path, output: Path) -> dict[str, Any]:
    """Write the kept documents and the ledger of a shard, by the verdicts in scratch/verdicts.arrow."""
    table = read_shard(source / shard_name(index))
    starts = np.load(scratch / "starts.npy")
    verdicts = map_arrow(scratch / "verdicts.arrow").slice(int(starts[index]), table.num_rows)
    keepers, similarities = verdicts.column("kept_id").to_pylist(), verdicts.column("similarity").to_pylist()
    exact = verdicts.column("exact").to_pylist()
    names, ids = table.column("source").to_pylist(), table.column("id").to_pylist()
    counts, removals, kept_rows = Counts(), [], []
    sizes = [len(text.encode()) for text in table.column("text").to_pylist()]
    for row, keeper in enumerate(keepers):
        counts.arrived(names[row], 1, sizes[row])
        if keeper is None:
            kept_rows.append(row)
            counts.kept(names[row], 1, sizes[row])
        else:
            reason = "dedup.exact" if exact[row] else "dedup.near"
            counts.removed(names[row], reason)
            removals.append(
                Removal(
                    id=ids[row],
                    source=names[row],
                    reason=reason,
                    row=row,
                    kept_id=keeper,
                    similarity=similarities[row],
                    value=similarities[row],
                )
            )
    write_shard(output / "removed" / shard_name(index), ledger_table("dedup", index, removals))
    write_shard(output / "documents" / shard_name(index), table.take(pa.array(kept_rows, type=pa.int64())))
    return {"documents": table.num_rows, "bytes": sum(sizes), "counts": counts.to_plain()}


class Sketches:
    """The shingles of any document by its number, from the mapped files of all shards."""

    def __init__(self, scratch: Path, starts: NDArray[np.int64]) -> None:
        self._starts = starts
        self._shards = []
        for index in range(len(starts) - 1):
            lists = map_arrow(arrow_path(scratch, "sketches", index)).column("shingles")
            self._shards.append((lists.offsets.to_numpy(), lists.values.to_numpy()))

    def shingles(self, document: int) -> Hashes:
        """Sorted distinct hashes of one document, a view into the mapped file."""
        shard = int(np.searchsorted(self._starts, document, side="right")) - 1
        offsets, values = self._shards[shard]
        row = document - int(self._starts[shard])
        return np.asarray(values[offsets[row] : offsets[row + 1]])
