"""Shards: zstd Parquet files whose footer says what they hold, written whole or not at all.

    data/cleaned/documents/shard-00000.parquet      rows in input order, row groups of about 8 MB
    footer: antimatter.schema, antimatter.rows, antimatter.digest      (nothing about run, host or time)

One part of the input is one shard, and shard i of a stage comes from shard i of the stage before.
"""

import contextlib
import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import xxhash

from antimatter.corpus.schema import SCHEMA_VERSION
from antimatter.errors import AntiMatterError

ROW_GROUP_BYTES = 8_000_000


class MissingData(AntiMatterError, FileNotFoundError):
    """An input folder is absent or holds no shards; the message names the stage to run."""


class DamagedShard(AntiMatterError, ValueError):
    """A shard's content is not what its footer promises."""


def shard_name(index: int) -> str:
    """shard-00042.parquet"""
    return f"shard-{index:05d}.parquet"


def shard_paths(folder: Path) -> list[Path]:
    """The shards of a dataset folder in order.

    Raises: MissingData naming the stage that writes the folder; DamagedShard if a number is missing.
    """
    paths = sorted(folder.glob("shard-*.parquet"), key=lambda path: (len(path.name), path.name))
    if not paths:
        raise MissingData(f"{folder} holds no shards: the stage that writes it has not run. {_advice(folder)}")
    for index, path in enumerate(paths):
        if path.name != shard_name(index):
            raise DamagedShard(f"{folder}: {shard_name(index)} is missing (found {path.name}). {_advice(folder)}")
    return paths


def _advice(folder: Path) -> str:
    stages = {
        "raw": "collect", "cleaned": "clean", "filtered": "filter", "deduplicated": "dedup",
        "conversations": "conversations", "benchmarks": "benchmarks", "tokenizer": "tokenizer", "tokens": "tokenize",
        "model": "train",
    }  # fmt: skip
    for before, part in itertools.pairwise(("", *folder.parts)):
        if before == "work" and part in stages.values():
            return f"The work of stage {part} is not finished. Run `dvc repro {part}` (or python -m stages.{part})."
    for part in reversed(folder.parts):
        if part in stages:
            return f"Run `dvc repro {stages[part]}` (or python -m stages.{stages[part]})."
    return "Run `dvc repro`."


def require(path: Path) -> Path:
    """The path itself if it exists, else MissingData that says which stage to run."""
    if not path.exists():
        raise MissingData(f"{path} does not exist: the stage that writes it has not run. {_advice(path)}")
    return path


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary sibling to write; renamed to path after fsync if the block succeeds, removed otherwise.

    A kill leaves .NAME.PID.part behind: whoever lists a folder skips such names (`is_unfinished`).
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield temporary
        _fsync(temporary)
        os.replace(temporary, path)
        _fsync(path.parent)  # the new name too must outlive a power failure: records of finished parts rely on it
    finally:
        temporary.unlink(missing_ok=True)


