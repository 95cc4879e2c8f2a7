"""Parting: write what stays of a shard, the ledger of what leaves, and the signals of all, by the verdicts.

scratch/verdicts/shard-i.arrow      what became of the documents that share anything with another, by row: VERDICT
"""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from antimatter.corpus.ledger import LEDGER, Counts, Removal, ledger_table
from antimatter.corpus.shards import read_shard, shard_name, write_shard
from antimatter.dedup import lines
from antimatter.dedup.shard import Places
from antimatter.execution.scratch import arrow_path, map_arrow
from antimatter.params.dedup import Dedup

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
        stands_for = signals.column("stands_for").to_numpy()[keeps]
        edited = lines.edit_shard(index, documents, stands_for, scratch=places.scratch, settings=settings.lines)
        result["lines"] = lines.count_by_source(documents.column("source").to_pylist(), edited)
        signals = with_lines(signals, keeps, edited)
        emptied = emptied_table(index, documents, np.flatnonzero(keeps), edited, settings)
        ledger = pa.concat_tables([ledger, emptied]).sort_by("row")
        stays = pa.array(~edited.leaves)
        number = documents.schema.names.index("text")
        documents = documents.set_column(number, documents.schema.field(number), edited.texts).filter(stays)
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
    """What the pass over lines did to each document: null for those that it did not look at."""
    place = np.full(len(keeps), -1, dtype=np.int64)
    place[keeps] = np.where(edited.is_compared, np.arange(len(edited.is_compared)), -1)
    at = pa.array(place, mask=place < 0)
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
