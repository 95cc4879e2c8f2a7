"""The court: policies judge what was measured; the ledger of those who leave, and the counts of all."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from antimatter.corpus.ledger import Counts, ledger_columns, ledger_table
from antimatter.filter.gauge import Columns, Measured, text_bytes
from antimatter.filter.policies import judges, policy_of
from antimatter.filter.tally import Tally
from antimatter.params.filter import Filter


class Court:
    """Judges the documents of one shard by the policies of their sources, and counts."""

    def __init__(self, shard: int, settings: Filter) -> None:
        self.shard, self.settings = shard, settings
        self.judges = judges(settings)
        self.counts, self.tally = Counts(), Tally()

    def judge(self, piece: pa.Table, start: int, measured: Measured, signals: Columns) -> tuple[pa.Table, np.ndarray]:
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
        self._count(sources, text_bytes(piece.column("text")), text_bytes(measured.texts), is_kept, removed)
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
        measured: Measured,
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


def _lists(chosen: np.ndarray, names: Sequence[str]) -> pa.ListArray:
    """For each of n rows of bool[n, R], the names of the columns that are True."""
    offsets = np.concatenate([[0], np.cumsum(chosen.sum(axis=1))])
    columns = pa.array(np.nonzero(chosen)[1], pa.int32())
    values = pa.DictionaryArray.from_arrays(columns, pa.array(names, pa.string())).cast(pa.string())
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), values)


def _taken(column: Any, rows: np.ndarray) -> Any:
    return column[rows] if isinstance(column, np.ndarray) else column.take(pa.array(rows))
