"""Tokens on disk: what is written comes back, and damage is told in words."""

import json
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from antimatter.corpus.shards import file_digest
from antimatter.tokens import binary
from antimatter.tokens.binary import (
    DOCUMENTS,
    SPLITS,
    DamagedTokens,
    NoSuchTokens,
    Shard,
    TokenFiles,
    TokenizerMismatch,
    UnfitIds,
    bin_name,
    digest_of,
    dtype_of,
    open_tokens,
    read_tokens,
    write_tokens,
)

TRAIN = [[[1, 10, 11, 2], [1, 2], [1, 12, 12, 12, 2]], [], [[1, 299, 2]]]
VALIDATION = [[[1, 10, 2]], [], []]


def write_folder(folder, train=TRAIN, validation=VALIDATION, size=300, bos=1):
    """data/tokens, with documents given as lists of framed ids by shard."""
    dtype = dtype_of(size)
    rows, splits = [], {}
    counts = np.zeros(size, dtype="<i8")
    for split, shards in (("train", train), ("validation", validation)):
        told = []
        for index, documents in enumerate(shards):
            start = 0
            for ids in documents:
                row = [bytes([len(rows)] * 16), "source", f"{split}-{len(rows)}", split, index, start, len(ids)]
                rows.append(dict(zip(DOCUMENTS.names, row, strict=True)))
                start += len(ids)
            ids = np.array([i for document in documents for i in document], dtype=np.uint32)
            path = folder / bin_name(split, index)
            write_tokens(path, ids, size)
            told.append({"file": bin_name(split, index), "tokens": len(ids), "digest": file_digest(path)})
            if split == "train":
                counts += np.bincount(ids, minlength=size)
        splits[split] = {
            "tokens": sum(shard["tokens"] for shard in told),
            "documents": sum(map(len, shards)),
            "shards": told,
        }
    pq.write_table(pa.Table.from_pylist(rows, schema=DOCUMENTS), folder / "documents.parquet", row_group_size=2)
    np.ones(size, dtype="<u2").tofile(folder / "token_bytes.bin")
    counts.tofile(folder / "token_counts.bin")
    meta = {
        "format": 2, "dtype": dtype.name, "vocabulary_size": size, "pad": 0, "bos": bos, "eos": 2,
        "token_bytes": "token_bytes.bin", "token_counts": "token_counts.bin", "tokenizer_digest": "abc",
        "documents_digest": "def", "splits": splits,
    }  # fmt: skip
    write_meta(folder, meta)
    return folder


def write_meta(folder, meta):
    meta["digest"] = digest_of(meta)
    (folder / "meta.json").write_text(json.dumps(meta))


def changed_meta(folder, **changes):
    write_meta(folder, json.loads((folder / "meta.json").read_text()) | changes)


@pytest.fixture
def folder(tmp_path):
    return write_folder(tmp_path)


def test_a_whole_folder_opens_and_every_document_is_read_through_its_row(folder):
    files = open_tokens(folder, "abc")
    documents = [document for shards in (TRAIN, VALIDATION) for shard in shards for document in shard]
    for row, expected in enumerate(documents):
        document = files.document(row)
        assert document.ids.tolist() == expected
        assert (document.id, document.length) == (bytes([row] * 16), len(expected))
    assert (files.document(3).split, files.document(3).shard) == ("train", 2)
    assert files.vocabulary_size == len(files.token_bytes) == 300
    assert files.token_counts[12] == 3
    files.verify()


