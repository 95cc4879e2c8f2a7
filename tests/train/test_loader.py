import os
import resource
import threading

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from antimatter.train import loader
from antimatter.train.data import places_of_rank, read_windows, samples_at, window_count
from antimatter.train.loader import Loader, read_rows
from antimatter.train.tokens import Split, TokensError, open_tokens

LENGTH, BATCH, SEED = 5, 12, 3
ALONE = places_of_rank(0, 1, 4, 3)
SHARDS = [np.arange(8, 30), np.array([], dtype=int), np.arange(8, 11), np.arange(12, 40), np.arange(39, 8, -1)]


def read_plainly(split, cursor, places):
    """The definition: windows of the samples at the places, inputs before targets."""
    samples = samples_at(SEED, cursor, BATCH, window_count(split, LENGTH))
    rows = [torch.from_numpy(read_windows(split, samples[of_micro_batch], LENGTH)) for of_micro_batch in places]
    return [(ids[:, :-1].tolist(), ids[:, 1:].tolist()) for ids in rows]


def as_lists(rows):
    return [(inputs.tolist(), targets.tolist()) for inputs, targets in rows]


@pytest.fixture
def open_loader():
    """open_loader(split, places=...) -> a Loader that is closed when the test ends."""
    opened = []

    def open_one(split, places=ALONE):
        opened.append(Loader(split, LENGTH, SEED, BATCH, window_count(split, LENGTH), places, "cpu"))
        return opened[-1]

    yield open_one
    for each in opened:
        each.close()


