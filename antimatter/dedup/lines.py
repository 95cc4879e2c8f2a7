"""Lines or paragraphs that stand more than once in the kept documents: one stays, the others are cut out.

The method is that of C4 (Raffel et al. 2020, JMLR 21(140), section 2.2, and its code in TensorFlow Datasets): of all
equal lines in all pages one stays. Where we depart from it:
    which one     that in the document with the smallest content digest, then the smallest id, and there the first. In
                  C4 that of the page whose URL has the smallest MD5: texts here need no URL, and a text that moves
                  keeps its lines
    equal         whitespace inside does not count, as case and whitespace at the ends (antimatter.dedup.units)
    short lines   of fewer than min_words stay everywhere: headings, brackets, list marks
    sentences     after C4's pass every page of fewer than 3 goes; here min_sentences judges the documents that were cut
As in C4, a document that goes for its few sentences takes along the lines that stayed in it.

Steps: unit_rows of every shard meet by hash in merge_units, whose answers tell each shard which of its units go
(edit_shard). Scratch: 27 bytes for each unit of min_words. Memory of a worker: a shard's text twice and 36 bytes a
unit; merging, about 100 for each unit of a partition.

    scratch/line_answers/      uint8 for each unit of min_words: 1 if it goes (antimatter.dedup.answers)
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
from antimatter.execution.workspace import Workspace
from antimatter.filter.signals.sentences import count_sentences

REASON = "dedup.lines"
MOST_FREQUENT = 20
ANSWERS = "line_answers"


class Edited(NamedTuple):
    """The n kept documents of a shard after the pass."""

    texts: pa.Array
    """string[n]"""
    units: np.ndarray
    """int64[n]: units before"""
    removed: np.ndarray
    """int64[n]: units cut out"""
    characters: np.ndarray
    """int64[n]: code points cut out, line breaks among them"""
    sentences: np.ndarray
    """int64[n]: sentences after the cut; -1 where nothing was cut"""
    leaves: np.ndarray
    """bool[n]: was cut, and no text is left, or fewer sentences than min_sentences. Its reason in the ledger: REASON,
    value: sentences, threshold: min_sentences"""


def find_repeated(
    work: Workspace, documents: Path, shards: Sequence[int], *, unit: str, min_words: int
) -> list[dict[str, Any]]:
    """Decide which units go, for edit_shard; returns the results of the merges, for summary.

    documents  folder of the stage's input shards
    shards     all their numbers: 0, 1, ...
    unit       line | paragraph
    """
    write_document_order(work.scratch, shards)
    partitions = partitions_for(kept_bytes(work.scratch, shards))
    rows = partial(
        unit_rows, documents=documents, scratch=work.scratch, unit=unit, min_words=min_words, partitions=partitions
    )
    return work.exchange(rows, shards, partitions, partial(merge_units, scratch=work.scratch), title="lines")


def unit_rows(index: int, *, documents: Path, scratch: Path, unit: str, min_words: int, partitions: int) -> pa.Table:
    """(partition, high, low, row, unit) of every unit of min_words in the kept documents of a shard: its hash, the row
    of its document in the shard, its number in the document."""
    units = find_units(read_kept(documents, scratch, index, ["text"]).column("text").combine_chunks(), unit)
    chosen = np.flatnonzero(units.words >= min_words)
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
    goes = np.empty(len(by_unit), dtype=np.uint8)
    goes[by_unit] = ~is_first
    write_answers(scratch / ANSWERS, partition, goes, sizes)
    times = np.diff(np.append(np.flatnonzero(is_first), len(by_unit)))
    stays = by_unit[is_first]
    several = np.flatnonzero(times > 1)
    most = several[np.lexsort((unit[stays[several]], place[stays[several]], -times[several]))[:MOST_FREQUENT]]
    frequent = np.column_stack([times[most], place[stays[most]], document[stays[most]], unit[stays[most]]])
    return {"units": len(by_unit), "different": len(times), "frequent": frequent.tolist()}


def edit_shard(index: int, table: pa.Table, *, scratch: Path, unit: str, min_words: int, min_sentences: int) -> Edited:
    """The kept documents of a shard without the units that find_repeated, with the same unit and min_words, sent away.

    table: the kept rows of the shard in their order, with a column text.
    Raises: ValueError if these are not as many as kept.npy says.
    """
    texts, expected = table.column("text").combine_chunks(), len(kept_rows(scratch, index))
    if len(texts) != expected:
        raise ValueError(f"shard {index}: {len(texts)} documents to edit, but {expected} are kept")
    units = find_units(texts, unit)
    chosen = np.flatnonzero(units.words >= min_words)
    answers = Answers(scratch / ANSWERS, index)
    leaving = np.zeros(len(units.high), dtype=bool)
    leaving[chosen] = answers.take(units.high[chosen]) != 0
    answers.require_end()
    return edit(texts, units, leaving, min_sentences)


def edit(texts: pa.Array, units: Units, leaving: np.ndarray, min_sentences: int) -> Edited:
    """Texts without the units that leave (bool[U]), and what that did to them."""
    before = np.diff(units.starts)
    removed = np.diff(np.concatenate([[0], np.cumsum(leaving)])[units.starts])
    is_cut = removed > 0
    edited = without(texts, units, leaving)
    characters = pc.subtract(pc.utf8_length(texts), pc.utf8_length(edited)).to_numpy().astype(np.int64)
    sentences = np.full(len(texts), -1, dtype=np.int64)
    sentences[is_cut] = count_sentences(edited.filter(pa.array(is_cut)))
    leaves = is_cut & ((removed == before) | (sentences < min_sentences))
    return Edited(edited, before, removed, characters, sentences, leaves)


def count_by_source(sources: Sequence[str], edited: Edited) -> dict[str, dict[str, int]]:
    """JSON-ready, by source of the n documents: units, units and characters cut out, documents cut and removed."""
    columns = (edited.units, edited.removed, edited.characters, edited.removed > 0, edited.leaves)
    names = ("units", "units_removed", "characters_removed", "documents_cut", "documents_removed")
    source_of = np.array(sources, dtype=object)
    counts = {}
    for source in sorted(set(sources)):
        is_its = source_of == source
        counts[source] = {name: int(column[is_its].sum()) for name, column in zip(names, columns, strict=True)}
    return counts


def summary(
    scratch: Path, found: Iterable[Mapping[str, Any]], counts: Iterable[Mapping[str, Mapping[str, int]]]
) -> dict[str, Any]:
    """The pass in the report, from the results of find_repeated and from count_by_source of every shard.

    frequent: the most frequent units by the number of times they occurred, each with the document and the number in it
              (from 0) of the one that stays. Texts are not in reports.
    """
    by_source: dict[str, Counter[str]] = {}
    for shard in counts:
        for source, numbers in shard.items():
            by_source.setdefault(source, Counter()).update(numbers)
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


def _numbers(tables: Sequence[pa.Table], name: str) -> NDArray[Any]:
    return np.concatenate([table.column(name).to_numpy() for table in tables])
