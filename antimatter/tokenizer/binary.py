"""Tokens on disk: little-endian uint16 (uint32 above 65,536 entries), no header: any trainer can map the file.

train/shard-00000.bin       BOS t t t t EOS BOS t t EOS ...
validation/shard-00000.bin  ^ start=0       ^ start=6        documents.parquet: id, source, origin, split, shard,
token_bytes.bin             uint16 an id: UTF-8 bytes it stands for             start, length (both in tokens)
meta.json                   dtype, counts, vocabulary, tokenizer and input digests
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from antimatter.corpus.shards import atomic_path

SPLITS = ("train", "validation")

DOCUMENTS = pa.schema(
    [
        pa.field("id", pa.binary(16), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("origin", pa.string(), nullable=False),
        pa.field("split", pa.string(), nullable=False),
        pa.field("shard", pa.int32(), nullable=False),
        pa.field("start", pa.int64(), nullable=False),
        pa.field("length", pa.int64(), nullable=False),
    ]
)


def bin_name(split: str, shard: int) -> str:
    """train/shard-00042.bin"""
    return f"{split}/shard-{shard:05d}.bin"


def write_tokens(path: Path, documents: Sequence[NDArray[np.unsignedinteger]], dtype: np.dtype[Any]) -> int:
    """Write documents one after another; returns the number of tokens."""
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        for tokens in documents:
            file.write(tokens.astype(dtype, copy=False).tobytes())
    return sum(map(len, documents))


def read_tokens(path: Path, dtype: np.dtype[Any]) -> NDArray[np.unsignedinteger]:
    """All tokens of a shard."""
    return np.fromfile(path, dtype=dtype)
