"""Tokenization of a small corpus: frames, index, split, overlap, balance."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest

from antimatter.corpus.shards import read_shard, shard_name
from antimatter.execution.workspace import Workspace
from antimatter.params.tokenize import Tokenize
from antimatter.tokenizer import corpus
from antimatter.tokenizer.binary import read_tokens
from antimatter.tokenizer.split import is_validation, ngrams, overlap_share
from tests.documents import write_documents
from tests.tokenizer.conftest import LINES


def run(folder, shards, model_path, settings, monkeypatch, workers=1):
    monkeypatch.setenv("ANTIMATTER_WORKERS", str(workers))
    folder.mkdir(exist_ok=True)
    monkeypatch.chdir(folder)
    tables = write_documents(folder / "in", shards)
    work = Workspace("tokenize", settings, folder / "work", [], folder / "report.json")
    report = corpus.tokenize(work, folder / "in", model_path, settings)
    output = work.output / "tokens"
    meta = json.loads((output / "meta.json").read_text())
    return tables, report, output, meta


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


def test_held_out_documents_that_the_training_text_contains_are_removed(tmp_path, model_path, encoder, monkeypatch):
    settings = Tokenize(validation_share=0.2, overlap_ngram=6, max_overlap_share=0.5)
    tables, report, output, _ = run(tmp_path, TEXTS, model_path, settings, monkeypatch)
    ids = [id_ for table in tables for id_ in table.column("id").to_pylist()]
    texts = [text for shard in TEXTS for text in shard]
    tokens = {id_: np.array([1, *encoder.encode(text), 2]) for id_, text in zip(ids, texts, strict=True)}
    # brute force: every n-gram of the training text in one set of tuples
    held_out = [id_ for id_ in ids if is_validation(id_, 0.2, 0)]
    stream = {index: [] for index in range(2)}
    for index, table in enumerate(tables):
        for id_ in table.column("id").to_pylist():
            if id_ not in held_out:
                stream[index] += tokens[id_].tolist()
    seen = {tuple(stream[i][p : p + 6]) for i in stream for p in range(len(stream[i]) - 5)}
    expected = set()
    for id_ in held_out:
        grams = [tuple(tokens[id_][p : p + 6].tolist()) for p in range(len(tokens[id_]) - 5)]
        if sum(gram in seen for gram in grams) / len(grams) > 0.5:
            expected.add(id_)
    removed = [row for i in range(2) for row in read_shard(output / "removed" / shard_name(i)).to_pylist()]
    assert {row["id"] for row in removed} == expected
    assert len(expected) > 0
    assert report["removed"] == {"split.overlap": len(expected)}
    assert all(row["value"] > row["threshold"] == 0.5 for row in removed)


def test_the_passes_of_the_overlap_search_find_what_one_pass_finds(tmp_path, model_path, monkeypatch):
    settings = Tokenize(validation_share=0.2, overlap_ngram=6, max_overlap_share=0.5)
    one = run(tmp_path / "one", TEXTS, model_path, settings, monkeypatch)[3]
    monkeypatch.setattr(corpus, "_NGRAMS_IN_MEMORY", 100)
    many = run(tmp_path / "many", TEXTS, model_path, settings, monkeypatch)[3]
    assert one == many


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


def test_overlap_share_by_hand():
    tokens = np.array([1, 2, 3, 4, 5], dtype=np.uint16)
    seen = np.unique(ngrams(np.array([2, 3, 4], dtype=np.uint16), 2))
    assert overlap_share(ngrams(tokens, 2), seen) == 0.5
    assert overlap_share(ngrams(tokens[:1], 2), seen) == 0.0


def test_a_split_that_leaves_nothing_for_validation_is_an_error(tmp_path, model_path, monkeypatch):
    settings = Tokenize(validation_share=0.2, overlap_ngram=2, max_overlap_share=0.0)
    with pytest.raises(corpus.NothingHeldOut, match="validation_share"):
        run(tmp_path, [["the fox"] * 60], model_path, settings, monkeypatch)
