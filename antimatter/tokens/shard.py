"""Tokenize one shard of documents, step by step; scratch/ carries what one step leaves to the next.

encode    documents -> train/shard-i.bin; in scratch/ train/shard-i.arrow its rows of documents.parquet,
          counts/shard-i.npy occurrences of each id, heldout/shard-i.arrow and .bin the held-out documents
overlap   overlap.py, through `training_documents` and `held_out_documents`
settle    the held-out documents that stay -> validation/shard-i.bin, scratch/validation/shard-i.arrow, ledger

With dropout the training text is spelt at random, so its n-grams would meet no held-out one: scratch/plain/shard-i.bin
holds the same documents spelt without, and shard-i.npy the length of each.
"""

import contextlib
import functools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from antimatter.corpus.ledger import Counts, Removal, ledger_table
from antimatter.corpus.shards import read_shard, shard_name, write_shard
from antimatter.execution.scratch import array_path, arrow_path, map_arrow, save, write_arrow
from antimatter.params.tokenize import Tokenize
from antimatter.text.characters import buffers
from antimatter.tokenizer.interface import Encoded, Tokenizer
from antimatter.tokenizer.opened import open_tokenizer, read_meta
from antimatter.tokens import fit
from antimatter.tokens.binary import DOCUMENTS, bin_name, dtype_of, read_tokens, tokens_in_pieces, write_tokens
from antimatter.tokens.dropout import spelt_at_random
from antimatter.tokens.frames import Frame, apart, chosen, frame_of, of_texts, parted, put_on
from antimatter.tokens.overlap import Documents, shares
from antimatter.tokens.split import are_validation, cut_of

SLICE_BYTES = 4_000_000
"""Of text that are encoded at a time; arrays of 8 bytes a token are made of it."""

