"""Filter one shard: measure every document, judge it by the policy of its source, say why it left."""

from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from antimatter.corpus.ledger import Counts, Removal, ledger_table
from antimatter.corpus.shards import read_shard, shard_name, write_shard
from antimatter.filter.language import detect
from antimatter.filter.policies import judges, policy_of
from antimatter.filter.signals import measure, signals_table
from antimatter.params.filter import Filter


def filter_shard(index: int, *, source: Path, output: Path, settings: Filter) -> dict[str, Any]:
    """Read shard `index`, write documents, removed and signals below `output`, return the counts."""
    table = read_shard(source / shard_name(index))
    by_policy = judges(settings)
    counts = Counts()
    signals: list[dict[str, Any]] = []
    removals: list[Removal] = []
    kept_rows: list[int] = []
    names, ids = table.column("source").to_pylist(), table.column("id").to_pylist()
    for row, text in enumerate(table.column("text").to_pylist()):
        name, size = names[row], len(text.encode())
        counts.arrived(name, 1, size)
        language, score = detect(text, settings.language_characters, settings.language_seed)
        measured: dict[str, Any] = {**measure(text), "language": language, "language_score": score}
        signals.append(measured)
        failures = by_policy[policy_of(name, settings)].failures(measured)
        if failures:
            first, *others = failures
            removals.append(
                Removal(
                    id=ids[row],
                    source=name,
                    reason=first.reason,
                    row=row,
                    value=first.value,
                    threshold=first.threshold,
                    also_failed=tuple(failure.reason for failure in others),
                )
            )
            counts.removed(name, first.reason)
        else:
            kept_rows.append(row)
            counts.kept(name, 1, size)
    for column, kind in (("language", pa.string()), ("language_score", pa.float64())):
        position = table.schema.get_field_index(column)
        values = pa.array([measured[column] for measured in signals], type=kind)
        table = table.set_column(position, table.schema.field(column), values)
    write_shard(output / "signals" / shard_name(index), signals_table(ids, signals))
    write_shard(output / "removed" / shard_name(index), ledger_table("filter", index, removals))
    write_shard(output / "documents" / shard_name(index), table.take(pa.array(kept_rows, type=pa.int64())))
    return {
        "documents": table.num_rows,
        "bytes": sum(flow.bytes_in for flow in counts.sources.values()),
        "counts": counts.to_plain(),
    }


def judge_shards(source: Path, output: Path, settings: Filter) -> "partial[dict[str, Any]]":
    """filter_shard with all but the index bound, ready for workers."""
    return partial(filter_shard, source=source, output=output, settings=settings)
