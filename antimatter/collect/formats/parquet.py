"""Parquet: one document a row, streamed; pieces are stretches of rows.

    crawl.parquet:0, crawl.parquet:1, ...      origin by row from 0

Small row groups go together, large ones are cut into equal numbers of rows.
"""

import re
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from antimatter.collect.drafts import DAMAGE, Broken, Draft, Oversized, Unread
from antimatter.collect.errors import DamagedStream
from antimatter.collect.formats.fields import LARGEST_METADATA
from antimatter.collect.formats.rows import columns_of, drafts_of
from antimatter.collect.pieces import Piece, shares
from antimatter.params.collect import Source

_CHUNK_BYTES = 1_000_000
_BATCH_ROWS, _BATCH_BYTES = 1000, 16_000_000
_MOST_CUTS = 8


def pieces(file: Any, name: str, part_bytes: int, source: Source) -> Iterator[Piece]:
    """The rows of a file (a path, or bytes that can be sought in) in pieces of about part_bytes of text, which count as
    equally long within a row group.

    Raises: DamagedStream if it is no readable Parquet file with a column of text.
    """
    with _opened(file) as opened:
        columns_of(opened.schema_arrow, source.text_field)
        groups = _row_groups(opened, [source.text_field])
    start, stop, filled = 0, 0, 0
    for rows, size in groups:
        # every piece of a row group decodes it from its start: few pieces, and the larger ones fill several shards
        count = max(1, min(rows, -(-size // part_bytes), _MOST_CUTS))
        cuts = shares(rows, [1] * count)
        for more, weight in zip(cuts, shares(size, cuts), strict=True):
            if stop > start and filled + weight > part_bytes:
                yield Piece(name, start, stop, filled)
                start, filled = stop, 0
            stop, filled = stop + more, filled + weight
    if stop > start:
        yield Piece(name, start, stop, filled)


def read_rows(
    file: Any, start: int, stop: int | None, origin: str, source: Source
) -> Iterator[Draft | Broken | Oversized | Unread]:
    """The rows [start, stop), all from start if stop is None; a row group that cannot be read costs the rest of itself.

    Raises: DamagedStream if the footer cannot be read or there is no text.
    """
    with _opened(file) as opened:
        columns = _light(opened, columns_of(opened.schema_arrow, source.text_field))
        first = 0
        weights = _row_groups(opened, columns)
        for index, (rows, size) in enumerate(_row_groups(opened, columns[:1])):
            low, high = max(start, first), min(first + rows, first + rows if stop is None else stop)
            row = low
            try:
                wanted = range(low - first, high - first)
                for batch in _read_group(opened, index, columns, wanted, _batch_rows(*weights[index])):
                    yield from drafts_of(batch, source.text_field, origin, row)
                    row += len(batch)
            except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
                words = f"rows {row} to {high - 1} cannot be read ({_words(error)})"
                yield Unread(f"{origin}[{row}:{high}]", words, size * (high - row) // max(1, rows), DAMAGE)
            first += rows


def _light(opened: pq.ParquetFile, columns: list[str]) -> list[str]:
    """The text column, and of the others those that a document can carry as metadata: large ones are not even read."""
    most = LARGEST_METADATA * max(1, opened.metadata.num_rows)
    sizes = {name: sum(size for _, size in _row_groups(opened, [name])) for name in columns}
    return [name for name in columns if name == columns[0] or sizes[name] <= most]


def _read_group(
    opened: pq.ParquetFile, index: int, columns: list[str], wanted: range, batch_rows: int
) -> Iterator[pa.RecordBatch]:
    """The wanted rows of one row group, few at a time."""
    passed = 0
    for batch in opened.iter_batches(batch_rows, row_groups=[index], columns=columns) if wanted else ():
        inside = batch.slice(max(0, wanted.start - passed), max(0, wanted.stop - max(wanted.start, passed)))
        passed += len(batch)
        if len(inside):
            yield inside
        if passed >= wanted.stop:
            return


def _batch_rows(rows: int, size: int) -> int:
    return max(1, min(_BATCH_ROWS, _BATCH_BYTES * rows // max(size, 1)))


def _row_groups(file: pq.ParquetFile, names: list[str]) -> list[tuple[int, int]]:
    """(rows, uncompressed bytes of these columns) of every row group."""
    wanted = set(names)
    found = []
    for index in range(file.num_row_groups):
        group = file.metadata.row_group(index)
        columns = (group.column(number) for number in range(group.num_columns))
        sizes = (c.total_uncompressed_size for c in columns if c.path_in_schema.split(".")[0] in wanted)
        found.append((group.num_rows, sum(sizes)))
    return found


def _opened(file: Any) -> pq.ParquetFile:
    try:
        # not whole column chunks at once: a row group may be as large as the file
        return pq.ParquetFile(file, pre_buffer=False, buffer_size=_CHUNK_BYTES)
    except (pa.ArrowException, OSError) as error:
        raise DamagedStream(f"it is no readable Parquet file ({_words(error)})") from error


def _words(error: Exception) -> str:
    """What Arrow says, without the paths of this machine."""
    return re.sub(r"'?/[^\s']*'?", "the file", str(error)).strip(" .") or type(error).__name__
