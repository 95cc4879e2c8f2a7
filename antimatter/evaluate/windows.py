"""Which validation tokens are scored, and what the model sees before each of them.

    document            BOS a b c d e EOS                 context 4
    first window        inputs  BOS a b c                 targets  a b c d
    second window       inputs  d e                       targets  e EOS

Every document is scored from its own BOS, cut into windows as long as the context: each target is scored once, and
the first targets of a later window see less than a full context (a sliding window would cost more and score lower).
Control tokens (EOS) are predicted but not counted: their text has no bytes.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from antimatter.train.tokens import Tokens, TokensError


@dataclass(frozen=True)
class Selection:
    """The documents to score, end to end. M tokens, W windows, S sources."""

    ids: NDArray[np.int64]
    """[M], each document from its BOS."""
    sources: tuple[str, ...]
    """Names of all S sources that have validation documents, sorted."""
    source: NDArray[np.int64]
    """[M], index into sources."""
    documents: NDArray[np.int64]
    """[S], documents selected of each source."""
    windows: NDArray[np.int64]
    """[W, 2]: position of the first input, number of inputs; the targets lie one further on."""
    counted: NDArray[np.bool_]
    """[M]: is this token a target that counts?"""


def select(tokens: Tokens, budget: int, context: int) -> Selection:
    """Validation documents in the order of their ids until `budget` tokens are reached; the last one may be cut.

    An id is a hash of the document's provenance, so this is an even sample of all sources, and always the same one.
    Raises: TokensError if there is nothing to score.
    """
    columns, held_out = ["id", "source", "shard", "start", "length"], [("split", "=", "validation"), ("length", ">", 1)]
    rows = pq.read_table(tokens.folder / "documents.parquet", columns=columns, filters=held_out).to_pylist()
    rows.sort(key=lambda row: (row["id"], row["shard"], row["start"]))
    sources = tuple(sorted({row["source"] for row in rows}))
    texts: list[NDArray[np.int64]] = []
    source_of, windows = [], []
    documents = np.zeros(len(sources), dtype=np.int64)
    position = 0
    for row in rows:
        length = min(row["length"], budget - position)
        if length < 2:
            break
        texts.append(_read(tokens, row, length))
        index = sources.index(row["source"])
        source_of.append(np.full(length, index))
        documents[index] += 1
        windows += [(position + at, min(context, length - 1 - at)) for at in range(0, length - 1, context)]
        position += length
    if not texts:
        raise TokensError(f"{tokens.folder} holds no validation document to score. Run `dvc repro tokenize`.")
    ids = np.concatenate(texts)
    first = np.zeros(len(ids), dtype=bool)
    first[np.cumsum([0, *map(len, texts[:-1])])] = True
    counted = (tokens.token_bytes[ids] > 0) & ~first
    if not counted.any():
        raise TokensError(f"{tokens.folder}: the selected validation documents hold no text to score")
    return Selection(ids, sources, np.concatenate(source_of), documents, np.array(windows, dtype=np.int64), counted)


def _read(tokens: Tokens, row: dict[str, Any], length: int) -> NDArray[np.int64]:
    split = tokens.validation
    path: Path = split.files[row["shard"]]
    ids = np.fromfile(path, dtype=split.dtype, count=length, offset=row["start"] * split.dtype.itemsize)
    if len(ids) != length:
        raise TokensError(f"{path} ends inside a document of documents.parquet. Run `dvc repro tokenize`.")
    return ids.astype(np.int64)
