"""What merges found out comes back to the rows that asked."""

from functools import partial

import numpy as np
import pyarrow as pa
import pytest

from antimatter.dedup.answers import (
    MOST_PARTITIONS,
    PARTITION_BYTES,
    Answers,
    partition_of,
    partitions_for,
    write_answers,
)
from antimatter.execution.workspace import Workspace


def rows_of(keys, partitions):
    hashes = np.array(keys, dtype=np.uint64)
    return pa.table({"partition": pa.array(partition_of(hashes, partitions)), "hash": pa.array(hashes)})


def merge(partition, tables, folder):
    """Answer: the number of the row in its part and partition, beside the last digits of its hash."""
    answers = [np.arange(t.num_rows, dtype=np.uint32) * 1000 + t.column("hash").to_numpy() % 1000 for t in tables]
    write_answers(folder, partition, np.concatenate(answers).astype(np.uint32), [t.num_rows for t in tables])
    return {}


@pytest.mark.parametrize("partitions", [1, 2, 7])
@pytest.mark.parametrize("piece", [1, 3, 100])
def test_rows_get_their_answers_in_their_order_in_pieces_of_any_size(tmp_path, monkeypatch, partitions, piece):
    monkeypatch.setenv("ANTIMATTER_WORKERS", "1")
    parts = [[5, 1, 3, 1, 8, 5, 5, 14, 0], [], [1, 2], list(range(50, 20, -1))]
    work = Workspace("answers", {}, tmp_path / "work", [], tmp_path / "report.json")
    folder = tmp_path / "answers"
    work.exchange(partial(rows_of, partitions=partitions), parts, partitions, partial(merge, folder=folder), "some")
    for part, keys in enumerate(parts):
        answers, hashes = Answers(folder, part), np.array(keys, dtype=np.uint64)
        taken = [answers.take(hashes[start : start + piece]).tolist() for start in range(0, len(keys), piece)]
        answers.require_end()
        met = dict.fromkeys(range(partitions), 0)
        expected = []
        for key in keys:
            expected.append(met[key % partitions] * 1000 + key)
            met[key % partitions] += 1
        assert [answer for some in taken for answer in some] == expected


def test_other_rows_than_those_of_the_exchange_are_a_defect(tmp_path):
    write_answers(tmp_path, 0, np.array([1, 2], dtype=np.uint8), [2])
    with pytest.raises(AssertionError, match="more rows"):
        Answers(tmp_path, 0).take(np.zeros(3, dtype=np.uint64))
    with pytest.raises(AssertionError, match="fewer rows"):
        Answers(tmp_path, 0).require_end()


def test_partitions_grow_with_the_text_up_to_a_limit():
    assert [partitions_for(size) for size in (0, PARTITION_BYTES - 1, PARTITION_BYTES)] == [1, 1, 2]
    assert partitions_for(10**15) == MOST_PARTITIONS < 2**15  # they are counted in 16 bits
