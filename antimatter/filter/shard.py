"""Filter one shard: measure every document, judge it by the policy of its source, say why it left."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from antimatter.corpus.ledger import Counts, ledger_columns, ledger_table
from antimatter.corpus.shards import (
    DamagedShard,
    atomic_path,
    read_shard,
    require,
    shard_in_pieces,
    shard_name,
    write_shard,
)
from antimatter.filter import bad_words, decontaminate, quality
from antimatter.filter.language import detector
from antimatter.filter.language.samples import samples_of
from antimatter.filter.policies import judges, policy_of
from antimatter.filter.signals import measure
from antimatter.filter.tally import Tally
from antimatter.params.filter import Filter
from antimatter.text.words import segment

PIECE_BYTES, PIECE_ROWS = 8_000_000, 50_000
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
    seen_by_clean = _line_signals(places.clean_signals / shard_name(index), table.column("id"))
    gauge, court = _Gauge(places, settings), _Court(index, settings)
    texts, languages, scores, is_kept = [], [], [], []
    met = np.zeros(0, dtype=np.int64)
    with (
        shard_in_pieces(places.output / "signals" / shard_name(index)) as add_signals,
        shard_in_pieces(places.output / "removed" / shard_name(index)) as add_removed,
    ):
        for start, stop in _pieces(table.column("text")):
            piece = table.slice(start, stop - start).combine_chunks()
            measured = gauge.measure(piece.column("text").combine_chunks())
            signals = measured.signals | {name: values[start:stop] for name, values in seen_by_clean.items()}
            removed, kept = court.judge(piece, start, measured, signals)
            add_signals(_signals_table(piece, signals))
            add_removed(removed)
            texts.append(measured.texts)
            languages.append(signals["language"])
            scores.append(pa.array(signals["language_score"]))
            is_kept.append(kept)
            met = np.union1d(met, measured.owners)
    with atomic_path(places.contaminated(index)) as temporary, open(temporary, "wb") as file:
        np.save(file, met)
    for name, values in (("text", texts), ("language", languages), ("language_score", scores)):
        field = table.schema.field(name)
        table = table.set_column(table.schema.get_field_index(name), field, pa.chunked_array(values, field.type))
    keeps = np.concatenate(is_kept)
    write_shard(
        places.output / "documents" / shard_name(index), table if keeps.all() else table.filter(pa.array(keeps))
    )
    return {
        "documents": table.num_rows,
        "bytes": sum(flow.bytes_in for flow in court.counts.sources.values()),
        "counts": court.counts.to_plain(),
        "tally": court.tally.to_plain(),
    }


class _Measured(NamedTuple):
    """What is known of n documents."""

    texts: pa.Array
    """with evaluation items cut out, if that is asked for"""
    signals: Columns
    sets: tuple[str, ...]
    by_set: np.ndarray
    """int32[n, S]: matches with each evaluation set"""
    reaches: np.ndarray
    """bool[n]: shares enough with evaluation sets"""
    is_contaminated: np.ndarray
    """bool[n]: leaves for it"""
    owners: np.ndarray
    """numbers of the evaluation items that were met"""


class _Gauge:
    """Measures documents: the text's own signals, language, evaluation items, bad words, quality."""

    def __init__(self, places: Places, settings: Filter) -> None:
        self.settings = settings
        self.index = decontaminate.load(places.index)
        self.detector = detector(settings.language)
        self.listed = bad_words.load(settings.bad_words) if settings.bad_words.path else None
        self.model = quality.load(settings.quality_model) if settings.quality_model.path else None

    def measure(self, texts: pa.Array) -> _Measured:
        """Everything but what clean saw; signals are those of the texts as they came."""
        words = segment(texts)
        verdicts = self.detector.detect(samples_of(texts, self.settings.language.sample_characters))
        action, minimum = self.settings.decontamination.action, self.settings.decontamination.minimum_matches
        found = decontaminate.search(self.index, texts, minimum)
        signals: Columns = {
            **measure(texts, words),
            "language": pa.array(verdicts.languages, pa.string()),
            "language_score": verdicts.scores,
            "language_arbitrated": verdicts.arbitrated,
            "contaminated_matches": found.matches,
            "contaminated_set": found.sets,
            "contaminated_item": found.items,
        }
        if self.listed is not None:
            signals["bad_words"] = bad_words.count(self.listed, words)
        if self.model is not None:
            signals["quality_score"] = quality.score(words, self.model)
        is_contaminated: np.ndarray = found.reaches & (action != "report")
        if action == "mask":
            texts, signals["masked_characters"] = decontaminate.mask(texts, found)
            is_empty = pc.equal(pc.utf8_length(pc.utf8_trim_whitespace(texts)), 0)
            is_contaminated &= np.asarray(is_empty)  # a masked document leaves if nothing is left of it
        sets = tuple(sought.name for sought in self.index.sets)
        owners = np.unique(found.found.owners)
        return _Measured(texts, signals, sets, found.by_set, found.reaches, is_contaminated, owners)


