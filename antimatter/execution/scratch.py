"""Scratch files between the steps: Arrow tables and arrays that are mapped, not read; 16-byte values as numbers."""

import errno
import os
from pathlib import Path

import numpy as np
import pyarrow as pa

from antimatter.corpus.shards import atomic_path
from antimatter.errors import AntiMatterError


class DiskFull(AntiMatterError, OSError):
    """There is no room for a scratch file."""


def allocate(path: Path, size: int) -> None:
    """A file of so many bytes, all zero, that can be mapped and written. Its space is taken now: a full disk is an
    error here, and no crash while mapped pages are written.

    Raises: DiskFull naming the file and the bytes that it needs.
    """
    try:
        with open(path, "wb") as file:
            if size and hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, size)
            file.truncate(size)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        raise DiskFull(
            f"{path} needs {size:,} bytes: {error.strerror}. Make room; the same command goes on."
        ) from error


def arrow_path(scratch: Path, kind: str, index: int) -> Path:
    """scratch/<kind>/shard-00042.arrow"""
    return scratch / kind / f"shard-{index:05d}.arrow"


def array_path(scratch: Path, kind: str, index: int) -> Path:
    """scratch/<kind>/shard-00042.npy"""
    return scratch / kind / f"shard-{index:05d}.npy"


def write_arrow(path: Path, table: pa.Table) -> None:
    """An Arrow IPC file of one record batch, so that it can be mapped into memory column by column."""
    with atomic_path(path) as temporary, pa.OSFile(str(temporary), "wb") as sink:
        with pa.ipc.new_file(sink, table.schema) as writer:
            for batch in table.combine_chunks().to_batches() or [pa.RecordBatch.from_pylist([], schema=table.schema)]:
                writer.write_batch(batch)


def map_arrow(path: Path) -> pa.RecordBatch:
    """The record batch of such a file, mapped, not read."""
    return pa.ipc.open_file(pa.memory_map(str(path))).get_batch(0)


def halves(ids: pa.FixedSizeBinaryArray) -> np.ndarray:
    """16-byte values as uint64[n, 2], most significant half first, in an order equal to that of the bytes."""
    raw = np.frombuffer(ids.buffers()[1], dtype=">u8")[2 * ids.offset : 2 * (ids.offset + len(ids))]
    return raw.reshape(-1, 2).astype(np.uint64)


def from_halves(values: np.ndarray, is_null: np.ndarray | None = None) -> pa.FixedSizeBinaryArray:
    """The other way."""
    content = pa.py_buffer(values.astype(">u8").tobytes())
    valid = None if is_null is None else pa.py_buffer(np.packbits(~is_null, bitorder="little").tobytes())
    return pa.Array.from_buffers(pa.binary(16), len(values), [valid, content])


def save(path: Path, array: np.ndarray) -> None:
    """array as .npy, whole or not at all."""
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        np.save(file, array, allow_pickle=False)
