"""How the signals of filter are distributed over the documents that it kept and those that it removed.

Read from data/filtered/signals and data/filtered/removed, shard by shard and the asked columns alone; memory: the
counts of values, and one row group.
"""

import difflib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from antimatter.corpus.shards import DamagedShard, read_footer, read_row_groups, read_shard, shard_paths
from antimatter.errors import AntiMatterError
from antimatter.filter.study.distribution import Distribution


class UnknownSignal(AntiMatterError, LookupError):
    """params.yaml asks for a signal that was not measured, or that is no number."""


def distributions(signals: Path, removed: Path, names: Sequence[str]) -> dict[str, Distribution]:
    """The distribution of each signal; as failing count the documents that filter removed, for whatever reason.

    Raises: UnknownSignal with the nearest name; MissingData, DamagedShard with the stage to run.
    """
    found = {name: Distribution() for name in names}
    for path in shard_paths(signals):
        _require_numbers(path, names)
        rows = read_footer(path).num_rows
        is_removed = np.zeros(rows, dtype=bool)
        gone = read_shard(removed / path.name, ["row"]).column("row").to_numpy()
        if len(gone) and gone.max() >= rows:
            raise DamagedShard(f"{removed / path.name} is not the ledger of {path}. Run `dvc repro filter`.")
        is_removed[gone] = True
        for first, batch in read_row_groups(path, list(names)):
            here = is_removed[first : first + batch.num_rows]
            for name, distribution in found.items():
                distribution.add(batch.column(name).to_numpy(zero_copy_only=False), here)
    return found


def _require_numbers(path: Path, names: Sequence[str]) -> None:
    schema = read_footer(path).schema.to_arrow_schema()
    numbers = [field.name for field in schema if pa.types.is_integer(field.type) or pa.types.is_floating(field.type)]
    for name in names:
        if name not in numbers:
            near = difflib.get_close_matches(name, numbers, 1)
            advice = f"Did you mean {near[0]}?" if near else f"There are {', '.join(numbers)}."
            raise UnknownSignal(f"params.yaml, report.signals: {path} holds no numbers called {name}. {advice}")
