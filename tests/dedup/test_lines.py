"""The pass over repeated lines and paragraphs against its definition in plain Python."""

import random
import unicodedata
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from antimatter.corpus.shards import read_shard, shard_name
from antimatter.dedup import lines
from antimatter.dedup.answers import Answers
from antimatter.dedup.lines import count_by_source, edit_shard, summary
from antimatter.filter.signals.sentences import count_sentences
from antimatter.params.dedup import Lines
from antimatter.text.words import words_of
from tests.dedup.kept_documents import Document, cut, documents, files_below, kept_table, prepare
from tests.dedup.test_units import plain_contents, plain_without
from tests.filter import nasty_documents

MENU = "Home About Contact"
NAMES = [field for field in lines.Edited._fields if field != "texts"]


class Outcome(NamedTuple):
    """What the pass makes of a document: a twin of what it does, by the definition."""

    text: str
    leaves: bool


def plain_sentences(text):
    return int(count_sentences(pa.array([text]))[0])


def plain_pass(found, settings, needed=()):
    """(Outcome by id, [(times, id, number) of what stays of the repeated units], how many are lost), by the definition;
    needed: ids of the documents that others left for."""
    seen, times, units, outcomes = {}, {}, {}, {}
    looked_at = [d for d in found if d.is_kept and (not settings.sources or d.source in settings.sources)]
    for document in sorted(looked_at, key=lambda d: d.place):
        contents = plain_contents(document.text, settings.unit)
        long = [content if len(words_of(content)) >= settings.min_words else None for content in contents]
        leaving = []
        for number, content in enumerate(long):
            leaving.append(content is not None and content in seen)
            if content is not None:
                seen.setdefault(content, (document.place, number))
                times[content] = times.get(content, 0) + 1
        text = plain_without(document.text, settings.unit, leaving)
        is_short = plain_sentences(text) < settings.min_sentences <= plain_sentences(document.text)
        leaves = any(leaving) and (all(leaving) or is_short)
        is_spared = leaves and document.id in needed
        outcomes[document.id] = Outcome(document.text, False) if is_spared else Outcome(text, leaves)
        units[document.id] = [c for c, goes in zip(long, leaving, strict=True) if c and (is_spared or not goes)]
    left = {content for id_, contents in units.items() if not outcomes[id_].leaves for content in contents}
    repeated = {content for content in seen if times[content] > 1}
    frequent = sorted((-times[content], *seen[content]) for content in repeated)
    others = {d.id: Outcome(d.text, False) for d in found if d.is_kept and d.id not in outcomes}
    return outcomes | others, [(-count, place[1].hex(), number) for count, place, number in frequent], repeated - left


def run(folder, shards, settings=Lines(unit="line"), needed=()):  # noqa: B008
    """({id: Outcome}, report part, the shards' edits as plain lists)."""
    work = prepare(folder, shards)
    found = lines.find_repeated(work, folder / "in", range(len(shards)), settings)
    counts, results, plain = [], {}, []
    for index, shard in enumerate(shards):
        kept = [d for d in shard if d.is_kept]
        stands_for = np.array([1 + (d.id in needed) for d in kept], dtype=np.int32)
        edited = edit_shard(index, kept_table(shard), stands_for, scratch=work.scratch, settings=settings)
        counts.append(count_by_source([d.source for d in kept], edited))
        plain.append({name: getattr(edited, name).tolist() for name in NAMES} | {"texts": edited.texts.to_pylist()})
        outcomes = map(Outcome, plain[-1]["texts"], plain[-1]["leaves"])
        results |= {d.id: outcome for d, outcome in zip(kept, outcomes, strict=True)}
    return results, summary(work.scratch, found, counts), plain


def related_texts(count, seed):
    draw = random.Random(seed)
    some = [" ".join(draw.choice("alpha Beta gamma DELTA".split()) for _ in range(n)) for n in (1, 2, 3, 3, 4, 5) * 3]
    line = [*some, *(text.upper() for text in some), "", "", " "]
    return ["\n".join(draw.choice(line) for _ in range(draw.randrange(9))) for _ in range(count)]


