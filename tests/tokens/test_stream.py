"""The stream gives what the tokenize stage writes."""

from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest

from antimatter.corpus import shards as corpus_shards
from antimatter.corpus.shards import DamagedShard, MissingData
from antimatter.params.tokenize import Tokenize
from antimatter.tokenizer.encode import SentencePieceBpe
from antimatter.tokenizer.interface import Encoded
from antimatter.tokens import shard, split
from antimatter.tokens.binary import bin_name, read_tokens
from antimatter.tokens.dropout import NoDropout
from antimatter.tokens.stream import TokenStream
from tests.documents import write_documents
from tests.tokenizer.small_models import small_model

TEXTS = [
    [f"text {number} of the first shard" for number in range(40)],
    [],
    ["", "漢字", *(f"and {number}" for number in range(30))],
    ["the last shard has a longer text " * 5] * 3,
]
SETTINGS = Tokenize(validation_share=0.2)
BY_POSITION = Tokenize(validation_share=0.05)


class OneIdAByte:
    """A tokenizer whose ids are 3 + byte."""

    kind, size, specials, markers = "bytes", 259, {"bos": 1, "eos": 2}, {}

    def encode_batch(self, texts):
        parts = [text.encode() for text in texts.to_pylist()]
        ids = np.frombuffer(b"".join(parts), dtype=np.uint8).astype(np.uint32) + 3
        return Encoded(ids, np.cumsum([0, *map(len, parts)]).astype(np.int64))


class WithoutBos(OneIdAByte):
    specials = {"eos": 0}  # noqa: RUF012


@pytest.fixture
def documents(tmp_path):
    write_documents(tmp_path / "in", TEXTS)
    return tmp_path / "in"


def plain_stream(documents, settings, side, by_position):
    """(id, framed ids) of every document of one side, one at a time."""
    for path in corpus_shards.shard_paths(documents):
        for row in corpus_shards.read_shard(path, ["id", "text"]).to_pylist():
            ids = [1, *(byte + 3 for byte in row["text"].encode()), 2]
            if by_position:
                cut = split.cut_of(len(ids), settings)
                ids = ids[:cut] if side == "train" else ids[cut:]
            elif split.is_validation(row["id"], settings.validation_share, settings.split_seed) != (side != "train"):
                continue
            if ids:
                yield row["id"], ids


def listed(stream):
    return [(id_, ids.tolist()) for id_, ids in stream]


@pytest.mark.parametrize("side", ["train", "validation"])
@pytest.mark.parametrize("settings, by_position", [(SETTINGS, False), (BY_POSITION, True)])
def test_documents_come_framed_and_in_order_on_their_side(documents, settings, side, by_position):
    expected = list(plain_stream(documents, settings, side, by_position))
    assert listed(TokenStream(documents, OneIdAByte(), settings, side)) == expected
    assert len(expected) > 3


def test_a_tokenizer_without_bos_frames_with_eos_alone(documents):
    with_bos = listed(TokenStream(documents, OneIdAByte(), SETTINGS))
    assert listed(TokenStream(documents, WithoutBos(), SETTINGS)) == [(id_, [*ids[1:-1], 0]) for id_, ids in with_bos]


@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("settings", [SETTINGS, BY_POSITION])
def test_the_stream_is_what_the_stage_writes(documents, tmp_path, monkeypatch, settings, dropout):
    tokenizer = SentencePieceBpe(small_model("english"))
    settings = replace(settings, dropout=dropout, dropout_seed=5)
    monkeypatch.setattr(shard, "tokenizer_in", lambda folder: tokenizer)
    places = shard.Places(
        documents=documents, tokenizer=tmp_path, output=tmp_path / "out", scratch=tmp_path / "scratch"
    )
    by_position = split.is_by_position(sum(map(len, TEXTS)), settings)
    parts = shard.Split(settings=settings, by_position=by_position)
    for index in range(len(TEXTS)):
        shard.encode_shard(index, places=places, split=parts)
        written = read_tokens(tmp_path / "out" / bin_name("train", index), np.dtype("<u2"))
        streamed = [ids for _, ids in TokenStream(documents, tokenizer, settings, shards=range(index, index + 1))]
        assert np.concatenate([*streamed, []]).tolist() == written.tolist()


