"""Tokenization of a whole corpus, step by step, as the stage tells it."""

from collections import Counter
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from antimatter.corpus.ledger import Counts
from antimatter.corpus.reports import flow_report, share, write_json
from antimatter.corpus.shards import atomic_path, file_digest, folder_digest, rows_in, shard_paths
from antimatter.errors import AntiMatterError
from antimatter.execution.scratch import array_path
from antimatter.execution.workspace import Workspace
from antimatter.params.tokenize import Tokenize
from antimatter.tokenizer import opened
from antimatter.tokenizer.interface import Tokenizer
from antimatter.tokens import fit, shard
from antimatter.tokens.binary import DOCUMENTS, FORMAT, SPLITS, bin_name, digest_of, dtype_of
from antimatter.tokens.dropout import require_dropout
from antimatter.tokens.overlap import find_overlap
from antimatter.tokens.split import is_by_position

Result = dict[str, Any]


class NothingHeldOut(AntiMatterError, ValueError):
    """The validation split is empty."""


def tokenize(work: Workspace, source: Path, tokenizer: Path, settings: Tokenize) -> Result:
    """Fill work.output/tokens and return the report.

    source     data/deduplicated/documents
    tokenizer  data/tokenizer
    Raises: LostDocuments if training + validation + removed is not what came in; NothingHeldOut; DamagedTokenizer.
    """
    shards = range(len(shard_paths(source)))
    output = work.output / "tokens"
    documents = sum(map(rows_in, shard_paths(source)))
    places = shard.Places(documents=source, tokenizer=tokenizer, output=output, scratch=work.scratch)
    split = shard.Split(settings=settings, by_position=is_by_position(documents, settings))
    if documents == 0:
        raise NothingHeldOut(f"{source} holds no document: there is nothing to tokenize. Collect some text.")
    if split.drops:
        require_dropout(opened.open_tokenizer(tokenizer))
    if split.by_position:
        print(f"tokenize: {documents} documents are too few to hold any out; the end of each one is held out instead")
        if settings.dropout:
            print("tokenize: so few documents are spelt without dropout")
    encoded = work.map(partial(shard.encode_shard, places=places, split=split), shards, title="tokenize")
    if not split.by_position:
        find_overlap(
            work,
            shards=len(shards),
            size=settings.overlap_ngram,
            held_out=partial(shard.held_out_documents, places=places),
            training=partial(shard.training_documents, places=places),
        )
    settled = work.map(partial(shard.settle_shard, places=places, split=split), shards, title="validation")
    # held-out documents arrive with the first step and leave with the second, so only the sum balances
    counts = work.counts([*encoded, *settled])
    if sum(result["tokens"] for result in settled) < 2:
        raise NothingHeldOut(
            f"of {documents} documents none is left for validation (too few, or all held-out ones overlap with the "
            "training text). Add text, raise tokenize.validation_share, or raise tokenize.max_overlap_share."
        )
    write_index(work.scratch, output / "documents.parquet", len(shards))
    known = opened.open_tokenizer(tokenizer)
    occurrences = write_occurrences(work.scratch, output / "token_counts.bin", len(shards), known.size)
    write_meta(output, source, tokenizer, known, encoded, settled)
    write_curves(work.folder / "reports", np.delete(occurrences, fixed_entries(known)))
    told = report(counts, encoded, settled, occurrences, known, split)
    sizes = f"{told['training_tokens']:,} training and {told['validation_tokens']:,} validation tokens"
    print(f"tokenize: {sizes}, {told['bytes_per_token']:.2f} bytes a token", flush=True)
    return told


def write_index(scratch: Path, path: Path, shards: int) -> None:
    """documents.parquet: training documents in order of shards, then validation documents; streamed."""
    with atomic_path(path) as temporary, pq.ParquetWriter(temporary, DOCUMENTS, compression="zstd") as writer:
        for part in SPLITS:
            for index in range(shards):
                writer.write_table(shard.read_rows(scratch, part, index))


