"""What an executor must do, and the shuffle that is built on it.

map       function(part) for every part, in any order on any machine; results come back in the order of the parts.
exchange  a shuffle by key: every part yields a table with a `partition` column; all rows of one partition then meet
          in merge(partition, tables), the tables in the order of the parts: a total order, whatever finished first.

    parts      0   1   2            function  ->  one Arrow file a part, one record batch a partition
    partitions 0 . 1 . 2 . 3        merge     ->  reads its batch from every file
"""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from antimatter.corpus.shards import atomic_path
from antimatter.execution.local import LocalExecutor
from antimatter.execution.runtime import Runtime

Result = dict[str, Any]
"""What a function sends home: a small JSON-ready dict. Data stays in files."""


class Executor(Protocol):
    """Runs functions over parts. Functions and parts must pickle; results must be JSON-ready."""

    def map(
        self, function: Callable[[Any], Result], parts: Sequence[Any], done: Callable[[int, Result], None]
    ) -> list[Result]:
        """Results in the order of `parts`; `done(index, result)` is called here as each part finishes.

        Raises: whatever a function raised, after the parts in flight have stopped."""
        ...

    def close(self) -> None:
        """Give back what waits between maps (processes); the executor may be used again."""
        ...


def from_runtime(runtime: Runtime) -> Executor:
    """The executor that the runtime settings name."""
    return LocalExecutor(runtime.worker_count())


def write_partitions(path: Path, table: pa.Table, partitions: int) -> None:
    """Spill one part of an exchange: rows grouped by the int column `partition`, one record batch a partition."""
    schema = table.schema
    order = table.sort_by("partition") if table.num_rows else table  # stable: rows of a part keep their order
    keys = order.column("partition").to_numpy()
    if len(keys) and not 0 <= keys[0] <= keys[-1] < partitions:
        raise ValueError(f"partition numbers must lie in [0, {partitions}), found {keys[0]}..{keys[-1]}")
    bounds = [int(b) for b in keys.searchsorted(range(partitions + 1))]
    with (
        atomic_path(path) as temporary,
        pa.OSFile(str(temporary), "wb") as sink,
        pa.ipc.new_file(sink, schema) as writer,
    ):
        for partition in range(partitions):
            rows = order.slice(bounds[partition], bounds[partition + 1] - bounds[partition]).combine_chunks()
            batches = rows.to_batches() or [pa.RecordBatch.from_pylist([], schema=schema)]
            if len(batches) > 1:  # one batch a partition is the format; text above 2 GB does not combine
                raise ValueError(f"partition {partition} of {path.name} exceeds one record batch: take more partitions")
            writer.write_batch(batches[0])


def read_partition(paths: Iterable[Path], partition: int) -> list[pa.Table]:
    """The rows of one partition from every part's spill file, in the order of the paths."""
    tables = []
    for path in paths:
        with pa.memory_map(str(path)) as source:
            tables.append(pa.Table.from_batches([pa.ipc.open_file(source).get_batch(partition)]))
    return tables


def spill_part(
    numbered: tuple[int, Any], *, function: Callable[[Any], pa.Table], folder: Path, partitions: int
) -> Result:
    """First half of an exchange, run in a worker."""
    index, part = numbered
    table = function(part)
    write_partitions(folder / f"part-{index:05d}.arrow", table, partitions)
    return {"rows": table.num_rows}


def merge_partition(
    partition: int, *, merge: Callable[[int, list[pa.Table]], Result], folder: Path, parts: int
) -> Result:
    """Second half of an exchange, run in a worker."""
    paths = [folder / f"part-{index:05d}.arrow" for index in range(parts)]
    return merge(partition, read_partition(paths, partition))


def exchange_halves(
    function: Callable[[Any], pa.Table],
    merge: Callable[[int, list[pa.Table]], Result],
    parts: Sequence[Any],
    partitions: int,
    folder: Path,
) -> tuple[tuple[Callable[[Any], Result], list[Any]], tuple[Callable[[Any], Result], list[int]]]:
    """An exchange as two maps: (function, parts) that spill, then (function, parts) that merge."""
    first = partial(spill_part, function=function, folder=folder, partitions=partitions)
    second = partial(merge_partition, merge=merge, folder=folder, parts=len(parts))
    return (first, list(enumerate(parts))), (second, list(range(partitions)))
