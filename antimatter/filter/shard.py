"""Filter one shard, piece by piece: measure and judge its documents; write who stays, who left and why, and signals."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from antimatter.corpus.shards import atomic_path, read_shard, shard_in_pieces, shard_name, write_shard
from antimatter.filter import bad_words, decontaminate, quality
from antimatter.filter.court import Court
from antimatter.filter.gauge import Columns, Gauge, line_signals, text_bytes
from antimatter.params.filter import Filter

PIECE_BYTES, PIECE_ROWS = 8_000_000, 50_000


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where filter reads and writes."""

    documents: Path
    """data/cleaned/documents"""
    clean_signals: Path
    """data/cleaned/signals"""
    output: Path
    scratch: Path

    @property
    def index(self) -> Path:
        """The evaluation items that are sought, made once for all workers."""
        return self.scratch / "evaluation.arrow"

    def contaminated(self, index: int) -> Path:
        """Numbers of the evaluation items that shard `index` holds, int64."""
        return self.scratch / f"contaminated-{index:05d}.npy"


def prepare(benchmarks: Path, places: Places, settings: Filter) -> list[str]:
    """Make what all workers share, read what they will read; what a user should know about it, in words.

    Raises: MissingData or DamagedBenchmark for `benchmarks`, WrongFile or WrongModel for the files that settings name.
    """
    decontaminate.save(decontaminate.build(benchmarks, settings.decontamination), places.index)
    if settings.quality_model.path:
        quality.load(settings.quality_model)
    warning = bad_words.load(settings.bad_words).warning if settings.bad_words.path else ""
    return [warning] if warning else []


def filterer(places: Places, settings: Filter) -> "partial[dict[str, Any]]":
    """filter_shard with all but the index bound, ready for workers."""
    return partial(filter_shard, places=places, settings=settings)


def filter_shard(index: int, *, places: Places, settings: Filter) -> dict[str, Any]:
    """Read shard `index`, write documents, removed and signals below the output.

    Returns documents, bytes, counts, and `tally`: what rules and languages came to, by source (filter/tally.py).
    """
    table = read_shard(places.documents / shard_name(index))
    seen_by_clean = line_signals(places.clean_signals / shard_name(index), table.column("id"))
    gauge, court = Gauge(places.index, settings), Court(index, settings)
    texts, languages, scores, is_kept = [], [], [], []
    met = np.zeros(0, dtype=np.int64)
    with (
        shard_in_pieces(places.output / "signals" / shard_name(index)) as add_signals,
        shard_in_pieces(places.output / "removed" / shard_name(index)) as add_removed,
    ):
        for start, stop in _pieces(table.column("text")):
            piece = table.slice(start, stop - start).combine_chunks()
            measured = gauge.measure(piece.column("text").combine_chunks())
            signals = measured.signals | {name: values[start:stop] for name, values in seen_by_clean.items()}
            removed, kept = court.judge(piece, start, measured, signals)
            add_signals(_signals_table(piece, signals))
            add_removed(removed)
            texts.append(measured.texts)
            languages.append(signals["language"])
            scores.append(pa.array(signals["language_score"]))
            is_kept.append(kept)
            met = np.union1d(met, measured.owners)
    with atomic_path(places.contaminated(index)) as temporary, open(temporary, "wb") as file:
        np.save(file, met)
    for name, values in (("text", texts), ("language", languages), ("language_score", scores)):
        field = table.schema.field(name)
        table = table.set_column(table.schema.get_field_index(name), field, pa.chunked_array(values, field.type))
    keeps = np.concatenate(is_kept)
    write_shard(
        places.output / "documents" / shard_name(index), table if keeps.all() else table.filter(pa.array(keeps))
    )
    return {
        "documents": table.num_rows,
        "bytes": sum(flow.bytes_in for flow in court.counts.sources.values()),
        "counts": court.counts.to_plain(),
        "tally": court.tally.to_plain(),
    }


def _pieces(texts: pa.ChunkedArray) -> Iterator[tuple[int, int]]:
    """Rows of about 8 MB of text and at most 50,000 documents, in order; at least one piece, if only an empty one.
    What is measured and judged on the way is a multiple of a piece, and so is the memory that it takes."""
    ends = np.cumsum(text_bytes(texts))
    start = 0
    while start < len(ends) or start == 0:
        first = ends[start - 1] if start else 0
        stop = int(np.searchsorted(ends, first + PIECE_BYTES, side="right"))
        stop = min(max(start + 1, stop), start + PIECE_ROWS, len(ends))
        yield start, stop
        if stop == len(ends):
            return
        start = stop


def _signals_table(piece: pa.Table, signals: Columns) -> pa.Table:
    """id, source, then the signals in the order in which they were measured."""
    columns = {"id": piece.column("id"), "source": piece.column("source")}
    columns |= {name: pa.array(values) for name, values in signals.items()}
    fields = [pa.field(name, column.type, nullable=name != "id") for name, column in columns.items()]
    return pa.Table.from_arrays(list(columns.values()), schema=pa.schema(fields))
