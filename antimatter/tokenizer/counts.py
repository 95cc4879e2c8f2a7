"""The words that the tokenizer is trained on, counted over the whole corpus: one pass, then one file for SentencePiece.

    shards   ->   (word, count) of a shard   ->   by hash, the sums of a partition   ->   words.tsv: word TAB count

The file depends on the documents and the settings alone, not on their order, the shards or the workers. Memory: a
worker holds the text of a shard, then the words of a partition; writing the file takes the kept words twice, which
SentencePiece then holds in more room.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from antimatter.corpus.reports import read_json, share, write_json
from antimatter.corpus.schema import falls_below
from antimatter.corpus.shards import atomic_path, read_footer, read_shard, shard_name, shard_paths
from antimatter.errors import AntiMatterError
from antimatter.execution.workspace import Workspace
from antimatter.params.tokenizer import Tokenizer
from antimatter.tokenizer.words import WordCounts

PARTITION_BYTES = 256 << 20
"""Text a partition: its words take some 20 MB in a language with spaces, and no more than the text in one without."""
MOST_PARTITIONS = 4096
SAMPLE_SEED = 0x746F6B656E697A65  # "tokenize": independent of the split's key
_BLOCK = 1 << 20  # words that are written at a time
_WORD_TYPE = pa.large_binary()


class OnlyRareWords(AntiMatterError, ValueError):
    """Even the words that occur most often are too many."""


@dataclass(frozen=True)
class Counted:
    """The words of the corpus."""

    words: Path
    """The file for train.train, in order of the words' bytes."""
    report: dict[str, Any]
    """JSON-ready.
    documents, bytes, sample_share  what was counted; its share of the bytes that sample_bytes asks for
    occurrences, distinct_words     all words that SentencePiece can take
    unusable_words                  occurrences of those that it cannot take (words.WordCounts.unusable)
    fewest_occurrences              words that occur less often are left out: 1, or what max_words asks for
    kept_words                      distinct words that are left
    left_out, left_out_share        occurrences of the others, and their share of all"""


def count(work: Workspace, documents: Path, settings: Tokenizer) -> Counted:
    """Count the training words of the documents that sample_bytes chooses, and write the most frequent max_words.

    Raises: OnlyRareWords; MissingData, DamagedShard.
    """
    shards = range(len(shard_paths(documents)))
    promised = sum(map(promised_bytes, shard_paths(documents)))
    fraction = 1.0
    if 0 < settings.sample_bytes < promised:
        sizes = work.map(partial(text_bytes, documents=documents), shards, title="sizes")
        fraction = sample_fraction((size["bytes"] for size in sizes), settings)
    partitions = partitions_for(int(fraction * promised))
    scratch = work.scratch
    rows = partial(
        word_rows,
        documents=documents,
        scratch=scratch,
        settings=settings,
        fraction=fraction,
        partitions=partitions,
    )
    merged = work.exchange(rows, shards, partitions, partial(merge_words, scratch=scratch), title="words")
    words_by_count = sum((Counter(dict(result["words_by_count"])) for result in merged), Counter[int]())
    fewest = fewest_occurrences(words_by_count, settings.max_words)
    kept = {count: words for count, words in words_by_count.items() if count >= fewest}
    if words_by_count and not kept:
        raise OnlyRareWords(
            f"all {words_by_count.total():,} different words of the corpus occur {fewest - 1} times or less often, and "
            f"tokenizer.max_words is {settings.max_words:,}. Raise it, or lower tokenizer.sample_bytes."
        )
    read = [read_json(_sampled(scratch, index)) for index in shards]
    occurrences = sum(count * words for count, words in words_by_count.items())
    left_out = occurrences - sum(count * words for count, words in kept.items())
    path = scratch / "words.tsv"
    write_words(path, [_partition(scratch, number) for number in range(partitions)], fewest)
    report = {
        "documents": sum(part["documents"] for part in read),
        "bytes": sum(part["bytes"] for part in read),
        "sample_share": round(fraction, 6),
        "occurrences": occurrences,
        "distinct_words": words_by_count.total(),
        "unusable_words": sum(part["unusable"] for part in read),
        "fewest_occurrences": fewest,
        "kept_words": sum(kept.values()),
        "left_out": left_out,
        "left_out_share": share(left_out, occurrences),
    }
    return Counted(path, report)


def told(report: dict[str, Any]) -> str:
    """The counted words in a line."""
    line = f"{report['distinct_words']:,} different words, {report['occurrences']:,} in all"
    if report["sample_share"] < 1:
        line += f", in {report['sample_share']:.1%} of the text"
    if report["left_out"]:
        rare = f"fewer than {report['fewest_occurrences']:,} times"
        line += f"; those that occur {rare} are left out ({report['left_out_share']:.2%} of all occurrences)"
    if report["unusable_words"]:
        line += f"; {report['unusable_words']:,} hold characters that SentencePiece cannot take"
    return line


def promised_bytes(path: Path) -> int:
    """The texts of a shard without compression, as its footer has it: their bytes and a little more.

    No less, where no two texts are equal: Parquet may store those once. Documents are distinct when they come here.
    """
    metadata = read_footer(path)
    return sum(
        metadata.row_group(group).column(place).total_uncompressed_size
        for group in range(metadata.num_row_groups)
        for place in range(metadata.num_columns)
        if metadata.schema.column(place).path == "text"
    )