def test_any_stretch_of_a_shard_can_be_read_and_none_beyond_it(folder):
    files = open_tokens(folder)
    assert files.read("train", 0, 1, 4).tolist() == [10, 11, 2, 1]
    assert files.read("train", 0, 11, 0).tolist() == files.read("train", 1, 0, 0).tolist() == []
    for start, length in ((-1, 2), (0, 12), (11, 1), (3, -1)):
        with pytest.raises(NoSuchTokens, match=f"has 11 tokens; positions {start} to {start + length}"):
            files.read("train", 0, start, length)
    for split, shard in (("test", 0), ("train", 3), ("train", -1)):
        with pytest.raises(NoSuchTokens, match=f"no shard {shard} of split '{split}'; it has train 0 to 2"):
            files.read(split, shard, 0, 0)
    for row in (-1, 5):
        with pytest.raises(NoSuchTokens, match=f"5 documents are in .*; row {row} was"):
            files.document(row)


@given(data=st.data(), size=st.sampled_from([300, 65_536, 65_537, 1_000_000]))
def test_what_is_written_comes_back(tmp_path_factory, data, size):
    ids = data.draw(st.lists(st.integers(0, size - 1), max_size=20))
    path = tmp_path_factory.mktemp("tokens") / "train/shard-00000.bin"
    write_tokens(path, np.array(ids, dtype=np.int64), size)
    assert read_tokens(path, dtype_of(size)).tolist() == ids
    assert path.stat().st_size == len(ids) * (2 if size <= 65_536 else 4)


@pytest.mark.parametrize("bad, size", [(300, 300), (-1, 300), (65_536, 65_536), (2**40, 65_537)])
def test_an_id_that_does_not_fit_is_never_written(tmp_path, bad, size):
    with pytest.raises(UnfitIds, match=rf"id {bad} at position 2 is not in \[0, {size}\)"):
        write_tokens(tmp_path / "a.bin", np.array([1, 2, bad, 3]), size)
    assert list(tmp_path.iterdir()) == []


def test_tokens_of_another_tokenizer_are_refused_with_both_digests_and_the_way_out(folder):
    with pytest.raises(TokenizerMismatch, match=r"tokenizer abc, .* now xyz.*Run `dvc repro tokenize`"):
        open_tokens(folder, "xyz")


@pytest.mark.parametrize(
    "name", ["train/shard-00000.bin", "validation/shard-00000.bin", "token_bytes.bin", "token_counts.bin"]
)
@pytest.mark.parametrize("how", ["cut", "longer", "missing"])
def test_a_file_of_another_size_is_told_with_both_sizes(folder, name, how):
    path = folder / name
    content = path.read_bytes()
    if how == "missing":
        path.unlink()
    else:
        path.write_bytes(content[:-1] if how == "cut" else content + b"\0")
    seen = {"missing": "is missing", "cut": f"has {len(content) - 1} bytes", "longer": f"has {len(content) + 1} bytes"}
    message = f"{name} {seen[how]}, expected {len(content)} bytes"
    with pytest.raises(DamagedTokens, match=re.escape(message) + ".*Run `dvc repro tokenize`"):
        open_tokens(folder)


def test_all_that_is_wrong_is_told_at_once(folder):
    (folder / "train/shard-00000.bin").unlink()
    (folder / "documents.parquet").write_bytes(b"PAR1")
    with pytest.raises(DamagedTokens, match=r"shard-00000\.bin is missing.*documents\.parquet cannot be read"):
        open_tokens(folder)


def test_a_flipped_bit_is_found_by_verify(folder):
    path = folder / "train/shard-00000.bin"
    content = bytearray(path.read_bytes())
    content[2] ^= 1
    path.write_bytes(content)
    files = open_tokens(folder)
    with pytest.raises(DamagedTokens, match=r"train/shard-00000\.bin is not what was written"):
        files.verify()


def test_an_id_out_of_range_is_told_with_file_position_and_what_to_do(folder):
    path = folder / "train/shard-00002.bin"
    np.array([1, 300, 2], dtype="<u2").tofile(path)
    files = open_tokens(folder)
    message = r"shard-00002\.bin: id 300 at position 1 is not in \[0, 300\)"
    with pytest.raises(UnfitIds, match=message + r"\. Run `dvc repro tokenize`"):
        files.document(3)
    with pytest.raises(DamagedTokens, match=r"train/shard-00002\.bin is not what was written.*" + message + ";? ?"):
        files.verify()


