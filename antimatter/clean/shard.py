"""Clean one shard: every document edited, the empty ones removed, all counted."""

from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from antimatter.clean.unicode import repair
from antimatter.clean.whitespace import collapse
from antimatter.corpus.ledger import Counts, Removal, ledger_table
from antimatter.corpus.shards import read_shard, shard_name, write_shard
from antimatter.params.clean import Clean


def clean_text(text: str, settings: Clean) -> tuple[str, list[str]]:
    """The edited text and the names of the steps that changed it."""
    changed = []
    if settings.repair_unicode:
        repaired = repair(text)
        if repaired != text:
            changed.append("unicode")
        text = repaired
    if settings.collapse_whitespace:
        collapsed = collapse(text, settings.maximum_blank_lines)
        if collapsed != text:
            changed.append("whitespace")
        text = collapsed
    return text, changed


def clean_shard(index: int, *, source: Path, output: Path, settings: Clean) -> dict[str, Any]:
    """Read shard `index`, write its documents and ledger below `output`, return the counts."""
    table = read_shard(source / shard_name(index))
    counts, edited = Counts(), {"unicode": 0, "whitespace": 0}
    texts: list[str] = []
    kept_rows: list[int] = []
    removals: list[Removal] = []
    names, ids = table.column("source").to_pylist(), table.column("id").to_pylist()
    for row, text in enumerate(table.column("text").to_pylist()):
        counts.arrived(names[row], 1, len(text.encode()))
        text, changed = clean_text(text, settings)
        for step in changed:
            edited[step] += 1
        if not text.strip():
            removals.append(Removal(id=ids[row], source=names[row], reason="clean.empty", row=row))
            counts.removed(names[row], "clean.empty")
            continue
        counts.kept(names[row], 1, len(text.encode()))
        texts.append(text)
        kept_rows.append(row)
    kept = table.take(pa.array(kept_rows, type=pa.int64()))
    position = table.schema.get_field_index("text")
    kept = kept.set_column(position, table.schema.field("text"), pa.array(texts, type=pa.string()))
    write_shard(output / "removed" / shard_name(index), ledger_table("clean", index, removals))
    write_shard(output / "documents" / shard_name(index), kept)
    return {
        "documents": table.num_rows,
        "bytes": sum(flow.bytes_in for flow in counts.sources.values()),
        "edited": edited,
        "counts": counts.to_plain(),
    }


def cleaner(source: Path, output: Path, settings: Clean) -> "partial[dict[str, Any]]":
    """clean_shard with all but the index bound, ready for workers."""
    return partial(clean_shard, source=source, output=output, settings=settings)
