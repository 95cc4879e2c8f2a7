"""Answers: what the merges of an exchange found out about each row, back at the part that the row came from.

    part 0 asks   a c b c        partitions 0 (a c) and 1 (b)        merge 0 answers   part 0: a c c    part 1: c a
    part 1 asks   c b a                                              merge 1 answers   part 0: b        part 1: b

An exchange keeps the rows of a part in their order, so an answer needs no address: a part that yields its rows a second
time takes what each partition says about them one by one. Scratch: the answers themselves, 1 to 4 bytes a row.

    <folder>/partition-00007.arrow      one record batch a part, column `answer`
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from antimatter.corpus.shards import atomic_path

PARTITION_BYTES = 64 << 20
MOST_PARTITIONS = 4096


def partitions_for(text_bytes: int) -> int:
    """Partitions of an exchange whose rows grow with the text: a merge then takes some hundred MB at most."""
    return min(MOST_PARTITIONS, 1 + text_bytes // PARTITION_BYTES)


def partition_of(keys: NDArray[np.uint64], partitions: int) -> NDArray[np.int16]:
    """int16[rows]: where rows with these hashes meet."""
    return (keys % np.uint64(partitions)).astype(np.int16)


def write_answers(folder: Path, partition: int, answers: NDArray[Any], sizes: Sequence[int]) -> None:
    """The answers of one merge: one for each row, in the order in which the rows came; so many from each part."""
    schema = pa.schema({"answer": pa.from_numpy_dtype(answers.dtype)})
    with (
        atomic_path(_path(folder, partition)) as temporary,
        pa.OSFile(str(temporary), "wb") as sink,
        pa.ipc.new_file(sink, schema) as writer,
    ):
        end = 0
        for size in sizes:
            start, end = end, end + size
            writer.write_batch(pa.record_batch([pa.array(answers[start:end])], schema=schema))


class Answers:
    """The answers to the rows of one part, taken in the order of the rows, in as many pieces as one likes."""

    def __init__(self, folder: Path, part: int) -> None:
        self.partitions = sum(1 for _ in folder.glob("partition-*.arrow"))
        found = []
        for partition in range(self.partitions):
            with pa.memory_map(str(_path(folder, partition))) as source:
                found.append(pa.ipc.open_file(source).get_batch(part).column("answer").to_numpy())
        self._answers = np.concatenate(found)
        self._ends = np.cumsum([len(answers) for answers in found])
        self._next = np.concatenate([[0], self._ends[:-1]])

    def take(self, keys: NDArray[np.uint64]) -> NDArray[Any]:
        """The answers to the next rows, which have these hashes."""
        asked = partition_of(keys, self.partitions)
        order = np.argsort(asked, kind="stable")
        counts = np.bincount(asked, minlength=self.partitions)
        first = np.cumsum(counts) - counts
        places = np.empty(len(keys), dtype=np.int64)
        places[order] = np.arange(len(keys)) + np.repeat(self._next - first, counts)
        self._next = self._next + counts
        assert (self._next <= self._ends).all(), "more rows than the exchange saw: they are not the same ones"
        return self._answers[places]

    def require_end(self) -> None:
        """A last check that the rows were those of the exchange."""
        assert (self._next == self._ends).all(), "fewer rows than the exchange saw: they are not the same ones"


def _path(folder: Path, partition: int) -> Path:
    return folder / f"partition-{partition:05d}.arrow"
