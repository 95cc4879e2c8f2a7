"""Arrow IPC: files (cut by record batches) and streams (read from the start); one document a row.

    data.arrow:3.17        origin: batch, row in it, both from 0

`datasets` of Hugging Face saves streams and calls them .arrow, so the first bytes decide, not the name.
"""

from collections.abc import Iterator
from typing import Any, BinaryIO

import pyarrow as pa

from antimatter.collect.drafts import Broken, Draft, Oversized
from antimatter.collect.errors import DamagedStream
from antimatter.collect.formats.rows import columns_of, drafts_of
from antimatter.collect.pieces import Piece, shares
from antimatter.collect.transcode import rewound
from antimatter.params.collect import Source

_MAGIC = b"ARROW1"
_PADDED_MAGIC_BYTES = 8
_BATCH_ROWS, _BATCH_BYTES = 1000, 16_000_000


def pieces(path: str, name: str, size: int, part_bytes: int, source: Source) -> Iterator[Piece]:
    """The batches of a file, or a stream as one piece. Raises: DamagedStream if it holds no text."""
    with pa.memory_map(path) as file:
        if file.read(len(_MAGIC)) != _MAGIC:
            yield Piece(name, 0, size)
            return
        file.seek(0)
        opened = _file(file)
        columns_of(opened.schema, source.text_field)
        batches = opened.num_record_batches
    start = 0
    count = max(1, min(batches, -(-size // part_bytes)))
    for more, weight in zip(shares(batches, [1] * count), shares(size, [1] * count), strict=True):
        yield Piece(name, start, start + more, weight)
        start += more


def read_batches(path: str, start: int, stop: int, origin: str, source: Source) -> Iterator[Draft | Broken | Oversized]:
    """The rows of the batches [start, stop) of a file. Raises: DamagedStream where it cannot be read."""
    with pa.memory_map(path) as file:
        opened = _file(file)
        columns = columns_of(opened.schema, source.text_field)
        for index in range(start, stop):
            try:
                batch = opened.get_batch(index)
                batch.validate(full=True)  # offsets that point elsewhere would end the process, not the file
                batch = batch.select(columns)
                yield from _rows(batch, f"{origin}:{index}", source)
            except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
                raise DamagedStream(f"its batch {index} cannot be read ({error})") from error


def is_file(path: str) -> bool:
    """Whether this is an IPC file, not a stream."""
    with open(path, "rb") as file:
        return file.read(len(_MAGIC)) == _MAGIC


def read(stream: BinaryIO, origin: str, source: Source) -> Iterator[Draft | Broken | Oversized]:
    """The rows of an IPC stream, or of a file that cannot be sought in: a stream between its magic and its footer.

    Raises: DamagedStream where it ends in the middle or holds no text.
    """
    index = -1
    head = stream.read(_PADDED_MAGIC_BYTES)
    if not head.startswith(_MAGIC):
        stream = rewound(stream, head)
    try:
        with pa.ipc.open_stream(stream) as opened:
            columns = columns_of(opened.schema, source.text_field)
            for index, batch in enumerate(opened):
                batch.validate(full=True)
                yield from _rows(batch.select(columns), f"{origin}:{index}", source)
    except (pa.ArrowException, OSError, EOFError, UnicodeDecodeError) as error:
        raise DamagedStream(f"the Arrow stream cannot be read after batch {index} ({error})") from error


def _rows(batch: pa.RecordBatch, origin: str, source: Source) -> Iterator[Draft | Broken | Oversized]:
    separator = "."  # <batch>.<row>
    rows = max(1, min(_BATCH_ROWS, _BATCH_BYTES * len(batch) // max(1, batch.nbytes)))
    for first in range(0, len(batch), rows):
        yield from drafts_of(batch.slice(first, rows), source.text_field, origin, first, separator)


def _file(file: Any) -> Any:
    try:
        return pa.ipc.open_file(file)
    except (pa.ArrowException, OSError) as error:
        raise DamagedStream(f"it is no readable Arrow file ({error})") from error
