"""The ledger: one row for every document that left, with the reason and the number behind it.

    data/filtered/removed/shard-00003.parquet
    id=9f3c..  source=wiki  stage=filter  reason=gopher_quality.word_count  value=31  threshold=50  also_failed=[...]

documents_in = documents_out + removed, for every source, at the end of each stage: `Counts.require_balance`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

LEDGER = pa.schema(
    [
        pa.field("id", pa.binary(16), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("stage", pa.string(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("value", pa.float64()),
        pa.field("threshold", pa.float64()),
        pa.field("shard", pa.int32(), nullable=False),
        pa.field("row", pa.int32(), nullable=False),
        pa.field("kept_id", pa.binary(16)),
        pa.field("similarity", pa.float64()),
        pa.field("also_failed", pa.list_(pa.string()), nullable=False),
        pa.field("detail", pa.string()),
    ]
)


class LostDocuments(RuntimeError):
    """A stage cannot account for every document that came in: a defect of ours, never of the data."""


@dataclass(frozen=True, kw_only=True)
class Removal:
    """One row of the ledger; `shard` and `row` say where the document lay in the stage's input."""

    id: bytes
    source: str
    reason: str
    row: int
    value: float | None = None
    threshold: float | None = None
    kept_id: bytes | None = None
    similarity: float | None = None
    also_failed: tuple[str, ...] = ()
    detail: str | None = None
    """What the reason means in this case, in a few words: the evaluation item that the document holds."""


def ledger_table(stage: str, shard: int, removals: Iterable[Removal]) -> pa.Table:
    """Removals of one shard as a ledger table."""
    rows = [
        {
            "id": r.id,
            "source": r.source,
            "stage": stage,
            "reason": r.reason,
            "value": r.value,
            "threshold": r.threshold,
            "shard": shard,
            "row": r.row,
            "kept_id": r.kept_id,
            "similarity": r.similarity,
            "also_failed": list(r.also_failed),
            "detail": r.detail,
        }
        for r in removals
    ]
    return pa.Table.from_pylist(rows, schema=LEDGER)


def ledger_columns(
    stage: str,
    shard: int,
    *,
    ids: pa.Array,
    sources: pa.Array,
    reasons: pa.Array,
    rows: np.ndarray,
    values: np.ndarray,
    thresholds: np.ndarray,
    also_failed: pa.ListArray,
    details: pa.Array,
) -> pa.Table:
    """Removals of one shard as a ledger table, from columns: for stages that remove many. NaN stands for no number."""
    n = len(rows)
    given = {
        "id": ids,
        "source": sources.cast(pa.string()),
        "stage": pa.repeat(stage, n),
        "reason": reasons.cast(pa.string()),
        "value": pa.array(values, pa.float64(), mask=np.isnan(values)),
        "threshold": pa.array(thresholds, pa.float64(), mask=np.isnan(thresholds)),
        "shard": pa.repeat(pa.scalar(shard, pa.int32()), n),
        "row": pa.array(rows, pa.int32()),
        "also_failed": also_failed,
        "detail": details,
    }
    columns = [given[field.name] if field.name in given else pa.nulls(n, field.type) for field in LEDGER]
    return pa.Table.from_arrays(columns, schema=LEDGER)


@dataclass
class Flow:
    """What one source did in one stage. Bytes are UTF-8 bytes of text."""

    documents_in: int = 0
    bytes_in: int = 0
    documents_out: int = 0
    bytes_out: int = 0
    removed: dict[str, int] = field(default_factory=dict)

    @property
    def documents_removed(self) -> int:
        return sum(self.removed.values())


@dataclass
class Counts:
    """Documents and bytes per source through one stage (of a shard, or of the whole: they add up)."""

    sources: dict[str, Flow] = field(default_factory=dict)

    def flow(self, source: str) -> Flow:
        """The counts of one source, created on first use."""
        return self.sources.setdefault(source, Flow())

    def arrived(self, source: str, documents: int, text_bytes: int) -> None:
        flow = self.flow(source)
        flow.documents_in += documents
        flow.bytes_in += text_bytes

    def kept(self, source: str, documents: int, text_bytes: int) -> None:
        flow = self.flow(source)
        flow.documents_out += documents
        flow.bytes_out += text_bytes

    def removed(self, source: str, reason: str, documents: int = 1) -> None:
        flow = self.flow(source)
        flow.removed[reason] = flow.removed.get(reason, 0) + documents

    def add(self, other: "Counts") -> None:
        """Add the counts of another shard to these."""
        for source, flow in other.sources.items():
            self.arrived(source, flow.documents_in, flow.bytes_in)
            self.kept(source, flow.documents_out, flow.bytes_out)
            for reason, documents in flow.removed.items():
                self.removed(source, reason, documents)

    def require_balance(self, stage: str) -> None:
        """Raises LostDocuments unless documents in = documents out + removed, for every source."""
        lost = [
            f"{name}: {flow.documents_in} in, {flow.documents_out} out, {flow.documents_removed} removed"
            for name, flow in sorted(self.sources.items())
            if flow.documents_in != flow.documents_out + flow.documents_removed
        ]
        if lost:
            raise LostDocuments(f"stage {stage} does not balance: {'; '.join(lost)}")

    def to_plain(self) -> dict[str, Any]:
        """JSON-ready, sources and reasons sorted."""
        return {
            name: {
                "documents_in": flow.documents_in,
                "bytes_in": flow.bytes_in,
                "documents_out": flow.documents_out,
                "bytes_out": flow.bytes_out,
                "removed": dict(sorted(flow.removed.items())),
            }
            for name, flow in sorted(self.sources.items())
        }

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> "Counts":
        return cls({name: Flow(**{**flow, "removed": dict(flow["removed"])}) for name, flow in plain.items()})

    @classmethod
    def sum(cls, shards: Iterable[Mapping[str, Any]]) -> "Counts":
        """The whole from the plain counts of its shards."""
        total = cls()
        for plain in shards:
            total.add(cls.from_plain(plain))
        return total
