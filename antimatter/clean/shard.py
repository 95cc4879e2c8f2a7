"""Clean one shard: every document through all steps, those that show nothing removed, all counted."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from antimatter.clean.examples import Examples, write_examples
from antimatter.clean.invisible import shows_nothing
from antimatter.clean.steps import facts_of, steps_of
from antimatter.corpus.ledger import Counts, Removal, ledger_table
from antimatter.corpus.shards import read_shard, shard_name, write_shard
from antimatter.params.clean import Clean

_SLICE_BYTES = 8_000_000
FLAGS = ("lorem_ipsum", "curly_brace")  # facts that are true or false; the others are numbers


def clean_shard(index: int, *, source: Path, output: Path, scratch: Path, settings: Clean) -> dict[str, Any]:
    """Read shard `index`, write documents, removed and signals below `output`, examples below `scratch`.

    Returns documents, bytes, counts, and `steps`: for each step and source documents and characters changed, and the
    sums of what else the step counts.
    """
    table = read_shard(source / shard_name(index))
    steps, facts = steps_of(settings), facts_of(settings)
    counts, examples = Counts(), Examples()
    changes: dict[str, dict[str, dict[str, int]]] = {step: {} for step in steps}
    signals = {column: [0] * table.num_rows for column in signal_names(settings)}
    removals: list[Removal] = []
    sizes_in = _text_bytes(table.column("text"))
    names, ids = table.column("source").to_pylist(), table.column("id").to_pylist()
    texts = _Texts(table.column("text"), sizes_in)
    for row, text in enumerate(texts):
        name = names[row]
        for step, edit_text in steps.items():
            edit = edit_text(text)
            if edit.characters:
                examples.offer(step, name, ids[row], text, edit.text)
                signals[f"{step}.characters"][row] = edit.characters
                text = edit.text
                texts.edited = True
            if edit.characters or edit.facts:
                change = changes[step].setdefault(name, dict.fromkeys(("documents", "characters", *facts[step]), 0))
                change["documents"] += edit.characters > 0
                change["characters"] += edit.characters
                for fact, value in edit.facts.items():
                    change[fact] += value
                    signals[f"{step}.{fact}"][row] = value
        texts.put(text)
        if shows_nothing(text):
            removals.append(Removal(id=ids[row], source=name, reason="clean.empty", row=row))
    position = table.schema.get_field_index("text")
    table = table.set_column(position, table.schema.field("text"), texts.column())
    del texts  # and with it the texts as they came, while the shard is copied to be written
    sizes_out = _text_bytes(table.column("text"))
    emptied = {removal.row for removal in removals}
    for row, name in enumerate(names):
        counts.arrived(name, 1, int(sizes_in[row]))
        if row in emptied:
            counts.removed(name, "clean.empty")
        else:
            counts.kept(name, 1, int(sizes_out[row]))
    kept = table
    if removals:
        kept = table.take(pa.array([row for row in range(table.num_rows) if row not in emptied], type=pa.int64()))
    write_examples(scratch / f"examples-{index:05d}.jsonl", examples.rows())
    write_shard(output / "signals" / shard_name(index), _signals_table(table.column("id"), signals))
    write_shard(output / "removed" / shard_name(index), ledger_table("clean", index, removals))
    write_shard(output / "documents" / shard_name(index), kept)
    return {
        "documents": table.num_rows,
        "bytes": int(sizes_in.sum()),
        "steps": changes,
        "counts": counts.to_plain(),
    }


class _Texts:
    """The texts of a column one by one, few of them at a time as Python's; `put` takes each back, edited or not."""

    def __init__(self, before: pa.ChunkedArray, sizes: np.ndarray) -> None:
        self.before, self.sizes = before, sizes
        self.edited = False
        """Whether a text of the present slice was changed; if none was, its Arrow buffers are used again."""
        self.after: list[str] = []
        self.chunks: list[pa.Array] = []

    def __iter__(self) -> Iterator[str]:
        ends = np.cumsum(self.sizes)
        start = 0
        while start < len(self.sizes):
            first = ends[start - 1] if start else 0
            stop = max(start + 1, int(np.searchsorted(ends, first + _SLICE_BYTES, side="right")))
            chunk = self.before.slice(start, stop - start)
            yield from chunk.to_pylist()
            self.chunks += [pa.array(self.after, type=pa.string())] if self.edited else chunk.chunks
            self.after, self.edited = [], False
            start = stop

    def put(self, text: str) -> None:
        """The text that came last, after all steps."""
        self.after.append(text)

    def column(self) -> pa.ChunkedArray:
        return pa.chunked_array(self.chunks, type=pa.string())


def cleaner(source: Path, output: Path, scratch: Path, settings: Clean) -> "partial[dict[str, Any]]":
    """clean_shard with all but the index bound, ready for workers."""
    return partial(clean_shard, source=source, output=output, scratch=scratch, settings=settings)


def signal_names(settings: Clean) -> list[str]:
    """Columns of data/cleaned/signals after id: <step>.characters, then <step>.<fact> of each step in use."""
    return [f"{step}.{fact}" for step, facts in facts_of(settings).items() for fact in ("characters", *facts)]


def _signals_table(ids: pa.ChunkedArray, signals: dict[str, list[int]]) -> pa.Table:
    columns, fields = [ids], [pa.field("id", pa.binary(16), nullable=False)]
    for name, values in signals.items():
        kind = pa.bool_() if name.split(".")[1] in FLAGS else pa.int32()
        columns.append(pa.array(values, type=pa.int32()).cast(kind))
        fields.append(pa.field(name, kind, nullable=False))
    return pa.Table.from_arrays(columns, schema=pa.schema(fields))


def _text_bytes(column: pa.ChunkedArray) -> np.ndarray:
    """UTF-8 bytes of each text, int64."""
    return np.asarray(pc.binary_length(column).to_numpy(), dtype=np.int64)
