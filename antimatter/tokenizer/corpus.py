"""Tokenization of a whole corpus, step by step, as the stage tells it."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import xxhash

from antimatter.corpus.ledger import Counts
from antimatter.corpus.reports import share, write_json
from antimatter.corpus.shards import atomic_path, file_digest, folder_digest, shard_paths
from antimatter.errors import AntiMatterError
from antimatter.execution.workspace import Workspace
from antimatter.params.tokenize import Tokenize
from antimatter.tokenizer import shard, split
from antimatter.tokenizer.binary import DOCUMENTS, SPLITS, bin_name
from antimatter.tokenizer.encode import Encoder
from antimatter.tokenizer.vocabulary import BOS, EOS, PAD, token_bytes

_NGRAMS_IN_MEMORY = 32_000_000  # 256 MB of hashes a pass, in every worker
Result = dict[str, Any]


class NothingHeldOut(AntiMatterError, ValueError):
    """The validation split is empty."""


def tokenize(work: Workspace, source: Path, model: Path, settings: Tokenize) -> Result:
    """Fill work.output/tokens and return the report.

    Raises: LostDocuments if training + validation + removed is not what came in; NothingHeldOut.
    """
    shards = range(len(shard_paths(source)))
    output = work.output / "tokens"
    documents = sum(pq.read_metadata(path).num_rows for path in shard_paths(source))
    by_position = documents * settings.validation_share < split.FEWEST_HELD_OUT
    places = shard.Places(output=output, scratch=work.scratch, model=model)
    encode = partial(shard.encode_shard, source=source, settings=settings, by_position=by_position, places=places)
    encoded = work.map(encode, shards, title="tokenize")
    if not by_position:
        find_overlap(work, sum(result["held_out_tokens"] for result in encoded), len(shards), settings, places)
    else:
        _save(work.scratch / "seen.npy", np.empty(0, dtype=np.uint64))
        print(f"tokenize: {documents} documents are too few to hold any out; the end of each one is held out instead")
    settled = work.map(
        partial(shard.settle_shard, settings=settings, by_position=by_position, places=places),
        shards,
        title="validation",
    )
    # held-out documents arrive with the first step and leave with the second, so only the sum balances
    counts = Counts.sum(result["counts"] for result in [*encoded, *settled])
    counts.require_balance("tokenize")
    if sum(result["tokens"] for result in settled) < 2:
        raise NothingHeldOut(
            f"of {documents} documents none is left for validation (too few, or all held-out ones overlap with the "
            "training text). Add text, raise tokenize.validation_share, or raise tokenize.max_overlap_share."
        )
    write_index(work.scratch, output / "documents.parquet", len(shards))
    write_meta(output, source, model, encoded, settled)
    return report(counts, encoded, settled, by_position)


def find_overlap(work: Workspace, tokens: int, shards: int, settings: Tokenize, places: shard.Places) -> None:
    """Which held-out n-grams the training text contains, into scratch/seen.npy, in passes of bounded memory."""
    passes = max(1, -(-tokens // _NGRAMS_IN_MEMORY))
    seen = []
    for number in range(passes):
        wanted = shard.held_out_ngrams(work.scratch, shards, settings.overlap_ngram, passes, number)
        _save(work.scratch / f"ngrams-{number}.npy", wanted)
        look = partial(shard.overlap_shard, size=settings.overlap_ngram, number=number, places=places)
        work.map(look, range(shards), title="overlap" if passes == 1 else f"overlap {number + 1} of {passes}")
        hits = np.zeros(len(wanted), dtype=bool)
        for path in sorted((work.scratch / f"hits-{number}").glob("shard-*.bin")):
            hits |= np.unpackbits(np.fromfile(path, dtype=np.uint8), count=len(wanted)).astype(bool)
        seen.append(wanted[hits])
    _save(work.scratch / "seen.npy", np.sort(np.concatenate(seen)))


def write_index(scratch: Path, path: Path, shards: int) -> None:
    """documents.parquet: training documents in order of shards, then validation documents; streamed."""
    with atomic_path(path) as temporary, pq.ParquetWriter(temporary, DOCUMENTS, compression="zstd") as writer:
        for part in SPLITS:
            for index in range(shards):
                writer.write_table(shard.read_rows(scratch, part, index))


def write_meta(output: Path, source: Path, model: Path, encoded: list[Result], settled: list[Result]) -> None:
    """meta.json and token_bytes.bin."""
    encoder = Encoder(model)
    lengths = np.array(token_bytes(model.read_bytes()), dtype="<u2")
    with atomic_path(output / "token_bytes.bin") as path:
        path.write_bytes(lengths.tobytes())
    splits = {}
    for name, results in zip(SPLITS, (encoded, settled), strict=True):
        splits[name] = {
            "tokens": sum(result["tokens"] for result in results),
            "documents": sum(result[f"{'training' if name == 'train' else name}_documents"] for result in results),
            "shards": [
                {"file": bin_name(name, i), "tokens": r["tokens"], "digest": file_digest(output / bin_name(name, i))}
                for i, r in enumerate(results)
            ],
        }
    meta = {
        "format": 1,
        "dtype": "uint16" if encoder.dtype.itemsize == 2 else "uint32",
        "vocabulary_size": encoder.size,
        "pad": PAD,
        "bos": BOS,
        "eos": EOS,
        "token_bytes": "token_bytes.bin",
        "tokenizer_digest": file_digest(model),
        "documents_digest": folder_digest(source),
        "splits": splits,
    }
    meta["digest"] = _digest_of(meta)
    write_json(output / "meta.json", meta)


def report(counts: Counts, encoded: list[Result], settled: list[Result], by_position: bool) -> Result:
    """Tokens, and how well the tokenizer fits, as a whole and per source."""
    figures: dict[str, dict[str, int]] = {}
    for result in encoded:
        for name, numbers in result["figures"].items():
            total = figures.setdefault(name, dict.fromkeys(numbers, 0))
            for key, value in numbers.items():
                total[key] += value
    keys = ("tokens", "words", "bytes", "byte_tokens")
    whole = {key: sum(numbers[key] for numbers in figures.values()) for key in keys}
    flows = counts.sources.values()
    removed = {r: sum(f.removed.get(r, 0) for f in flows) for r in sorted({r for f in flows for r in f.removed})}
    return {
        "documents_in": sum(flow.documents_in for flow in flows),
        "documents_out": sum(flow.documents_out for flow in flows),
        "bytes_in": sum(flow.bytes_in for flow in flows),
        "bytes_out": sum(flow.bytes_out for flow in flows),
        "removed": removed,
        "split": "by position inside documents" if by_position else "by document",
        "training_documents": sum(result["training_documents"] for result in encoded),
        "training_tokens": sum(result["tokens"] for result in encoded),
        "validation_documents": sum(result["validation_documents"] for result in settled),
        "validation_tokens": sum(result["tokens"] for result in settled),
        **_fit(whole),
        "fit": {name: _fit(figures[name]) for name in sorted(figures)},
        "sources": counts.to_plain(),
    }


def _fit(numbers: dict[str, int]) -> dict[str, float]:
    return {
        "bytes_per_token": share(numbers["bytes"], numbers["tokens"]),
        "tokens_per_word": share(numbers["tokens"], numbers["words"]),
        "byte_token_share": share(numbers["byte_tokens"], numbers["tokens"]),
    }


def _digest_of(meta: Result) -> str:
    return xxhash.xxh3_128(json.dumps(meta, sort_keys=True).encode()).hexdigest()


def _save(path: Path, array: "np.ndarray[Any, Any]") -> None:
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        np.save(file, array, allow_pickle=False)
