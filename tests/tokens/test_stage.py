"""Tokenization of a small corpus: frames, index, split, overlap, figures, balance."""

import json
import re
import shutil
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from antimatter.corpus.shards import read_shard, shard_name, write_shard
from antimatter.execution.workspace import Workspace
from antimatter.params.tokenize import Tokenize
from antimatter.tokenizer import opened, publish
from antimatter.tokenizer.encode import SentencePieceBpe
from antimatter.tokens import corpus, fit
from antimatter.tokens import shard as shard_steps
from antimatter.tokens.binary import open_tokens, read_tokens
from antimatter.tokens.dropout import NoDropout, require_dropout, spelt_at_random
from antimatter.tokens.split import are_validation, cut_of, is_by_position, is_validation
from tests.documents import write_documents
from tests.tokenizer.conftest import LINES
from tests.tokenizer.small_models import EXACT, lines, small_model, train
from tests.tokenizer.test_huggingface import byte_level


def run(folder, shards, model_path, settings, monkeypatch, workers=1, kind="trained"):
    monkeypatch.setenv("ANTIMATTER_WORKERS", str(workers))
    folder.mkdir(exist_ok=True)
    monkeypatch.chdir(folder)
    tables = write_documents(folder / "in", shards)
    report, output, meta = tokenized(folder, model_path, settings, kind)
    return tables, report, output, meta


def tokenized(folder: Path, model_path: Path, settings: Tokenize, kind: str = "trained"):
    (folder / "tokenizer").mkdir(exist_ok=True)
    file = "tokenizer.json" if kind == "huggingface" else "antimatter.model"
    shutil.copy(model_path, folder / "tokenizer" / file)
    publish.publish(folder / "tokenizer", kind, file, {})
    work = Workspace("tokenize", settings, folder / "work", [], folder / "report.json")
    report = corpus.tokenize(work, folder / "in", folder / "tokenizer", settings)
    work.executor.close()
    output = work.output / "tokens"
    return report, output, json.loads((output / "meta.json").read_text())


TEXTS = [[LINES[n] + f" unique{n}" for n in range(100)], [LINES[n] for n in range(100, 200)]]
SETTINGS = Tokenize(validation_share=0.2, max_overlap_share=1.0)


def test_every_document_is_framed_and_found_through_the_index(tmp_path, model_path, encoder, monkeypatch):
    tables, report, output, meta = run(tmp_path, TEXTS, model_path, SETTINGS, monkeypatch)
    texts = {
        id_: text
        for table in tables
        for id_, text in zip(*(table.column(c).to_pylist() for c in ("id", "text")), strict=True)
    }
    rows = pq.read_table(output / "documents.parquet").to_pylist()
    assert len(rows) == 200 == report["documents_out"]
    for row in rows:
        tokens = read_tokens(output / f"{row['split']}/shard-{row['shard']:05d}.bin", np.dtype(meta["dtype"]))
        tokens = tokens[row["start"] : row["start"] + row["length"]].tolist()
        assert (tokens[0], tokens[-1]) == (meta["bos"], meta["eos"])
        assert encoder.decode(tokens[1:-1]) == texts[row["id"]]
        assert (row["split"] == "validation") == is_validation(row["id"], 0.2, 0)


def test_meta_counts_what_lies_on_disk(tmp_path, model_path, monkeypatch):
    _, report, output, meta = run(tmp_path, TEXTS, model_path, SETTINGS, monkeypatch)
    for name, split in meta["splits"].items():
        for shard in split["shards"]:
            assert (output / shard["file"]).stat().st_size == 2 * shard["tokens"]
        assert split["tokens"] == sum(shard["tokens"] for shard in split["shards"])
        assert split["tokens"] == report["training_tokens" if name == "train" else "validation_tokens"]
    lengths = np.fromfile(output / "token_bytes.bin", dtype="<u2")
    assert len(lengths) == meta["vocabulary_size"] == 400