def test_an_id_out_of_range_is_found_in_the_last_block_too_and_where_digests_agree(folder, monkeypatch):
    monkeypatch.setattr(binary, "_BLOCK", 4)
    open_tokens(folder).verify()
    path = folder / "train/shard-00000.bin"  # 11 tokens: blocks of 4, 4 and 3
    ids = read_tokens(path, np.dtype("<u2"))
    ids[10] = 300
    ids.tofile(path)
    counts = np.fromfile(folder / "token_counts.bin", dtype="<i8")
    counts[2] -= 1
    counts.tofile(folder / "token_counts.bin")
    splits = json.loads((folder / "meta.json").read_text())["splits"]
    splits["train"]["shards"][0]["digest"] = file_digest(path)
    changed_meta(folder, splits=splits)
    with pytest.raises(DamagedTokens, match=r"shard-00000\.bin: id 300 at position 10 is not in \[0, 300\)"):
        open_tokens(folder).verify()


def test_an_id_that_does_not_fit_is_told_by_its_place_in_the_shard_not_in_the_block(tmp_path, monkeypatch):
    monkeypatch.setattr(binary, "_BLOCK", 4)
    with pytest.raises(UnfitIds, match="id 300 at position 9"):
        write_tokens(tmp_path / "a.bin", np.array([1] * 9 + [300, 2]), 300)
    write_tokens(tmp_path / "a.bin", np.arange(11), 300)
    assert read_tokens(tmp_path / "a.bin", np.dtype("<u2")).tolist() == [*range(11)]


def test_a_file_that_shrinks_after_opening_is_an_error(folder):
    files = open_tokens(folder)
    (folder / "train/shard-00000.bin").write_bytes(b"\1\0")
    with pytest.raises(DamagedTokens, match="ends after 1 of 11 tokens"):
        files.read("train", 0, 0, 5)
    with pytest.raises(DamagedTokens, match="ends after 1 of 11 tokens"):
        files.verify()


def test_wrong_counts_are_found_by_verify(folder):
    np.zeros(300, dtype="<i8").tofile(folder / "token_counts.bin")
    with pytest.raises(DamagedTokens, match=r"token_counts\.bin does not count the training tokens"):
        open_tokens(folder).verify()


@pytest.mark.parametrize(
    "column, row, value, message",
    [
        ("start", 1, 5, "what begins at 5 of train shard 0"),
        ("length", 2, 4, r"10 of 11 tokens of train/shard-00000\.bin"),
        ("shard", 3, 1, r"0 of 3 tokens of train/shard-00002\.bin"),
        ("split", 4, "test", "what begins at 0 of test shard 0"),
    ],
)
def test_rows_that_do_not_tell_every_token_once_are_found_by_verify(folder, column, row, value, message):
    rows = pq.read_table(folder / "documents.parquet").to_pylist()
    rows[row][column] = value
    pq.write_table(pa.Table.from_pylist(rows, schema=DOCUMENTS), folder / "documents.parquet")
    with pytest.raises(DamagedTokens, match=message):
        open_tokens(folder).verify()


ROWS = [("train", 0, 0, 4), ("train", 0, 4, 2), ("train", 0, 6, 5), ("train", 2, 0, 3), ("validation", 0, 0, 3)]
"""(split, shard, start, length) of the documents above."""
TOKENS = {("train", 0): 11, ("train", 1): 0, ("train", 2): 3, **{("validation", i): 3 * (i == 0) for i in range(3)}}


def problem_of_rows(rows):
    """What is wrong with rows of documents.parquet, one row at a time."""
    ends = dict.fromkeys(TOKENS, 0)
    for split, shard, start, length in rows:
        if ends.get((split, shard)) != start:
            return [f"documents.parquet: what begins at {start} of {split} shard {shard} follows nothing"]
        ends[split, shard] += length
    told = "documents.parquet tells {} of {} tokens of {}"
    return [told.format(ends[key], size, bin_name(*key)) for key, size in TOKENS.items() if ends[key] != size]