def test_row_groups_of_any_size_give_the_same(documents, tmp_path, monkeypatch):
    monkeypatch.setattr(corpus_shards, "ROW_GROUP_BYTES", 200)
    write_documents(tmp_path / "small", TEXTS)
    small = TokenStream(tmp_path / "small", OneIdAByte(), SETTINGS)
    assert listed(small) == listed(TokenStream(documents, OneIdAByte(), SETTINGS))
    all_of_them = list(small.framed())
    for number, document in enumerate(all_of_them):
        rest = replace(small, start=(document.shard, document.row + 1))
        assert [each.id for each in rest.framed()] == [each.id for each in all_of_them[number + 1 :]]


def test_a_stream_that_starts_behind_a_document_goes_on_as_the_whole_one_does(documents):
    stream = TokenStream(documents, OneIdAByte(), SETTINGS)
    whole = listed(stream)
    for number, document in enumerate(stream.framed()):
        assert listed(replace(stream, start=(document.shard, document.row + 1))) == whole[number + 1 :]
    assert listed(replace(stream, start=(99, 0))) == []


@pytest.mark.parametrize("world", [1, 2, 3, 7])
def test_ranks_share_the_shards_and_lose_none(documents, world):
    stream = TokenStream(documents, OneIdAByte(), SETTINGS)
    parts = [listed(replace(stream, shards=range(rank, len(TEXTS), world))) for rank in range(world)]
    assert sorted(document for part in parts for document in part) == sorted(listed(stream))


def test_a_rank_splits_a_tiny_corpus_as_the_whole_is_split(documents):
    """40 documents alone would be cut inside; with the others they are enough to hold some out."""
    settings = Tokenize(validation_share=0.1)
    alone = TokenStream(documents, OneIdAByte(), settings, shards=range(1))
    assert listed(alone) == list(plain_stream(documents, settings, "train", False))[: len(listed(alone))]
    assert split.is_by_position(len(TEXTS[0]), settings)


@pytest.mark.parametrize("size", [1, 7, 64, 10**6])
def test_blocks_are_the_ids_end_to_end_without_the_last_short_one(documents, size):
    stream = TokenStream(documents, OneIdAByte(), SETTINGS)
    ids = [i for _, document in listed(stream) for i in document]
    blocks = list(stream.blocks(size))
    assert all(block.dtype == np.int64 and len(block) == size for block in blocks)
    assert [i for block in blocks for i in block.tolist()] == ids[: len(ids) // size * size]


def test_dropout_needs_a_tokenizer_that_has_it_but_not_for_held_out_documents(documents):
    settings = replace(SETTINGS, dropout=0.1)
    with pytest.raises(NoDropout, match=r"kind bytes.*Set tokenize\.dropout to 0"):
        TokenStream(documents, OneIdAByte(), settings)
    assert listed(TokenStream(documents, OneIdAByte(), settings, "validation")) == listed(
        TokenStream(documents, OneIdAByte(), SETTINGS, "validation")
    )


def test_what_cannot_be_read_is_refused_before_anything_is(documents, tmp_path):
    with pytest.raises(ValueError, match="one of train, validation, not 'test'"):
        TokenStream(documents, OneIdAByte(), SETTINGS, "test")
    for shards in (range(5), range(3, -1, -1), range(-1, 2)):
        with pytest.raises(ValueError, match="has shards 0 to 3"):
            TokenStream(documents, OneIdAByte(), SETTINGS, shards=shards)
    with pytest.raises(MissingData):
        TokenStream(tmp_path / "nowhere", OneIdAByte(), SETTINGS)
    with pytest.raises(ValueError, match="at least 1 token"):
        next(TokenStream(documents, OneIdAByte(), SETTINGS).blocks(0))


@pytest.mark.parametrize("damage", [slice(0, 300), slice(0, 0)])
def test_a_damaged_shard_is_told_by_its_name(documents, damage):
    path = documents / "shard-00002.parquet"
    path.write_bytes(path.read_bytes()[damage])
    with pytest.raises(DamagedShard, match=r"shard-00002\.parquet cannot be read .*Delete it"):
        list(TokenStream(documents, OneIdAByte(), SETTINGS))


def test_a_file_that_is_no_shard_is_refused(documents):
    path = documents / "shard-00002.parquet"
    pq.write_table(pq.read_table(path).replace_schema_metadata(None), path)
    with pytest.raises(DamagedShard, match=r"shard-00002\.parquet was not written by this version"):
        list(TokenStream(documents, OneIdAByte(), SETTINGS))


def test_a_flipped_bit_in_a_page_is_found(documents):
    path = documents / "shard-00003.parquet"
    content = bytearray(path.read_bytes())
    content[60] ^= 1
    path.write_bytes(content)
    with pytest.raises(DamagedShard, match=r"shard-00003\.parquet"):
        list(TokenStream(documents, OneIdAByte(), SETTINGS))
