"""The whole stage on a small corpus, against brute force."""

import itertools
import random

import pytest

from antimatter.corpus.ledger import Counts
from antimatter.corpus.shards import read_shard, shard_name
from antimatter.dedup import assign, corpus
from antimatter.dedup.shingles import normalize, shingle_hashes
from antimatter.dedup.verify import jaccard
from antimatter.execution.workspace import Workspace
from antimatter.params.dedup import Dedup
from tests.documents import write_documents


def related_texts(count, seed):
    """Texts of which many are edits of another: words replaced, added, or nothing at all."""
    draw = random.Random(seed)
    words = [f"word{n}" for n in range(400)]
    texts = []
    for _ in range(count):
        if texts and draw.random() < 0.6:
            copy = draw.choice(texts).split()
            for _ in range(draw.choice([0, 0, 1, 2, 12])):
                copy[draw.randrange(len(copy))] = draw.choice(words)
            texts.append(" ".join(copy))
        else:
            texts.append(" ".join(draw.choice(words) for _ in range(draw.choice([3, 60, 120]))))
    return texts


def run(folder, shards, settings, monkeypatch, workers=1):
    monkeypatch.setenv("ANTIMATTER_WORKERS", str(workers))
    monkeypatch.chdir(folder)
    source = folder / "in"
    write_documents(source, shards)
    work = Workspace("dedup", settings, folder / "work", [], folder / "report.json")
    numbers = range(len(shards))
    corpus.sketch(work, source, numbers, settings)
    by_rank, exact = corpus.rank(work, numbers)
    near, _ = corpus.near(work, numbers, by_rank, settings)
    results = corpus.part(work, source, numbers, by_rank, assign.resolve(exact, near))
    Counts.sum(result["counts"] for result in results).require_balance("dedup")
    output = work.output
    kept = [
        text for i in numbers for text in read_shard(output / "documents" / shard_name(i)).column("text").to_pylist()
    ]
    removed = [row for i in numbers for row in read_shard(output / "removed" / shard_name(i)).to_pylist()]
    return kept, removed


@pytest.fixture(scope="module")
def texts():
    return related_texts(150, seed=3)


# with 32 bands of 2 rows a pair at 0.8 is missed once in 10^14: what is found can be compared with brute force
SETTINGS = Dedup(bands=32, rows=2)


def test_no_two_kept_documents_are_duplicates_and_every_removal_is_verified(tmp_path, texts, monkeypatch):
    kept, removed = run(tmp_path, [texts[:70], texts[70:]], SETTINGS, monkeypatch)
    shingles = {text: shingle_hashes(normalize(text, "words"), 5) for text in texts}
    assert all(jaccard(shingles[a], shingles[b]) < 0.8 for a, b in itertools.combinations(kept, 2))
    by_id = {}
    for index, part in enumerate((texts[:70], texts[70:])):
        table = read_shard(tmp_path / "in" / shard_name(index))
        by_id |= dict(zip(table.column("id").to_pylist(), part, strict=True))
    assert removed
    for row in removed:
        assert by_id[row["kept_id"]] in kept
        measured = jaccard(shingles[by_id[row["id"]]], shingles[by_id[row["kept_id"]]])
        assert row["similarity"] == pytest.approx(measured)
        assert measured >= 0.8
        assert len(by_id[row["kept_id"]].encode()) >= len(by_id[row["id"]].encode())


def test_the_answer_depends_neither_on_order_nor_on_shards_nor_on_workers(tmp_path, texts, monkeypatch):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    kept, _ = run(tmp_path / "a", [texts[:70], texts[70:]], SETTINGS, monkeypatch)
    shuffled = random.Random(9).sample(texts, len(texts))
    again, _ = run(tmp_path / "b", [shuffled[:10], shuffled[10:90], shuffled[90:]], SETTINGS, monkeypatch, workers=2)
    assert sorted(kept) == sorted(again)


def test_a_corpus_of_nothing_but_empty_shards_passes(tmp_path, monkeypatch):
    kept, removed = run(tmp_path, [[], []], Dedup(), monkeypatch)
    assert kept == removed == []