def told_of_rows(folder):
    shards = {split: tuple(Shard(Path(), n, "") for (s, _), n in TOKENS.items() if s == split) for split in SPLITS}
    return TokenFiles(folder=folder, meta={}, shards=shards)._problems_of_rows()


def with_rows(folder, rows):
    table = [dict(zip(DOCUMENTS.names, [bytes(16), "", "", *row], strict=True)) for row in rows]
    pq.write_table(pa.Table.from_pylist(table, schema=DOCUMENTS), folder / "documents.parquet")


ROW = st.tuples(
    st.sampled_from(["train", "validation", "test"]), st.integers(-1, 3), st.integers(-1, 12), st.integers(0, 11)
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)  # each example writes its file
@given(data=st.data())
def test_rows_are_judged_all_at_once_as_one_by_one(folder, data):
    rows = data.draw(st.permutations(ROWS))
    for place, row in data.draw(st.lists(st.tuples(st.integers(0, 5), ROW), max_size=2)):
        rows.insert(place, row)
    with_rows(folder, rows)
    assert list(told_of_rows(folder)) == problem_of_rows(rows)


def test_rows_of_many_batches_follow_one_another(folder):
    empty = [("train", 0, 6, 0)] * 70_000
    with_rows(folder, [*ROWS[:2], *empty, *ROWS[2:]])
    assert list(told_of_rows(folder)) == []
    with_rows(folder, [*ROWS[:2], *empty, ("train", 0, 5, 0), *ROWS[2:]])
    assert list(told_of_rows(folder)) == ["documents.parquet: what begins at 5 of train shard 0 follows nothing"]


def test_a_missing_document_is_found(folder):
    rows = pq.read_table(folder / "documents.parquet")
    pq.write_table(rows.slice(1), folder / "documents.parquet")
    with pytest.raises(DamagedTokens, match=r"documents\.parquet has 4 rows, expected 5"):
        open_tokens(folder)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"format": 1}, "has format 1, this version reads 2"),
        ({"dtype": "uint32"}, "ids of uint32 do not go with a vocabulary of 300"),
        ({"vocabulary_size": 65_537}, "ids of uint16 do not go with a vocabulary of 65537"),
        ({"eos": 300}, "eos 300 is not in a vocabulary of 300"),
        ({"eos": None}, "eos None is not in a vocabulary of 300"),
        ({"splits": {"train": {}}}, r"lacks splits\.validation"),
    ],
)
def test_a_meta_json_that_contradicts_itself_is_refused(folder, changes, message):
    changed_meta(folder, **changes)
    with pytest.raises(DamagedTokens, match=message):
        open_tokens(folder)


def test_an_edited_meta_json_is_refused(folder):
    path = folder / "meta.json"
    path.write_text(path.read_text().replace('"tokenizer_digest": "abc"', '"tokenizer_digest": "xyz"'))
    with pytest.raises(DamagedTokens, match=r"meta\.json was changed"):
        open_tokens(folder, "xyz")


@pytest.mark.parametrize("content, message", [("{", "is not JSON"), ("[]", "format None"), (None, "has no meta.json")])
def test_a_folder_without_a_readable_meta_json_is_refused(folder, content, message):
    path = folder / "meta.json"
    path.unlink() if content is None else path.write_text(content)
    with pytest.raises(DamagedTokens, match=message):
        open_tokens(folder)


def test_a_large_vocabulary_takes_four_bytes_and_a_tokenizer_may_have_no_bos(tmp_path):
    write_folder(tmp_path, train=[[[70_000, 2]]], validation=[[[5, 2]]], size=70_001, bos=None)
    files = open_tokens(tmp_path)
    assert files.document(0).ids.tolist() == [70_000, 2]
    assert (files.dtype.itemsize, files.meta["bos"]) == (4, None)
    files.verify()