def write_occurrences(scratch: Path, path: Path, shards: int, size: int) -> NDArray[np.int64]:
    """token_counts.bin: how often each id occurs in the training split; returns int64[size]."""
    total = np.zeros(size, dtype=np.int64)
    for index in range(shards):
        total += np.load(array_path(scratch, "counts", index))
    with atomic_path(path) as temporary:
        temporary.write_bytes(total.astype("<i8").tobytes())
    return total


def write_meta(
    output: Path, source: Path, folder: Path, tokenizer: Tokenizer, encoded: list[Result], settled: list[Result]
) -> None:
    """meta.json and token_bytes.bin."""
    with atomic_path(output / "token_bytes.bin") as path:
        path.write_bytes(tokenizer.token_bytes().astype("<u2").tobytes())
    splits = {}
    for name, results in zip(SPLITS, (encoded, settled), strict=True):
        splits[name] = {
            "tokens": sum(result["tokens"] for result in results),
            "documents": sum(result["split_documents"] for result in results),
            "shards": [
                {"file": bin_name(name, i), "tokens": r["tokens"], "digest": file_digest(output / bin_name(name, i))}
                for i, r in enumerate(results)
            ],
        }
    meta: Result = {
        "format": FORMAT,
        "dtype": dtype_of(tokenizer.size).name,
        "vocabulary_size": tokenizer.size,
        **{role: tokenizer.specials.get(role) for role in ("pad", "bos", "eos")},
        "token_bytes": "token_bytes.bin",
        "token_counts": "token_counts.bin",
        "tokenizer_digest": opened.read_meta(folder)["digest"],
        "documents_digest": folder_digest(source),
        "splits": splits,
    }
    meta["digest"] = digest_of(meta)
    write_json(output / "meta.json", meta)


def write_curves(folder: Path, occurrences: NDArray[np.int64]) -> None:
    """tokenize_frequency.csv: how often the pieces occur (int64[n]), from the most frequent on."""
    folder.mkdir(exist_ok=True)
    lines = [f"{rank},{count}" for rank, count in fit.frequencies(occurrences)]
    with atomic_path(folder / "tokenize_frequency.csv") as path:
        path.write_text("\n".join(["rank,occurrences", *lines]) + "\n", encoding="utf-8")


def added_up(parts: Iterable[dict[str, int]]) -> dict[str, int]:
    """The sums by name, names in order."""
    total: Counter[str] = Counter()
    for part in parts:
        total.update(part)
    return dict(sorted(total.items()))


def fixed_entries(tokenizer: Tokenizer) -> list[int]:
    """The ids that are in a vocabulary whatever the text: special and byte tokens."""
    byte_tokens = np.flatnonzero(tokenizer.byte_tokens()).tolist()
    return sorted({*tokenizer.specials.values(), *tokenizer.markers.values(), *byte_tokens})


def report(
    counts: Counts,
    encoded: list[Result],
    settled: list[Result],
    occurrences: NDArray[np.int64],
    tokenizer: Tokenizer,
    split: shard.Split,
) -> Result:
    """Tokens, and how well the tokenizer fits: as a whole, per source, per language."""
    figures = fit.combined(result["figures"] for result in encoded)
    training_tokens = sum(result["tokens"] for result in encoded)
    return flow_report(
        counts,
        split="by position inside documents" if split.by_position else "by document",
        training_documents=sum(result["split_documents"] for result in encoded),
        training_tokens=training_tokens,
        training_bytes_per_token=share(sum(result["split_bytes"] for result in encoded), training_tokens),
        dropout=split.settings.dropout if split.drops else 0.0,
        validation_documents=sum(result["split_documents"] for result in settled),
        validation_tokens=sum(result["tokens"] for result in settled),
        tokens_by_source={
            "training": added_up(result["tokens_by_source"] for result in encoded),
            "validation": added_up(result["tokens_by_source"] for result in settled),
        },
        **fit.report(figures),
        vocabulary=fit.vocabulary_use(occurrences, fixed_entries(tokenizer)),
    )