@pytest.mark.parametrize("dtype", ["uint16", "uint32"])
@pytest.mark.parametrize(("rank", "world", "micro_batch"), [(0, 1, 12), (0, 1, 3), (1, 2, 2), (2, 3, 1)])
def test_the_rows_of_a_rank_are_the_windows_at_its_places(write_tokens, open_loader, dtype, rank, world, micro_batch):
    split = open_tokens(write_tokens(train=SHARDS, dtype=dtype)).train
    places = places_of_rank(rank, world, micro_batch, BATCH // (world * micro_batch))
    rows_of = open_loader(split, places)
    for cursor in range(0, 5 * BATCH, BATCH):
        rows = rows_of.rows(cursor)
        assert as_lists(rows) == read_plainly(split, cursor, places)
        assert all(t.dtype == torch.int64 and t.is_contiguous() for pair in rows for t in pair)


def test_any_order_of_cursors_gives_the_batches_of_those_cursors(write_tokens, open_loader):
    split = open_tokens(write_tokens(train=SHARDS)).train
    rows_of = open_loader(split)

    @given(cursors=st.lists(st.integers(0, 300), max_size=6))
    def check(cursors):
        for cursor in cursors:
            assert as_lists(rows_of.rows(cursor)) == read_plainly(split, cursor, ALONE)

    check()


def test_the_next_batch_is_read_into_another_buffer_than_the_one_that_is_handed_out(
    write_tokens, open_loader, monkeypatch
):
    split = open_tokens(write_tokens(train=SHARDS)).train
    rows_of, widened = open_loader(split), loader._widened

    def late(narrow):
        rows_of._guess.reading.result()
        return widened(narrow)

    monkeypatch.setattr(loader, "_widened", late)
    held = [rows_of.rows(cursor) for cursor in range(0, 6 * BATCH, BATCH)]
    for number, rows in enumerate(held):
        assert as_lists(rows) == read_plainly(split, number * BATCH, ALONE)


def test_the_next_batch_is_read_before_it_is_asked_for(write_tokens, open_loader, monkeypatch):
    split = open_tokens(write_tokens(train=SHARDS)).train
    asked, was_read = [], threading.Event()

    def noted(seed, cursor, batch, windows):
        asked.append((cursor, threading.current_thread() is threading.main_thread()))
        if cursor == BATCH:
            was_read.set()
        return samples_at(seed, cursor, batch, windows)

    monkeypatch.setattr(loader, "samples_at", noted)
    open_loader(split).rows(0)
    assert was_read.wait(timeout=60)
    assert asked == [(0, False), (BATCH, False)]


@pytest.mark.parametrize("size", [32_768, 32_769, 65_536])
def test_ids_of_the_upper_half_of_two_bytes_come_out_as_they_are(tmp_path, open_loader, size):
    np.full(100, size - 1, dtype="<u2").tofile(tmp_path / "shard.bin")
    rows = open_loader(Split("train", (tmp_path / "shard.bin",), (100,), np.dtype("<u2"), size)).rows(0)
    assert {int(ids) for pair in rows for tensor in pair for ids in tensor.unique()} == {size - 1}


def test_an_id_outside_the_vocabulary_is_refused_by_its_place_when_its_batch_is_asked_for(write_tokens, open_loader):
    sound = open_tokens(write_tokens(train=[np.array([1, 2]), np.arange(24 * LENGTH) % 20 + 8])).train  # two batches
    first, second = (samples_at(SEED, cursor, BATCH, 24) for cursor in (0, BATCH))
    window = next(w for w in second.tolist() if w and not {w - 1, w, w + 1} & set(first.tolist()))
    place = window * LENGTH  # the window begins two tokens earlier, which are the first shard's
    with sound.files[1].open("r+b") as file:
        file.seek(2 * place)
        file.write(np.array([40], dtype="<u2").tobytes())
    rows_of = open_loader(sound)
    rows_of.rows(0)  # reads the second batch ahead
    message = rf"shard-00001\.bin: token 40 at position {place} is outside the vocabulary of 40"
    with pytest.raises(TokensError, match=message):
        rows_of.rows(BATCH)


def test_an_error_of_a_wrong_guess_is_nobody_s(write_tokens, open_loader):
    split = open_tokens(write_tokens(train=[np.arange(61) % 20 + 8])).train  # 12 windows
    rows_of = open_loader(split)
    first = as_lists(rows_of.rows(0))
    content = split.files[0].read_bytes()
    rows_of._guess.reading.result()  # nothing is read while the file is away
    split.files[0].unlink()
    with pytest.raises(FileNotFoundError):
        rows_of.rows(7 * BATCH)
    failing = rows_of._ahead(8 * BATCH, 1)
    assert isinstance(failing.exception(timeout=60), FileNotFoundError)
    rows_of._guess = loader._Guess(8 * BATCH, 1, failing)
    split.files[0].write_bytes(content)
    assert as_lists(rows_of.rows(0)) == first


def test_a_file_that_shrank_is_an_error_that_names_it(write_tokens, open_loader):
    split = open_tokens(write_tokens(train=[np.arange(61) % 20 + 8])).train
    os.truncate(split.files[0], 60)
    with pytest.raises(TokensError, match=r"shard-00000\.bin changed while training"):
        open_loader(split).rows(0)


def test_rows_at_any_positions_equal_what_the_split_reads(write_tokens):
    split = open_tokens(write_tokens(train=SHARDS)).train

    @given(count=st.integers(1, 40), data=st.data())
    def check(count, data):
        starts = data.draw(st.lists(st.integers(0, split.tokens - count), max_size=12))
        out = np.full((len(starts), count), 7, dtype=split.dtype)
        read_rows(split, np.array(starts, dtype=np.int64), out)
        assert out.tolist() == [split.read(start, count).tolist() for start in starts]

    check()


def test_what_was_appended_to_a_shard_is_not_read(write_tokens):
    split = open_tokens(write_tokens(train=[np.arange(8, 20), np.arange(20, 40)])).train
    with split.files[0].open("ab") as file:
        file.write(np.zeros(9, dtype="<u2").tobytes())
    out = np.zeros((1, 6), dtype=split.dtype)
    read_rows(split, np.array([9]), out)
    assert out.tolist() == [list(range(17, 23))]


@pytest.mark.parametrize("start", [-1, 80, 84])
def test_positions_outside_the_split_are_refused(write_tokens, start):
    split = open_tokens(write_tokens(train=SHARDS)).train
    with pytest.raises(TokensError, match="only 84 tokens"):
        read_rows(split, np.array([0, start]), np.zeros((2, 5), dtype=split.dtype))


def test_more_shards_than_a_process_may_open_files_can_be_read(write_tokens, open_loader):
    shards = [np.arange(8, 15)] * 200
    split = open_tokens(write_tokens(train=shards)).train
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    next_one = os.open(os.devnull, os.O_RDONLY)  # the lowest number that is free: other tests may have left files open
    os.close(next_one)
    resource.setrlimit(resource.RLIMIT_NOFILE, (next_one + 40, before[1]))
    try:
        out = np.zeros((200, 7), dtype=split.dtype)
        read_rows(split, np.arange(200) * 7, out)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert (out == np.arange(8, 15)).all()


def test_closing_ends_the_thread(write_tokens, open_loader):
    split = open_tokens(write_tokens(train=SHARDS)).train
    before = threading.active_count()
    rows_of = open_loader(split)
    rows_of.rows(0)
    assert threading.active_count() == before + 1
    rows_of.close()
    assert threading.active_count() == before
