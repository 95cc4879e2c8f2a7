"""Overlap of held-out documents with training text: the index against sets of tuples."""

from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from antimatter.execution.scratch import array_path
from antimatter.execution.workspace import Workspace
from antimatter.tokenizer.interface import Encoded
from antimatter.tokens import gram_index, overlap
from antimatter.tokens.frames import Frame, apart, of_texts, put_on
from antimatter.tokens.gram_index import MULTIPLIER, grams

SHARDS = 3
_MASK = 2**64 - 1
DOCUMENTS = st.lists(st.lists(st.integers(0, 2**32 - 1) | st.integers(0, 3), max_size=30), max_size=8)


def flat(documents, dtype=np.uint32):
    starts = np.cumsum([0, *map(len, documents)]).astype(np.int64)
    return np.array([i for document in documents for i in document], dtype=dtype), starts


def plain_gram(ids):
    value = 0
    for i in ids:
        value = (value * MULTIPLIER + i) & _MASK
    value ^= value >> 33
    value = value * 0xFF51AFD7ED558CCD & _MASK
    value ^= value >> 33
    value = value * 0xC4CEB9FE1A85EC53 & _MASK
    return value ^ (value >> 33)


def runs(document, size):
    return [tuple(document[place : place + size]) for place in range(len(document) - size + 1)]


def corpus(seed, shards=SHARDS, vocabulary=4):
    """(training, held-out) documents by shard; some are empty, one held-out document stands in the training text."""
    draw = np.random.default_rng(seed)

    def side(documents):
        lengths = draw.integers(0, 60, size=(shards, documents))
        return [[draw.integers(0, vocabulary, size=length).tolist() for length in row] for row in lengths]

    training, held_out = side(20), side(6)
    training[0][3] = [7, *held_out[1][2], 7]
    training[1] = []
    return training, held_out


def saved(folder: Path, training, held_out, dtype=np.uint16):
    for side, shards in (("training", training), ("held_out", held_out)):
        for shard, documents in enumerate(shards):
            ids, starts = flat(documents, dtype)
            np.savez(folder / f"{side}-{shard}.npz", ids=ids, starts=starts)


def load(shard, *, folder, side):
    with np.load(folder / f"{side}-{shard}.npz") as file:
        return file["ids"], file["starts"]


def found(folder, size, work=None):
    """The shares of all held-out documents, shard after shard."""
    work = work or Workspace("overlap", None, folder / "work", [], folder / "report.json")
    held_out = partial(load, folder=folder, side="held_out")
    training = partial(load, folder=folder, side="training")
    overlap.find_overlap(work, shards=SHARDS, size=size, held_out=held_out, training=training)
    return [overlap.shares(work.scratch, *held_out(shard), size).tolist() for shard in range(SHARDS)]


def plain_shares(training, held_out, size):
    seen = {run for shard in training for document in shard for run in runs(document, size)}
    return [
        [sum(run in seen for run in runs(d, size)) / max(1, len(runs(d, size))) for d in documents]
        for documents in held_out
    ]


@pytest.fixture(autouse=True)
def one_worker(monkeypatch):
    monkeypatch.setenv("ANTIMATTER_WORKERS", "1")


@given(documents=DOCUMENTS, size=st.integers(2, 15), wide=st.booleans())
def test_the_kernel_hashes_every_run_of_ids_inside_a_document_and_none_across(documents, size, wide):
    bound = 2**32 if wide else 2**16
    documents = [[i % bound for i in document] for document in documents]
    hashes, starts = grams(*flat(documents, np.uint32 if wide else np.uint16), size)
    expected = [[plain_gram(run) for run in runs(document, size)] for document in documents]
    assert [hashes[a:b].tolist() for a, b in pairwise(starts)] == expected


def test_equal_runs_have_equal_hashes_wherever_they_stand():
    hashes, _ = grams(*flat([[9, 8, 1, 2, 3], [1, 2, 3], [3, 2, 1]]), 3)
    assert hashes[2] == hashes[3] != hashes[4]


@settings(max_examples=30)  # each writes files
@given(
    hashes=st.lists(st.integers(0, _MASK), max_size=60, unique=True),
    partitions=st.sampled_from([1, 2, 16]),
    marked=st.sets(st.integers(0, 59)),
)
def test_the_index_finds_each_of_its_hashes_and_no_other(tmp_path_factory, hashes, partitions, marked):
    folder = tmp_path_factory.mktemp("index")
    array = np.array(hashes, dtype=np.uint64)
    run_of = gram_index.partition_of(array, partitions)
    lengths = [gram_index.write_run(folder, part, array[run_of == part]) for part in range(partitions)]
    gram_index.build(folder, lengths)
    index = gram_index.opened(folder)
    assert index.grams.tolist() == sorted(hashes)
    assert not list((folder / "runs").iterdir())
    marks = gram_index.no_marks(index)
    places = np.array([place for place in sorted(marked) if place < len(hashes)], dtype=np.int64)
    gram_index.mark_places(places, marks)
    assert gram_index.marked_places(marks).tolist() == places.tolist()
    assert gram_index.are_marked(index.grams[places], index, marks).all()
    assert gram_index.are_marked(array, index, marks).sum() == len(places)
    others = np.array([value ^ 1 for value in hashes if value ^ 1 not in hashes], dtype=np.uint64)
    if len(others):
        with pytest.raises(ValueError, match=f"{len(others)} of {len(others)} n-grams are not in the index"):
            gram_index.are_marked(others, index, marks)


