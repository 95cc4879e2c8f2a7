"""A folder of the user's own text: what lies in it, and how each kind of file becomes documents.

.txt .md   one document a file                                origin  letters/1790.txt
.jsonl     one document a line, other scalars are metadata    origin  crawl.jsonl:<byte offset of the line>
.parquet   one document a row, streamed by row group          origin  crawl.parquet:<row>
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from antimatter.collect.drafts import Broken, Draft, decode, parse_json, scalars
from antimatter.collect.errors import SourceError
from antimatter.collect.pieces import Piece

WHOLE = (".txt", ".md")
LARGEST_DOCUMENT_BYTES = 64_000_000


def list_files(root: Path) -> tuple[list[str], dict[str, int]]:
    """(files that hold documents, relative and sorted; number of ignored files by suffix).

    Dot files and the README.md at the top are passed over in silence; linked folders count as ignored, because DVC
    does not look into them either.
    """
    found: list[str] = []
    ignored: dict[str, int] = {}
    for folder, folders, names in os.walk(root):
        links = [name for name in folders if (Path(folder) / name).is_symlink()]
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names + links:
            path = Path(folder) / name
            relative = path.relative_to(root).as_posix()
            if name.startswith(".") or relative == "README.md":
                continue
            if path.is_file() and path.suffix.lower() in (*WHOLE, ".jsonl", ".parquet"):
                found.append(relative)
            else:
                kind = "linked folder" if name in links else path.suffix.lower() or "no suffix"
                ignored[kind] = ignored.get(kind, 0) + 1
    return sorted(found, key=os.fsencode), dict(sorted(ignored.items()))


def pieces_of(root: Path, name: str, part_bytes: int) -> Iterator[Piece]:
    """One file in pieces of about part_bytes, by its size alone; only .jsonl and .parquet can be cut.

    Raises: SourceError if it is one document of absurd size, or no Parquet file.
    """
    path = root / name
    if path.suffix.lower() == ".parquet":
        yield from _row_group_pieces(path, name, part_bytes)
        return
    size = path.stat().st_size
    if path.suffix.lower() == ".jsonl":
        for start in range(0, size, part_bytes):
            yield Piece(name, start, min(start + part_bytes, size))
    else:
        if size > LARGEST_DOCUMENT_BYTES:
            raise SourceError(
                f"{path} would be one document of {size:,} bytes, the largest allowed has {LARGEST_DOCUMENT_BYTES:,}. "
                "Split it into several files, or write one document a line as .jsonl."
            )
        yield Piece(name, 0, size)


def _row_group_pieces(path: Path, name: str, part_bytes: int) -> Iterator[Piece]:
    with _opened(path) as file:
        sizes = [file.metadata.row_group(index).total_byte_size for index in range(file.num_row_groups)]
    start, filled = 0, 0
    for index, size in enumerate(sizes):
        if index > start and filled + size > part_bytes:
            yield Piece(name, start, index, filled)
            start, filled = index, 0
        filled += size
    if sizes:
        yield Piece(name, start, len(sizes), filled)


def read_piece(root: Path, piece: Piece, text_field: str) -> Iterator[Draft | Broken]:
    """The documents of a piece, in order."""
    path, origin = root / piece.name, _printable(piece.name)
    if path.suffix.lower() == ".parquet":
        yield from _read_rows(path, piece, origin, text_field)
    elif path.suffix.lower() == ".jsonl":
        yield from _read_lines(path, piece, origin, text_field)
    else:
        data = path.read_bytes()
        try:
            yield Draft(origin, decode(data))
        except UnicodeDecodeError as error:
            yield Broken(origin, 0, str(error), data)


def _read_lines(path: Path, piece: Piece, origin: str, text_field: str) -> Iterator[Draft | Broken]:
    """A line belongs to the piece in which it starts: wherever a file is cut, every line is read once."""
    with open(path, "rb") as file:
        if piece.start:
            file.seek(piece.start - 1)
            _read_line(file, path)  # the end of a line that started earlier, at the least its \n
        while (offset := file.tell()) < piece.stop and (line := _read_line(file, path)):
            if not line.strip(b" \t\r\n"):
                continue
            try:
                yield _draft_of_line(line, f"{origin}:{offset}", text_field)
            except ValueError as error:
                yield Broken(f"{origin}:{offset}", offset, str(error), line)


def _read_line(file: BinaryIO, path: Path) -> bytes:
    line = file.readline(LARGEST_DOCUMENT_BYTES + 1)
    if len(line) > LARGEST_DOCUMENT_BYTES:
        raise SourceError(
            f"{path} has a line of more than {LARGEST_DOCUMENT_BYTES:,} bytes: is it .jsonl, one document a line?"
        )
    return line


def _draft_of_line(line: bytes, origin: str, text_field: str) -> Draft:
    fields = parse_json(line)
    if not isinstance(fields, dict) or not isinstance(fields.get(text_field), str):
        raise ValueError(f"no JSON object with a text in field {text_field!r}")
    text = fields.pop(text_field)
    return Draft(origin, text, metadata=scalars(fields))


def _read_rows(path: Path, piece: Piece, origin: str, text_field: str) -> Iterator[Draft | Broken]:
    with _opened(path) as file:
        schema = file.schema_arrow
        if text_field not in schema.names or not _is_text(schema.field(text_field).type):
            raise SourceError(f"{path} has no text column {text_field!r}; it has {', '.join(schema.names)}")
        columns = [text_field, *(f.name for f in schema if f.name != text_field and _is_scalar(f.type))]
        row = sum(file.metadata.row_group(index).num_rows for index in range(piece.start))
        try:
            for batch in file.iter_batches(1000, row_groups=list(range(piece.start, piece.stop)), columns=columns):
                for fields in batch.to_pylist():
                    text = fields.pop(text_field)
                    yield Draft(f"{origin}:{row}", text or "", metadata=scalars(fields))
                    row += 1
        except (pa.ArrowInvalid, OSError, UnicodeDecodeError) as error:
            raise SourceError(f"{path} cannot be read after row {row} ({error}). Repair or remove it.") from error


def _opened(path: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise SourceError(f"{path} is no readable Parquet file ({error}). Repair or remove it.") from error


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _is_scalar(kind: pa.DataType) -> bool:
    numbers = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)
    return bool(numbers or _is_text(kind))


def _printable(name: str) -> str:
    """File names may hold any bytes; Arrow and JSON want Unicode."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")
