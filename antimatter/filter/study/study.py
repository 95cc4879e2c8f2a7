"""The filter study: what every rule removes of every source, and which documents lie next to its threshold.

Read from data/filtered/signals alone, shard by shard; only counts and the nearest documents are kept. Verdicts come
from the judges of the stage, so what a tried threshold removes here is what the stage would remove with it.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from antimatter.corpus.reports import read_json
from antimatter.corpus.shards import MissingData, read_shard, shard_paths
from antimatter.filter.policies import judges, policy_of
from antimatter.filter.study.borderline import Example, excerpts
from antimatter.filter.study.source import SourceStudy, judge_documents, size_of
from antimatter.filter.study.trial import UnknownName, nearest_name, with_trial, without_absent
from antimatter.params.filter import Filter
from antimatter.params.loader import to_plain

SIGNALS, DOCUMENTS = Path("data/filtered/signals"), Path("data/cleaned/documents")
REPORT = Path("reports/filter.json")
EXCERPT_CHARACTERS = 500
_NO_NUMBERS = ("id", "source", "language", "contaminated_set", "contaminated_item")
_ALWAYS = ("id", "source", "characters", "language", "language_score")
_CONTAMINATION = ("contaminated_matches", "contaminated_set", "contaminated_item")


@dataclass
class Study:
    """All sources, in the order of their names, and what a reader should know of how they were studied."""

    sources: dict[str, SourceStudy]
    signals: tuple[str, ...]
    """Signals asked for by name."""
    tried: str = ""
    """What was tried in place of params.yaml; empty: nothing."""
    notes: list[str] = field(default_factory=list)
    excerpts: dict[bytes, str] = field(default_factory=dict)
    """The beginning of the text of each example, by id."""


def study_project(
    settings: Filter,
    *,
    folder: Path = SIGNALS,
    sources: Sequence[str] = (),
    rule_sets: Sequence[str] | None = None,
    thresholds: Mapping[str, float] | None = None,
    signals: Sequence[str] = (),
    examples: int = 3,
    every_rule: bool = False,
) -> Study:
    """The study of the signals in `folder` with the texts of its examples; all sources if none is named.

    Rules whose signal was not measured are left out with a note. Without data/cleaned/documents there are no texts.
    `every_rule`: texts for thresholds that remove nothing, too.
    Raises: UnknownName, MissingSignal, MissingData, DamagedShard, AntiMatterError for thresholds that cannot be.
    """
    present = column_names(folder)
    for name in signals:
        if name not in present or name in _NO_NUMBERS:
            numbers = [signal for signal in present if signal not in _NO_NUMBERS]
            raise UnknownName(f"{folder} holds no numbers called {name}. {nearest_name(name, numbers)}")
    chosen = source_names(folder, sources)
    policies = sorted({policy_of(name, settings) for name in chosen})
    trial = with_trial(settings, policies, rule_sets, thresholds or {})
    tried, absent = without_absent(trial, policies, present)
    now = tried if trial == settings else without_absent(settings, policies, present)[0]
    result = study(folder, tried, now=now, sources=chosen, signals=signals, examples=examples)
    result.tried = _tried(rule_sets, thresholds or {})
    if absent:
        rules = ", ".join(f"{rule.reason} ({rule.needs or rule.signal})" for rule in absent)
        result.notes.append(f"Left out, because {folder} does not hold what they need: {rules}.")
    if folder.resolve() == SIGNALS.resolve():
        result.notes += _outdated(settings)
    wanted = examples_of(result, of_idle_rules=every_rule)
    try:
        result.excerpts = excerpts(DOCUMENTS, wanted, EXCERPT_CHARACTERS)
    except MissingData:
        result.notes.append(f"{DOCUMENTS} is not there, so no texts are shown. Run `dvc repro clean`.")
    else:
        if len(result.excerpts) < len(wanted):
            result.notes.append(
                f"{len(wanted) - len(result.excerpts)} of {len(wanted)} texts are not shown: {DOCUMENTS} is not what "
                f"{folder} was measured on. Run `dvc repro filter`."
            )
    return result


def _tried(rule_sets: Sequence[str] | None, thresholds: Mapping[str, float]) -> str:
    sets = [] if rule_sets is None else [f"rule sets {', '.join(rule_sets) or 'none'}"]
    return "; ".join([*sets, *(f"{reason} = {value:g}" for reason, value in thresholds.items())])


def study(
    folder: Path,
    settings: Filter,
    *,
    now: Filter,
    sources: Collection[str],
    signals: Sequence[str] = (),
    examples: int = 3,
) -> Study:
    """The study of the signals below `folder` under `settings`, beside what `now` (params.yaml) removes.

    Both settings must judge signals that the folder holds (trial.without_absent). `sources`: those to study;
    `signals`: distributions to show whether a rule judges them or not; `examples`: documents on each side of each
    threshold.
    Raises: MissingSignal, MissingData, DamagedShard.
    """
    result = Study({}, tuple(signals))
    columns = _columns_for([settings, now], signals, column_names(folder))
    ready, ready_now = judges(settings), judges(now)
    for shard, path in enumerate(shard_paths(folder)):
        table = read_shard(path, columns)
        arrays = {name: table.column(name).to_numpy(zero_copy_only=False) for name in columns if name != "id"}
        arrays["id"] = _id_words(table.column("id"))
        for source in sorted(set(_unique(table.column("source"))).intersection(sources)):
            rows = np.flatnonzero(arrays["source"] == source)
            policy = policy_of(source, settings)
            of_source = result.sources.setdefault(source, SourceStudy(source, policy))
            part = {name: values[rows] for name, values in arrays.items()}
            judged = judge_documents(ready[policy], part, settings)
            of_source.add(judged, part, asked=signals)
            of_source.offer_examples(judged, part, shard, rows, examples)
            if now is not settings:
                judged = judge_documents(ready_now[policy_of(source, now)], part, now)
            of_source.removed_now += size_of(judged.removed, part["characters"])
    result.sources = {name: result.sources[name] for name in sorted(result.sources)}
    for of_source in result.sources.values():  # sets of the evaluation come up shard by shard
        order = [rule.reason for rule in ready[of_source.policy].rules]
        found = sorted(reason for reason in of_source.losses if reason not in order)
        of_source.losses = {reason: of_source.losses[reason] for reason in [*found, *order]}
    return result


def column_names(folder: Path) -> list[str]:
    """The signals that were measured: the columns of the first shard.

    Raises: MissingData, DamagedShard if the shard has not even a source (an earlier version wrote it).
    """
    first = shard_paths(folder)[0]
    read_shard(first, list(_ALWAYS))
    return list(pq.read_schema(first).names)


def source_names(folder: Path, chosen: Sequence[str] = ()) -> list[str]:
    """The sources below the folder, sorted; or the chosen ones, each of which must be there.

    Raises: UnknownName, MissingData.
    """
    found = {name for path in shard_paths(folder) for name in _unique(read_shard(path, ["source"]).column("source"))}
    for name in chosen:
        if name not in found:
            raise UnknownName(f"{folder} holds no source {name}. {nearest_name(name, found)}")
    return sorted(set(chosen) or found)


def _columns_for(settings: Iterable[Filter], signals: Sequence[str], present: Collection[str]) -> list[str]:
    """The columns that the judges of these settings need, those of `present`."""
    needed = dict.fromkeys((*_ALWAYS, *signals, *_CONTAMINATION))
    for one in settings:
        for judge in judges(one).values():
            needed |= dict.fromkeys(rule.signal for rule in judge.rules)
    return [name for name in needed if name in present]


def _unique(column: pa.ChunkedArray) -> list[str]:
    return list(column.unique().to_pylist())


def _id_words(ids: pa.ChunkedArray) -> np.ndarray:
    """Ids as big-endian uint64 [n, 2], which sort as the bytes do."""
    array = ids.combine_chunks() if isinstance(ids, pa.ChunkedArray) else ids
    array = pa.concat_arrays(array.chunks) if isinstance(array, pa.ChunkedArray) else array
    content = memoryview(array.buffers()[1])[16 * array.offset : 16 * (array.offset + len(array))]
    return np.frombuffer(content, dtype=">u8").reshape(-1, 2)


def examples_of(result: Study, *, of_idle_rules: bool = False) -> list[Example]:
    """The examples worth showing: of thresholds that remove something, or of all; each document once."""
    chosen = {
        example.id: example
        for of_source in result.sources.values()
        for beside in of_source.beside.values()
        if beside.beyond or of_idle_rules
        for example in (*beside.removed, *beside.kept)
    }
    return list(chosen.values())


def _outdated(settings: Filter) -> list[str]:
    """A note if the signals were measured with other settings than these."""
    if not REPORT.exists():
        return []
    report = read_json(REPORT)
    files = {"quality_model": settings.quality_model.sha256, "bad_words": settings.bad_words.sha256}
    asked = {
        "language": to_plain(settings.language),
        "decontamination": {name: getattr(settings.decontamination, name) for name in ("ngram", "shortest")},
        "files": files,
    }
    changed = [
        f"filter.{name}" if group == "files" else f"filter.{group}.{name}"
        for group, values in asked.items()
        for name, value in values.items()
        if report.get(group, {}).get(name, value) != value
    ]
    if not changed:
        return []
    return [
        f"{SIGNALS} was measured with another {', '.join(changed)}: what params.yaml asks for now shows after "
        "`dvc repro filter`."
    ]
