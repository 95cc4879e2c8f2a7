"""GPT-2's encoding from a rank file; a tiny one here, so that no network is needed."""

import os
import sys

import pytest
import requests
import tiktoken
from hypothesis import given
from hypothesis import strategies as st

from antimatter.corpus.shards import MissingData
from antimatter.tokenizer import gpt2
from antimatter.tokenizer.errors import MissingLibrary, MissingRanks, UnfitTokenizer
from antimatter.tokenizer.gpt2 import Gpt2
from tests.tokenizer.promises import require_batch_equals_single, require_exact, require_tables, texts

MERGES = [b"th", b"the", b" t", b" the", b"\n\n", b"  ", b"    ", b"fo", b"fox", "é".encode(), b"aa", b"aaaa"]
TOKENS = [*(bytes([byte]) for byte in [*range(33, 256), *range(33)]), *MERGES]


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("gpt2") / gpt2.FILE
    path.write_bytes(gpt2.rank_file(TOKENS))
    return path


@pytest.fixture(scope="module")
def tokenizer(path):
    return Gpt2(path)


@given(text=texts())
def test_every_text_comes_back_and_its_bytes_add_up(tokenizer, text):
    require_exact(tokenizer, text)


@given(batch=st.lists(texts(), max_size=4))
def test_a_batch_is_its_texts_one_by_one(tokenizer, batch):
    require_batch_equals_single(tokenizer, batch)


def test_empty_batches_and_empty_texts_have_starts(tokenizer):
    for batch in ([], [""], ["", "", "a", ""]):
        require_batch_equals_single(tokenizer, batch)


def test_the_tables_have_an_entry_for_every_id(tokenizer):
    require_tables(tokenizer)


def test_an_id_is_the_number_of_its_line_and_the_one_behind_the_last_is_the_end_of_text(tokenizer):
    assert tokenizer.encode("the fox\n\n") == [TOKENS.index(token) for token in (b"the", b" ", b"fox", b"\n\n")]
    assert tokenizer.specials == {"bos": len(TOKENS), "eos": len(TOKENS)}
    assert tokenizer.pieces()[-1] == "<|endoftext|>"
    assert tokenizer.markers == {}


def test_byte_tokens_are_bytes_of_characters_without_a_piece(tokenizer):
    assert tokenizer.byte_tokens()[tokenizer.encode("€")].tolist() == [True] * 3
    assert not tokenizer.byte_tokens()[tokenizer.encode("é\n a")].any()
    assert tokenizer.pieces()[tokenizer.encode("€")[0]] == "<0xE2>"


def test_a_word_of_a_hundred_thousand_letters_is_encoded_like_others(tokenizer):
    require_exact(tokenizer, "a" * 100_000)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"IQ== 0\nIg== 2\n", "line 2.*its rank should be 1"),
        (b"I!== 0\n", "line 1.*is no token"),
        (b"IQ==\n", "line 1.*is no token"),
        (b"IQ== 0\nIQ== 1\n", "names 1 tokens twice and lacks 242 bytes"),
        (b"", "lacks 243 bytes"),
    ],
)
def test_a_damaged_rank_file_is_an_error_that_says_what_to_run(tmp_path, content, says):
    (tmp_path / gpt2.FILE).write_bytes(content)
    with pytest.raises(UnfitTokenizer, match=f"(?s){says}.*dvc repro tokenizer"):
        Gpt2(tmp_path / gpt2.FILE)


def test_an_absent_rank_file_is_missing_data(tmp_path):
    with pytest.raises(MissingData):
        Gpt2(tmp_path / gpt2.FILE)


def tiny_encoding() -> tiktoken.Encoding:
    ranks = {token: rank for rank, token in enumerate(TOKENS)}
    return tiktoken.Encoding(
        "gpt2", pat_str=r"\w+|\W", mergeable_ranks=ranks, special_tokens={"<|endoftext|>": len(TOKENS)}
    )