def is_unfinished(path: Path) -> bool:
    """Whether a file is what a kill inside `atomic_path` leaves behind."""
    return path.name.startswith(".") and path.name.endswith(".part")


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_shard(path: Path, table: pa.Table) -> str:
    """Write a table as one shard and return its content digest; the same rows give the same bytes, whatever chunks they
    lie in. Memory beside the table: one row group, or one column."""
    digest = table_digest(table)
    footer = {
        b"antimatter.schema": SCHEMA_VERSION.encode(),
        b"antimatter.rows": str(table.num_rows).encode(),
        b"antimatter.digest": digest.encode(),
    }
    schema = pa.schema([_plain_field(field) for field in table.schema], footer)
    size = sum(_content_bytes(chunk) for column in table.columns for chunk in column.chunks)
    rows = max(1, min(table.num_rows, ROW_GROUP_BYTES * table.num_rows // max(1, size)))
    with (
        atomic_path(path) as temporary,
        pq.ParquetWriter(temporary, schema, compression="zstd", write_page_checksum=True, store_schema=True) as writer,
    ):
        for start in range(0, max(1, table.num_rows), rows):
            group = table.slice(start, rows).combine_chunks()  # the writer cuts pages at chunk borders
            writer.write_table(group.cast(schema), row_group_size=rows)
    return digest


@contextlib.contextmanager
def shard_in_pieces(path: Path) -> Iterator[Callable[[pa.Table], None]]:
    """Takes a shard piece by piece and writes it when the block succeeds, as write_shard writes their concatenation.

    The pieces wait in an Arrow file beside the shard: memory does not grow with their number.
    """
    spool = path.with_name(f".{path.name}.{os.getpid()}.pieces.part")
    path.parent.mkdir(parents=True, exist_ok=True)
    for left in path.parent.glob(f".{path.name}.*.pieces.part"):  # by a kill: they may be large
        left.unlink(missing_ok=True)
    try:
        writers: list[pa.RecordBatchFileWriter] = []
        with contextlib.ExitStack() as opened:

            def add(piece: pa.Table) -> None:
                if not writers:
                    writers.append(opened.enter_context(pa.ipc.new_file(str(spool), piece.schema)))
                writers[0].write_table(piece)

            yield add
        if not writers:
            raise ValueError(f"{path}: a shard needs a piece, if only an empty one, to know its columns")
        with pa.memory_map(str(spool)) as mapped:
            write_shard(path, pa.ipc.open_file(mapped).read_all())
    finally:
        spool.unlink(missing_ok=True)


def read_shard(path: Path, columns: list[str] | None = None) -> pa.Table:
    """A shard, or some of its columns, checked page by page.

    Raises: DamagedShard if it cannot be read, was not written by this version, lacks a column, or a page fails its
            checksum; MissingData if there is no such file.
    """
    with _as_damage(path), pq.ParquetFile(path, page_checksum_verification=True) as file:
        schema = file.schema_arrow
        table = file.read(columns=columns)
    _require_promised(path, schema, table.num_rows, columns or [])
    return table.replace_schema_metadata(None)


def read_row_groups(path: Path, columns: list[str], first_row: int = 0) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Some columns of a shard from a row on, with the number of the first row of each batch; memory: one row group.

    Raises: what read_shard raises, for a page when it is reached.
    """
    with _as_damage(path), pq.ParquetFile(path, page_checksum_verification=True) as file:
        _require_promised(path, file.schema_arrow, file.metadata.num_rows, columns)
        begin = 0
        for group in range(file.num_row_groups):
            end = begin + file.metadata.row_group(group).num_rows
            row = max(first_row, begin)
            if row < end:
                table = file.read_row_group(group, columns).replace_schema_metadata(None)
                for batch in table.slice(row - begin).to_batches():
                    yield row, batch
                    row += batch.num_rows
            begin = end


def rows_in(path: Path) -> int:
    """Rows of a shard. Raises: MissingData, DamagedShard (see read_footer)."""
    return int(read_footer(path).num_rows)


def read_footer(path: Path) -> pq.FileMetaData:
    """What a shard's footer says of it: rows, row groups, sizes of their columns.

    Raises: DamagedShard if it cannot be read, was not written by this version, or contradicts itself; MissingData.
    """
    with _as_damage(path):
        metadata = pq.read_metadata(path)
        schema = metadata.schema.to_arrow_schema()
    _require_promised(path, schema, metadata.num_rows, [])
    return metadata


def _require_promised(path: Path, schema: pa.Schema, rows: int, columns: list[str]) -> None:
    """Raises DamagedShard where a shard is not ours, has other rows than its footer promises, or lacks columns."""
    footer = schema.metadata or {}
    if footer.get(b"antimatter.schema") != SCHEMA_VERSION.encode():
        raise DamagedShard(f"{path} was not written by this version (schema {SCHEMA_VERSION}). {_advice(path)}")
    if footer.get(b"antimatter.rows") != str(rows).encode():
        promised = footer.get(b"antimatter.rows", b"no number").decode(errors="replace")
        raise DamagedShard(f"{path} holds {rows} rows, its footer promises {promised}. {_advice(path)}")
    absent = [name for name in columns if name not in schema.names]
    if absent:
        present = ", ".join(schema.names)
        raise DamagedShard(f"{path} has no column {', '.join(absent)}; it has {present}. {_advice(path)}")


@contextlib.contextmanager
def _as_damage(path: Path) -> Iterator[None]:
    """Turn what Arrow raises on broken files into DamagedShard; errors of the system (permission, too many open files)
    pass: the file may be whole."""
    try:
        yield
    except FileNotFoundError as error:
        raise MissingData(f"{path} does not exist. {_advice(path)}") from error
    except (pa.ArrowException, OSError, UnicodeDecodeError, MemoryError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        reason = str(error).rstrip(".")
        raise DamagedShard(f"{path} cannot be read ({reason}). Delete it and write it anew. {_advice(path)}") from error


def shard_digest(path: Path) -> str:
    """The content digest promised by a shard's footer (reads the footer alone)."""
    with _as_damage(path):
        footer = pq.read_metadata(path).metadata or {}
    if b"antimatter.digest" not in footer:
        raise DamagedShard(f"{path} has no content digest in its footer: it is not one of our shards. {_advice(path)}")
    return str(footer[b"antimatter.digest"].decode(errors="replace"))


def verify_shard(path: Path) -> None:
    """Read a shard whole and compare rows and digest with its footer; raises DamagedShard."""
    table, promised = read_shard(path), shard_digest(path)
    try:
        found = table_digest(table)
    except TypeError as error:  # a type that we never write
        raise DamagedShard(f"{path}: {error}. {_advice(path)}") from error
    if found != promised:
        raise DamagedShard(f"{path}: content digest is {found}, the footer promises {promised}. {_advice(path)}")


def table_digest(table: pa.Table) -> str:
    """xxh3_128 (hex) of the logical content: names, types, values and nulls; not chunking, padding or encoding."""
    digest = xxhash.xxh3_128()
    for field in table.schema:
        digest.update(f"{field.name}:{_plain_type(field.type)};".encode())
        column = table.column(field.name)
        array = column.combine_chunks()
        if isinstance(array, pa.ChunkedArray):  # combine_chunks keeps chunks where one would overflow
            array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], type=field.type)
        _digest_array(digest, array)
    return digest.hexdigest()


