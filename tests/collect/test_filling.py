"""A part fills one shard, or as many as its text needs, and nothing is written twice or left out."""

import pytest

from antimatter.collect import filling
from antimatter.collect.filling import OUTPUTS, Shelf
from antimatter.corpus.ledger import Removal
from antimatter.corpus.schema import document_id
from antimatter.corpus.shards import read_shard, shard_paths, verify_shard


@pytest.fixture(autouse=True)
def small_batches(monkeypatch):
    monkeypatch.setattr(filling, "_BATCH_BYTES", 100)


def fill(folder, sizes, shard_bytes):
    shelf = Shelf(folder, 3, "s", shard_bytes)
    for number, size in enumerate(sizes):
        identity = document_id("s", str(number))
        if size:
            shelf.keep(identity, "x" * size, str(number), [("n", str(number))], size)
        else:
            shelf.quarantine(str(number), 0, "broken", b"\xff")
            shelf.remove(Removal(id=identity, source="s", reason="collect.undecodable", row=number))
    return shelf.finish()


def rows(folder, name):
    return [row for path in shard_paths(folder / name) for row in read_shard(path).to_pylist()]


def test_a_part_of_the_planned_size_is_one_shard_of_each_kind(tmp_path):
    assert fill(tmp_path, [100] * 10 + [0], shard_bytes=10_000) == 1
    assert [len(rows(tmp_path, name)) for name in OUTPUTS] == [10, 1, 1]
    (removed,) = rows(tmp_path, "removed")
    assert (removed["shard"], removed["row"], removed["stage"]) == (3, 10, "collect")


def test_what_cannot_be_cut_fills_several_shards_in_order(tmp_path):
    sizes = [100, 0, 300, 50] * 50
    count = fill(tmp_path, sizes, shard_bytes=5_000)
    assert 4 <= count <= 8
    assert [len(shard_paths(tmp_path / name)) for name in OUTPUTS] == [count] * 3
    assert [row["origin"] for row in rows(tmp_path, "documents")] == [str(i) for i, size in enumerate(sizes) if size]
    assert [row["origin"] for row in rows(tmp_path, "quarantine")] == [
        str(i) for i, size in enumerate(sizes) if not size
    ]
    for path in tmp_path.rglob("*.parquet"):
        verify_shard(path)


def test_a_part_without_documents_is_one_empty_shard(tmp_path):
    assert fill(tmp_path, [], shard_bytes=100) == 1
    assert [rows(tmp_path, name) for name in OUTPUTS] == [[], [], []]


def test_rejected_rows_fill_a_shard_too(tmp_path):
    assert fill(tmp_path, [0] * 1000, shard_bytes=10_000) > 5