def test_the_tokens_depend_on_neither_workers_nor_run(tmp_path, model_path, monkeypatch):
    one = run(tmp_path / "one", TEXTS, model_path, SETTINGS, monkeypatch)[3]
    two = run(tmp_path / "two", TEXTS, model_path, SETTINGS, monkeypatch, workers=2)[3]
    assert one == two
    assert (tmp_path / "one/work/out/tokens/documents.parquet").read_bytes() == (
        tmp_path / "two/work/out/tokens/documents.parquet"
    ).read_bytes()


def plain_overlap(tables, tokenizer, size):
    """By id of each held-out document the share of its n-grams that are in the training text; in no frame: brute force,
    every n-gram of the training text in one set of tuples."""
    grams = {}
    for table in tables:
        for id_, text in zip(*(table[name].to_pylist() for name in ("id", "text")), strict=True):
            ids = tokenizer.encode(text)
            grams[id_] = [tuple(ids[p : p + size]) for p in range(len(ids) - size + 1)]
    held_out = [id_ for id_ in grams if is_validation(id_, 0.2, 0)]
    seen = {gram for id_ in grams if id_ not in held_out for gram in grams[id_]}
    return {id_: sum(gram in seen for gram in grams[id_]) / len(grams[id_]) for id_ in held_out}


def removed_rows(output):
    """Of the ledger, for two shards."""
    return [row for i in range(2) for row in read_shard(output / "removed" / shard_name(i)).to_pylist()]


def test_held_out_documents_that_the_training_text_contains_are_removed(tmp_path, model_path, encoder, monkeypatch):
    settings = Tokenize(validation_share=0.2, overlap_ngram=6, max_overlap_share=0.5)
    tables, report, output, _ = run(tmp_path, TEXTS, model_path, settings, monkeypatch)
    expected = {id_: share for id_, share in plain_overlap(tables, encoder, 6).items() if share > 0.5}
    removed = removed_rows(output)
    assert {row["id"]: row["value"] for row in removed} == expected
    assert len(expected) > 0
    assert report["removed"] == {"split.overlap": len(expected)}
    assert all(row["value"] > row["threshold"] == 0.5 for row in removed)


def test_a_handful_of_documents_is_split_by_position(tmp_path, model_path, monkeypatch, capsys):
    _, report, _, meta = run(tmp_path, [[" ".join(LINES)] * 1, [LINES[0]]], model_path, Tokenize(), monkeypatch)
    assert report["split"] == "by position inside documents"
    assert "too few" in capsys.readouterr().out
    total = meta["splits"]["train"]["tokens"] + meta["splits"]["validation"]["tokens"]
    assert meta["splits"]["validation"]["tokens"] == pytest.approx(0.05 * total, abs=2)
    assert report["documents_in"] == report["documents_out"] == 2


def test_a_shard_may_be_empty(tmp_path, model_path, monkeypatch):
    _, report, _, meta = run(tmp_path, [*TEXTS, []], model_path, SETTINGS, monkeypatch)
    assert report["documents_in"] == 200
    assert meta["splits"]["train"]["shards"][2]["tokens"] == 0


def test_a_split_that_leaves_nothing_for_validation_is_an_error(tmp_path, model_path, monkeypatch):
    settings = Tokenize(validation_share=0.2, overlap_ngram=2, max_overlap_share=0.0)
    with pytest.raises(corpus.NothingHeldOut, match="validation_share"):
        run(tmp_path, [["the fox"] * 60], model_path, settings, monkeypatch)


def written(output: Path, split: str, index: int) -> list[int]:
    return read_tokens(output / f"{split}/shard-{index:05d}.bin", np.dtype("<u2")).tolist()


