"""Which validation tokens are scored, and what the model sees before each of them.

    document            BOS a b c d e EOS                 context 4
    first window        inputs  BOS a b c                 targets  a b c d
    second window       inputs  d e                       targets  e EOS

Every document is scored from its own BOS, cut into windows as long as the context: each target is scored once, and
the first targets of a later window see less than a full context (a sliding window would cost more and score lower).
Control tokens (EOS) are predicted but not counted: their text has no bytes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from antimatter.train.tokens import Tokens, TokensError


@dataclass(frozen=True)
class Selection:
    """The documents to score, end to end. M tokens, K documents, W windows, S sources."""

    ids: NDArray[np.int64]
    """[M], each document from its BOS."""
    sources: tuple[str, ...]
    """Names of all S sources that have validation documents, sorted."""
    document: NDArray[np.int64]
    """[M], which document a token belongs to: 0 .. K - 1, ascending."""
    source_of: NDArray[np.int64]
    """[K], index into sources."""
    windows: NDArray[np.int64]
    """[W, 2]: position of the first input, number of inputs; the targets lie one further on."""
    counted: NDArray[np.bool_]
    """[M]: is this token a target that counts?"""

    @property
    def documents(self) -> NDArray[np.int64]:
        """[S], documents selected of each source."""
        return np.bincount(self.source_of, minlength=len(self.sources))

    @property
    def source(self) -> NDArray[np.int64]:
        """[M], index into sources, token by token."""
        return self.source_of[self.document]

    def each(self) -> Iterator[NDArray[np.int64]]:
        """The ids of one document after the other."""
        yield from np.split(self.ids, np.flatnonzero(np.diff(self.document)) + 1)


@dataclass(frozen=True)
class Excerpts:
    """The beginnings of documents that are long enough for something."""

    ids: list[NDArray[np.int64]]
    """Text alone, without BOS and EOS."""
    sources: list[str]
    available: int
    """Documents that are long enough; `ids` holds the first of them."""


def select(tokens: Tokens, budget: int, context: int) -> Selection:
    """Validation documents in the order of their ids until `budget` tokens are reached; the last one may be cut.

    An id is a hash of the document's provenance, so this is an even sample of all sources, and always the same one.
    Raises: TokensError if there is nothing to score.
    """
    rows = _held_out(tokens)
    sources = tuple(sorted({row["source"] for row in rows}))
    texts: list[NDArray[np.int64]] = []
    source_of: list[int] = []
    windows: list[tuple[int, int]] = []
    position = 0
    for row in rows:
        length = min(row["length"], budget - position)
        if length < 2:
            break
        texts.append(_read(tokens, row, length))
        source_of.append(sources.index(row["source"]))
        windows += [(position + at, min(context, length - 1 - at)) for at in range(0, length - 1, context)]
        position += length
    if not texts:
        raise TokensError(f"{tokens.folder} holds no validation document to score. Run `dvc repro tokenize`.")
    ids, lengths = np.concatenate(texts), [len(text) for text in texts]
    first = np.zeros(len(ids), dtype=bool)
    first[np.cumsum([0, *lengths[:-1]])] = True
    counted = (tokens.token_bytes[ids] > 0) & ~first
    if not counted.any():
        raise TokensError(f"{tokens.folder}: the selected validation documents hold no text to score")
    document = np.repeat(np.arange(len(texts)), lengths)
    return Selection(ids, sources, document, np.array(source_of), np.array(windows, dtype=np.int64), counted)


def excerpts(tokens: Tokens, shortest: int, longest: int, most: int) -> Excerpts:
    """The first `longest` tokens of text of the first `most` validation documents with at least `shortest`, in the
    order of their ids."""
    frame = 1 + (tokens.bos is not None)
    rows = [row for row in _held_out(tokens) if row["length"] - frame >= shortest]
    start = frame - 1  # behind BOS
    chosen = rows[:most]
    ids = [_read(tokens, row, min(row["length"] - 1, start + longest))[start:] for row in chosen]
    return Excerpts(ids, [row["source"] for row in chosen], len(rows))


def _held_out(tokens: Tokens) -> list[dict[str, Any]]:
    columns, held_out = ["id", "source", "shard", "start", "length"], [("split", "=", "validation"), ("length", ">", 1)]
    rows: list[dict[str, Any]] = pq.read_table(
        tokens.folder / "documents.parquet", columns=columns, filters=held_out
    ).to_pylist()
    rows.sort(key=lambda row: (row["id"], row["shard"], row["start"]))
    return rows


def _read(tokens: Tokens, row: dict[str, Any], length: int) -> NDArray[np.int64]:
    split = tokens.validation
    path: Path = split.files[row["shard"]]
    ids = np.fromfile(path, dtype=split.dtype, count=length, offset=row["start"] * split.dtype.itemsize)
    if len(ids) != length:
        raise TokensError(f"{path} ends inside a document of documents.parquet. Run `dvc repro tokenize`.")
    return ids.astype(np.int64)
