"""The optional passes as the stage runs them: behind the verdicts, over what is kept."""

import random
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from antimatter.corpus.ledger import Counts
from antimatter.corpus.schema import DOCUMENT
from antimatter.corpus.shards import read_shard, shard_name, write_shard
from antimatter.dedup import lines, parting, spans
from antimatter.dedup.corpus import deduplicate
from antimatter.dedup.summary import notes
from antimatter.execution.workspace import Workspace
from antimatter.params.dedup import Dedup, Lines
from tests.dedup.kept_documents import files_below
from tests.dedup.texts import prose
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
LINES = [line for text in TEXTS for line in text.split("\n")]


pytestmark = pytest.mark.usefixtures("one_worker")


class Written(NamedTuple):
    """What the stage left behind."""

    documents: list[dict[str, Any]]
    removed: list[dict[str, Any]]
    signals: list[dict[str, Any]]
    report: dict[str, Any]


def run(folder, settings, texts=TEXTS):
    cut = len(texts) // 2
    tables = [document_table(texts[:cut], "wiki", "a"), document_table(texts[cut:], "web", "b")]
    for index, table in enumerate(tables):
        if not (folder / "in" / shard_name(index)).exists():
            write_shard(folder / "in" / shard_name(index), table)
    work = Workspace("dedup", settings, folder / "work", [], folder / "report.json")
    report = deduplicate(work, folder / "in", None, settings)

    def rows(name):
        return pa.concat_tables([read_shard(work.output / name / shard_name(index)) for index in (0, 1)]).to_pylist()

    return Written(rows("documents"), rows("removed"), rows("signals"), report)


def linked_texts(seed):
    """Texts that leave for others whose lines stand elsewhere too."""
    draw = random.Random(seed)
    texts = []
    for _ in range(3):
        lines = [prose(draw.choice([6, 12]), draw) for _ in range(6)]
        texts += ["\n".join(lines), "\n".join(["Before all.", *lines]), "\n".join(lines[1:])]
        texts += [f"{line}\n{prose(draw.choice([2, 30]), draw)}" for line in lines if draw.random() < 0.9]
        texts += draw.sample(lines, 2)
    return draw.sample(texts, len(texts))


def test_every_line_stays_once_and_a_document_without_any_left_is_in_the_ledger(tmp_path):
    documents, removed, signals, report = run(tmp_path, Dedup(lines=Lines(unit="line")))
    units = [line.lower() for row in documents for line in row["text"].split("\n")]
    assert len(units) == len(set(units))
    assert set(units) == {MENU.lower(), FIRST, f"{SECOND} more", THIRD, "two words"}
    reasons = [row["reason"] for row in removed]
    assert reasons.count("dedup.near") == 1
    gone = [row for row in removed if row["reason"] == "dedup.lines"]
    assert all((row["value"], row["threshold"], row["kept_id"]) == (0, 0, None) for row in gone)
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


@pytest.mark.parametrize("least", [0, 3])
@pytest.mark.parametrize("seed", range(4))
def test_whoever_others_left_for_is_kept_and_every_document_is_accounted_for(tmp_path, least, seed):
    settings = Dedup(bands=32, rows=2, lines=Lines(unit="line", min_sentences=least))
    texts = linked_texts(seed)
    documents, removed, signals, report = run(tmp_path, settings, texts)
    kept = {row["id"] for row in documents}
    left_for = {row["kept_id"] for row in removed} - {None}
    assert left_for
    assert left_for <= kept
    by_lines = sum(row["reason"] == "dedup.lines" for row in removed)
    assert by_lines
    assert sum(row["stands_for"] for row in signals if row["id"] in kept) == len(texts) - by_lines
    assert all((row["stands_for"] > 0) == (row["id"] in kept) for row in signals)
    for source, counts in report["lines"]["by_source"].items():
        left = sum(len(row["text"]) for row in documents if row["source"] == source)
        assert counts["characters"] - counts["characters_removed"] == left


def test_documents_keep_their_schema(tmp_path):
    run(tmp_path, Dedup(lines=Lines(unit="line")))
    assert pq.read_schema(tmp_path / "work/out/documents" / shard_name(0)).equals(DOCUMENT)


def test_documents_of_sources_that_are_not_named_stay_as_they_came(tmp_path):
    documents, _, signals, report = run(tmp_path, Dedup(lines=Lines(unit="line", sources=("web",))))
    assert [row["text"] for row in documents if row["source"] == "wiki"] == [TEXTS[0], TEXTS[2]]
    assert list(report["lines"]["by_source"]) == ["web"]
    of_wiki = [row for row in signals if row["source"] == "wiki"]
    assert all(row[name] is None for row in of_wiki for name in row if name.startswith("lines_"))


