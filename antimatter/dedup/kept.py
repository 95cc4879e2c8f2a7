"""The documents that the passes behind the verdicts look at: the kept ones, their texts, their order, their ids.

scratch/starts.npy            int64[shards+1]: number of the first document of each shard
scratch/kept.npy              bool[documents], by document number: starts[shard] + row
scratch/document_order.npy    int64[documents]: place of each in the order of (content digest, id), which no cut into
                              shards changes
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from antimatter.corpus.shards import read_shard, shard_name
from antimatter.dedup.assign import rank_order
from antimatter.execution.scratch import arrow_path, halves, map_arrow, save


def kept_rows(scratch: Path, index: int) -> NDArray[np.int64]:
    """int64[k]: the rows of a shard that are kept."""
    starts = np.load(scratch / "starts.npy")
    return np.flatnonzero(np.load(scratch / "kept.npy", mmap_mode="r")[starts[index] : starts[index + 1]])


def rows_written(output: Path, scratch: Path, index: int) -> NDArray[np.int64]:
    """int64[k]: the rows of a shard that the stage has written, which may be fewer: those that the ledger lacks."""
    starts = np.load(scratch / "starts.npy")
    is_written = np.ones(starts[index + 1] - starts[index], dtype=bool)
    is_written[read_shard(output / "removed" / shard_name(index), ["row"]).column("row").to_numpy()] = False
    return np.flatnonzero(is_written)


def read_kept(documents: Path, scratch: Path, index: int, columns: list[str]) -> pa.Table:
    """Some columns of the kept documents of a shard.

    documents: folder of the stage's input shards.
    """
    table = read_shard(documents / shard_name(index), columns)
    rows = kept_rows(scratch, index)
    return table if len(rows) == table.num_rows else table.take(pa.array(rows))


def kept_bytes(scratch: Path, shards: Sequence[int]) -> int:
    """UTF-8 bytes of all kept texts, before any pass."""
    total = 0
    for index in shards:
        lengths = map_arrow(arrow_path(scratch, "index", index)).column("length").to_numpy()
        total += int(lengths[kept_rows(scratch, index)].sum())
    return total


def write_document_order(scratch: Path, shards: Sequence[int]) -> None:
    """Write scratch/document_order.npy. Memory: 56 bytes a document."""
    index = [map_arrow(arrow_path(scratch, "index", i)) for i in shards]
    digests, ids = (np.concatenate([halves(batch.column(name)) for batch in index]) for name in ("digest", "id"))
    by_place = rank_order([], digests, ids)
    order = np.empty(len(by_place), dtype=np.int64)
    order[by_place] = np.arange(len(by_place))
    save(scratch / "document_order.npy", order)


def document_id(scratch: Path, document: int) -> str:
    """The id, in hex, of a document by its number."""
    starts = np.load(scratch / "starts.npy")
    shard = int(np.searchsorted(starts, document, side="right")) - 1
    ids = map_arrow(arrow_path(scratch, "index", shard)).column("id")
    return str(ids[document - int(starts[shard])].as_py().hex())
