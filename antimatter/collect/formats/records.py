"""Where the rows of a CSV file begin, at memory speed: the states of Python's csv.reader without its fields.

    id,text\\n 7,"one\\n still one"\\n 8,two\\n
                                      ^ a row begins: the line end before it lies outside of quotes

A row ends at a line end outside of quotes; after a stray quote or carriage return at the end of that line (the reader
gives it up there); and at the first line end beyond `limit` bytes.
"""

from typing import BinaryIO

import numpy as np
from numba import njit

_BLOCK_BYTES = 16_000_000
_ROW, _FIELD, _PLAIN, _QUOTED, _QUOTE, _RETURN, _LOST = range(7)
"""At the start of a row or field, in a plain one, in a quoted one, behind a quote in it, behind \\r, in a bad line."""


def find_cuts(stream: BinaryIO, start: int, delimiter: bytes, part_bytes: int, limit: int) -> list[tuple[int, int]]:
    """[(byte offset, number of the row that begins there)]: the first row, and the first at or after each part_bytes.

    stream     at the byte `start`, behind the header
    delimiter  one byte
    limit      bytes of the longest row
    """
    cuts = [(start, 0)]
    # mode, offset, row number, start of the row, whether the row so far is an empty line, next offset to cut at
    state = np.array([_ROW, start, 0, start, 1, start + part_bytes], dtype=np.int64)
    while block := stream.read(_BLOCK_BYTES):
        data = np.frombuffer(block, dtype=np.uint8)
        found = np.empty((len(data) // part_bytes + 2, 2), dtype=np.int64)
        count = _scan(data, state, delimiter[0], part_bytes, limit, found)
        cuts += [(int(offset), int(row)) for offset, row in found[:count]]
    return cuts


@njit(cache=True)
def _scan(data, state, delimiter, part_bytes, limit, found):  # type: ignore[no-untyped-def]
    """Advance the state over a block; the cuts in it into `found`, how many they are."""
    mode, offset, row, row_start, blank, target = state
    count = 0
    for byte in data:
        offset += 1
        if byte == 10:
            ends = mode != _QUOTED or offset - row_start > limit
            if ends:
                if not blank or mode == _QUOTED:
                    row += 1
                mode, row_start, blank = _ROW, offset, 1
                if offset >= target:
                    found[count, 0] = offset
                    found[count, 1] = row
                    count += 1
                    target = offset + part_bytes
            continue
        if mode == _QUOTED:
            if byte == 34:
                mode = _QUOTE
        elif mode == _LOST:
            pass
        elif byte == 13:
            mode = _RETURN
            continue  # a line of \\r\\n is blank
        elif mode == _RETURN:
            mode = _LOST
        elif byte == delimiter:
            mode = _FIELD
        elif mode == _QUOTE:
            mode = _QUOTED if byte == 34 else _LOST
        elif byte == 34 and mode != _PLAIN:
            mode = _QUOTED
        else:
            mode = _PLAIN
        blank = 0
    state[:] = (mode, offset, row, row_start, blank, target)
    return count