class _Court:
    """Judges the documents of one shard by the policies of their sources, and counts."""

    def __init__(self, shard: int, settings: Filter) -> None:
        self.shard, self.settings = shard, settings
        self.judges = judges(settings)
        self.counts, self.tally = Counts(), Tally()

    def judge(self, piece: pa.Table, start: int, measured: _Measured, signals: Columns) -> tuple[pa.Table, np.ndarray]:
        """(ledger of those who leave, by row; bool[n] who stays), of the documents that begin at row `start`."""
        sources = piece.column("source").combine_chunks().dictionary_encode()
        names = sources.dictionary.to_pylist()
        policies = np.array([policy_of(name, self.settings) for name in names], dtype=object)
        of_row = policies[np.asarray(sources.indices)] if names else policies
        parts = [ledger_table("filter", self.shard, [])]
        for policy in dict.fromkeys(policies.tolist()):
            rows = np.flatnonzero(of_row == policy)
            parts.append(self._removed(policy, rows, piece, sources.take(pa.array(rows)), start, measured, signals))
        removed = pa.concat_tables(parts).sort_by("row")
        is_kept = np.ones(piece.num_rows, dtype=bool)
        is_kept[np.asarray(removed.column("row")) - start] = False
        self._count(sources, _text_bytes(piece.column("text")), _text_bytes(measured.texts), is_kept, removed)
        self.tally.add_languages(sources, signals["language"], signals["language_arbitrated"])
        masked = signals.get("masked_characters", np.zeros(piece.num_rows, dtype=np.int32))
        self.tally.add_contamination(measured.sets, measured.by_set, measured.reaches, masked)
        return removed, is_kept

    def _removed(
        self,
        policy: str,
        rows: np.ndarray,
        piece: pa.Table,
        sources: pa.DictionaryArray,
        start: int,
        measured: _Measured,
        signals: Columns,
    ) -> pa.Table:
        """The ledger of some rows: contamination first, because nothing may hide it, then what the policy asks for."""
        verdicts = self.judges[policy].verdicts({name: _taken(column, rows) for name, column in signals.items()})
        by_set = measured.by_set[rows]
        is_contaminated = measured.is_contaminated[rows]
        fails = np.concatenate([(by_set > 0).T & is_contaminated, verdicts.fails])
        reasons = (*(f"decontamination.{name}" for name in measured.sets), *verdicts.reasons)
        first = np.where(fails.any(axis=0), fails.argmax(axis=0) if len(fails) else -1, -1)
        if is_contaminated.any():  # the set with most matches speaks first
            first[is_contaminated] = by_set[is_contaminated].argmax(axis=1)
        self.tally.add_rules(policy, reasons, fails, first, sources)
        leaving = np.flatnonzero(first >= 0)
        chosen, places = first[leaving], rows[leaving]
        others = fails[:, leaving].T
        others[np.arange(len(leaving)), chosen] = False
        matches = np.broadcast_to(_taken(signals["contaminated_matches"], rows), (len(measured.sets), len(rows)))
        minimum = np.full(matches.shape, float(self.settings.decontamination.minimum_matches))
        reason = pa.DictionaryArray.from_arrays(pa.array(chosen, pa.int32()), pa.array(reasons, pa.string()))
        item = pc.binary_join_element_wise("item", _taken(signals["contaminated_item"], places), " ")
        language = pc.binary_join_element_wise("language", _taken(signals["language"], places), " ")
        of_language = pa.array([name.startswith("language.") for name in reasons]).take(pa.array(chosen))
        details = pc.if_else(pa.array(is_contaminated[leaving]), item, pc.if_else(of_language, language, None))
        return ledger_columns(
            "filter",
            self.shard,
            ids=piece.column("id").combine_chunks().take(pa.array(places)),
            sources=sources.take(pa.array(leaving)),
            reasons=reason,
            rows=places + start,
            values=np.concatenate([matches, verdicts.values])[chosen, leaving],
            thresholds=np.concatenate([minimum, verdicts.thresholds])[chosen, leaving],
            also_failed=_lists(others, reasons),
            details=details,
        )

    def _count(
        self, sources: pa.DictionaryArray, before: np.ndarray, after: np.ndarray, is_kept: np.ndarray, removed: pa.Table
    ) -> None:
        """Add these documents to the counts. before, after: bytes of each text, int64[n]."""
        codes = np.asarray(sources.indices)
        for code, name in enumerate(sources.dictionary.to_pylist()):
            mine = codes == code
            self.counts.arrived(name, int(mine.sum()), int(before[mine].sum()))
            self.counts.kept(name, int((mine & is_kept).sum()), int(after[mine & is_kept].sum()))
        for row in removed.group_by(["source", "reason"]).aggregate([([], "count_all")]).to_pylist():
            self.counts.removed(row["source"], row["reason"], row["count_all"])