pytestmark = pytest.mark.usefixtures("one_worker")


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    texts=st.one_of(
        st.integers(0, 10**6).map(lambda seed: related_texts(25, seed)),
        st.lists(nasty_documents.documents(), max_size=8),
    ),
    how=st.builds(
        Lines,
        unit=st.sampled_from(["line", "paragraph"]),
        min_words=st.integers(1, 4),
        min_sentences=st.integers(0, 4),
        sources=st.sampled_from([(), ("one",), ("one", "two"), ("three",)]),
    ),
    needs=st.integers(1, 4),
    partitions=st.integers(1, 3),
    most=st.sampled_from([2, 20]),
)
def test_of_equal_units_the_first_of_the_smallest_digest_stays(
    tmp_path_factory, monkeypatch, texts, how, needs, partitions, most
):
    monkeypatch.setattr(lines, "partitions_for", lambda size: partitions)
    monkeypatch.setattr(lines, "MOST_FREQUENT", most)
    found = documents(texts)
    needed = {d.id for d in found[::needs]} if needs < 4 else set()
    results, report, _ = run(tmp_path_factory.mktemp("run"), cut(found, 3), how, needed)
    expected, frequent, lost = plain_pass(found, how, needed)
    assert results == expected
    assert [(row["times"], row["document"], row["unit"]) for row in report["frequent"]] == frequent[:most]
    assert sum(counts["units_lost"] for counts in report["by_source"].values()) == len(lost)
    assert how.min_sentences or not lost, "a document with a unit that stays leaves for few sentences alone"


def test_any_cut_and_order_of_the_shards_gives_the_same(tmp_path):
    found = documents(related_texts(60, seed=5))
    one, report, _ = run(tmp_path / "1", cut(found, 2, seed=1))
    for number, shards in enumerate([3, 8]):
        assert run(tmp_path / str(shards), cut(found, shards, seed=number))[:2] == (one, report)


def test_two_workers_write_the_same_bytes_as_one(tmp_path, monkeypatch):
    shards = cut(documents(related_texts(60, seed=6)), 4)
    monkeypatch.setattr(lines, "partitions_for", lambda size: 3)
    one = run(tmp_path / "one", shards)
    monkeypatch.setenv("ANTIMATTER_WORKERS", "2")
    assert run(tmp_path / "two", shards) == one
    scratch = [files_below(tmp_path / name / "work" / "scratch") for name in ("one", "two")]
    assert scratch[0] == scratch[1]
    assert {f"line_answers/partition-0000{n}.arrow" for n in range(3)} <= scratch[0].keys()


def test_a_pass_that_was_interrupted_goes_on(tmp_path, monkeypatch):
    shards = cut(documents(related_texts(40, seed=7)), 4)
    monkeypatch.setattr(lines, "partitions_for", lambda size: 3)
    whole = run(tmp_path / "whole", shards)
    merge, spill, merged, spilled = lines.merge_units, lines.unit_rows, [], []

    def merge_or_fail(partition, tables, *, scratch):
        merged.append(partition)
        if merged == [0, 1]:
            raise RuntimeError("trouble")
        return merge(partition, tables, scratch=scratch)

    def noted(index, **arguments):
        spilled.append(index)
        return spill(index, **arguments)

    monkeypatch.setattr(lines, "merge_units", merge_or_fail)
    monkeypatch.setattr(lines, "unit_rows", noted)
    with pytest.raises(RuntimeError, match="trouble"):
        run(tmp_path / "again", shards)
    assert run(tmp_path / "again", shards) == whole
    assert (merged, spilled) == ([0, 1, 1, 2], [0, 1, 2, 3])


def two_documents(first, second):
    """Documents whose contents are in this order."""
    found = sorted([Document(first, "a"), Document(second, "b")], key=lambda d: d.place)
    return found, [d.id for d in found]


def test_a_menu_stays_once_and_short_lines_stay_everywhere(tmp_path):
    found, ids = two_documents(f"{MENU}\nFirst text.\n# Menu", f"{MENU.upper()} \nSecond text.\n# Menu")
    results, report, edits = run(tmp_path, [found])
    stays, cut_out = found
    assert results[ids[0]] == (stays.text, False)
    assert results[ids[1]] == (cut_out.text.split("\n", 1)[1], False)
    gone = len(cut_out.text) - len(results[ids[1]][0])
    assert [edits[0][name] for name in ("units", "removed", "characters")] == [[3, 3], [0, 1], [0, gone]]
    assert report == {
        "units_compared": 2,
        "different": 1,
        "by_source": {
            "test": {
                "characters": len(stays.text) + len(cut_out.text), "characters_removed": gone,
                "units": 6, "units_removed": 1, "units_lost": 0, "documents_cut": 1, "documents_removed": 0,
            }
        },
        "frequent": [{"times": 2, "document": ids[0].hex(), "unit": 0}],
    }  # fmt: skip