def text_bytes(index: int, *, documents: Path) -> dict[str, int]:
    """documents: rows of a shard; bytes: UTF-8 bytes of their texts."""
    table = read_shard(documents / shard_name(index), ["text"])
    return {"documents": table.num_rows, "bytes": _text_bytes(table)}


def sample_fraction(sizes: Iterable[int], settings: Tokenizer) -> float:
    """Share of the corpus that sample_bytes asks for, in (0, 1]; sizes: bytes of text of its parts."""
    if settings.sample_bytes == 0:
        return 1.0
    return min(1.0, settings.sample_bytes / max(1, sum(sizes)))


def is_sampled(ids: Sequence[bytes], fraction: float) -> NDArray[np.bool_]:
    """bool[n]: whether a keyed hash of the document's id falls into `fraction`; nothing else decides."""
    return np.array([falls_below(id_, fraction, SAMPLE_SEED) for id_ in ids], dtype=bool)


def partitions_for(text_bytes: int) -> int:
    """Partitions of the exchange. Nothing but memory depends on it."""
    return min(MOST_PARTITIONS, 1 + text_bytes // PARTITION_BYTES)


def word_rows(
    index: int, *, documents: Path, scratch: Path, settings: Tokenizer, fraction: float, partitions: int
) -> pa.Table:
    """(partition, word, count) of the distinct words of a shard; scratch/sampled/ gets what was read."""
    table = read_shard(documents / shard_name(index), ["id", "text"])
    if fraction < 1:
        table = table.filter(pa.array(is_sampled(table.column("id").to_pylist(), fraction)))
    words = WordCounts(settings.split_digits, settings.whitespace_pieces)
    for texts in table.column("text").chunks:
        words.add(texts)
    read = {"documents": table.num_rows, "bytes": _text_bytes(table), "unusable": words.unusable}
    write_json(_sampled(scratch, index), read)
    partition = (words.hashes() % np.uint64(partitions)).astype(np.int16)
    return pa.table({"partition": pa.array(partition), "word": words.words, "count": pa.array(words.counts)})


def merge_words(partition: int, tables: list[pa.Table], *, scratch: Path) -> dict[str, Any]:
    """Add up the counts of the words of one partition: scratch/counted/partition-*.arrow gets (word, count) in
    order of the words.

    Returns: words_by_count: [[count, words that occur so often], ...].
    """
    rows = pa.concat_tables(tables).select(["word", "count"])
    summed = rows.group_by("word", use_threads=False).aggregate([("count", "sum")]).sort_by("word")
    summed = summed.rename_columns(["word", "count"]).combine_chunks()
    with (
        atomic_path(_partition(scratch, partition)) as temporary,
        pa.OSFile(str(temporary), "wb") as sink,
        pa.ipc.new_file(sink, summed.schema) as writer,
    ):
        writer.write_table(summed)
    counts, words = np.unique(summed.column("count").to_numpy(), return_counts=True)
    return {"words_by_count": np.column_stack([counts, words]).tolist()}


def fewest_occurrences(words_by_count: Counter[int], max_words: int) -> int:
    """The smallest t >= 1 such that no more than max_words words occur t times or more often.

    >>> [fewest_occurrences(Counter({1: 100, 2: 10, 5: 3}), most) for most in (200, 113, 112, 13, 12, 3, 2)]
    [1, 1, 2, 2, 3, 3, 6]
    """
    descending = sorted(words_by_count, reverse=True)
    kept = accumulate(words_by_count[count] for count in descending)
    return next((count + 1 for count, words in zip(descending, kept, strict=True) if words > max_words), 1)


def write_words(path: Path, partitions: Iterable[Path], fewest: int) -> None:
    """One file of the words that occur `fewest` times or more often, in order of their bytes: word TAB count a line."""
    tables = []
    for partition in partitions:
        with pa.OSFile(str(partition)) as source:
            table = pa.ipc.open_file(source).read_all()
        tables.append(table.filter(pc.greater_equal(table.column("count"), fewest)))
    table = pa.concat_tables(tables).sort_by("word")
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        for start in range(0, table.num_rows, _BLOCK):
            file.write(tsv(table.slice(start, _BLOCK)))


def tsv(table: pa.Table) -> bytes:
    """`word TAB count` a line."""
    counts = table.column("count").cast(pa.large_string()).cast(_WORD_TYPE)
    parts = [table.column("word"), _constant(b"\t"), counts, _constant(b"\n"), _constant(b"")]
    lines = pc.binary_join_element_wise(*parts).chunks
    return b"".join(bytes(chunk.buffers()[2])[: pc.sum(pc.binary_length(chunk)).as_py()] for chunk in lines)


def _constant(value: bytes) -> pa.Scalar:
    return pa.scalar(value, _WORD_TYPE)


def _text_bytes(table: pa.Table) -> int:
    return pc.sum(pc.binary_length(table.column("text"))).as_py() or 0


def _sampled(scratch: Path, index: int) -> Path:
    return scratch / "sampled" / f"part-{index:05d}.json"


def _partition(scratch: Path, number: int) -> Path:
    return scratch / "counted" / f"partition-{number:05d}.arrow"