def test_what_is_counted_per_source_language_and_entry_is_what_is_there(tmp_path, model_path, encoder, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tables = write_documents(tmp_path / "in", TEXTS[:1], source="one")
    other = write_documents(tmp_path / "other", [["caf\u00e9 \u4e16\u754c\n\tthe fox", "", "fox"]], source="two")[0]
    languages = pa.array(["fr", None, "en"])
    other = other.set_column(other.schema.get_field_index("language"), other.schema.field("language"), languages)
    write_shard(tmp_path / "in" / shard_name(1), other)
    report, output, _ = tokenized(tmp_path, model_path, SETTINGS)

    def plain(texts):
        ids = [i for text in texts for i in encoder.encode(text)]
        sizes = sum(len(text.encode()) for text in texts)
        spelt = sum(8 <= i < 264 for i in ids)
        words = sum(len(text.split()) for text in texts)
        return {
            "bytes": sizes,
            "bytes_per_token": round(sizes / len(ids), 6) if ids else 0.0,
            "tokens_per_word": round(len(ids) / words, 6) if words else 0.0,
            "byte_token_share": round(spelt / len(ids), 6) if ids else 0.0,
        }

    one = tables[0].column("text").to_pylist()
    two = other.column("text").to_pylist()
    assert report["fit"] == {"one": plain(one), "two": plain(two)}
    assert report["fit_by_language"] == {"en": plain(two[2:]), "fr": plain(two[:1]), "unknown": plain([*one, ""])}
    whole = plain(one + two)
    del whole["bytes"]  # it stands there as bytes_in
    assert {name: report[name] for name in whole} == whole
    ids = [i for index in range(2) for i in written(output, "train", index)]
    counts = np.fromfile(output / "token_counts.bin", dtype="<i8")
    assert counts.tolist() == np.bincount(ids, minlength=400).tolist()
    entries = [i for i in range(264, 400) if counts[i]]
    assert report["vocabulary"]["entries"] == 136
    assert report["vocabulary"]["used"] == len(entries)
    rows = pq.read_table(output / "documents.parquet").to_pylist()
    for split, name in (("train", "training"), ("validation", "validation")):
        own = [row for row in rows if row["split"] == split]
        sums = {source: sum(row["length"] for row in own if row["source"] == source) for source in ("one", "two")}
        assert report["tokens_by_source"][name] == {source: tokens for source, tokens in sums.items() if tokens}
        assert sum(sums.values()) == report[f"{name}_tokens"]
    lines = (tmp_path / "work/reports/tokenize_frequency.csv").read_text().splitlines()
    assert lines[:2] == ["rank,occurrences", f"1,{counts[264:].max()}"]


def test_dropout_spells_the_training_text_in_several_ways_and_leaves_the_rest(
    tmp_path, model_path, encoder, monkeypatch
):
    texts = [["the quick fox jumps in the garden"] * 60 + LINES[:40]]
    plain = Tokenize(validation_share=0.2, max_overlap_share=0.9, overlap_ngram=3)
    dropped = Tokenize(validation_share=0.2, max_overlap_share=0.9, overlap_ngram=3, dropout=0.3)
    _, before, expected, _ = run(tmp_path / "plain", texts, model_path, plain, monkeypatch)
    _, after, output, meta = run(tmp_path / "dropped", texts, model_path, dropped, monkeypatch)
    assert after["training_tokens"] > 1.2 * before["training_tokens"]
    assert after["removed"] == before["removed"] != {}  # compared as if there were no dropout
    assert after["fit"] == before["fit"]
    assert written(output, "validation", 0) == written(expected, "validation", 0)
    rows = pq.read_table(output / "documents.parquet").to_pylist()
    train = written(output, "train", 0)
    spelt = [tuple(train[r["start"] : r["start"] + r["length"]]) for r in rows if r["split"] == "train"]
    assert all(ids[0] == 1 and ids[-1] == 2 for ids in spelt)
    assert {encoder.decode(list(ids)) for ids in spelt} <= {*texts[0]}
    assert len(set(spelt)) > 30
    again = run(tmp_path / "again", texts, model_path, dropped, monkeypatch, workers=2)[3]
    assert again == meta


def test_a_tokenizer_that_is_not_the_one_described_is_refused(tmp_path, model_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "tokenizer"
    folder.mkdir()
    (folder / "antimatter.model").write_bytes(model_path.read_bytes())
    publish.publish(folder, "trained", "antimatter.model", {})
    (folder / "antimatter.model").write_bytes(model_path.read_bytes() + b"\x00")
    with pytest.raises(opened.DamagedTokenizer, match="dvc repro tokenizer"):
        opened.open_tokenizer(folder)


def files_in(folder):
    return {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_a_shard_encoded_in_many_slices_is_the_shard_encoded_in_one(tmp_path, model_path, monkeypatch, dropout):
    settings = Tokenize(validation_share=0.2, overlap_ngram=6, max_overlap_share=0.5, dropout=dropout)
    _, whole, output, _ = run(tmp_path / "whole", TEXTS, model_path, settings, monkeypatch)
    monkeypatch.setattr(shard_steps, "SLICE_BYTES", 200)
    tables, sliced, pieces, _ = run(tmp_path / "sliced", TEXTS, model_path, settings, monkeypatch)
    assert files_in(pieces) == files_in(output)  # tokens, documents.parquet, token_counts.bin, removed/, digests
    assert sliced == whole
    for row in removed_rows(pieces):
        assert tables[row["shard"]]["id"][row["row"]].as_py() == row["id"]
    assert len({row["row"] for row in removed_rows(pieces)}) > 4  # a slice holds some four documents
    open_tokens(pieces).verify()


@pytest.mark.parametrize(
    ("kind", "make", "front", "back"),
    [
        ("huggingface", lambda: byte_level(["<|endoftext|>"]).to_str().encode(), [0], []),  # for both roles
        ("huggingface", lambda: byte_level(["</s>"]).to_str().encode(), [], [0]),
        ("sentencepiece", lambda: train(lines("english"), 420, bos_id=-1, **EXACT), [], [2]),
    ],
    ids=["in front", "behind", "behind, SentencePiece"],
)
def test_a_frame_of_one_token_stands_on_its_side_and_is_in_no_n_gram(tmp_path, monkeypatch, kind, make, front, back):
    (tmp_path / "theirs").write_bytes(make())
    settings = Tokenize(validation_share=0.2, overlap_ngram=13, max_overlap_share=0.65)
    tables, _, output, meta = run(tmp_path, TEXTS, tmp_path / "theirs", settings, monkeypatch, kind=kind)
    tokenizer = opened.open_tokenizer(tmp_path / "tokenizer")
    texts = {id_: text for t in tables for id_, text in zip(*(t[c].to_pylist() for c in ("id", "text")), strict=True)}
    files = open_tokens(output)
    files.verify()
    found = [files.document(row) for row in range(sum(split["documents"] for split in meta["splits"].values()))]
    for document in found:
        assert document.ids.tolist() == [*front, *tokenizer.encode(texts[document.id]), *back]
    assert (meta["bos"], meta["eos"]) == (front[0] if front else None, (front or back)[0])
    removed = {row["id"]: row["value"] for row in removed_rows(output)}
    shares = plain_overlap(tables, tokenizer, 13)
    assert removed == {id_: share for id_, share in shares.items() if share > 0.65}
    assert {document.id for document in found} == texts.keys() - removed.keys()
    assert 3 < len(removed) < len(shares) - 3 and len(set(removed.values())) > 3


def test_fewer_than_five_documents_to_be_expected_held_out_mean_a_split_by_position():
    assert not is_by_position(100, Tokenize(validation_share=0.05))
    assert is_by_position(99, Tokenize(validation_share=0.05))


@pytest.mark.parametrize(
    ("length", "share", "cut"),
    [
        (3, 0.5, 2),
        (19, 0.05, 18),
        (1, 0.5, 1),
        (2, 0.5, 2),
        (14, 0.3, 10),
        (13, 0.3, 9),
        (0, 0.5, 0),
        (1000, 0.05, 950),
    ],
)
def test_a_document_is_cut_at_the_nearest_token_and_keeps_two_where_it_has_them(length, share, cut):
    assert cut_of(length, Tokenize(validation_share=share)) == cut


@pytest.mark.parametrize(("seed", "held_out"), [(0, [10]), (1, [2, 7, 12, 18])])
def test_the_seed_of_the_split_is_the_seed_of_the_hash(seed, held_out):
    ids = [bytes([number]) * 16 for number in range(20)]
    found = are_validation(ids, Tokenize(validation_share=0.25, split_seed=seed))
    assert np.flatnonzero(found).tolist() == held_out
    assert found.tolist() == [xxhash.xxh3_64_intdigest(id_, seed) < 2**62 for id_ in ids]


def test_how_a_text_is_spelt_at_random_depends_on_seed_and_document_alone(encoder):
    ids = [bytes([number]) * 16 for number in range(20)]

    def spelt(seed, order):
        texts, settings = pa.array([LINES[n] for n in order]), Tokenize(dropout=0.3, dropout_seed=seed)
        found = spelt_at_random(encoder, texts, [ids[n] for n in order], settings)
        return {n: found.ids[a:b].tolist() for n, (a, b) in zip(order, pairwise(found.starts), strict=True)}

    first = spelt(1, range(20))
    assert spelt(1, range(19, -1, -1)) == first
    assert spelt(1, range(5, 10)) == {n: first[n] for n in range(5, 10)}
    assert sum(other != first[n] for n, other in spelt(2, range(20)).items()) > 15


def test_dropout_is_refused_for_a_model_of_sentencepiece_that_does_not_merge():
    unigram = SentencePieceBpe(small_model("unigram"), "sentencepiece")
    with pytest.raises(NoDropout, match=r"this one is of kind sentencepiece.*Set tokenize\.dropout to 0"):
        require_dropout(unigram)
    with pytest.raises(NoDropout):
        spelt_at_random(unigram, pa.array(["the fox"]), [bytes(16)], Tokenize(dropout=0.1))


@given(texts=st.lists(st.lists(st.sampled_from(b"\x00\x08\t\n\v\f\r\x0e\x1f !a\x85\xa0")).map(bytes) | st.binary()))
def test_a_word_is_a_run_of_bytes_between_ascii_white_space(texts):
    data = np.frombuffer(b"".join(texts), dtype=np.uint8)
    offsets = np.cumsum([0, *map(len, texts)]).astype(np.int64)
    assert fit.words_in(data, offsets).tolist() == [len(re.findall(rb"[^ \t-\r]+", text)) for text in texts]


def test_half_of_the_tokens_and_a_hundred_occurrences_are_reached_exactly():
    use = fit.vocabulary_use(np.array([100, 99, 1]), [])
    assert use["entries_for_half_the_tokens"] == 1
    assert use["used_100_times"] == 1
    assert fit.vocabulary_use(np.array([1000, 100, 0, 99, 2]), [0])["entries_for_half_the_tokens"] == 2


def test_a_tokenizer_that_was_written_anew_is_opened_anew(tmp_path, model_path):
    folder = tmp_path / "tokenizer"
    folder.mkdir()
    (folder / "antimatter.model").write_bytes(model_path.read_bytes())
    publish.publish(folder, "trained", "antimatter.model", {})
    first = shard_steps.tokenizer_in(folder)
    assert shard_steps.tokenizer_in(folder) is first
    (folder / "antimatter.model").write_bytes(small_model("english"))
    publish.publish(folder, "trained", "antimatter.model", {})
    assert shard_steps.tokenizer_in(folder).pieces() != first.pieces()
