"""Runs of the whole stage in a folder, and what they leave behind."""

from typing import Any, NamedTuple

import pyarrow as pa

from antimatter.corpus.schema import DOCUMENT
from antimatter.corpus.shards import read_shard, shard_name, write_shard
from antimatter.dedup.corpus import deduplicate
from antimatter.execution.workspace import Workspace


class Written(NamedTuple):
    """What the stage left behind, shard by shard."""

    documents: list[list[dict[str, Any]]]
    removed: list[list[dict[str, Any]]]
    signals: list[list[dict[str, Any]]]
    report: dict[str, Any]


def table_of(documents):
    rows = [
        {"id": d.id, "text": d.text, "source": d.source, "origin": d.origin, "metadata": [("of", d.origin)]}
        for d in documents
    ]
    return pa.Table.from_pylist(rows, schema=DOCUMENT)


def start(folder, shards, settings, values=None):
    """Run the stage in a folder, or go on with the run that died there; returns the report."""
    for index, documents in enumerate(shards):
        if not (folder / "in" / shard_name(index)).exists():
            write_shard(folder / "in" / shard_name(index), table_of(documents))
            if values is not None:
                write_shard(folder / "signals" / shard_name(index), values)
    work = Workspace("dedup", settings, folder / "work", [], folder / "report.json")
    return deduplicate(work, folder / "in", folder / "signals" if values is not None else None, settings)


def run(folder, shards, settings, values=None):
    report = start(folder, shards, settings, values)

    def rows(name):
        return [read_shard(folder / "work" / "out" / name / shard_name(i)).to_pylist() for i in range(len(shards))]

    return Written(rows("documents"), rows("removed"), rows("signals"), report)
