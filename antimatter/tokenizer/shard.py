"""Tokenize one shard of documents, and what the split needs to know about its held-out ones.

encode    documents -> train/shard-i.bin, and the held-out documents to scratch/heldout/shard-i.arrow
overlap   which held-out n-grams occur in train/shard-i.bin
settle    the held-out documents that stay -> validation/shard-i.bin, rows of documents.parquet, ledger
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from antimatter.corpus.ledger import Counts, Removal, ledger_table
from antimatter.corpus.shards import atomic_path, read_shard, shard_name, write_shard
from antimatter.params.tokenize import Tokenize
from antimatter.tokenizer.binary import DOCUMENTS, bin_name, read_tokens, write_tokens
from antimatter.tokenizer.encode import Encoder
from antimatter.tokenizer.split import is_validation, ngrams, overlap_share


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where the steps find what they share: the future data/tokens, scratch, the SentencePiece model."""

    output: Path
    scratch: Path
    model: Path


HELD_OUT = pa.schema(
    [
        pa.field("id", pa.binary(16)),
        pa.field("source", pa.string()),
        pa.field("origin", pa.string()),
        pa.field("row", pa.int32()),
        pa.field("bytes", pa.int64()),
        pa.field("tokens", pa.list_(pa.uint32())),
    ]
)


def encode_shard(index: int, *, source: Path, places: Places, settings: Tokenize, by_position: bool) -> dict[str, Any]:
    """Encode a shard; by_position holds out the end of every document instead of whole documents."""
    encoder = Encoder(places.model)
    table = read_shard(source / shard_name(index), ["id", "source", "origin", "text"])
    texts = table.column("text").to_pylist()
    identities = table.select(["id", "source", "origin"]).to_pylist()
    encoded = encoder.documents(texts)
    counts = Counts()
    tokens_by_source: dict[str, dict[str, int]] = {}
    training, training_rows, held_out = [], [], []
    start = 0
    for row, (identity, text, tokens) in enumerate(zip(identities, texts, encoded, strict=True)):
        id_, name, origin = identity.values()
        size = len(text.encode())
        counts.arrived(name, 1, size)
        # what the report says about the tokenizer: tokens without the frame, words, byte tokens
        figures = tokens_by_source.setdefault(name, {"tokens": 0, "words": 0, "bytes": 0, "byte_tokens": 0})
        figures["tokens"] += len(tokens) - 2
        figures["words"] += len(text.split())
        figures["bytes"] += size
        figures["byte_tokens"] += int(((tokens >= 8) & (tokens < 264)).sum())
        cut = len(tokens)
        if by_position:
            cut = max(2, round(len(tokens) * (1 - settings.validation_share)))
        elif is_validation(id_, settings.validation_share, settings.split_seed):
            cut = 0
        if cut:
            training.append(tokens[:cut])
            training_rows.append(_row(id_, name, origin, "train", index, start, cut))
            start += cut
        if cut < len(tokens):
            rest = tokens[cut:].tolist()
            held_out.append({"id": id_, "source": name, "origin": origin, "row": row, "bytes": size, "tokens": rest})
        if cut:
            counts.kept(name, 1, size)
    written = write_tokens(places.output / bin_name("train", index), training, encoder.dtype)
    _write_table(
        places.scratch / "heldout" / f"shard-{index:05d}.arrow", pa.Table.from_pylist(held_out, schema=HELD_OUT)
    )
    _write_table(
        places.scratch / "rows" / f"train-{index:05d}.arrow", pa.Table.from_pylist(training_rows, schema=DOCUMENTS)
    )
    return {
        "documents": table.num_rows,
        "bytes": sum(flow.bytes_in for flow in counts.sources.values()),
        "tokens": written,
        "training_documents": len(training),
        "held_out_tokens": sum(len(row["tokens"]) for row in held_out),
        "figures": tokens_by_source,
        "counts": counts.to_plain(),
    }


