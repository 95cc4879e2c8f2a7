"""Which held-out documents the training text has already seen: the share of their n-grams of tokens that occur in it.

    held out   the fox sat on the mat      n = 3:   the fox sat, fox sat on, sat on the, on the mat
    training   ... a cat sat on the rug ...                                  ^ one of four: 0.25

The held-out side, a small part of the text, is indexed; the training side streams past it.

    count    n-grams of the held-out documents                      workers, shard by shard
    grams    their hashes meet, sorted and distinct                 shuffle by their upper bits
    index    gram_index.py                                          here, run by run
    hits     the n-grams of the training text look themselves up    workers, shard by shard
    seen     seen.npy, one bit a hash of the index                  here
    shares   held-out documents look their n-grams up               whoever settles a shard

Memory here: 200 MB and half a byte a held-out n-gram; in each worker 200 MB, or 40 bytes a held-out token of a shard,
or a slice of training text and 1/8 byte a held-out n-gram. The index, 10 to 12 bytes a held-out n-gram, is mapped: it
takes what memory is free, and lookups are slow without.
"""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from antimatter.execution.scratch import array_path, save
from antimatter.execution.workspace import Workspace
from antimatter.tokens import gram_index
from antimatter.tokens.gram_index import Ids

Documents = tuple[Ids, NDArray[np.int64]]
"""(ids uint16 or uint32 [T], starts int64 [n + 1]): document d is ids[starts[d]:starts[d + 1]], without its frame; the
array may be mapped. Frame tokens may stand between as documents of one id: what is shorter than an n-gram has none."""

ROWS = 8_000_000
"""Of the shuffle that meet in one place."""
SLICE = 2_000_000
"""Tokens of training text that are looked up at a time."""


def find_overlap(
    work: Workspace,
    *,
    shards: int,
    size: int,
    held_out: Callable[[int], Documents],
    training: Callable[[int], Documents],
) -> None:
    """Find which n-grams of the held-out documents occur in the training text, for `shares`: scratch/overlap/.

    size                n >= 2
    held_out, training  the documents of shard i on either side; both must pickle
    """
    folder = work.scratch / "overlap"
    if (folder / "seen.npy").exists():
        return
    counted = work.map(partial(count_grams, size=size, held_out=held_out), range(shards), title="overlap count")
    partitions = gram_index.power_of_two(-(-sum(result["grams"] for result in counted) // ROWS))
    rows = partial(gram_rows, size=size, held_out=held_out, partitions=partitions)
    runs = work.exchange(rows, range(shards), partitions, partial(merge_run, folder=folder), title="overlap grams")
    gram_index.build(folder, [result["grams"] for result in runs])
    look = partial(look_up, size=size, training=training, folder=folder)
    work.map(look, range(shards), title="overlap")
    seen = gram_index.no_marks(gram_index.opened(folder))
    hits = [array_path(folder, "hits", shard) for shard in range(shards)]
    for path in hits:
        gram_index.mark_places(np.load(path), seen)
    save(folder / "seen.npy", seen)
    for path in hits:
        path.unlink()


def shares(scratch: Path, ids: Ids, starts: NDArray[np.int64], size: int) -> NDArray[np.float64]:
    """[n]: of each held-out document the share of its n-grams that occur in the training text; one that occurs twice in
    the document counts twice. 0 for a document without n-grams.

    scratch            work.scratch after `find_overlap`
    ids, starts, size  documents that `held_out` gave to it, and its size

    Raises: ValueError for documents that it was not given.
    """
    folder = scratch / "overlap"
    hashes, bounds = gram_index.grams(ids, starts, size)
    found = gram_index.are_marked(hashes, gram_index.opened(folder), gram_index.mapped(folder / "seen.npy"))
    found_before = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(found, dtype=np.int64)])
    return np.diff(found_before[bounds]) / np.maximum(np.diff(bounds), 1)


def count_grams(shard: int, *, size: int, held_out: Callable[[int], Documents]) -> dict[str, Any]:
    """How many n-grams the held-out documents of a shard have."""
    _, starts = held_out(shard)
    return {"grams": int(np.maximum(np.diff(starts) - size + 1, 0).sum())}


def gram_rows(shard: int, *, size: int, held_out: Callable[[int], Documents], partitions: int) -> pa.Table:
    """The distinct n-grams of the held-out documents of a shard, for the shuffle."""
    hashes = gram_index.distinct(gram_index.grams(*held_out(shard), size)[0])
    return pa.table({"partition": gram_index.partition_of(hashes, partitions), "gram": hashes})


def merge_run(partition: int, tables: list[pa.Table], *, folder: Path) -> dict[str, Any]:
    """The distinct n-grams of one partition, from all shards."""
    hashes = np.concatenate([table.column("gram").to_numpy() for table in tables])
    return {"grams": gram_index.write_run(folder, partition, hashes)}


def look_up(shard: int, *, size: int, training: Callable[[int], Documents], folder: Path) -> dict[str, Any]:
    """Write which n-grams of the index occur in the training documents of a shard: their places, int64, ascending."""
    index = gram_index.opened(folder)
    marks = gram_index.no_marks(index)
    ids, starts = training(shard)
    for part in _slices(ids, starts, size):
        gram_index.mark_grams(*part, size, index, marks)
    places = gram_index.marked_places(marks)
    save(array_path(folder, "hits", shard), places)
    return {"hits": len(places)}


def _slices(ids: Ids, starts: NDArray[np.int64], size: int) -> Iterator[Documents]:
    """The documents in pieces that hold each n-gram once, SLICE of them at the most."""
    first, last = int(starts[0]), int(starts[-1])
    for begin in range(first, last, SLICE):
        end = min(begin + SLICE + size - 1, last)
        documents = slice(np.searchsorted(starts, begin, side="right") - 1, np.searchsorted(starts, end) + 1)
        yield ids[begin:end], np.clip(starts[documents], begin, end) - begin
