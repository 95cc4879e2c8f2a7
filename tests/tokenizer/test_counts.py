"""Counting over a corpus: the same file whatever the shards, their order and the workers; pruning; the sample."""

import random
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from antimatter.corpus.shards import DamagedShard, shard_name, shard_paths, write_shard
from antimatter.execution.workspace import Workspace
from antimatter.params.tokenizer import Tokenizer
from antimatter.tokenizer import counts
from antimatter.tokenizer.counts import OnlyRareWords, count, fewest_occurrences, is_sampled, sample_fraction, tsv
from tests.documents import document_table, write_documents
from tests.tokenizer.conftest import LINES
from tests.tokenizer.plain_words import plain_words

TEXTS = [f"{line}\n\n  {line[::-1]} {n} №{n % 7}, Жук" for n, line in enumerate(LINES)]


def run(folder, table, shards, settings, monkeypatch, workers=1):
    """Count a table that is cut into so many shards; returns ({word: count}, report, bytes of the file)."""
    monkeypatch.setenv("ANTIMATTER_WORKERS", str(workers))
    folder.mkdir()
    monkeypatch.chdir(folder)
    for index in range(shards):
        rows = table.slice(index * table.num_rows // shards, -(-table.num_rows // shards))
        write_shard(folder / "in" / shard_name(index), rows)
    work = Workspace("tokenizer", settings, folder / "work", [], folder / "report.json")
    found = count(work, folder / "in", settings)
    work.executor.close()
    content = found.words.read_bytes()
    rows = [line.split(b"\t") for line in content.split(b"\n")[:-1]]
    assert [word for word, _ in rows] == sorted({word for word, _ in rows})
    return {word.decode(): int(number) for word, number in rows}, found.report, content


def test_counts_are_those_of_the_definition(tmp_path, monkeypatch):
    found, report, _ = run(tmp_path / "run", document_table(TEXTS), 4, Tokenizer(), monkeypatch)
    expected = Counter(word for text in TEXTS for word in plain_words(text, True, True)[0])
    assert found == expected
    assert report == {
        "documents": len(TEXTS),
        "bytes": len("".join(TEXTS).encode()),
        "sample_share": 1.0,
        "occurrences": expected.total(),
        "distinct_words": len(expected),
        "unusable_words": 0,
        "fewest_occurrences": 1,
        "kept_words": len(expected),
        "left_out": 0,
        "left_out_share": 0.0,
    }


@pytest.mark.parametrize("sample_bytes", [0, 10_000])
def test_neither_shards_nor_order_nor_workers_nor_partitions_matter(tmp_path, monkeypatch, sample_bytes):
    settings, table = Tokenizer(sample_bytes=sample_bytes), document_table(TEXTS)
    shuffled = table.take(pa.array(random.Random(5).sample(range(len(TEXTS)), len(TEXTS))))
    _, report, content = run(tmp_path / "one", table, 1, settings, monkeypatch)
    assert run(tmp_path / "many", shuffled, 8, settings, monkeypatch, workers=2)[1:] == (report, content)
    monkeypatch.setattr(counts, "PARTITION_BYTES", 1000)
    assert run(tmp_path / "parted", table, 2, settings, monkeypatch)[1:] == (report, content)
    assert (report["sample_share"] < 1) == (sample_bytes > 0) == (report["documents"] < len(TEXTS))


def test_the_rarest_words_go_all_of_one_count_together(tmp_path, monkeypatch):
    texts = [
        " common" * 3000 + " twice" * 2 + "".join(f" w{'abcdefghij'[n % 10]}{'x' * (n // 10)}" for n in range(999))
    ]
    settings = Tokenizer(max_words=1000)
    found, report, _ = run(tmp_path / "run", document_table(texts), 1, settings, monkeypatch)
    assert found == {" common": 3000, " twice": 2}
    assert (report["fewest_occurrences"], report["distinct_words"], report["kept_words"]) == (2, 1001, 2)
    assert (report["left_out"], report["left_out_share"]) == (999, round(999 / 4001, 6))


def test_a_corpus_of_too_many_words_that_occur_once_is_an_error(tmp_path, monkeypatch):
    texts = ["".join(f" w{'abcdefghij'[n % 10]}{'x' * (n // 10)}" for n in range(1001))]
    with pytest.raises(OnlyRareWords, match=r"tokenizer\.max_words is 1,000"):
        run(tmp_path / "run", document_table(texts), 1, Tokenizer(max_words=1000), monkeypatch)


def test_an_empty_corpus_gives_an_empty_file(tmp_path, monkeypatch):
    found, report, content = run(tmp_path / "run", document_table([]), 1, Tokenizer(), monkeypatch)
    assert (found, content, report["distinct_words"], report["fewest_occurrences"]) == ({}, b"", 0, 1)


def test_a_footer_promises_no_fewer_bytes_than_there_are(tmp_path):
    write_documents(tmp_path, [TEXTS[:9], [], TEXTS[9:], ["long " * 100_000]])
    for index, path in enumerate(shard_paths(tmp_path)):
        held = counts.text_bytes(index, documents=tmp_path)["bytes"]
        assert held <= counts.promised_bytes(path) <= held + 20 * len(TEXTS) + 200


def test_a_shard_that_cannot_be_read_is_told_by_its_name(tmp_path):
    write_documents(tmp_path, [TEXTS])
    (path,) = shard_paths(tmp_path)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(DamagedShard, match=r"shard-00000\.parquet cannot be read .*Delete it"):
        counts.promised_bytes(path)


def test_unusable_words_are_reported(tmp_path, monkeypatch):
    _, report, _ = run(tmp_path / "run", document_table(["a \u2585b c", "\x12"]), 2, Tokenizer(), monkeypatch)
    assert (report["unusable_words"], report["occurrences"]) == (2, 2)


def test_the_sample_depends_on_the_id_alone():
    ids = [bytes([n % 256, n // 256]) * 8 for n in range(2000)]
    chosen = is_sampled(ids, 0.3)
    assert 500 <= chosen.sum() <= 700
    assert is_sampled(ids[::-1], 0.3).tolist() == chosen[::-1].tolist()
    assert (is_sampled(ids, 0.4) >= chosen).all(), "a larger sample holds the smaller one"


def test_the_share_of_the_sample_is_that_of_its_bytes():
    assert sample_fraction([600, 400], Tokenizer(sample_bytes=250)) == 0.25
    assert sample_fraction([600, 400], Tokenizer(sample_bytes=5000)) == 1.0
    assert sample_fraction([600], Tokenizer(sample_bytes=0)) == 1.0
    assert sample_fraction([], Tokenizer()) == 1.0


@given(numbers=st.lists(st.integers(1, 8)), most=st.integers(0, 20))
def test_the_threshold_is_the_smallest_that_fits(numbers, most):
    fits = [t for t in range(1, 10) if sum(number >= t for number in numbers) <= most]
    assert fewest_occurrences(Counter(numbers), most) == fits[0]


def test_a_slice_of_a_table_is_written_alone():
    table = pa.table({"word": pa.array([b"a", b"bc", b"d"], pa.large_binary()), "count": np.array([1, 22, 3])})
    assert tsv(table.slice(1)) == b"bc\t22\nd\t3\n"