def held_out_ngrams(scratch: Path, shards: int, size: int, passes: int, number: int) -> NDArray[np.uint64]:
    """Sorted distinct n-gram hashes of all held-out documents that fall into pass `number` of `passes`."""
    found = []
    for index in range(shards):
        table = _read_table(scratch / "heldout" / f"shard-{index:05d}.arrow")
        for tokens in table.column("tokens"):
            grams = ngrams(tokens.values.to_numpy(), size)
            found.append(grams[grams % np.uint64(passes) == number])
    return np.unique(np.concatenate([*found, np.empty(0, dtype=np.uint64)]))


def overlap_shard(index: int, *, places: Places, size: int, number: int) -> dict[str, Any]:
    """Mark in scratch/hits-<number>/ which of the n-grams of this pass occur in a training shard."""
    wanted = np.load(places.scratch / f"ngrams-{number}.npy")
    tokens = read_tokens(places.output / bin_name("train", index), Encoder(places.model).dtype)
    hits = np.zeros(len(wanted), dtype=bool)
    block = 4_000_000
    for start in range(0, max(1, len(tokens)), block):
        grams = np.unique(ngrams(tokens[start : start + block + size - 1], size))
        if len(grams) and len(wanted):
            nearest = np.searchsorted(grams, wanted)
            nearest[nearest == len(grams)] = 0
            hits |= grams[nearest] == wanted
    with atomic_path(places.scratch / f"hits-{number}" / f"shard-{index:05d}.bin") as path:
        path.write_bytes(np.packbits(hits).tobytes())
    return {"hits": int(hits.sum())}


def settle_shard(index: int, *, places: Places, settings: Tokenize, by_position: bool) -> dict[str, Any]:
    """Write the held-out documents that the training text has not seen; the others go to the ledger."""
    seen = np.load(places.scratch / "seen.npy", mmap_mode="r")
    table = _read_table(places.scratch / "heldout" / f"shard-{index:05d}.arrow")
    counts, removals, kept, rows = Counts(), [], [], []
    start = 0
    for record in table.to_pylist():
        tokens = np.array(record["tokens"], dtype=np.uint32)
        name = record["source"]
        overlap = 0.0 if by_position else overlap_share(ngrams(tokens, settings.overlap_ngram), np.asarray(seen))
        if overlap > settings.max_overlap_share:
            removals.append(
                Removal(
                    id=record["id"],
                    source=name,
                    reason="split.overlap",
                    row=record["row"],
                    value=overlap,
                    threshold=settings.max_overlap_share,
                )
            )
            counts.removed(name, "split.overlap")
            continue
        kept.append(tokens)
        rows.append(_row(record["id"], name, record["origin"], "validation", index, start, len(tokens)))
        start += len(tokens)
        if not by_position:  # by position, the document was counted with its training part
            counts.kept(name, 1, record["bytes"])
    written = write_tokens(places.output / bin_name("validation", index), kept, Encoder(places.model).dtype)
    write_shard(places.output / "removed" / shard_name(index), ledger_table("tokenize", index, removals))
    _write_table(
        places.scratch / "rows" / f"validation-{index:05d}.arrow", pa.Table.from_pylist(rows, schema=DOCUMENTS)
    )
    return {"tokens": written, "validation_documents": len(kept), "counts": counts.to_plain()}


def read_rows(scratch: Path, split: str, index: int) -> pa.Table:
    """The documents of one shard of one split, for documents.parquet."""
    return _read_table(scratch / "rows" / f"{split}-{index:05d}.arrow")


def _row(id_: bytes, source: str, origin: str, split: str, shard: int, start: int, length: int) -> dict[str, Any]:
    return {
        "id": id_, "source": source, "origin": origin, "split": split, "shard": shard, "start": start, "length": length,
    }  # fmt: skip


def _write_table(path: Path, table: pa.Table) -> None:
    with atomic_path(path) as temporary, pa.OSFile(str(temporary), "wb") as sink:
        with pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)


def _read_table(path: Path) -> pa.Table:
    with pa.memory_map(str(path)) as source:
        return pa.ipc.open_file(source).read_all()
