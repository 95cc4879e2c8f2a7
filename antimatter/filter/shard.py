"""Filter one shard: measure every document, judge it by the policy of its source, say why it left."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from antimatter.corpus.ledger import Counts, Removal, ledger_table
from antimatter.corpus.shards import DamagedShard, read_shard, require, shard_name, write_shard
from antimatter.filter import bad_words, decontaminate, quality
from antimatter.filter.language import detector
from antimatter.filter.language.samples import samples_of
from antimatter.filter.policies import judges, policy_of
from antimatter.filter.signals import measure
from antimatter.filter.tally import Tally
from antimatter.params.filter import Decontamination, Filter
from antimatter.text.words import segment

_SLICE_BYTES = 8_000_000
LINE_STEPS = ("c4_lines", "c4_datatrove_lines", "refinedweb_lines")
"""Steps of clean whose signals page rules judge; they are copied."""
Columns = dict[str, Any]
"""Signals by name: numpy arrays, or Arrow arrays of strings."""


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where filter reads and writes."""

    documents: Path
    """data/cleaned/documents"""
    clean_signals: Path
    """data/cleaned/signals"""
    output: Path
    scratch: Path

    @property
    def index(self) -> Path:
        """The evaluation items that are sought, made once for all workers."""
        return self.scratch / "evaluation.arrow"

    def contaminated(self, index: int) -> Path:
        """Numbers of the evaluation items that shard `index` holds, int64."""
        return self.scratch / f"contaminated-{index:05d}.npy"


def prepare(benchmarks: Path, places: Places, settings: Filter) -> list[str]:
    """Make what all workers share, read what they will read; what a user should know about it, in words.

    Raises: MissingData or DamagedBenchmark for `benchmarks`, WrongFile or WrongModel for the files that settings name.
    """
    decontaminate.save(decontaminate.build(benchmarks, settings.decontamination), places.index)
    if settings.quality_model.path:
        quality.load(settings.quality_model)
    warning = bad_words.load(settings.bad_words).warning if settings.bad_words.path else ""
    return [warning] if warning else []


def filterer(places: Places, settings: Filter) -> "partial[dict[str, Any]]":
    """filter_shard with all but the index bound, ready for workers."""
    return partial(filter_shard, places=places, settings=settings)


def filter_shard(index: int, *, places: Places, settings: Filter) -> dict[str, Any]:
    """Read shard `index`, write documents, removed and signals below the output.

    Returns documents, bytes, counts, and `tally`: what rules and languages came to, by source (filter/tally.py).
    """
    table = read_shard(places.documents / shard_name(index))
    sizes_in = _text_bytes(table.column("text"))
    texts, signals, shared = _measure(table.column("text"), places, settings)
    np.save(places.contaminated(index), np.unique(shared.owners))
    signals |= _line_signals(places.clean_signals / shard_name(index), table.column("id"))
    sources = pa.concat_arrays(table.column("source").chunks or [pa.array([], pa.string())]).dictionary_encode()
    tally = Tally()
    removals = _removals(table.column("id"), sources, texts, signals, shared, settings, tally)
    tally.add_languages(sources, signals["language"], signals["language_arbitrated"])
    for name, values in (("text", texts), *((name, signals[name]) for name in ("language", "language_score"))):
        field = table.schema.field(name)
        column = values if name == "text" else pa.array(values, type=field.type)
        table = table.set_column(table.schema.get_field_index(name), field, column)
    is_kept = np.ones(table.num_rows, dtype=bool)
    is_kept[[removal.row for removal in removals]] = False
    write_shard(places.output / "signals" / shard_name(index), _signals_table(table, signals))
    write_shard(places.output / "removed" / shard_name(index), ledger_table("filter", index, removals))
    kept = table if is_kept.all() else table.filter(pa.array(is_kept))
    write_shard(places.output / "documents" / shard_name(index), kept)
    return {
        "documents": table.num_rows,
        "bytes": int(sizes_in.sum()),
        "counts": _counts(sources, sizes_in, _text_bytes(texts), is_kept, removals).to_plain(),
        "tally": tally.to_plain(),
    }