def test_of_documents_of_equal_content_the_smallest_id_keeps_its_lines(tmp_path):
    found = sorted((Document(MENU, "a", source) for source in "xyz"), key=lambda d: d.id)
    for number, shard in enumerate([found, found[::-1]]):
        results, _, _ = run(tmp_path / str(number), [shard])
        assert [results[d.id] for d in found] == [(MENU, False), ("", True), ("", True)]


def test_units_are_equal_if_all_128_bits_are(tmp_path):
    work = prepare(tmp_path, [[Document(str(number), str(number)) for number in range(4)]])
    np.save(work.scratch / "document_order.npy", np.arange(4))
    hashes = {"high": pa.array([7, 7, 7, 8], pa.uint64()), "low": pa.array([1, 2, 1, 1], pa.uint64())}
    rows = pa.table({**hashes, "row": pa.array(range(4), pa.int32()), "unit": pa.array([0] * 4, pa.int32())})
    result = lines.merge_units(0, [rows], scratch=work.scratch)
    assert result == {"units": 4, "different": 3, "frequent": [[2, 0, 0, 0]]}
    answers = Answers(work.scratch / lines.ANSWERS, 0).take(np.zeros(4, dtype=np.uint64))
    assert answers.tolist() == [lines.STAYS_FOR_OTHERS, lines.STAYS, lines.GOES, lines.STAYS]


def test_a_document_without_text_or_with_few_sentences_leaves_after_a_cut(tmp_path):
    shared = ["One line is here.", "Another line is here."]
    texts = ["\n".join(shared), "\n".join([*shared, "Mine."]), "\n".join([*shared, "Mine.", "And mine."]), "Short."]
    found = [Document(text, str(number)) for number, text in enumerate(texts)]
    before, left = {"0": 2, "1": 3, "2": 4}, {"0": 0, "1": 1, "2": 2}  # sentences, if cut
    first = min(found[:3], key=lambda d: d.place)
    for least in (0, 2, 3):
        results, report, _ = run(tmp_path / str(least), [found], Lines(unit="line", min_sentences=least))
        cut_ones = {d.origin for d in found[:3] if d is not first}
        expected = {d for d in cut_ones if left[d] == 0 or left[d] < least <= before[d]}
        assert {d.origin for d in found if results[d.id].leaves} == expected
        assert report["by_source"]["test"]["documents_removed"] == len(expected)


def test_a_document_that_never_had_so_many_sentences_is_not_judged_by_them(tmp_path):
    line = "ใครขายไก่ ที่ตลาด วันนี้"  # Thai needs no end marks
    found, ids = two_documents(f"{line}\nก ข ค ง", f"{line}\nจ ฉ ช ซ")
    results, _, edits = run(tmp_path, [found], Lines(unit="line", min_sentences=3))
    assert edits[0]["sentences"] == [-1, 1]
    assert results[ids[1]] == (found[1].text.split("\n")[1], False)


def test_a_document_that_others_left_for_stays_uncut_where_it_would_leave(tmp_path):
    found = sorted((Document(MENU, "a", source) for source in "xyz"), key=lambda d: d.id)
    results, report, edits = run(tmp_path, [found], needed={found[1].id})
    assert [results[d.id] for d in found] == [(MENU, False), (MENU, False), ("", True)]
    assert (edits[0]["removed"], edits[0]["sentences"]) == ([0, 0, 1], [-1, -1, 0])
    assert [report["by_source"][d.source]["characters_removed"] for d in found] == [0, 0, len(MENU)]


def test_a_document_that_others_left_for_is_cut_where_text_is_left(tmp_path):
    found, ids = two_documents(f"{MENU}\nFirst text.", f"{MENU}\nSecond text.")
    results, _, _ = run(tmp_path, [found], needed=set(ids))
    assert results[ids[1]] == (found[1].text.split("\n")[1], False)


