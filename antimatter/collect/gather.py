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
from antimatter.collect.filling import OUTPUTS
from antimatter.collect.parts import collect_part, part_folder
from antimatter.corpus.ledger import Counts, Flow
from antimatter.corpus.reports import flow_report, share
from antimatter.corpus.shards import read_shard, shard_name, shard_paths
from antimatter.execution import runtime
from antimatter.execution.trees import delete, link_or_copy, link_tree
from antimatter.execution.workspace import Workspace
from antimatter.params.collect import Collect, Source


def build(work: Workspace, max_rejected_share: float) -> None:
    """Fill work.output with the documents of all sources that can be had.

    max_rejected_share is no part of work.settings: it decides about the end, and what was read need not be read again
    under another one.

    Raises: SourceError (MissingSource, WrongDigest, DamagedArchive, NoDocuments, TooMuchRejected among them).
    """
    settings: Collect = work.settings
    found, missing = plan.locate(settings, runtime.work_folder() / "downloads")
    parts, ignored = plan.make(settings, found)
    accept_missing(settings, missing, parts)
    # a source that was missing before a restart makes another plan, whose shards must not meet those of the first
    name = f"plan-{plan.digest(parts)}"
    folder = work.scratch / name
    read = partial(collect_part, folder=folder, shard_bytes=settings.shard_bytes)
    results = work.map(read, list(enumerate(parts)), records=name)
    for result in results:
        ignored[result["source"]].update(result["ignored"])
    warn_of_ignored(ignored)
    counts, lost = work.counts(results), losses.rejected(results)
    warnings = [*losses.describe(settings, found, counts, lost), *losses.short_of_budget(settings, counts)]
    shards = number_shards(folder, [result["shards"] for result in results], work.output)
    work.report(
        flow_report(
            counts,
            shards=shards,
            missing=[_loss(source, missing[source.name]) for source in settings.sources if source.name in missing],
            warnings=warnings,
            ignored_files={name: _positive(suffixes) for name, suffixes in ignored.items() if _positive(suffixes)},
            surrogates_replaced=_by_source(results, "surrogates_replaced"),
            rejected_shares=losses.shares(counts, lost),
            encodings=_encodings(results),
            composition=[_composition(settings, source, counts) for source in settings.sources],
            provenance=[_provenance(source) for source in settings.sources if source.name in found],
        )
    )
    losses.require_readable(settings, max_rejected_share, counts, lost, str(work.output))
    for line in warnings:
        print(f"warning: {line}", file=sys.stderr)
    if not any(flow.documents_out for flow in counts.sources.values()):
        raise NoDocuments(_nothing(settings, missing, counts))
    require_unique_ids(work.output)


def number_shards(folder: Path, shards: Sequence[int], output: Path) -> int:
    """Give the shards of all parts one numbering, in the order of the parts, below output/; how many they are."""
    for name in OUTPUTS:
        gathered = folder / "numbered" / name
        delete(gathered)
        gathered.mkdir(parents=True)
        places = [(index, shard) for index, count in enumerate(shards) for shard in range(count)]
        for number, (index, shard) in enumerate(places):
            source = part_folder(folder, index) / name / shard_name(shard)
            link_or_copy(str(source), str(gathered / shard_name(number)))
        link_tree(gathered, output / name)
    return sum(shards)


def _by_source(results: Iterable[Mapping[str, Any]], name: str) -> dict[str, int]:
    total = Counter[str]()
    for result in results:
        total[result["source"]] += result[name]
    return _positive(total)


def _positive(counts: Counter[str]) -> dict[str, int]:
    return {name: count for name, count in sorted(counts.items()) if count}


def _encodings(results: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, int]]:
    """{source: {encoding: documents}}, those in UTF-8 left out."""
    total: dict[str, Counter[str]] = {}
    for result in results:
        total.setdefault(result["source"], Counter()).update(result["encodings"])
    return {name: _positive(encodings) for name, encodings in total.items() if encodings}


def _composition(settings: Collect, source: Source, counts: Counts) -> dict[str, Any]:
    """What a source gives to the mix: documents, bytes, its share of all bytes, and what it was to give."""
    flow = counts.sources.get(source.name, Flow())
    whole = sum(other.bytes_out for other in counts.sources.values())
    own = {"source": source.name, "licence": source.licence, "documents": flow.documents_out, "bytes": flow.bytes_out}
    budget = settings.budget(source)
    return {**own, "share": share(flow.bytes_out, whole), **({"budget_bytes": budget} if budget else {})}


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


def warn_of_ignored(ignored: Mapping[str, Counter[str]]) -> None:
    """One warning for every source with files that we cannot read."""
    for name, suffixes in ignored.items():
        if kinds := ", ".join(f"{count} x {suffix}" for suffix, count in _positive(suffixes).items()):
            print(
                f"warning: source {name}: files ignored ({kinds}); `format:` of the source says what they hold, "
                "if they hold documents",
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


def _place(source: Source) -> str:
    return source.package or source.path or f"{source.dataset}@{source.revision[:12]}"


def _describe(source: Source) -> str:
    return f"source {source.name} ({_place(source)})"


def _loss(source: Source, missing: MissingSource) -> dict[str, str]:
    return {
        "source": source.name,
        "package": _place(source),
        "cause": missing.cause,
        "lost": f"all documents of {source.name}",
        "advice": RETRY,
    }


def _provenance(source: Source) -> dict[str, Any]:
    fields = {
        "files": ("path", "version"),
        "package": ("package", "file", "sha256"),
        "hub": ("dataset", "revision", "members"),
    }[source.kind]
    facts = {name: getattr(source, name) for name in fields if getattr(source, name)}
    return {"source": source.name, "licence": source.licence, **facts}


def _nothing(settings: Collect, missing: Mapping[str, MissingSource], counts: Counts) -> str:
    lines = "".join(f"\n  {_describe(s)}: {missing[s.name]}" for s in settings.sources if s.name in missing)
    read, removed = sum(flow.documents_in for flow in counts.sources.values()), Counter[str]()
    for flow in counts.sources.values():
        removed.update(flow.removed)
    read_words = f"{read} documents were read and all left out ({losses.top_reasons(removed)}). " if read else ""
    return (
        f"there is nothing to build a model from. {read_words}"
        + (f"These sources cannot be had:{lines}\n" if lines else "")
        + "Put your own text into input/ (.txt, .jsonl, .parquet, .csv, .html, archives, ...)"
        + (", or run again with a network." if lines else ", or add sources to params.yaml.")
    )
