"""The collect stage: fetch, plan, read, balance, report."""

import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from antimatter.collect import losses, plan
from antimatter.collect.errors import MissingSource, NoDocuments, SourceError
from antimatter.collect.parts import collect_part
from antimatter.corpus.ledger import Counts
from antimatter.corpus.reports import flow_report
from antimatter.corpus.shards import read_shard, shard_paths
from antimatter.execution import runtime
from antimatter.execution.trees import link_tree
from antimatter.execution.workspace import Workspace
from antimatter.params.collect import Collect, Source

OUTPUTS = ("documents", "removed", "quarantine")


def build(work: Workspace) -> None:
    """Fill work.output with the documents of all sources that can be had."""
    settings: Collect = work.settings
    found, missing = plan.locate(settings, runtime.work_folder() / "downloads")
    parts, ignored = plan.make(settings, found)
    accept_missing(settings, missing, parts)
    warn_of_ignored(ignored)
    # a source that was missing before a restart makes another plan, whose shards must not meet those of the first
    name = f"plan-{plan.digest(parts)}"
    folder = work.scratch / name
    results = work.map(partial(collect_part, folder=folder), list(enumerate(parts)), records=name)
    counts = work.counts(results)
    warnings = losses.describe(settings, counts, _causes(results))
    for line in warnings:
        print(f"warning: {line}", file=sys.stderr)
    if not any(flow.documents_out for flow in counts.sources.values()):
        raise NoDocuments(_nothing(settings, missing, counts))
    require_unique_ids(folder)
    for output in OUTPUTS:
        link_tree(folder / output, work.output / output)
    work.report(
        flow_report(
            counts,
            shards=len(parts),
            missing=[_loss(source, missing[source.name]) for source in settings.sources if source.name in missing],
            warnings=warnings,
            ignored_files=ignored,
            surrogates_replaced={
                result["source"]: sum(r["surrogates_replaced"] for r in results if r["source"] == result["source"])
                for result in results
                if result["surrogates_replaced"]
            },
            provenance=[_provenance(source) for source in settings.sources if source.name in found],
        )
    )


def _causes(results: Iterable[Mapping[str, Any]]) -> dict[str, Counter[str]]:
    total: dict[str, Counter[str]] = {}
    for result in results:
        total.setdefault(result["source"], Counter()).update(result["causes"])
    return total


def require_input_folder(folder: Path) -> None:
    """Raises MissingSource if the folder that DVC watches is not there."""
    if not folder.is_dir():
        raise MissingSource(
            f"there is no folder {folder}/ in {Path.cwd()}. Create it (`mkdir {folder}`) and put your own text into "
            "it, or leave it empty; if this is not the folder of the project (with dvc.yaml), go there first.",
            "no such folder",
        )


def accept_missing(settings: Collect, missing: Mapping[str, MissingSource], parts: Sequence[plan.Part]) -> None:
    """One warning for every source that is skipped.

    Raises: SourceError if sources may not be skipped; NoDocuments if the others deliver nothing.
    """
    lost = [source for source in settings.sources if source.name in missing]
    lines = "".join(f"\n  {_describe(source)}: {missing[source.name]}" for source in lost)
    if lost and settings.on_missing == "fail":
        raise SourceError(
            f"{len(lost)} of {len(settings.sources)} sources cannot be had:{lines}\n"
            "Run again with a network, or set collect.on_missing to skip."
        )
    if not parts:
        raise NoDocuments(_nothing(settings, missing, Counts()))
    for source in lost:
        print(
            f"warning: {_describe(source)} is skipped: {missing[source.name]}. The corpus will lack all its documents. "
            f"{RETRY}",
            file=sys.stderr,
        )


RETRY = "To have them, run `ANTIMATTER_FRESH=1 dvc repro --force collect` when it can be fetched."


def warn_of_ignored(ignored: Mapping[str, Mapping[str, int]]) -> None:
    """One warning for every source with files that we cannot read."""
    for name, suffixes in ignored.items():
        kinds = ", ".join(f"{count} x {suffix}" for suffix, count in suffixes.items())
        print(
            f"warning: source {name}: files ignored ({kinds}); documents are read from .txt, .md, .jsonl and .parquet",
            file=sys.stderr,
        )


def require_unique_ids(folder: Path) -> None:
    """Raises SourceError if two documents share an id: they would be taken for one. 16 bytes of memory a document."""
    columns = [read_shard(path, ["id"]).column("id") for name in OUTPUTS[:2] for path in shard_paths(folder / name)]
    ids = np.concatenate([column.cast(pa.binary()).to_numpy().astype("S16") for column in columns])
    distinct, times = np.unique(ids, return_counts=True)
    if len(distinct) < len(ids):
        twice = distinct[times > 1]
        raise SourceError(
            f"{len(twice)} ids stand for more than one document, the first is {twice[0].hex()}: two documents of one "
            "source have the same origin (a member named like an entry of another member?). Read one of them only."
        )


def _describe(source: Source) -> str:
    return f"source {source.name} ({source.package or source.path})"


def _loss(source: Source, missing: MissingSource) -> dict[str, str]:
    return {
        "source": source.name,
        "package": source.package or source.path,
        "cause": missing.cause,
        "lost": f"all documents of {source.name}",
        "advice": RETRY,
    }


def _provenance(source: Source) -> dict[str, Any]:
    facts = {"source": source.name, "licence": source.licence}
    if source.kind == "files":
        return {**facts, "path": source.path}
    return {**facts, "package": source.package, "file": source.file, "sha256": source.sha256}


def _nothing(settings: Collect, missing: Mapping[str, MissingSource], counts: Counts) -> str:
    lines = "".join(f"\n  {_describe(s)}: {missing[s.name]}" for s in settings.sources if s.name in missing)
    read, removed = sum(flow.documents_in for flow in counts.sources.values()), Counter[str]()
    for flow in counts.sources.values():
        removed.update(flow.removed)
    read_words = f"{read} documents were read and all left out ({losses.top_reasons(removed)}). " if read else ""
    return (
        f"there is nothing to build a model from. {read_words}"
        + (f"These sources cannot be had:{lines}\n" if lines else "")
        + "Put your own text into input/ (.txt, .md, .jsonl, .parquet)"
        + (", or run again with a network." if lines else ", or add sources to params.yaml.")
    )