class _Shared(NamedTuple):
    """What the documents share with the evaluation sets."""

    sets: tuple[str, ...]
    by_set: np.ndarray
    """int32[n, S]: matches"""
    owners: np.ndarray
    """numbers of the items that were met"""


def _measure(texts: pa.ChunkedArray, places: Places, settings: Filter) -> tuple[pa.ChunkedArray, Columns, _Shared]:
    """The texts, with evaluation items masked if that is asked for; the signals of the texts as they came."""
    index = decontaminate.load(places.index)
    detect = detector(settings.language).detect
    listed = bad_words.load(settings.bad_words) if settings.bad_words.path else None
    model = quality.load(settings.quality_model) if settings.quality_model.path else None
    parts: list[Columns] = []
    after: list[pa.Array] = []
    for part in _slices(texts):
        words = segment(part)
        verdicts = detect(samples_of(part, settings.language.sample_characters))
        found = decontaminate.search(index, words)
        columns: Columns = {
            **measure(part, words),
            "language": pa.array(verdicts.languages, pa.string()),
            "language_score": verdicts.scores,
            "language_arbitrated": verdicts.arbitrated,
            "contaminated_matches": found.by_set.max(axis=1, initial=0),  # with the set that is named
            "contaminated_set": found.sets,
            "contaminated_item": found.items,
            "by_set": found.by_set,
            "owners": found.found.owners,
        }
        if listed is not None:
            columns["bad_words"] = bad_words.count(listed, words)
        if model is not None:
            columns["quality_score"] = quality.score(words, model)
        if settings.decontamination.action == "mask":
            part, columns["masked_characters"] = decontaminate.mask(
                part, found, settings.decontamination.minimum_matches
            )
        parts.append(columns)
        after.append(part)
    signals = _joined(parts)
    sets = tuple(sought.name for sought in index.sets)
    shared = _Shared(sets, signals.pop("by_set"), signals.pop("owners"))
    return pa.chunked_array(after, texts.type), signals, shared


def _slices(texts: pa.ChunkedArray) -> Iterator[pa.Array]:
    """The texts in pieces of about 8 MB, in order; at least one. Memory beside the texts is a multiple of a piece."""
    for chunk in texts.chunks or [pa.array([], texts.type)]:
        ends = np.cumsum(_text_bytes(chunk))
        start = 0
        while start < len(chunk) or not len(chunk):
            first = ends[start - 1] if start else 0
            stop = max(start + 1, int(np.searchsorted(ends, first + _SLICE_BYTES, side="right")))
            yield chunk.slice(start, stop - start)
            start = stop
            if not len(chunk):
                break


def _joined(parts: list[Columns]) -> Columns:
    """The columns of all pieces one behind the other."""
    return {
        name: np.concatenate([part[name] for part in parts])
        if isinstance(first, np.ndarray)
        else pa.concat_arrays([part[name] for part in parts])
        for name, first in parts[0].items()
    }


def _line_signals(path: Path, ids: pa.ChunkedArray) -> Columns:
    """What clean's line steps saw of these documents, where they were among its steps: page rules judge it."""
    names = [name for name in pq.read_schema(require(path)).names if name.split(".")[0] in LINE_STEPS]
    if not names:
        return {}
    table = read_shard(path, ["id", *names])
    table = table.filter(pc.is_in(table.column("id"), value_set=pa.concat_arrays(ids.chunks)))  # not those it removed
    if not table.column("id").equals(ids):
        raise DamagedShard(f"{path} does not tell of the documents beside it, in their order. Run `dvc repro clean`.")
    signals = {name: table.column(name).to_numpy() for name in names}
    for step in dict.fromkeys(name.split(".")[0] for name in names):
        removed, words = signals[f"{step}.words_removed"], signals[f"{step}.words_in"]
        share = np.divide(removed, words, out=np.zeros(len(words), dtype=np.float64), where=words != 0)
        signals[f"{step}.removed_word_share"] = share
    return signals


