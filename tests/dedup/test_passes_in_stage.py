"""The optional passes as the stage runs them: behind the verdicts, over what is kept."""

import pyarrow as pa
import pytest

from antimatter.corpus.ledger import Counts
from antimatter.corpus.shards import read_shard, shard_name, write_shard
from antimatter.dedup.corpus import deduplicate
from antimatter.execution.workspace import Workspace
from antimatter.params.dedup import Dedup, Lines
from tests.documents import document_table

MENU = "Home News About us Contact"
WORDS = [f"word{number}" for number in range(300)]
FIRST, SECOND, THIRD = (" ".join(WORDS[start : start + 90]) for start in (0, 100, 200))
TEXTS = [
    f"{MENU}\n{FIRST}",
    f"{MENU}\n{SECOND}",
    f"{MENU}\n{SECOND} more",  # the longest of two near duplicates stays
    f"{THIRD}\n{FIRST}",
    MENU.lower(),
    "Two words",
]


@pytest.fixture(autouse=True)
def one_worker(monkeypatch, tmp_path):
    monkeypatch.setenv("ANTIMATTER_WORKERS", "1")
    monkeypatch.chdir(tmp_path)


def run(folder, settings, texts=TEXTS):
    cut = len(texts) // 2
    tables = [document_table(texts[:cut], "wiki", "a"), document_table(texts[cut:], "web", "b")]
    for index, table in enumerate(tables):
        write_shard(folder / "in" / shard_name(index), table)
    work = Workspace("dedup", settings, folder / "work", [], folder / "report.json")
    report = deduplicate(work, folder / "in", None, settings)

    def rows(name):
        return pa.concat_tables([read_shard(work.output / name / shard_name(index)) for index in (0, 1)]).to_pylist()

    return rows("documents"), rows("removed"), rows("signals"), report


def test_every_line_stays_once_and_a_document_without_any_left_is_in_the_ledger(tmp_path):
    documents, removed, signals, report = run(tmp_path, Dedup(lines=Lines(unit="line")))
    lines = [line.lower() for row in documents for line in row["text"].split("\n")]
    assert sorted(lines) == sorted({MENU.lower(), FIRST, f"{SECOND} more", THIRD, "two words"} & set(lines))
    assert len(lines) == len(set(lines))
    assert {FIRST, f"{SECOND} more", THIRD, "two words"} <= set(lines)
    reasons = [row["reason"] for row in removed]
    assert reasons.count("dedup.near") == 1
    gone = [row for row in removed if row["reason"] == "dedup.lines"]
    assert all((row["value"], row["threshold"], row["kept_id"]) == (0, 0, None) for row in gone)
    assert MENU.lower() in lines or gone, "the menu stands alone in one document, which keeps it or leaves"
    assert len(documents) + len(removed) == len(TEXTS) == len(signals)
    Counts.from_plain(report["sources"]).require_balance("dedup")
    assert sum(flow["bytes_out"] for flow in report["sources"].values()) == sum(len(row["text"]) for row in documents)
    assert report["lines"]["units_compared"] == 7, "of five kept documents, without the two words"


def test_the_signals_tell_what_the_pass_did(tmp_path):
    documents, removed, signals, _ = run(tmp_path, Dedup(lines=Lines(unit="line")))
    reason = {row["id"]: row["reason"] for row in removed}
    text = {row["id"]: row["text"] for row in documents}
    for row in signals:
        if reason.get(row["id"]) == "dedup.near":
            assert row["lines_units"] is None
        else:
            left = text[row["id"]].count("\n") + 1 if row["id"] in text else 0
            assert row["lines_units"] - row["lines_units_removed"] == left
            assert (row["lines_characters_removed"] > 0) == (row["lines_units_removed"] > 0)
        assert (row["stands_for"] == 0) == (row["id"] in reason)


def test_a_document_that_was_cut_to_few_sentences_leaves(tmp_path):
    _, removed, _, report = run(tmp_path, Dedup(lines=Lines(unit="line", min_sentences=3)))
    told = [(row["value"], row["threshold"]) for row in removed if row["reason"] == "dedup.lines"]
    assert told
    assert all(value < threshold == 3 for value, threshold in told)
    by_source = report["lines"]["by_source"]
    assert sum(counts["documents_removed"] for counts in by_source.values()) == len(told)


def test_a_passage_that_stands_in_two_kept_documents_is_counted_and_stays(tmp_path):
    documents, _, _, report = run(tmp_path, Dedup(repeated_spans=50))
    assert sum(FIRST in row["text"] for row in documents) == 2
    spans = report["repeated_spans"]
    assert spans["words"] == 50
    assert {name: counts["spans"] for name, counts in spans["by_source"].items()} == {"web": 1, "wiki": 1}
    assert all(counts["words_covered"] == 90 for counts in spans["by_source"].values())


def test_without_the_passes_the_report_says_nothing_of_them(tmp_path):
    _, _, signals, report = run(tmp_path, Dedup())
    assert "lines" not in report
    assert "repeated_spans" not in report
    assert not [name for name in signals[0] if name.startswith("lines_")]