def test_a_source_that_loses_more_than_a_tenth_of_its_characters_is_worth_a_word(tmp_path):
    report = run(tmp_path, Dedup(lines=Lines(unit="line"))).report
    by_source = report["lines"]["by_source"]
    shares = {name: counts["characters_removed"] / counts["characters"] for name, counts in by_source.items()}
    told = [note for note in notes(report) if note.startswith("lines cut")]
    assert told == [
        f"lines cut {100 * share:.0f} % of the characters of {name}" for name, share in shares.items() if share > 0.1
    ]
    assert told, "one of two documents with the same 90 words has lost them"


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


def test_passages_are_counted_in_what_is_left_of_the_documents(tmp_path):
    documents, _, _, report = run(tmp_path, Dedup(lines=Lines(unit="line"), repeated_spans=50))
    by_source = report["repeated_spans"]["by_source"]
    assert sum(counts["documents"] for counts in by_source.values()) == len(documents)
    assert sum(counts["words"] for counts in by_source.values()) == sum(len(row["text"].split()) for row in documents)
    assert sum(counts["spans"] for counts in by_source.values()) == 0


def test_a_passage_is_found_in_the_document_that_holds_it(tmp_path):
    texts = [MENU, f"{MENU}\n{FIRST}", f"{MENU}\n{THIRD} {FIRST}", f"{MENU}\n{SECOND}", MENU.upper()]
    documents, removed, _, report = run(tmp_path, Dedup(lines=Lines(unit="line"), repeated_spans=50), texts)
    assert removed
    (frequent, *_) = report["repeated_spans"]["frequent"]
    text = {row["id"].hex(): row["text"] for row in documents}[frequent["document"]]
    assert text.split()[frequent["word"] :][:50] == FIRST.split()[:50]


def test_both_passes_go_on_where_they_were_interrupted(tmp_path, monkeypatch):
    settings = Dedup(bands=32, rows=2, lines=Lines(unit="line", min_sentences=3), repeated_spans=10)
    texts = linked_texts(7)
    whole = run(tmp_path / "whole", settings, texts)
    assert whole.report["repeated_spans"]["frequent"]
    steps = [(lines, "unit_rows"), (lines, "merge_units"), (parting, "part_shard"), (spans, "anchor_rows")]
    steps += [(spans, name) for name in ("merge_anchors", "window_rows", "merge_windows", "count_spans")]

    def failing_once(name, inner):
        calls = []

        def step(part, *rest, **arguments):
            calls.append(part)
            if len(calls) == (1 if name.startswith("merge") else 2):
                raise RuntimeError(f"trouble in {name}")
            return inner(part, *rest, **arguments)

        return step

    for module, name in steps:
        monkeypatch.setattr(module, name, failing_once(name, getattr(module, name)))
    for _, name in steps:
        with pytest.raises(RuntimeError, match=f"trouble in {name}"):
            run(tmp_path / "again", settings, texts)
    assert run(tmp_path / "again", settings, texts) == whole
    assert files_below(tmp_path / "again/work/out") == files_below(tmp_path / "whole/work/out")


def test_without_the_passes_the_report_says_nothing_of_them(tmp_path):
    _, _, signals, report = run(tmp_path, Dedup())
    assert "lines" not in report
    assert "repeated_spans" not in report
    assert not [name for name in signals[0] if name.startswith("lines_")]


def test_the_ledger_of_the_pass_names_rows_of_the_input_in_their_order(tmp_path):
    frame = "This is a frame.\nIt says many things.\nAll of them twice.\n"
    pages = [frame + " ".join(WORDS[start : start + 40]) for start in range(0, 200, 40)]
    texts = [SECOND, *pages[:2], f"{SECOND} more", pages[2], THIRD, pages[3], f"{THIRD} more", pages[4], SECOND]
    run(tmp_path, Dedup(lines=Lines(unit="line", min_sentences=3)), texts)
    reasons = set()
    for index in (0, 1):
        ids = read_shard(tmp_path / "in" / shard_name(index)).column("id").to_pylist()
        rows = read_shard(tmp_path / "work/out/removed" / shard_name(index)).to_pylist()
        assert [ids[row["row"]] for row in rows] == [row["id"] for row in rows]
        assert [row["row"] for row in rows] == sorted(row["row"] for row in rows)
        reasons |= {row["reason"] for row in rows}
    assert {"dedup.near", "dedup.lines"} <= reasons
