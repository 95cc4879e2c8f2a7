import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from antimatter.train.tokens import TokensError, open_tokens, require_targets


@pytest.mark.parametrize("dtype", ["uint16", "uint32"])
def test_any_range_across_shards_reads_as_the_shards_joined(write_tokens, dtype):
    shards = [np.arange(8, 15), np.array([], dtype=int), np.arange(20, 21), np.arange(15, 40)]
    split = open_tokens(write_tokens(train=shards, dtype=dtype)).train
    joined = np.concatenate(shards)
    assert split.tokens == len(joined)

    @settings(max_examples=60, deadline=None)
    @given(bounds=st.tuples(st.integers(0, len(joined)), st.integers(0, len(joined))))
    def check(bounds):
        start, end = sorted(bounds)
        assert split.read(start, end - start).tolist() == joined[start:end].tolist()

    check()


def test_reading_past_the_end_is_an_error(write_tokens):
    split = open_tokens(write_tokens()).train
    with pytest.raises(TokensError, match="only 1033 tokens"):
        split.read(1030, 4)


def test_the_bytes_of_each_token_are_known(write_tokens):
    lengths = open_tokens(write_tokens()).token_bytes
    assert (lengths[:8] == 0).all() and (lengths[8:] == 2).all()


def test_a_missing_folder_names_the_command_that_makes_it(tmp_path):
    with pytest.raises(TokensError, match=r"no meta.json.*dvc repro tokenize"):
        open_tokens(tmp_path)


def test_every_damaged_file_is_listed_at_once(write_tokens):
    folder = write_tokens()
    (folder / "train/shard-00000.bin").write_bytes(b"12")
    (folder / "validation/shard-00000.bin").unlink()
    (folder / "token_bytes.bin").write_bytes(b"")
    with pytest.raises(TokensError) as error:
        open_tokens(folder)
    for part in ("train/shard-00000.bin: has 2 bytes, expected 1400", "validation/shard-00000.bin: is missing",
                 "token_bytes.bin: has 0 bytes, expected 80", "dvc repro tokenize"):  # fmt: skip
        assert part in str(error.value)


@pytest.mark.parametrize("change", [{"format": 1}, {"dtype": "int8"}, {"splits": {}}])
def test_a_meta_file_of_another_kind_is_refused(write_tokens, change):
    folder = write_tokens()
    meta = json.loads((folder / "meta.json").read_text())
    (folder / "meta.json").write_text(json.dumps(meta | change))
    with pytest.raises(TokensError, match=next(iter(change))[:5]):
        open_tokens(folder)


@pytest.mark.parametrize("count", [0, 1])
def test_a_split_with_nothing_to_predict_is_named_with_its_remedy(write_tokens, count):
    few, enough = [np.full(count, 8)], [np.arange(8, 10)]
    require_targets(open_tokens(write_tokens(enough, enough, name="enough")))
    with pytest.raises(TokensError, match=rf"'validation' holds {count} .*validation_share.*`dvc repro tokenize`"):
        require_targets(open_tokens(write_tokens(enough, few, name="validation")))
    with pytest.raises(TokensError, match=rf"'train' holds {count} .*Add text to input/, then run"):
        require_targets(open_tokens(write_tokens(few, enough, name="train")))
    with pytest.raises(TokensError, match=r"'train' holds .* and split 'validation' holds"):
        require_targets(open_tokens(write_tokens(few, few, name="both")))


def test_the_last_id_of_the_vocabulary_is_read_and_the_one_behind_it_refused_by_its_place(write_tokens):
    split = open_tokens(write_tokens(train=[np.array([1, 39, 2]), np.array([1, 39, 40, 2])])).train
    assert split.read(0, 5).tolist() == [1, 39, 2, 1, 39]
    with pytest.raises(TokensError, match=r"shard-00001\.bin: token 40 at position 2 is outside the vocabulary of 40"):
        split.read(4, 3)


def of_size(folder, size):
    """The folder with a vocabulary of so many entries."""
    meta = json.loads((folder / "meta.json").read_text())
    (folder / "meta.json").write_text(json.dumps(meta | {"vocabulary_size": size}))
    np.ones(size, dtype="<u2").tofile(folder / "token_bytes.bin")
    np.ones(size, dtype="<i8").tofile(folder / "token_counts.bin")
    return folder


def test_two_bytes_hold_a_vocabulary_of_65536_and_no_larger_one(write_tokens):
    folder = write_tokens(train=[np.array([1, 65_535, 2])])
    tokens = open_tokens(of_size(folder, 65_536))
    assert tokens.train.read(0, 3).tolist() == [1, 65_535, 2]
    with pytest.raises(TokensError, match="vocabulary of 65537 does not fit uint16"):
        open_tokens(of_size(folder, 65_537))
    open_tokens(of_size(write_tokens(name="wide", dtype="uint32"), 65_537))
