"""A folder of the user's own text: what lies in it, and how each kind of file becomes documents.

.txt .md   one document a file                                origin  letters/1790.txt
.jsonl     one document a line, other scalars are metadata    origin  crawl.jsonl:<byte offset of the line>
.parquet   one document a row, streamed                       origin  crawl.parquet:<row>
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from antimatter.collect.drafts import Broken, Draft, NoTextField, Oversized, decode, parse_json, scalars
from antimatter.collect.errors import SourceError
from antimatter.collect.pieces import Piece, shares

WHOLE = (".txt", ".md")
LARGEST_DOCUMENT_BYTES = 64_000_000
_CHUNK_BYTES = 1_000_000
_BATCH_ROWS, _BATCH_BYTES = 1000, 16_000_000


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


def pieces_of(root: Path, name: str, part_bytes: int, text_field: str) -> Iterator[Piece]:
    """One file in pieces of about part_bytes, by its size alone; only .jsonl and .parquet can be cut.

    Raises: SourceError if it is called .parquet and is no Parquet file with that text.
    """
    path = root / name
    if path.suffix.lower() == ".parquet":
        yield from _row_pieces(path, name, part_bytes, text_field)
        return
    size = path.stat().st_size
    if path.suffix.lower() == ".jsonl":
        for start in range(0, size, part_bytes):
            yield Piece(name, start, min(start + part_bytes, size))
    else:
        yield Piece(name, 0, size, weight=-1 if size <= LARGEST_DOCUMENT_BYTES else 0)  # what is too large is not read


def _row_pieces(path: Path, name: str, part_bytes: int, text_field: str) -> Iterator[Piece]:
    """Small row groups together, large ones cut into equal numbers of rows: their texts count as equally long."""
    with _opened(path) as file:
        _require_text(path, file.schema_arrow, text_field)
        groups = _row_groups(file, text_field)
    start, stop, filled = 0, 0, 0
    for rows, size in groups:
        count = max(1, min(rows, -(-size // part_bytes)))
        cuts = shares(rows, [1] * count)
        for more, weight in zip(cuts, shares(size, cuts), strict=True):
            if stop > start and filled + weight > part_bytes:
                yield Piece(name, start, stop, filled)
                start, filled = stop, 0
            stop, filled = stop + more, filled + weight
    if stop > start:
        yield Piece(name, start, stop, filled)


def _row_groups(file: pq.ParquetFile, text_field: str) -> list[tuple[int, int]]:
    """(rows, uncompressed bytes of the text column) of every row group."""
    found = []
    for index in range(file.num_row_groups):
        group = file.metadata.row_group(index)
        columns = (group.column(number) for number in range(group.num_columns))
        found.append(
            (group.num_rows, sum(c.total_uncompressed_size for c in columns if c.path_in_schema == text_field))
        )
    return found


def read_piece(root: Path, piece: Piece, text_field: str) -> Iterator[Draft | Broken | Oversized]:
    """The documents of a piece, in order."""
    path, origin = root / piece.name, _printable(piece.name)
    if path.suffix.lower() == ".parquet":
        yield from _read_rows(path, piece, origin, text_field)
    elif path.suffix.lower() == ".jsonl":
        yield from _read_lines(path, piece, origin, text_field)
    elif piece.stop > LARGEST_DOCUMENT_BYTES:
        yield Oversized(origin, piece.stop, LARGEST_DOCUMENT_BYTES)
    else:
        data = path.read_bytes()
        try:
            yield Draft(origin, decode(data))
        except UnicodeDecodeError as error:
            yield Broken.by(error, origin, 0, data)


def _read_lines(path: Path, piece: Piece, origin: str, text_field: str) -> Iterator[Draft | Broken | Oversized]:
    """A line belongs to the piece in which it starts: wherever a file is cut, every line is read once."""
    with open(path, "rb") as file:
        if piece.start:
            file.seek(piece.start - 1)
            _skip_line(file, piece.stop)  # the end of a line that started earlier, at the least its \n
        while (offset := file.tell()) < piece.stop:
            line = file.readline(LARGEST_DOCUMENT_BYTES + 1)
            if len(line) > LARGEST_DOCUMENT_BYTES:
                if not line.endswith(b"\n"):
                    _skip_line(file)
                yield Oversized(f"{origin}:{offset}", file.tell() - offset, LARGEST_DOCUMENT_BYTES)
                continue
            if not line:
                break
            if not line.strip(b" \t\r\n"):
                continue
            try:
                yield _draft_of_line(line, f"{origin}:{offset}", text_field)
            except ValueError as error:
                yield Broken.by(error, f"{origin}:{offset}", offset, line)


def _skip_line(file: BinaryIO, stop: int | None = None) -> None:
    """Past the end of the line, or past `stop` if that comes first; holds little of it in memory."""
    while stop is None or file.tell() < stop:
        chunk = file.readline(_CHUNK_BYTES)
        if not chunk or chunk.endswith(b"\n"):
            return


def _draft_of_line(line: bytes, origin: str, text_field: str) -> Draft:
    fields = parse_json(line)
    if not isinstance(fields, dict) or not isinstance(fields.get(text_field), str):
        raise NoTextField(f"no JSON object with a text in field {text_field!r}")
    text = fields.pop(text_field)
    return Draft(origin, text, metadata=scalars(fields))


def _read_rows(path: Path, piece: Piece, origin: str, text_field: str) -> Iterator[Draft | Oversized]:
    with _opened(path) as file:
        schema = file.schema_arrow
        _require_text(path, schema, text_field)
        columns = [text_field, *(f.name for f in schema if f.name != text_field and _is_scalar(f.type))]
        needed, first, batch_rows = _needed_groups(_row_groups(file, text_field), piece)
        row = piece.start
        try:
            for batch in file.iter_batches(batch_rows, row_groups=needed, columns=columns):
                inside = batch.slice(row - first, piece.stop - row) if first + len(batch) > row else batch[:0]
                first += len(batch)
                for fields in _with_plain_texts(inside, text_field).to_pylist():
                    text = fields.pop(text_field) or ""
                    size = len(text.encode("utf-8"))
                    if size > LARGEST_DOCUMENT_BYTES:
                        yield Oversized(f"{origin}:{row}", size, LARGEST_DOCUMENT_BYTES)
                    else:
                        yield Draft(f"{origin}:{row}", text, metadata=scalars(fields))
                    row += 1
                if row == piece.stop:
                    break
        except (pa.ArrowInvalid, OSError, UnicodeDecodeError) as error:
            raise SourceError(f"{path} cannot be read after row {row} ({error}). Repair or remove it.") from error


def _needed_groups(groups: Sequence[tuple[int, int]], piece: Piece) -> tuple[list[int], int, int]:
    """(row groups that hold rows of the piece, the first row of the first of them, rows to read at once)."""
    needed: list[int] = []
    first, passed, batch_rows = 0, 0, _BATCH_ROWS
    for index, (rows, size) in enumerate(groups):
        if rows and passed < piece.stop and passed + rows > piece.start:
            first = first if needed else passed
            needed.append(index)
            batch_rows = max(1, min(batch_rows, _BATCH_BYTES * rows // max(size, 1)))
        passed += rows
    return needed, first, batch_rows


def _with_plain_texts(batch: pa.RecordBatch, text_field: str) -> pa.RecordBatch:
    """Dictionaries and views of texts as texts."""
    index = batch.schema.get_field_index(text_field)
    return batch.set_column(index, text_field, batch.column(index).cast(pa.large_string()))


def _require_text(path: Path, schema: pa.Schema, text_field: str) -> None:
    """Raises SourceError if there is no such column, or if it holds something else."""
    if text_field not in schema.names:
        raise SourceError(
            f"{path} has no text column {text_field!r}; it has {', '.join(schema.names)}. "
            "Set text_field of this source in params.yaml."
        )
    if not _is_text(schema.field(text_field).type):
        raise SourceError(
            f"{path}: column {text_field!r} is of type {schema.field(text_field).type}, not text; the columns are "
            f"{', '.join(schema.names)}. Set text_field of this source in params.yaml, or write the column as string."
        )


def _opened(path: Path) -> pq.ParquetFile:
    try:
        # not whole column chunks at once: a row group may be as large as the file
        return pq.ParquetFile(path, pre_buffer=False, buffer_size=_CHUNK_BYTES)
    except (pa.ArrowInvalid, OSError) as error:
        raise SourceError(f"{path} is no readable Parquet file ({error}). Repair or remove it.") from error


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        return _is_text(kind.value_type)
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _is_scalar(kind: pa.DataType) -> bool:
    numbers = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)
    return bool(numbers or _is_text(kind))


def _printable(name: str) -> str:
    """File names may hold any bytes; Arrow and JSON want Unicode."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")