HELD_OUT = pa.schema(
    [
        pa.field("id", pa.binary(16)),
        pa.field("source", pa.string()),
        pa.field("origin", pa.string()),
        pa.field("row", pa.int64()),
        pa.field("bytes", pa.int64()),
        pa.field("length", pa.int64()),
    ]
)
"""Held-out documents (split by position: parts of them) of a shard; `length` framed tokens each, in the .bin beside."""


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where the steps find what they share."""

    documents: Path
    tokenizer: Path
    output: Path
    """the future data/tokens"""
    scratch: Path


@dataclass(frozen=True, kw_only=True)
class Split:
    """How this corpus is parted."""

    settings: Tokenize
    by_position: bool
    """Every document is cut, its last part held out."""

    @property
    def drops(self) -> bool:
        """Whether the training text is spelt with BPE dropout; not where a document lies on both sides."""
        return self.settings.dropout > 0 and not self.by_position

    def cuts(self, ids: list[bytes], lengths: NDArray[np.int64]) -> NDArray[np.int64]:
        """[n]: how many of its framed tokens of each document are training."""
        if self.by_position:
            return np.array([cut_of(length, self.settings) for length in lengths.tolist()], dtype=np.int64)
        return np.where(are_validation(ids, self.settings), 0, lengths)


def tokenizer_in(folder: Path) -> Tokenizer:
    """The tokenizer of this process: what it remembers of one shard serves the next."""
    return _remembered(folder.resolve(), read_meta(folder)["digest"])


@functools.lru_cache(maxsize=1)
def _remembered(folder: Path, digest: str) -> Tokenizer:
    return open_tokenizer(folder)  # the digest tells a folder that was written anew


def encode_shard(index: int, *, places: Places, split: Split) -> dict[str, Any]:
    """Encode a shard and write its two sides; beside the shard, memory holds one slice."""
    tokenizer = tokenizer_in(places.tokenizer)
    size = tokenizer.size
    table = read_shard(places.documents / shard_name(index), ["id", "source", "origin", "language", "text"])
    counts, figures, occurrences = Counts(), fit.Figures(), np.zeros(size, dtype=np.int64)
    training_rows, held_out_rows, plain_lengths = [], [], [np.zeros(0, dtype=np.int64)]
    row = start = text_bytes = 0
    lengths_in_bytes = tokenizer.token_bytes()
    with contextlib.ExitStack() as files:
        write_training = files.enter_context(tokens_in_pieces(places.output / bin_name("train", index), size))
        write_held_out = files.enter_context(tokens_in_pieces(_held_out_path(places, index), size))
        write_plain = files.enter_context(tokens_in_pieces(_plain_path(places, index), size)) if split.drops else None
        for batch in slices(table, SLICE_BYTES):
            sides = sides_of(batch, tokenizer, split)
            write_training(sides.training.ids)
            write_held_out(sides.held_out.ids)
            if write_plain:
                write_plain(sides.plain.ids)
                plain_lengths.append(np.diff(sides.plain.starts))
            occurrences += np.bincount(sides.training.ids, minlength=size)
            text_bytes += int(lengths_in_bytes[sides.training.ids].sum())
            rows = np.arange(row, row + batch.num_rows)
            training_rows.append(_rows(batch, sides.in_training, "train", index, start + sides.training.starts))
            held_out_rows.append(_held_out_rows(batch, sides, rows))
            fit.add_up(figures, batch.column("source"), batch.column("language"), sides.measured)
            _count(counts, batch.column("source"), sides)
            row, start = row + batch.num_rows, start + len(sides.training.ids)
    save(array_path(places.scratch, "counts", index), occurrences)
    if split.drops:
        save(array_path(places.scratch, "plain", index), np.concatenate(plain_lengths))
    write_arrow(arrow_path(places.scratch, "train", index), _concatenated(training_rows, DOCUMENTS))
    write_arrow(arrow_path(places.scratch, "heldout", index), _concatenated(held_out_rows, HELD_OUT))
    return {
        "documents": table.num_rows,
        "bytes": sum(flow.bytes_in for flow in counts.sources.values()),
        "tokens": start,
        "split_documents": sum(rows.num_rows for rows in training_rows),
        "split_bytes": text_bytes,
        "tokens_by_source": tokens_by_source(training_rows),
        "figures": figures,
        "counts": counts.to_plain(),
    }


def slices(table: pa.Table, text_bytes: int) -> Iterator[pa.RecordBatch]:
    """The rows in batches of at most so many bytes of text, or of one document."""
    for batch in table.to_batches():
        _, ends = buffers(batch.column("text"))
        first = 0
        while first < batch.num_rows:
            after = int(np.searchsorted(ends, ends[first] + text_bytes, side="right")) - 1
            after = max(first + 1, after)
            yield batch.slice(first, after - first)
            first = after


class Sides(NamedTuple):
    """What becomes of n documents; each side holds its documents (or parts of them) with frames."""

    training: Encoded
    plain: Encoded
    """The same documents, spelt without dropout."""
    held_out: Encoded
    in_training: NDArray[np.bool_]
    """[n]: it is there, whole or in part; likewise the next"""
    in_held_out: NDArray[np.bool_]
    measured: NDArray[np.int64]
    """[n, 5]: fit.QUANTITIES"""


def sides_of(batch: pa.RecordBatch, tokenizer: Tokenizer, split: Split) -> Sides:
    """Encode documents (id, text) and part them."""
    ids, texts, frame = batch.column("id").to_pylist(), batch.column("text"), frame_of(tokenizer)
    encoded = tokenizer.encode_batch(texts)
    framed = put_on(encoded, frame)
    cuts = split.cuts(ids, np.diff(framed.starts))
    first, rest = parted(framed, cuts)
    in_training, in_held_out = cuts > 0, cuts < np.diff(framed.starts)
    plain = training = chosen(first, in_training)
    if split.drops:
        part = batch.filter(pa.array(in_training))
        own_ids = part.column("id").to_pylist()
        training = put_on(spelt_at_random(tokenizer, part.column("text"), own_ids, split.settings), frame)
    measured = fit.measure(texts, encoded, tokenizer.byte_tokens())
    return Sides(training, plain, chosen(rest, in_held_out), in_training, in_held_out, measured)


def training_documents(index: int, *, places: Places) -> Documents:
    """The training documents of a shard as `overlap` looks at them: frames are documents of one id."""
    dtype, frame = _known(places)
    if _plain_path(places, index).exists():
        lengths = np.load(array_path(places.scratch, "plain", index))
        return read_tokens(_plain_path(places, index), dtype), apart(_starts(lengths), frame)
    rows = map_arrow(arrow_path(places.scratch, "train", index))
    starts = _starts(rows.column("length").to_numpy())
    return read_tokens(places.output / bin_name("train", index), dtype), apart(starts, frame)


def held_out_documents(index: int, *, places: Places) -> Documents:
    """The held-out documents of a shard, likewise."""
    dtype, frame = _known(places)
    rows = map_arrow(arrow_path(places.scratch, "heldout", index))
    starts = _starts(rows.column("length").to_numpy())
    return read_tokens(_held_out_path(places, index), dtype), apart(starts, frame)


def settle_shard(index: int, *, places: Places, split: Split) -> dict[str, Any]:
    """Write the held-out documents that the training text has not seen; the others go to the ledger."""
    tokenizer = tokenizer_in(places.tokenizer)
    frame, dtype = frame_of(tokenizer), dtype_of(tokenizer.size)
    table = pa.Table.from_batches([map_arrow(arrow_path(places.scratch, "heldout", index))])
    starts = _starts(table.column("length").to_numpy())
    held_out = Encoded(read_tokens(_held_out_path(places, index), dtype), starts)
    limit = split.settings.max_overlap_share
    overlap = np.zeros(table.num_rows)
    if not split.by_position:
        parts = shares(places.scratch, held_out.ids, apart(starts, frame), split.settings.overlap_ngram)
        overlap = of_texts(parts, frame)
    stays = overlap <= limit
    counts, removals = Counts(), []
    for row in np.flatnonzero(~stays).tolist():
        record = {name: table.column(name)[row].as_py() for name in ("id", "source", "row")}
        removals.append(Removal(**record, reason="split.overlap", value=float(overlap[row]), threshold=limit))
        counts.removed(record["source"], "split.overlap")
    kept = chosen(held_out, stays)
    if not split.by_position:  # by position, a document was counted with its training part
        for source, size in zip(*(table.filter(stays).column(n).to_pylist() for n in ("source", "bytes")), strict=True):
            counts.kept(source, 1, size)
    write_tokens(places.output / bin_name("validation", index), kept.ids, tokenizer.size)
    write_shard(places.output / "removed" / shard_name(index), ledger_table("tokenize", index, removals))
    rows = _rows(table, stays, "validation", index, kept.starts)
    write_arrow(arrow_path(places.scratch, "validation", index), _concatenated([rows], DOCUMENTS))
    return {
        "tokens": len(kept.ids),
        "split_documents": len(kept.starts) - 1,
        "tokens_by_source": tokens_by_source([rows]),
        "counts": counts.to_plain(),
    }


def tokens_by_source(rows: list[pa.Table]) -> dict[str, int]:
    """Tokens of each source, frames included, from rows of documents.parquet."""
    sums = pa.concat_tables(rows or [DOCUMENTS.empty_table()]).group_by("source").aggregate([("length", "sum")])
    return dict(sorted(zip(*(sums.column(name).to_pylist() for name in ("source", "length_sum")), strict=True)))


def read_rows(scratch: Path, split: str, index: int) -> pa.Table:
    """The documents of one shard of one split, for documents.parquet."""
    return pa.Table.from_batches([map_arrow(arrow_path(scratch, split, index))])


def _known(places: Places) -> tuple[np.dtype[Any], Frame]:
    tokenizer = tokenizer_in(places.tokenizer)
    return dtype_of(tokenizer.size), frame_of(tokenizer)


def _held_out_path(places: Places, index: int) -> Path:
    return places.scratch / "heldout" / f"shard-{index:05d}.bin"


def _plain_path(places: Places, index: int) -> Path:
    return places.scratch / "plain" / f"shard-{index:05d}.bin"


def _starts(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(lengths, dtype=np.int64)])


def _count(counts: Counts, sources: pa.Array, sides: Sides) -> None:
    coded = sources.cast(pa.string()).dictionary_encode()
    codes, sizes = coded.indices.to_numpy(), sides.measured[:, fit.QUANTITIES.index("bytes")]
    for code, name in enumerate(coded.dictionary.to_pylist()):
        here, kept = codes == code, (codes == code) & sides.in_training
        counts.arrived(name, int(here.sum()), int(sizes[here].sum()))
        if kept.any():
            counts.kept(name, int(kept.sum()), int(sizes[kept].sum()))


def _rows(
    table: pa.Table | pa.RecordBatch, wanted: NDArray[np.bool_], split: str, index: int, starts: NDArray[np.int64]
) -> pa.Table:
    """Rows of documents.parquet for some documents; int64[n + 1] says where they lie."""
    part = pa.table({name: table.column(name) for name in ("id", "source", "origin")}).filter(pa.array(wanted))
    given = {
        "split": pa.repeat(split, part.num_rows),
        "shard": pa.repeat(pa.scalar(index, pa.int32()), part.num_rows),
        "start": pa.array(starts[:-1]),
        "length": pa.array(np.diff(starts)),
    }
    return _shaped({**{name: part.column(name) for name in part.column_names}, **given}, DOCUMENTS)


def _held_out_rows(batch: pa.RecordBatch, sides: Sides, rows: NDArray[np.int64]) -> pa.Table:
    wanted = pa.array(sides.in_held_out)
    columns = {name: batch.column(name).filter(wanted) for name in ("id", "source", "origin")}
    columns["row"] = pa.array(rows).filter(wanted)
    columns["bytes"] = pa.array(sides.measured[:, fit.QUANTITIES.index("bytes")]).filter(wanted)
    columns["length"] = pa.array(np.diff(sides.held_out.starts))
    return _shaped(columns, HELD_OUT)


def _shaped(columns: dict[str, Any], schema: pa.Schema) -> pa.Table:
    return pa.table([columns[field.name].cast(field.type) for field in schema], schema=schema)


def _concatenated(tables: list[pa.Table], schema: pa.Schema) -> pa.Table:
    return pa.concat_tables(tables or [schema.empty_table()]).combine_chunks()
