"""Examples of removed documents: really removed ones, bounded work, verdicts in words."""

from pathlib import Path

import pyarrow as pa
import pytest

from antimatter.corpus.ledger import Removal, ledger_table
from antimatter.corpus.shards import shard_name, write_shard
from antimatter.report import duplicate_pairs, removed_documents
from antimatter.report.removed_documents import CHARACTERS, EACH, LOOKED_AT, examples, spread, verdict
from tests.documents import document_table
from tests.report import projects

RULES = [{"reason": "r.words", "signal": "words", "at_least": 50, "at_most": 1000}]


def project(root: Path, shards: int = 3, sources=("a", "b")) -> Path:
    """Every document of two sources left in filter."""
    for shard in range(shards):
        tables = [document_table([f"{source} {shard} {'x' * 500}"] * 4, source, f"{shard}-") for source in sources]
        removals, row = [], 0
        for table, source in zip(tables, sources, strict=True):
            for identity in table.column("id").to_pylist():
                one = Removal(id=identity, source=source, reason="r.words", row=row, value=9.0, threshold=50.0)
                removals, row = [*removals, one], row + 1
        write_shard(root / "data/cleaned/documents" / shard_name(shard), pa.concat_tables(tables))
        write_shard(root / "data/filtered/removed" / shard_name(shard), ledger_table("filter", shard, removals))
    return root


def wanted(reason="r.words", stage="filter"):
    return [{"stage": stage, "reason": reason, "documents": 1}]


@pytest.mark.parametrize("sources", ["ab", "cd", "ef", "gh"])
def test_two_examples_of_different_sources_begin_as_their_documents_do(tmp_path, sources):
    (found,) = examples(project(tmp_path, sources=sources), wanted(), RULES).values()
    assert [one.source for one in found] == list(sources) and len(found) == EACH
    assert all(one.text.startswith(f"{one.source} 0 xxx") and len(one.text) == CHARACTERS for one in found)
    assert not any(one.is_whole for one in found)


def test_reasons_that_no_ledger_holds_are_left_out(tmp_path):
    assert examples(project(tmp_path), [*wanted("r.other"), *wanted(stage="nowhere")], RULES) == {}
    assert examples(tmp_path / "empty", wanted(), RULES) == {}


def test_without_the_texts_the_verdicts_stay(tmp_path):
    root = project(tmp_path, shards=1)
    (root / "data/cleaned/documents" / shard_name(0)).unlink()
    (found,) = examples(root, wanted(), RULES).values()
    assert [one.text for one in found] == [None, None] and found[0].verdict == "words: 9; kept: at least 50"


@pytest.mark.parametrize("name", ["data/cleaned/documents", "data/filtered/removed"])
def test_a_damaged_shard_costs_only_its_examples(tmp_path, name):
    root = project(tmp_path, shards=1)
    (root / name / shard_name(0)).write_bytes(b"PAR1 no")
    assert all(one.text is None for found in examples(root, wanted(), RULES).values() for one in found)


def test_only_a_few_ledgers_are_opened_however_many_there_are(tmp_path, monkeypatch):
    opened = []
    read = removed_documents.read_shard
    monkeypatch.setattr(
        removed_documents, "read_shard", lambda path, columns: opened.append(path) or read(path, columns)
    )
    examples(project(tmp_path, shards=LOOKED_AT + 5), wanted(), RULES)
    assert len(opened) == LOOKED_AT and {opened[0].name, opened[-1].name} == {shard_name(0), shard_name(LOOKED_AT + 4)}


def test_shards_are_chosen_evenly_and_never_twice():
    for count in range(40):
        chosen = spread([Path(f"{number:02d}") for number in range(count)], 12)
        assert len(set(chosen)) == len(chosen) == min(count, 12) and chosen == sorted(chosen)


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"reason": "r.words", "value": 1e6, "threshold": 1000.0}, "words: 1e+06; kept: at most 1000"),
        ({"reason": "r.unknown", "value": 0.5, "threshold": 0.25}, "value: 0.5; threshold: 0.25"),
        ({"reason": "collect.too_short", "value": 388.0, "threshold": 401.0}, "388 characters; kept: at least 401"),
        ({"reason": "language.other", "value": 0.99, "threshold": 0.65, "detail": "language fr"},
         "language fr; the detector's confidence: 0.99; asked: 0.65"),
        ({"reason": "split.overlap", "value": 0.5, "threshold": 0.2},
         "50.0 % of its n-grams of tokens stand in the training text; kept: at most 20.0 %"),
        ({"reason": "dedup.near", "value": 0.9, "threshold": 0.8, "kept_id": b"\xab" * 16},
         "Jaccard similarity 0.900 to abababababab, which stayed; a duplicate: at least 0.8"),
        ({"reason": "language.undetermined", "also_failed": ["a", "b"]}, "2 other rules would have removed it too"),
        ({"reason": "anything"}, ""),
    ],
)  # fmt: skip
def test_a_verdict_says_what_was_measured_and_what_was_asked(row, told):
    assert verdict(row, RULES) == told


def test_a_pair_of_duplicates_is_found_with_both_texts(tmp_path):
    projects.write(tmp_path, ["filtered", "dedup's ledger"])
    (pair,) = duplicate_pairs.pairs(tmp_path)
    assert (pair.before, pair.after, pair.similarity) == (*projects.TEXTS, 0.8125)


def test_without_ledger_or_texts_there_are_no_pairs(tmp_path):
    for name in ("filtered", "dedup's ledger"):
        assert duplicate_pairs.pairs(projects.write(tmp_path / name, [name])) == []
    assert duplicate_pairs.parts([]) == []
