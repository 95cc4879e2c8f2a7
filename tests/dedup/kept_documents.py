"""Documents and the verdicts on them, as the passes behind the verdicts find them in a work folder."""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from antimatter.corpus.ledger import Removal, ledger_table
from antimatter.corpus.schema import DOCUMENT, document_id
from antimatter.corpus.shards import shard_name, write_shard
from antimatter.dedup.contents import content_digest
from antimatter.execution.scratch import arrow_path, write_arrow
from antimatter.execution.workspace import Workspace


class Document(NamedTuple):
    """One of a shard."""

    text: str
    origin: str
    source: str = "test"
    is_kept: bool = True

    @property
    def id(self) -> bytes:
        return document_id(self.source, self.origin)

    @property
    def place(self) -> tuple[bytes, bytes]:
        """What orders documents however they lie in shards."""
        return content_digest(self.text), self.id


def documents(texts: Sequence[str], removed_share: float = 0.2, seed: int = 1) -> list[Document]:
    """The texts from two sources; some documents are not kept."""
    draw = random.Random(seed)
    return [
        Document(text, str(number), draw.choice(["one", "two"]), draw.random() >= removed_share)
        for number, text in enumerate(texts)
    ]


def cut(found: Sequence[Document], shards: int, seed: int = 1) -> list[list[Document]]:
    """The documents in any order, in so many shards, of which the last one is empty."""
    draw = random.Random(seed)
    shuffled = draw.sample(found, len(found))
    return [shuffled[index :: max(1, shards - 1)] for index in range(shards - 1)] + [[]]


def prepare(folder: Path, shards: Sequence[Sequence[Document]]) -> Workspace:
    """A work folder with folder/in as the stage's input, what dedup knows once it has judged, and what it writes if no
    pass over lines changes that."""
    work = Workspace("dedup", {}, folder / "work", [], folder / "report.json")
    for index, shard in enumerate(shards):
        rows = [{**d._asdict(), "id": d.id, "metadata": []} for d in shard]
        write_shard(folder / "in" / shard_name(index), pa.Table.from_pylist(rows, schema=DOCUMENT))
        removed = [Removal(id=d.id, source=d.source, reason="x", row=r) for r, d in enumerate(shard) if not d.is_kept]
        write_shard(work.output / "removed" / shard_name(index), ledger_table("dedup", index, removed))
        write_shard(work.output / "documents" / shard_name(index), kept_table(shard))
        facts = {
            "id": pa.array([d.id for d in shard], pa.binary(16)),
            "source": pa.array([d.source for d in shard], pa.string()),
            "digest": pa.array([content_digest(d.text) for d in shard], pa.binary(16)),
            "length": pa.array([len(d.text.encode()) for d in shard], pa.int64()),
        }
        write_arrow(arrow_path(work.scratch, "index", index), pa.table(facts))
    np.save(work.scratch / "starts.npy", np.cumsum([0, *map(len, shards)]).astype(np.int64))
    np.save(work.scratch / "kept.npy", np.array([d.is_kept for shard in shards for d in shard], dtype=bool))
    return work


def kept_table(shard: Sequence[Document]) -> pa.Table:
    """The kept documents of a shard, as the stage holds them when it writes them."""
    rows = [{**d._asdict(), "id": d.id, "metadata": []} for d in shard if d.is_kept]
    return pa.Table.from_pylist(rows, schema=DOCUMENT)


def files_below(folder: Path) -> dict[str, bytes]:
    """Content by name."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