def _pieces(texts: pa.ChunkedArray) -> Iterator[tuple[int, int]]:
    """Rows of about 8 MB of text and at most 50,000 documents, in order; at least one piece, if only an empty one.
    What is measured and judged on the way is a multiple of a piece, and so is the memory that it takes."""
    ends = np.cumsum(_text_bytes(texts))
    start = 0
    while start < len(ends) or start == 0:
        first = ends[start - 1] if start else 0
        stop = int(np.searchsorted(ends, first + PIECE_BYTES, side="right"))
        stop = min(max(start + 1, stop), start + PIECE_ROWS, len(ends))
        yield start, stop
        if stop == len(ends):
            return
        start = stop


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


def _signals_table(piece: pa.Table, signals: Columns) -> pa.Table:
    """id, source, then the signals in the order in which they were measured."""
    columns = {"id": piece.column("id"), "source": piece.column("source")}
    columns |= {name: pa.array(values) for name, values in signals.items()}
    fields = [pa.field(name, column.type, nullable=name != "id") for name, column in columns.items()]
    return pa.Table.from_arrays(list(columns.values()), schema=pa.schema(fields))


def _lists(chosen: np.ndarray, names: Sequence[str]) -> pa.ListArray:
    """For each of n rows of bool[n, R], the names of the columns that are True."""
    offsets = np.concatenate([[0], np.cumsum(chosen.sum(axis=1))])
    columns = pa.array(np.nonzero(chosen)[1], pa.int32())
    values = pa.DictionaryArray.from_arrays(columns, pa.array(names, pa.string())).cast(pa.string())
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), values)


def _taken(column: Any, rows: np.ndarray) -> Any:
    return column[rows] if isinstance(column, np.ndarray) else column.take(pa.array(rows))


def _text_bytes(texts: pa.Array | pa.ChunkedArray) -> np.ndarray:
    """UTF-8 bytes of each text, int64."""
    return np.asarray(pc.binary_length(texts), dtype=np.int64)
