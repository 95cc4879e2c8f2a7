"""Tokenization of a small corpus: frames, index, split, overlap, figures, balance."""

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from antimatter.corpus.shards import read_shard, shard_name, write_shard
from antimatter.execution.workspace import Workspace
from antimatter.params.tokenize import Tokenize
from antimatter.tokenizer import opened, publish
from antimatter.tokens import corpus
from antimatter.tokens.binary import read_tokens
from antimatter.tokens.split import is_validation
from tests.documents import write_documents
from tests.tokenizer.conftest import LINES


def run(folder, shards, model_path, settings, monkeypatch, workers=1):
    monkeypatch.setenv("ANTIMATTER_WORKERS", str(workers))
    folder.mkdir(exist_ok=True)
    monkeypatch.chdir(folder)
    tables = write_documents(folder / "in", shards)
    report, output, meta = tokenized(folder, model_path, settings)
    return tables, report, output, meta


def tokenized(folder: Path, model_path: Path, settings: Tokenize):
    (folder / "tokenizer").mkdir(exist_ok=True)
    shutil.copy(model_path, folder / "tokenizer/antimatter.model")
    publish.publish(folder / "tokenizer", "trained", "antimatter.model", {})
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


def test_held_out_documents_that_the_training_text_contains_are_removed(tmp_path, model_path, encoder, monkeypatch):
    settings = Tokenize(validation_share=0.2, overlap_ngram=6, max_overlap_share=0.5)
    tables, report, output, _ = run(tmp_path, TEXTS, model_path, settings, monkeypatch)
    ids = [id_ for table in tables for id_ in table.column("id").to_pylist()]
    texts = [text for shard in TEXTS for text in shard]
    tokens = {id_: encoder.encode(text) for id_, text in zip(ids, texts, strict=True)}

    # brute force: every n-gram of the training text in one set of tuples, frames left out
    def grams(id_):
        return [tuple(tokens[id_][p : p + 6]) for p in range(len(tokens[id_]) - 5)]

    held_out = [id_ for id_ in ids if is_validation(id_, 0.2, 0)]
    seen = {gram for id_ in ids if id_ not in held_out for gram in grams(id_)}
    expected = {id_ for id_ in held_out if sum(gram in seen for gram in grams(id_)) / len(grams(id_)) > 0.5}
    removed = [row for i in range(2) for row in read_shard(output / "removed" / shard_name(i)).to_pylist()]
    assert {row["id"] for row in removed} == expected
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
    lines = (tmp_path / "work/reports/tokenize_frequency.csv").read_text().splitlines()
    assert lines[:2] == ["rank,occurrences", f"1,{counts.max()}"]


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
