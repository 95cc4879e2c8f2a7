"""Pieces of input, and how they are packed into parts of about equal size.

a.txt [0, 900)   b.jsonl [0, 8000000)   b.jsonl [8000000, 9100000)   c.parquet rows [0, 4000)   d.zip member e.txt
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple


class Piece(NamedTuple):
    """A stretch of one file or archive member; `start` and `stop` in bytes unless `weight` says otherwise."""

    name: str
    """Relative to the source's root, with slashes."""
    start: int
    stop: int
    """Exclusive. Rows of .parquet, batches of Arrow, bytes of everything else."""
    weight: int = -1
    """Input bytes, where stop - start are not."""
    member: str = ""
    """Of the archive `name`."""
    number: int = 0
    """Of the first row, where only reading from the start tells it."""

    @property
    def size(self) -> int:
        """Input bytes."""
        return self.stop - self.start if self.weight < 0 else self.weight


def pack(pieces: Sequence[Piece], part_bytes: int) -> Iterator[tuple[Piece, ...]]:
    """Consecutive pieces as parts of at most part_bytes; a larger piece is a part of its own.

    >>> [len(part) for part in pack([Piece("a", 0, 4), Piece("b", 0, 5), Piece("c", 0, 50)], part_bytes=10)]
    [2, 1]
    """
    part: list[Piece] = []
    filled = 0
    for piece in pieces:
        if part and filled + piece.size > part_bytes:
            yield tuple(part)
            part, filled = [], 0
        part.append(piece)
        filled += piece.size
    if part:
        yield tuple(part)


def shares(total: int, sizes: Sequence[int]) -> list[int]:
    """A total spread over parts in proportion to their sizes; whole numbers that add up to it.

    >>> shares(10, [1, 1, 2]), shares(2, [5, 5, 5, 5])
    ([2, 3, 5], [0, 1, 0, 1])
    """
    whole, before, passed = sum(sizes), 0, 0
    result = []
    for size in sizes:
        passed += size
        upto = total * passed // whole if whole else total
        result.append(upto - before)
        before = upto
    return result