def chain(last):
    """Three documents a, b, c by their contents: b keeps a line for c, and loses its others to a."""
    for number in range(1000):
        shared, kept = [f"Line {k} is shared here {number}." for k in range(3)], f"Only once it stays {number}."
        texts = [
            "\n".join([*shared, f"Own text of the first {number}."]),
            "\n".join([*shared, kept]),
            f"{kept}\n{last}",
        ]
        found = [Document(text, name, f"of {name}") for text, name in zip(texts, "abc", strict=True)]
        if sorted(found, key=lambda d: d.place) == found:
            return found
    raise AssertionError("no such documents")


def test_units_that_left_with_the_document_that_kept_them_are_counted(tmp_path):
    a, b, c = chain("One. Two. Three.")
    results, report, _ = run(tmp_path / "3", [[a], [b, c]], Lines(unit="line", min_sentences=3))
    assert [results[d.id].leaves for d in (a, b, c)] == [False, True, False]
    assert {source: counts["units_lost"] for source, counts in report["by_source"].items()} == {
        "of a": 0, "of b": 1, "of c": 0
    }  # fmt: skip
    assert report["by_source"]["of b"]["characters_removed"] == len(b.text) == report["by_source"]["of b"]["characters"]
    results, report, _ = run(tmp_path / "0", [[a], [b, c]])
    assert not any(outcome.leaves for outcome in results.values())
    assert all(counts["units_lost"] == 0 for counts in report["by_source"].values())


def test_a_unit_that_stays_in_a_document_that_was_not_cut_is_not_lost(tmp_path):
    a, b, c = chain("Mine. Too.")  # c, cut to two sentences, would leave
    settings = Lines(unit="line", min_sentences=3)
    _, report, _ = run(tmp_path / "lost", [[a], [b, c]], settings)
    assert report["by_source"]["of b"]["units_lost"] == 1
    results, report, _ = run(tmp_path / "left", [[a], [b, c]], settings, needed={c.id})
    assert results[c.id] == (c.text, False)
    assert report["by_source"]["of b"]["units_lost"] == 0


def test_documents_of_other_sources_are_neither_compared_nor_cut(tmp_path):
    found = [Document(f"{MENU}\nText {n} of many.", str(n), source) for n, source in enumerate(["web", "code"] * 3)]
    results, report, edits = run(tmp_path, cut(found, 3), Lines(unit="line", sources=("web", "unknown")))
    texts = [results[d.id].text for d in found]
    assert texts[1::2] == [d.text for d in found[1::2]]
    assert sum(MENU in text for text in texts[::2]) == 1
    assert list(report["by_source"]) == ["web"]
    assert report["units_compared"] == 6
    assert sum(sum(edit["is_compared"]) for edit in edits) == 3


def test_decomposed_lines_are_those_that_are_composed(tmp_path):
    line = "Déjà vu à côté"
    found, ids = two_documents(f"{line}\nEins.", unicodedata.normalize("NFD", line) + "\nZwei.")
    results, _, _ = run(tmp_path, [found])
    assert [results[id_].text for id_ in ids] == [found[0].text, found[1].text.split("\n")[1]]


def test_characters_are_code_points_and_sentences_are_counted_where_something_was_cut(tmp_path):
    line = "日本語の行です。"
    found, _ = two_documents(f"{line}\nその一。", f"{line}\nその二。そうだ。")
    _, _, (edit,) = run(tmp_path, [found])
    assert (edit["units"], edit["removed"], edit["characters"]) == ([2, 2], [0, 1], [0, len(line) + 1])
    assert edit["before"] == [len(d.text) for d in found]
    assert edit["sentences"] == [-1, {"その一。": 1, "その二。そうだ。": 2}[found[1].text.split("\n")[1]]]


def test_the_documents_must_be_the_kept_ones(tmp_path):
    shards = [[Document(MENU, "a"), Document("Other text is here", "b", is_kept=False)]]
    work = prepare(tmp_path, shards)
    lines.find_repeated(work, tmp_path / "in", range(1), Lines(unit="line"))
    table = read_shard(tmp_path / "in" / shard_name(0))
    with pytest.raises(ValueError, match="2 documents to edit, but 1 are kept"):
        edit_shard(0, table, np.ones(2), scratch=work.scratch, settings=Lines(unit="line"))
