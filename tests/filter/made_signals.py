"""Signals for tests: made numbers in the columns of data/filtered/signals, and documents to go with them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from antimatter.corpus.schema import DOCUMENT, document_id
from antimatter.corpus.shards import shard_name, write_shard
from antimatter.filter.policies import NUMBERS

COUNTS = ("characters", "words", "lines", "paragraphs", "sentences", "stop_words", "longest_word",
          "contaminated_matches")  # fmt: skip
ABSENT = ("bad_words", "quality_score")
"""Signals that need something configured: not made unless a test gives their values."""


def signal_table(sources: Sequence[str], seed: int, columns: Mapping[str, Sequence[Any]] | None = None) -> pa.Table:
    """A row a source; `columns` replaces made values. Languages are en, fr or null, nothing is contaminated."""
    rng = np.random.default_rng(seed)
    rows = len(sources)
    made: dict[str, Any] = {
        "id": pa.array([document_id(source, f"{seed}-{row}") for row, source in enumerate(sources)], pa.binary(16)),
        "source": list(sources),
    }
    for name in NUMBERS:
        if name in ABSENT or "." in name or name == "language_arbitrated":
            continue
        if name == "contaminated_matches":
            made[name] = np.zeros(rows, dtype=np.int32)
        elif name in COUNTS:
            made[name] = np.round(np.exp(rng.normal(4.5, 1.5, rows))).astype(np.int32)
        else:  # shares with a spike at 0, as repetition has
            made[name] = np.where(rng.random(rows) < 0.4, 0.0, rng.integers(0, 1000, rows) / 1000)
    made["stop_words"] = rng.integers(0, 9, rows).astype(np.int32)
    made["mean_word_length"] = rng.normal(5, 1.5, rows)
    made["language"] = rng.choice(np.array(["en", "fr", None], dtype=object), rows, p=[0.8, 0.15, 0.05])
    made["language_arbitrated"] = rng.random(rows) < 0.1
    made["contaminated_set"] = pa.array([None] * rows, pa.string())
    made["contaminated_item"] = pa.array([None] * rows, pa.string())
    return pa.table({**made, **(columns or {})})


def document_table(table: pa.Table) -> pa.Table:
    """Documents whose texts name their row."""
    rows = [
        {"id": id_, "source": source, "origin": "", "text": f"Text of row {row} of {source}. " * 30}
        for row, (id_, source) in enumerate(
            zip(table.column("id").to_pylist(), table.column("source").to_pylist(), strict=True)
        )
    ]
    return pa.Table.from_pylist(rows, schema=DOCUMENT)


def write_data(root: Path, tables: Sequence[pa.Table]) -> None:
    """root/data/filtered/signals and root/data/cleaned/documents."""
    for index, table in enumerate(tables):
        write_shard(root / "data/filtered/signals" / shard_name(index), table)
        write_shard(root / "data/cleaned/documents" / shard_name(index), document_table(table))
