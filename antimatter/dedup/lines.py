"""Lines or paragraphs that stand more than once in the kept documents: one stays, the others are cut out.

The method is that of C4 (Raffel et al. 2020, JMLR 21(140), section 2.2, and its code in TensorFlow Datasets): of all
equal lines in all pages one stays. Where we depart from it:
    which one     that in the document with the smallest content digest, then the smallest id, and there the first. In
                  C4 that of the page whose URL has the smallest MD5: texts here need no URL, and a text that moves
                  keeps its lines
    equal         whitespace inside does not count, as case and whitespace at the ends (antimatter.dedup.units)
    short lines   of fewer than min_words stay everywhere: headings, brackets, list marks
    sources       those that the settings name, if any: the others are neither compared nor cut
    sentences     after C4's pass every page of fewer than 3 goes; here min_sentences judges the documents that were cut
                  from so many or more
    keepers       a document that others left for never leaves: where it would, it stays uncut
As in C4, a document that goes for its few sentences takes along the lines that stayed in it: units_lost counts those
of which no copy is left. With min_sentences 0 there are none, for a document with a unit that stays does not leave.

Steps: unit_rows of every shard meet by hash in merge_units, whose answers tell each shard which of its units go
(edit_shard). Scratch: 27 bytes for each unit of min_words. Memory of a worker: a shard's text twice (three times, where
a text is not in NFC) and 36 bytes a unit; merging, about 100 for each unit of a partition.

    scratch/line_answers/      uint8 for each unit that is compared: STAYS, GOES or STAYS_FOR_OTHERS (dedup.answers)
    scratch/line_losses/       unit (16 bytes), source, is_left: those that left with a document though others went for
                               them, and (is_left) those that stay a second time, in a document that was not cut
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from antimatter.dedup.answers import Answers, partition_of, partitions_for, write_answers
from antimatter.dedup.kept import document_id, kept_bytes, kept_rows, read_kept, write_document_order
from antimatter.dedup.units import Units, find_units, without
from antimatter.execution.scratch import arrow_path, from_halves, map_arrow, write_arrow
from antimatter.execution.workspace import Workspace
from antimatter.filter.signals.sentences import count_sentences
from antimatter.params.dedup import Lines

REASON = "dedup.lines"
MOST_FREQUENT = 20
ANSWERS = "line_answers"
STAYS, GOES, STAYS_FOR_OTHERS = 0, 1, 2
"""Answers to a unit."""


class Edited(NamedTuple):
    """The n kept documents of a shard after the pass."""

    texts: pa.Array
    """string[n]"""
    is_compared: np.ndarray
    """bool[n]: is of a source that the pass looks at"""
    before: np.ndarray
    """int64[n]: code points before"""
    units: np.ndarray
    """int64[n]: units before"""
    removed: np.ndarray
    """int64[n]: units cut out"""
    characters: np.ndarray
    """int64[n]: code points cut out, line breaks among them"""
    sentences: np.ndarray
    """int64[n]: sentences after the cut; -1 where nothing was cut"""
    leaves: np.ndarray
    """bool[n]: was cut, and no text is left, or fewer sentences than min_sentences, of which it had so many before. Its
    reason in the ledger: REASON, value: sentences, threshold: min_sentences"""


def find_repeated(work: Workspace, documents: Path, shards: Sequence[int], settings: Lines) -> list[dict[str, Any]]:
    """Decide which units go, for edit_shard; returns the results of the merges, for summary.

    documents  folder of the stage's input shards
    shards     all their numbers: 0, 1, ...
    """
    write_document_order(work.scratch, shards)
    partitions = partitions_for(kept_bytes(work.scratch, shards))
    rows = partial(unit_rows, documents=documents, scratch=work.scratch, settings=settings, partitions=partitions)
    return work.exchange(rows, shards, partitions, partial(merge_units, scratch=work.scratch), title="lines")


def unit_rows(index: int, *, documents: Path, scratch: Path, settings: Lines, partitions: int) -> pa.Table:
    """(partition, high, low, row, unit) of every unit of a shard that is compared: its hash, the row of its document in
    the shard, its number in the document."""
    table = read_kept(documents, scratch, index, ["text", "source"])
    units = find_units(table.column("text").combine_chunks(), settings.unit)
    chosen = compared_units(units, is_compared(table, settings), settings)
    document = np.searchsorted(units.starts, chosen, side="right") - 1
    return pa.table(
        {
            "partition": pa.array(partition_of(units.high[chosen], partitions)),
            "high": pa.array(units.high[chosen]),
            "low": pa.array(units.low[chosen]),
            "row": pa.array(kept_rows(scratch, index)[document].astype(np.int32)),
            "unit": pa.array((chosen - units.starts[document]).astype(np.int32)),
        }
    )


def is_compared(table: pa.Table, settings: Lines) -> NDArray[np.bool_]:
    """bool[n]: is of a source that the pass looks at; by the column source."""
    if not settings.sources:
        return np.ones(table.num_rows, dtype=bool)
    return np.asarray(pc.is_in(table.column("source"), pa.array(settings.sources, pa.string())), dtype=bool)


def compared_units(units: Units, is_compared: np.ndarray, settings: Lines) -> NDArray[np.int64]:
    """int64[k]: the units of min_words in those documents."""
    return np.flatnonzero((units.words >= settings.min_words) & np.repeat(is_compared, np.diff(units.starts)))


def merge_units(partition: int, tables: list[pa.Table], *, scratch: Path) -> dict[str, Any]:
    """Of equal units of one partition the first by (document_order, unit) stays; the answers say so.

    Returns: units; different; frequent: [times, order, document, unit] of the most frequent of those that occur more
             than once, with the place of the one that stays.
    """
    starts, order = np.load(scratch / "starts.npy"), np.load(scratch / "document_order.npy", mmap_mode="r")
    sizes = [table.num_rows for table in tables]
    document = _numbers(tables, "row") + np.repeat(starts[: len(tables)], sizes)
    high, low, unit = _numbers(tables, "high"), _numbers(tables, "low"), _numbers(tables, "unit")
    place = np.asarray(order[document])
    by_unit = np.lexsort((unit, place, low, high))
    is_first = np.ones(len(by_unit), dtype=bool)
    is_first[1:] = (np.diff(high[by_unit]) != 0) | (np.diff(low[by_unit]) != 0)
    times = np.diff(np.append(np.flatnonzero(is_first), len(by_unit)))
    stays = by_unit[is_first]
    several = np.flatnonzero(times > 1)
    answers = np.full(len(by_unit), GOES, dtype=np.uint8)
    answers[stays] = STAYS
    answers[stays[several]] = STAYS_FOR_OTHERS
    write_answers(scratch / ANSWERS, partition, answers, sizes)
    most = several[np.lexsort((unit[stays[several]], place[stays[several]], -times[several]))[:MOST_FREQUENT]]
    frequent = np.column_stack([times[most], place[stays[most]], document[stays[most]], unit[stays[most]]])
    return {"units": len(by_unit), "different": len(times), "frequent": frequent.tolist()}


def edit_shard(index: int, table: pa.Table, stands_for: np.ndarray, *, scratch: Path, settings: Lines) -> Edited:
    """The kept documents of a shard without the units that find_repeated, with the same settings, sent away.

    table       the kept rows of the shard in their order, with columns text and source
    stands_for  int[n]: 1 and those that left for it; where that is more than 1 it does not leave

    Writes scratch/line_losses/. Raises: ValueError if these are not as many as kept.npy says.
    """
    texts, expected = table.column("text").combine_chunks(), len(kept_rows(scratch, index))
    if len(texts) != expected:
        raise ValueError(f"shard {index}: {len(texts)} documents to edit, but {expected} are kept")
    units, looked_at = find_units(texts, settings.unit), is_compared(table, settings)
    chosen = compared_units(units, looked_at, settings)
    taken = Answers(scratch / ANSWERS, index)
    answers = np.full(len(units.high), STAYS, dtype=np.uint8)
    answers[chosen] = taken.take(units.high[chosen])
    taken.require_end()
    edited, is_spared = edit(texts, units, answers == GOES, stands_for > 1, settings.min_sentences)
    edited = edited._replace(is_compared=looked_at)
    of_document = np.repeat(np.arange(len(texts)), np.diff(units.starts))
    is_left = is_spared[of_document] & (answers == GOES)
    told = np.flatnonzero(is_left | (edited.leaves[of_document] & (answers == STAYS_FOR_OTHERS)))
    losses = {
        "unit": from_halves(np.column_stack([units.high[told], units.low[told]])),
        "source": table.column("source").cast(pa.string()).take(pa.array(of_document[told])),
        "is_left": pa.array(is_left[told]),
    }
    write_arrow(arrow_path(scratch, "line_losses", index), pa.table(losses))
    return edited


def edit(
    texts: pa.Array, units: Units, leaving: np.ndarray, is_needed: np.ndarray, min_sentences: int
) -> tuple[Edited, NDArray[np.bool_]]:
    """Texts without the units that leave (bool[U]), what that did to them, and which ones stay as they were (bool[n])
    because they are needed (bool[n]) and would have left."""
    before, lengths = np.diff(units.starts), _lengths(texts)
    removed = np.diff(np.concatenate([[0], np.cumsum(leaving)])[units.starts])
    is_cut = removed > 0
    edited = without(texts, units, leaving)
    sentences = np.full(len(texts), -1, dtype=np.int64)
    sentences[is_cut] = count_sentences(edited.filter(pa.array(is_cut)))
    is_short = is_cut & (sentences < min_sentences)
    is_short[is_short] = count_sentences(texts.filter(pa.array(is_short))) >= min_sentences
    would_leave = is_cut & ((removed == before) | is_short)
    is_spared = would_leave & is_needed
    if is_spared.any():
        edited = pc.if_else(pa.array(is_spared), texts, edited)
        removed[is_spared], sentences[is_spared] = 0, -1
    return Edited(
        texts=edited,
        is_compared=np.ones(len(texts), dtype=bool),
        before=lengths,
        units=before,
        removed=removed,
        characters=lengths - _lengths(edited),
        sentences=sentences,
        leaves=would_leave & ~is_needed,
    ), is_spared


def count_by_source(sources: Sequence[str], edited: Edited) -> dict[str, dict[str, int]]:
    """JSON-ready, by source of those of the n documents that the pass looked at.

    characters          code points before
    characters_removed  those of them that are no longer there: cut out, or gone with their document
    units, units_removed, documents_cut, documents_removed: what Edited says
    """
    gone = np.where(edited.leaves, edited.before, edited.characters)
    columns = (edited.before, gone, edited.units, edited.removed, edited.removed > 0, edited.leaves)
    names = ("characters", "characters_removed", "units", "units_removed", "documents_cut", "documents_removed")
    source_of = np.array(sources, dtype=object)
    counts = {}
    for source in sorted(set(source_of[edited.is_compared].tolist())):
        is_its = source_of == source
        counts[source] = {name: int(column[is_its].sum()) for name, column in zip(names, columns, strict=True)}
    return counts


def summary(
    scratch: Path, found: Iterable[Mapping[str, Any]], counts: Iterable[Mapping[str, Mapping[str, int]]]
) -> dict[str, Any]:
    """The pass in the report, from the results of find_repeated and from count_by_source of every shard.

    frequent: the most frequent units by the number of times they occurred, each with the document and the number in it
              (from 0) of the one that stays. Texts are not in reports.
    by_source: also units_lost, the different repeated units that left with its documents, no copy of which is left.
    """
    by_source: dict[str, Counter[str]] = {}
    of_shards = list(counts)
    for shard in of_shards:
        for source, numbers in shard.items():
            by_source.setdefault(source, Counter()).update(numbers)
    lost = units_lost(scratch, len(of_shards))
    for source, numbers in by_source.items():
        numbers["units_lost"] = lost.get(source, 0)
    results = list(found)
    frequent = sorted((row for result in results for row in result["frequent"]), key=lambda row: (-row[0], *row[1:]))
    return {
        "units_compared": sum(result["units"] for result in results),
        "different": sum(result["different"] for result in results),
        "by_source": {source: dict(by_source[source]) for source in sorted(by_source)},
        "frequent": [
            {"times": times, "document": document_id(scratch, document), "unit": unit}
            for times, _, document, unit in frequent[:MOST_FREQUENT]
        ],
    }


def units_lost(scratch: Path, shards: int) -> dict[str, int]:
    """By source. Memory: 16 bytes and a name for each unit in scratch/line_losses/."""
    told = pa.Table.from_batches([map_arrow(arrow_path(scratch, "line_losses", index)) for index in range(shards)])
    taken, left = told.filter(pc.invert(told.column("is_left"))), told.filter(told.column("is_left"))
    is_lost = pc.invert(pc.is_in(taken.column("unit"), left.column("unit")))
    counted = pc.value_counts(taken.column("source").filter(is_lost)).to_pylist()
    return {row["values"]: row["counts"] for row in counted}


def _lengths(texts: pa.Array) -> NDArray[np.int64]:
    return np.asarray(pc.utf8_length(texts)).astype(np.int64)


def _numbers(tables: Sequence[pa.Table], name: str) -> NDArray[Any]:
    return np.concatenate([table.column(name).to_numpy() for table in tables])