def _removals(
    ids: pa.ChunkedArray,
    sources: pa.DictionaryArray,
    texts: pa.ChunkedArray,
    signals: Columns,
    shared: _Shared,
    settings: Filter,
    tally: Tally,
) -> list[Removal]:
    """Who leaves and why, by row: contamination first, because nothing may hide it, then what the policy asks for."""
    names = sources.dictionary.to_pylist()
    policies = np.array([policy_of(name, settings) for name in names])[np.asarray(sources.indices)]
    contamination = _contamination(texts, shared, settings.decontamination)
    ready = judges(settings)
    removals = []
    for policy in dict.fromkeys(policy_of(name, settings) for name in names):
        rows = np.flatnonzero(policies == policy)
        verdicts = ready[policy].verdicts({name: _taken(column, rows) for name, column in signals.items()})
        fails = np.concatenate([contamination[rows].T, verdicts.fails])
        reasons = (*(f"decontamination.{name}" for name in shared.sets), *verdicts.reasons)
        first = np.where(fails.any(axis=0), fails.argmax(axis=0) if len(fails) else -1, -1)
        is_contaminated = contamination[rows].any(axis=1)
        if is_contaminated.any():  # the set with most matches speaks first
            first[is_contaminated] = shared.by_set[rows[is_contaminated]].argmax(axis=1)
        tally.add_rules(policy, reasons, fails, first, sources.take(pa.array(rows)))
        sets = len(shared.sets)
        for place in np.flatnonzero(first >= 0).tolist():
            row, reason = int(rows[place]), int(first[place])
            if reason < sets:
                value, threshold = float(shared.by_set[row, reason]), float(settings.decontamination.minimum_matches)
                detail = f"item {signals['contaminated_item'][row].as_py()}"
            else:
                value, threshold = verdicts.values[reason - sets, place], verdicts.thresholds[reason - sets, place]
                detail = None
            others = [reasons[other] for other in np.flatnonzero(fails[:, place]).tolist() if other != reason]
            removals.append(
                Removal(
                    id=ids[row].as_py(),
                    source=sources[row].as_py(),
                    reason=reasons[reason],
                    row=row,
                    value=None if np.isnan(value) else float(value),
                    threshold=None if np.isnan(threshold) else float(threshold),
                    also_failed=tuple(others),
                    detail=detail,
                )
            )
    return sorted(removals, key=lambda removal: removal.row)


def _contamination(texts: pa.ChunkedArray, shared: _Shared, settings: Decontamination) -> np.ndarray:
    """bool[n, S]: who leaves for what it shares with a set. Masked documents do if nothing is left of them."""
    reaches: np.ndarray = shared.by_set >= settings.minimum_matches
    if settings.action == "remove":
        return reaches
    if settings.action == "mask":
        is_empty = np.asarray(pc.equal(pc.utf8_length(pc.utf8_trim_whitespace(texts)), 0))
        reaches &= is_empty[:, np.newaxis]
        return reaches
    return np.zeros_like(reaches)


def _taken(column: Any, rows: np.ndarray) -> Any:
    return column[rows] if isinstance(column, np.ndarray) else column.take(pa.array(rows))


def _counts(
    sources: pa.DictionaryArray,
    sizes_in: np.ndarray,
    sizes_out: np.ndarray,
    is_kept: np.ndarray,
    removals: list[Removal],
) -> Counts:
    counts = Counts()
    codes = np.asarray(sources.indices)
    for code, name in enumerate(sources.dictionary.to_pylist()):
        mine = codes == code
        counts.arrived(name, int(mine.sum()), int(sizes_in[mine].sum()))
        counts.kept(name, int((mine & is_kept).sum()), int(sizes_out[mine & is_kept].sum()))
    for removal in removals:
        counts.removed(removal.source, removal.reason)
    return counts


def _signals_table(table: pa.Table, signals: Columns) -> pa.Table:
    """id, source, then the signals in the order in which they were measured."""
    columns = {"id": table.column("id"), "source": table.column("source")}
    columns |= {name: pa.array(values) for name, values in signals.items()}
    fields = [pa.field(name, column.type, nullable=name != "id") for name, column in columns.items()]
    return pa.Table.from_arrays(list(columns.values()), schema=pa.schema(fields))


def _text_bytes(texts: pa.Array | pa.ChunkedArray) -> np.ndarray:
    """UTF-8 bytes of each text, int64."""
    return np.asarray(pc.binary_length(texts), dtype=np.int64)