@pytest.mark.parametrize("before", [None, "elsewhere"])
def test_fetching_writes_the_ranks_and_leaves_the_environment_as_it_was(tmp_path, monkeypatch, path, before):
    seen = {}

    def get_encoding(name):
        seen[name] = os.environ["TIKTOKEN_CACHE_DIR"]
        return tiny_encoding()

    monkeypatch.setattr(tiktoken, "get_encoding", get_encoding)
    if before is None:
        monkeypatch.delenv("TIKTOKEN_CACHE_DIR", raising=False)
    else:
        monkeypatch.setenv("TIKTOKEN_CACHE_DIR", before)
    written = gpt2.fetch(tmp_path / "tokenizer", tmp_path / "cache")
    assert written.read_bytes() == path.read_bytes()
    assert seen == {"gpt2": str(tmp_path / "cache")}
    assert os.environ.get("TIKTOKEN_CACHE_DIR") == before


def test_files_in_the_users_own_cache_are_used_and_stay_as_they_are(tmp_path, monkeypatch):
    seen = {}

    def get_encoding(name):
        folder = os.environ["TIKTOKEN_CACHE_DIR"]
        for file in ("vocab.bpe", "encoder.json"):
            with open(f"{folder}/{gpt2.cached_name(file)}") as opened:
                seen[file] = opened.read()
        return tiny_encoding()

    files = {("theirs", "vocab.bpe"): "theirs", ("theirs", "encoder.json"): "theirs", ("cache", "vocab.bpe"): "ours"}
    for (folder, file), content in files.items():
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / gpt2.cached_name(file)).write_text(content)
    monkeypatch.setattr(tiktoken, "get_encoding", get_encoding)
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path / "theirs"))
    gpt2.fetch(tmp_path / "tokenizer", tmp_path / "cache")
    assert seen == {"vocab.bpe": "ours", "encoder.json": "theirs"}
    assert (tmp_path / "theirs" / gpt2.cached_name("vocab.bpe")).read_text() == "theirs"


def test_without_a_network_the_error_says_where_to_put_the_files(tmp_path, monkeypatch):
    def get_encoding(name):
        try:
            raise OSError(113, "No route to host")
        except OSError as error:
            raise requests.ConnectionError("HTTPSConnectionPool: Max retries\nexceeded") from error

    monkeypatch.setattr(tiktoken, "get_encoding", get_encoding)
    with pytest.raises(MissingRanks) as caught:
        gpt2.fetch(tmp_path / "tokenizer", tmp_path / "cache")
    first, *places = str(caught.value).splitlines()
    assert "could not be fetched (no network: No route to host)." in first
    for name, place in zip(("vocab.bpe", "encoder.json"), places, strict=True):
        assert place.startswith("  https://")
        assert place.endswith(f"/{name} as {tmp_path / 'cache' / gpt2.cached_name(name)}")
    assert not (tmp_path / "tokenizer").exists()


def test_another_cause_than_the_network_is_told_as_it_is(tmp_path, monkeypatch):
    def get_encoding(name):
        raise ValueError("Hash mismatch for data")

    monkeypatch.setattr(tiktoken, "get_encoding", get_encoding)
    with pytest.raises(MissingRanks, match=r"could not be fetched \(Hash mismatch for data\)\."):
        gpt2.fetch(tmp_path / "tokenizer", tmp_path / "cache")


def test_the_names_in_the_cache_are_those_that_tiktoken_looks_for(tmp_path, monkeypatch):
    from tiktoken import load, registry

    asked = []

    def read_file(address):
        asked.append(address)
        raise requests.ConnectionError("asked")

    monkeypatch.setattr(registry, "ENCODINGS", {})
    monkeypatch.setattr(load, "read_file", read_file)
    with pytest.raises(MissingRanks):
        gpt2.fetch(tmp_path / "tokenizer", tmp_path / "cache")
    (tmp_path / "cache").mkdir()
    monkeypatch.setattr(load, "check_hash", lambda data, expected: True)
    (tmp_path / "cache" / gpt2.cached_name("vocab.bpe")).write_bytes(b"#version\n")
    with pytest.raises(MissingRanks):
        gpt2.fetch(tmp_path / "tokenizer", tmp_path / "cache")
    assert [address.rpartition("/")[2] for address in asked] == ["vocab.bpe", "encoder.json"]


def test_without_the_library_the_error_names_the_extra(monkeypatch, path):
    monkeypatch.setitem(sys.modules, "tiktoken", None)
    with pytest.raises(MissingLibrary, match=r"antimatter\[tiktoken\]"):
        Gpt2(path)
