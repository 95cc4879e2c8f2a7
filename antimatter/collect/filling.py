"""The shards that a part fills: documents, removed, quarantine, closed together when they hold enough.

    part-00007/documents/shard-00000.parquet   shard-00001.parquet ...
              /removed/...   /quarantine/...

A part that was planned by its size gives one of each; a compressed file gives as many as its text needs. What is
not yet written is held as Arrow batches, so memory is bounded by the size of one shard.
"""

from pathlib import Path
from typing import Any

import pyarrow as pa

from antimatter.corpus.ledger import LEDGER, Removal, ledger_table
from antimatter.corpus.schema import DOCUMENT
from antimatter.corpus.shards import shard_name, write_shard

OUTPUTS = ("documents", "removed", "quarantine")

QUARANTINE = pa.schema(
    [
        pa.field("source", pa.string(), nullable=False),
        pa.field("origin", pa.string(), nullable=False),
        pa.field("offset", pa.int64(), nullable=False),
        pa.field("error", pa.string(), nullable=False),
        pa.field("data", pa.binary(), nullable=False),
    ]
)
"""`data` begins at byte `offset` of the file or member that `origin` names (-1: not known)."""

_BATCH_BYTES, _BATCH_ROWS = 4_000_000, 20_000


class Shelf:
    """Takes the documents of one part in order and writes its shards."""

    def __init__(self, folder: Path, part: int, source: str, shard_bytes: int) -> None:
        self.folder, self.part, self.source = folder, part, source
        self.full = shard_bytes + shard_bytes // 4  # a part of the planned size must not spill over by a few bytes
        self.shards = 0
        self._begin()

    def _begin(self) -> None:
        self.filled = 0
        self.batches: dict[str, list[pa.RecordBatch]] = {name: [] for name in OUTPUTS}
        self._clear()

    def _clear(self) -> None:
        self.batch_bytes = 0
        self.ids: list[bytes] = []
        self.texts: list[str] = []
        self.origins: list[str] = []
        self.metadata: list[list[tuple[str, str]]] = []
        self.removals: list[Removal] = []
        self.broken: list[dict[str, Any]] = []

    def keep(self, identity: bytes, text: str, origin: str, metadata: list[tuple[str, str]], size: int) -> None:
        """One document; `size` in bytes of UTF-8."""
        self.ids.append(identity)
        self.texts.append(text)
        self.origins.append(origin)
        self.metadata.append(metadata)
        self._grow(size + sum(len(name) + len(value) for name, value in metadata))

    def remove(self, removal: Removal) -> None:
        """One row of the ledger."""
        self.removals.append(removal)
        self._grow(0)

    def quarantine(self, origin: str, offset: int, error: str, data: bytes) -> None:
        """Bytes that gave no document; their row of the ledger goes to `remove`."""
        self.broken.append({"source": self.source, "origin": origin, "offset": offset, "error": error, "data": data})
        self._grow(len(data))

    def _grow(self, size: int) -> None:
        self.batch_bytes += size
        if self.batch_bytes >= _BATCH_BYTES or len(self.ids) + len(self.removals) >= _BATCH_ROWS:
            self._flush()
            if self.filled >= self.full:
                self.close()

    def _flush(self) -> None:
        rows = len(self.ids)
        columns = {
            "id": self.ids,
            "text": self.texts,
            "source": [self.source] * rows,
            "origin": self.origins,
            "language": [None] * rows,
            "language_score": [None] * rows,
            "metadata": self.metadata,
        }
        self.batches["documents"].append(pa.RecordBatch.from_pydict(columns, schema=DOCUMENT))
        self.batches["removed"] += ledger_table("collect", self.part, self.removals).to_batches()
        self.batches["quarantine"].append(pa.RecordBatch.from_pylist(self.broken, schema=QUARANTINE))
        # rows weigh too: a file of a hundred million rejected lines must not stay in memory
        self.filled += self.batch_bytes + 100 * (rows + len(self.removals))
        self._clear()

    def close(self) -> None:
        """Write what is held as the next shard, even if it is nothing and the first."""
        self._flush()
        for name, schema in zip(OUTPUTS, (DOCUMENT, LEDGER, QUARANTINE), strict=True):
            table = pa.Table.from_batches(self.batches[name], schema=schema)
            write_shard(self.folder / name / shard_name(self.shards), table)
        self.shards += 1
        self._begin()

    def finish(self) -> int:
        """Close the last shard; how many there are, at least one."""
        if self.shards == 0 or self.ids or self.removals or self.broken or self.filled:
            self.close()
        return self.shards