def _plain_field(field: pa.Field) -> pa.Field:
    return pa.field(field.name, _plain_type(field.type), nullable=field.nullable)


def _plain_type(kind: pa.DataType) -> pa.DataType:
    """The type with Arrow's own names for the entries of lists and maps: what comes back from Parquet has others."""
    if pa.types.is_list(kind):
        return pa.list_(_plain_type(kind.value_type))
    if pa.types.is_map(kind):
        return pa.map_(_plain_type(kind.key_type), _plain_type(kind.item_type))
    return kind


def _digest_array(digest: Any, array: pa.Array) -> None:
    digest.update(len(array).to_bytes(8, "little"))
    valid = array.is_valid().to_numpy(zero_copy_only=False)
    digest.update(np.packbits(valid).tobytes())
    array = array.drop_null() if array.null_count else array  # under a null any bytes may lie
    if len(array) == 0:
        return  # an empty array may have no buffers at all
    if pa.types.is_list(array.type) or pa.types.is_map(array.type):
        digest.update(np.diff(array.offsets.to_numpy()).astype("<i8").tobytes())
        for values in _children(array):
            _digest_array(digest, values)
    elif _is_text(array.type):
        lengths, content = _text_content(array)
        digest.update(lengths.astype("<i8").tobytes())
        digest.update(content)
    elif pa.types.is_fixed_size_binary(array.type):
        width = array.type.byte_width
        digest.update(memoryview(array.buffers()[1])[array.offset * width : (array.offset + len(array)) * width])
    elif pa.types.is_primitive(array.type):
        digest.update(np.ascontiguousarray(array.to_numpy(zero_copy_only=False)).tobytes())
    else:
        raise TypeError(f"shards hold no columns of type {array.type}")


def _is_text(kind: pa.DataType) -> bool:
    return any(
        is_kind(kind)
        for is_kind in (pa.types.is_string, pa.types.is_binary, pa.types.is_large_string, pa.types.is_large_binary)
    )


def _text_content(array: pa.Array) -> tuple[np.ndarray, memoryview]:
    """Lengths in bytes, and the bytes themselves, of a string or binary array without nulls."""
    large = pa.types.is_large_string(array.type) or pa.types.is_large_binary(array.type)
    _, offsets_buffer, data = array.buffers()
    all_offsets = np.frombuffer(offsets_buffer, dtype="<i8" if large else "<i4")
    offsets = all_offsets[array.offset : array.offset + len(array) + 1]
    content = memoryview(data)[int(offsets[0]) : int(offsets[-1])] if data is not None else memoryview(b"")
    return np.diff(offsets), content


def _children(array: pa.Array) -> list[pa.Array]:
    """The values of a list array, or the keys and items of a map array, that its rows really use; no nulls in it."""
    if not pa.types.is_map(array.type):
        return [array.flatten()]
    offsets = array.offsets.to_numpy()
    first, last = int(offsets[0]), int(offsets[-1])
    return [array.keys.slice(first, last - first), array.items.slice(first, last - first)]


def _content_bytes(array: pa.Array) -> int:
    """Size of the logical content. Array.nbytes also counts bitmaps and offsets, which differ between equal tables."""
    rows = len(array)
    array = array.drop_null() if array.null_count else array
    if len(array) == 0:
        return rows
    if pa.types.is_list(array.type) or pa.types.is_map(array.type):
        return rows + sum(_content_bytes(values) for values in _children(array))
    if _is_text(array.type):
        return rows + int(_text_content(array)[0].sum())
    return rows + len(array) * max(1, int(array.type.bit_width) // 8)


def folder_digest(folder: Path) -> str:
    """xxh3_128 (hex) over the names and contents of all files below a folder; shards speak through their footers."""
    digest = xxhash.xxh3_128()
    require(folder)
    files = [folder]
    if folder.is_dir():
        files = sorted(path for path in folder.rglob("*") if path.is_file() and not is_unfinished(path))
    for path in files:
        name = path.relative_to(folder).as_posix() if folder.is_dir() else path.name
        digest.update(f"{len(name)}:".encode() + os.fsencode(name) + f"={file_digest(path)};".encode())
    return digest.hexdigest()


def _readable(path: Path) -> BinaryIO:
    try:
        return open(path, "rb")
    except PermissionError as error:
        raise MissingData(
            f"{path} may not be read ({error.strerror}). Change its permissions, or remove it."
        ) from error


def file_digest(path: Path) -> str:
    """Content digest of one file: the footer's for our shards, xxh3_128 of the bytes for anything else."""
    if path.suffix == ".parquet" and path.name.startswith("shard-"):
        with contextlib.suppress(DamagedShard):  # people call their own files shard-... too
            return shard_digest(path)
    digest = xxhash.xxh3_128()
    with _readable(path) as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
