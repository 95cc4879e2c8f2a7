"""Repeated spans: what stands word for word more than once in the documents that were written. Counted, not removed.

A window is a run of `words` words (antimatter.dedup.windows); one that occurs at two or more places, in one document or
in several, covers its words. A span is a maximal run of covered words.

The question is that of Lee et al. 2022, arXiv 2107.06499, section 4.1 (exact substrings), who sort the suffixes of all
texts together. The same: every repetition of at least n units is found, within and across documents, and matches that
overlap are one. Different: their units are tokens (n = 50), here words without case and punctuation, so that another
quotation mark ends no span; they compare exactly, here windows are equal if their 64-bit hashes are (in a corpus of
10^10 words one window in 10^9 is taken for a repeated one); they cut matches out, here they are counted. A suffix array
takes a pointer for every token, and random access to the whole corpus; here every step is a pass over shards:

    anchors   hashes of the windows' anchors meet: those that stand at one place only are done with
    windows   hashes of the remaining windows meet: how often does each occur?
    spans     each shard reads the answers, and counts what is covered

Exact for any text; the anchors only save scratch: 11 bytes for each of them (1 for 13 words at n = 50, less than a byte
a word), and 14 for each window that remains: of texts without repetitions none, of nothing but repetitions 14 bytes a
word. Memory of a worker: a shard's text; 24 bytes for each word of a block and 15 for each remaining window of the
shard; merging, about 50 for each row of a partition. Texts are read as the stage has written them, without what
antimatter.dedup.lines cut.

    scratch/anchor_answers/      uint8 for each anchor: 1 if it stands at another place too
    scratch/window_answers/      uint32 for each remaining window: at how many places it stands
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from antimatter.corpus.shards import read_shard, shard_name
from antimatter.dedup.answers import Answers, partition_of, partitions_for, write_answers
from antimatter.dedup.contents import canonical
from antimatter.dedup.kept import document_id, kept_bytes, rows_written, write_document_order
from antimatter.dedup.windows import Spans, Windows, covered, find_windows
from antimatter.execution.workspace import Workspace

MOST_REPEATED = 20
BLOCK_BYTES = 16 << 20


def find_repeated(work: Workspace, shards: Sequence[int], *, words: int) -> dict[str, Any]:
    """The spans of at least so many words that stand more than once in what is written, for the report.

    work    its output holds all documents and the ledger
    shards  all their numbers: 0, 1, ...

    Returns: words; windows in all; windows_compared: those whose anchor is repeated; different_windows: the different
    ones of those that occur more than once; by_source: documents, words, windows, documents_with_spans, spans,
    words_covered; frequent: the most frequent windows by the number of times they occur, each with a document and the
    number of its first word in it (from 0). Of the windows of a span only the most frequent one counts, of equally
    frequent ones the first, and of the spans that have it the one in the document with the smallest content digest (of
    its text as it came), then id. Texts are not in reports.
    """
    output, scratch = work.output, work.scratch
    write_document_order(scratch, shards)
    partitions = partitions_for(kept_bytes(scratch, shards))
    anchors = partial(anchor_rows, output=output, words=words, partitions=partitions)
    work.exchange(anchors, shards, partitions, partial(merge_anchors, scratch=scratch), title="anchors")
    windows = partial(window_rows, output=output, scratch=scratch, words=words, partitions=partitions)
    merged = work.exchange(windows, shards, partitions, partial(merge_windows, scratch=scratch), title="windows")
    count = partial(count_spans, output=output, scratch=scratch, words=words)
    results = work.map(count, shards, title="spans")
    return {"words": words, **_summary(scratch, merged, results)}


def anchor_rows(index: int, *, output: Path, words: int, partitions: int) -> pa.Table:
    """(partition, hash) of every anchor in the documents of a shard."""
    blocks = [found.anchors for _, found in _blocks(output, index, words)]
    return _rows(np.concatenate([np.empty(0, np.uint64), *blocks]), partitions)


def merge_anchors(partition: int, tables: list[pa.Table], *, scratch: Path) -> dict[str, Any]:
    """Answers: 1 for an anchor whose hash another one has too."""
    times = _times(tables)
    is_repeated = (times > 1).astype(np.uint8)
    write_answers(scratch / "anchor_answers", partition, is_repeated, [table.num_rows for table in tables])
    return {"anchors": len(times), "repeated": int(is_repeated.sum())}


def window_rows(index: int, *, output: Path, scratch: Path, words: int, partitions: int) -> pa.Table:
    """(partition, hash) of every window in the documents of a shard whose anchor is repeated."""
    answers = Answers(scratch / "anchor_answers", index)
    blocks = [found.hashes[_remaining(found, answers)] for _, found in _blocks(output, index, words)]
    answers.require_end()
    return _rows(np.concatenate([np.empty(0, np.uint64), *blocks]), partitions)


def merge_windows(partition: int, tables: list[pa.Table], *, scratch: Path) -> dict[str, Any]:
    """Answers: how many windows have this hash."""
    times = _times(tables)
    write_answers(scratch / "window_answers", partition, times, [table.num_rows for table in tables])
    hashes = np.concatenate([table.column("hash").to_numpy() for table in tables])
    return {"windows": len(times), "different": len(np.unique(hashes[times > 1]))}


def count_spans(index: int, *, output: Path, scratch: Path, words: int) -> dict[str, Any]:
    """What the repeated windows cover in the documents of a shard.

    Returns: documents; bytes; by_source; frequent: [times, order, word, document, hash] of its most frequent windows,
             where order is the document's place in document_order.
    """
    starts, order = np.load(scratch / "starts.npy"), np.load(scratch / "document_order.npy", mmap_mode="r")
    numbers = starts[index] + rows_written(output, scratch, index)
    is_repeated, times = Answers(scratch / "anchor_answers", index), Answers(scratch / "window_answers", index)
    by_source: dict[str, Counter[str]] = {}
    frequent = np.empty((0, 5), dtype=np.uint64)
    first = text_bytes = 0
    for block, found in _blocks(output, index, words):
        remaining = _remaining(found, is_repeated)
        counts = np.zeros(len(found.hashes), dtype=np.uint32)
        counts[remaining] = times.take(found.hashes[remaining])
        spans = covered(found.starts, counts, words)
        document = numbers[first + spans.documents]
        word = spans.windows - found.starts[spans.documents]
        rows = np.column_stack([spans.counts, order[document], word, document]).astype(np.uint64)
        frequent = _most_frequent(np.vstack([frequent, np.column_stack([rows, found.hashes[spans.windows]])]))
        _count(by_source, block.column("source").to_pylist(), found, spans)
        first += block.num_rows
        text_bytes += int(np.asarray(pc.binary_length(block.column("text"))).sum())
    is_repeated.require_end()
    times.require_end()
    return {
        "documents": first,
        "bytes": text_bytes,
        "by_source": {source: dict(by_source[source]) for source in sorted(by_source)},
        "frequent": frequent.tolist(),
    }


def _blocks(output: Path, index: int, words: int) -> Iterator[tuple[pa.Table, Windows]]:
    """The documents of a shard that are written, about 16 MB of text at a time, and their windows."""
    table = read_shard(output / "documents" / shard_name(index), ["text", "source"])
    ends = np.cumsum(np.asarray(pc.binary_length(table.column("text")), dtype=np.int64))
    start = 0
    while start < table.num_rows:
        before = ends[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, before + BLOCK_BYTES, side="right")))
        block = table.slice(start, stop - start)
        yield block, find_windows(canonical(block.column("text").combine_chunks()), words)
        start = stop


def _remaining(found: Windows, answers: Answers) -> NDArray[np.int64]:
    """int64[k]: the windows whose anchors are repeated."""
    is_repeated = answers.take(found.anchors) != 0
    return np.flatnonzero(np.repeat(is_repeated, np.diff(found.firsts)))


def _rows(hashes: NDArray[np.uint64], partitions: int) -> pa.Table:
    return pa.table({"partition": pa.array(partition_of(hashes, partitions)), "hash": pa.array(hashes)})


def _times(tables: Sequence[pa.Table]) -> NDArray[np.uint32]:
    """uint32[rows]: how many rows have the same hash, itself included."""
    hashes = np.concatenate([table.column("hash").to_numpy() for table in tables])
    _, place, times = np.unique(hashes, return_inverse=True, return_counts=True)
    return np.asarray(times.astype(np.uint32)[place])


def _count(by_source: dict[str, Counter[str]], sources: Sequence[str], found: Windows, spans: Spans) -> None:
    """Add the documents of a block to the counts of their sources."""
    documents = len(sources)
    spans_of = np.bincount(spans.documents, minlength=documents)
    covered_in = np.zeros(documents, dtype=np.int64)
    np.add.at(covered_in, spans.documents, spans.ends - spans.begins)
    source_of = np.array(sources, dtype=object)
    for source in sorted(set(sources)):
        is_its = source_of == source
        by_source.setdefault(source, Counter()).update(
            documents=int(is_its.sum()),
            words=int(found.words[is_its].sum()),
            windows=int(np.diff(found.starts)[is_its].sum()),
            documents_with_spans=int((spans_of[is_its] > 0).sum()),
            spans=int(spans_of[is_its].sum()),
            words_covered=int(covered_in[is_its].sum()),
        )


def _most_frequent(rows: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The first MOST_REPEATED of different hashes; rows uint64[k, 5]: times, order, word, document, hash.

    Whatever is left out here of one shard is left out of all: a row with a smaller (-times, order, word) is as good
    elsewhere.
    """
    rows = rows[np.lexsort((rows[:, 2], rows[:, 1], ~rows[:, 0]))]
    _, firsts = np.unique(rows[:, 4], return_index=True)
    return rows[np.sort(firsts)[:MOST_REPEATED]]


def _summary(
    scratch: Path, merged: Iterable[Mapping[str, Any]], results: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    by_source: dict[str, Counter[str]] = {}
    for result in results:
        for source, numbers in result["by_source"].items():
            by_source.setdefault(source, Counter()).update(numbers)
    found = list(merged)
    rows = np.array([row for result in results for row in result["frequent"]], dtype=np.uint64).reshape(-1, 5)
    return {
        "windows": sum(counter["windows"] for counter in by_source.values()),
        "windows_compared": sum(result["windows"] for result in found),
        "different_windows": sum(result["different"] for result in found),
        "by_source": {source: dict(by_source[source]) for source in sorted(by_source)},
        "frequent": [
            {"times": times, "document": document_id(scratch, document), "word": word}
            for times, _, word, document, _ in _most_frequent(rows).tolist()
        ],
    }