@pytest.mark.parametrize("size", [2, 5, 13])
@pytest.mark.parametrize("rows, slice_", [(8_000_000, 2_000_000), (20, 7)])
def test_shares_are_those_of_a_set_of_all_training_runs(tmp_path, monkeypatch, size, rows, slice_):
    monkeypatch.setattr(overlap, "ROWS", rows)
    monkeypatch.setattr(overlap, "SLICE", slice_)
    training, held_out = corpus(seed=size, vocabulary=60 if size == 2 else 4)
    saved(tmp_path, training, held_out)
    expected = plain_shares(training, held_out, size)
    assert found(tmp_path, size) == expected
    assert expected[1][2] == 1.0 and min(map(min, expected)) < 1.0


def test_two_workers_find_what_one_finds(tmp_path, monkeypatch):
    training, held_out = corpus(seed=1)
    saved(tmp_path, training, held_out)
    monkeypatch.setenv("ANTIMATTER_WORKERS", "2")
    work = Workspace("overlap", None, tmp_path / "work", [], tmp_path / "report.json")
    assert found(tmp_path, 5, work) == plain_shares(training, held_out, 5)
    work.executor.close()


def test_ids_of_four_bytes_and_documents_that_begin_later_in_the_array(tmp_path):
    training, held_out = [[[1, 70_000, 2, 3]], [], []], [[[70_000, 2], [70_000, 3]], [], []]
    saved(tmp_path, training, held_out, np.uint32)
    assert found(tmp_path, 2) == [[1.0, 0.0], [], []]
    ids, starts = flat([[5, 5, 5], [70_000, 2]])
    assert overlap.shares(tmp_path / "work/scratch", ids, starts[1:], 2).tolist() == [1.0]


def test_frame_tokens_may_stand_between_documents_as_documents_of_one_id(tmp_path):
    text, bos, eos = [5, 6, 7], [1], [2]
    saved(tmp_path, [[bos, text, eos, bos, text, eos]] * 3, [[text, [2, 1]], [bos, text, eos], []])
    assert found(tmp_path, 2) == [[1.0, 0.0], [0.0, 1.0, 0.0], []]


@given(texts=st.lists(st.lists(st.integers(3, 9), max_size=4), max_size=5), front=st.booleans(), back=st.booleans())
def test_the_texts_are_found_again_among_their_frames(texts, front, back):
    frame = Frame(1 if front else None, 2 if back else None)
    framed = put_on(Encoded(*flat(texts)), frame)
    parts = np.array([str(framed.ids[a:b].tolist()) for a, b in pairwise(apart(framed.starts, frame))], dtype=object)
    assert len(parts) == len(texts) * (1 + frame.size)
    assert of_texts(parts, frame).tolist() == [str(text) for text in texts]


def test_without_held_out_n_grams_nothing_overlaps(tmp_path):
    saved(tmp_path, [[[1, 2, 3, 4]]] * 3, [[[1, 2]], [], [[]]])
    assert found(tmp_path, 3) == [[0.0], [], [0.0]]


def test_an_n_gram_that_occurs_twice_counts_twice(tmp_path):
    saved(tmp_path, [[[1, 1]], [], []], [[[1, 1, 1, 2]], [], []])
    assert found(tmp_path, 2) == [[2 / 3], [], []]


def test_documents_that_the_index_was_not_built_of_are_an_error(tmp_path):
    saved(tmp_path, [[[1, 2]]] * 3, [[[1, 2, 3]]] * 3)
    found(tmp_path, 2)
    with pytest.raises(ValueError, match="built of other documents"):
        overlap.shares(tmp_path / "work/scratch", *flat([[3, 4]]), 2)


@pytest.mark.parametrize(
    "module, name, call",
    [
        (overlap, "count_grams", 2),
        (overlap, "gram_rows", 2),
        (overlap, "merge_run", 2),
        (gram_index, "_fill", 2),
        (gram_index, "_array_file", 2),
        (overlap, "look_up", 3),
        (overlap, "save", 4),
        (Path, "unlink", 1),
    ],
)
def test_a_run_that_was_killed_goes_on(tmp_path, monkeypatch, module, name, call):
    monkeypatch.setattr(overlap, "ROWS", 200)
    training, held_out = corpus(seed=3)
    saved(tmp_path, training, held_out)
    original, calls = getattr(module, name), []

    def killed(*given, **named):
        calls.append(given)
        if len(calls) == call:
            raise KeyboardInterrupt
        return original(*given, **named)

    with monkeypatch.context() as patch:
        patch.setattr(module, name, killed)
        with pytest.raises(KeyboardInterrupt):
            found(tmp_path, 5)
    assert found(tmp_path, 5) == plain_shares(training, held_out, 5)
    assert not list((tmp_path / "work/scratch/overlap/runs").iterdir())


def test_a_finished_search_is_not_repeated(tmp_path):
    training, held_out = corpus(seed=4)
    saved(tmp_path, training, held_out)
    before = found(tmp_path, 5)
    assert not array_path(tmp_path / "work/scratch/overlap", "hits", 0).exists()
    for path in tmp_path.glob("training-*.npz"):
        path.unlink()
    assert found(tmp_path, 5) == before
