"""Signals of some documents, looked up in what an earlier stage measured on more."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from antimatter.corpus.shards import DamagedShard, read_shard


def signals_of(path: Path, ids: pa.ChunkedArray, names: Sequence[str], stage: str) -> pa.Table:
    """Columns `names` of the shard `path` for the documents `ids`, in their order.

    stage  that writes the shard, for the message

    Raises: MissingData, DamagedShard (no such column, or a document is not there), both with the stage to run.
    """
    table = read_shard(path, ["id", *names])
    rows = pc.index_in(ids.combine_chunks(), value_set=table.column("id").combine_chunks())
    if rows.null_count:
        raise DamagedShard(f"{path} does not tell of {rows.null_count} documents beside it. Run `dvc repro {stage}`.")
    return table.take(rows)
