"""The pass over repeated lines and paragraphs against its definition in plain Python."""

import random

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from antimatter.corpus.shards import read_shard, shard_name
from antimatter.dedup import lines
from antimatter.dedup.answers import Answers
from antimatter.dedup.lines import count_by_source, edit_shard, summary
from antimatter.text.words import words_of
from tests.dedup.kept_documents import Document, cut, documents, files_below, kept_table, prepare
from tests.dedup.test_units import plain_contents, plain_without
from tests.filter import nasty_documents

MENU = "Home About Contact"
NAMES = [field for field in lines.Edited._fields if field != "texts"]


def plain_pass(found, unit, min_words):
    """(text by id, [(times, id, number) of what stays of the repeated units]), by the definition."""
    seen, times, edited = {}, {}, {}
    for document in sorted((d for d in found if d.is_kept), key=lambda d: d.place):
        leaving = []
        for number, content in enumerate(plain_contents(document.text, unit)):
            is_long = len(words_of(content)) >= min_words
            leaving.append(is_long and content in seen)
            if is_long:
                seen.setdefault(content, (document.place, number))
                times[content] = times.get(content, 0) + 1
        edited[document.id] = plain_without(document.text, unit, leaving)
    frequent = sorted((-times[content], *seen[content]) for content in seen if times[content] > 1)
    return edited, [(-count, place[1].hex(), number) for count, place, number in frequent]


def run(folder, shards, unit="line", min_words=3, min_sentences=0):
    """({id: (text, leaves)}, report part, the shards' edits as plain lists)."""
    work = prepare(folder, shards)
    found = lines.find_repeated(work, folder / "in", range(len(shards)), unit=unit, min_words=min_words)
    edits = [
        edit_shard(
            index, kept_table(shard), scratch=work.scratch, unit=unit, min_words=min_words, min_sentences=min_sentences
        )
        for index, shard in enumerate(shards)
    ]
    counts, results, plain = [], {}, []
    for shard, edited in zip(shards, edits, strict=True):
        kept = [d for d in shard if d.is_kept]
        counts.append(count_by_source([d.source for d in kept], edited))
        plain.append([edited.texts.to_pylist(), *(getattr(edited, name).tolist() for name in NAMES)])
        results |= {d.id: (text, leaves) for d, text, leaves in zip(kept, plain[-1][0], plain[-1][-1], strict=True)}
    return results, summary(work.scratch, found, counts), plain


def related_texts(count, seed):
    draw = random.Random(seed)
    some = [" ".join(draw.choice("alpha Beta gamma DELTA".split()) for _ in range(n)) for n in (1, 2, 3, 3, 4, 5) * 3]
    line = [*some, *(text.upper() for text in some), "", "", " "]
    return ["\n".join(draw.choice(line) for _ in range(draw.randrange(9))) for _ in range(count)]


@pytest.fixture(autouse=True)
def one_worker(monkeypatch, tmp_path):
    monkeypatch.setenv("ANTIMATTER_WORKERS", "1")
    monkeypatch.chdir(tmp_path)


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    texts=st.one_of(
        st.integers(0, 10**6).map(lambda seed: related_texts(25, seed)),
        st.lists(nasty_documents.documents(), max_size=8),
    ),
    unit=st.sampled_from(["line", "paragraph"]),
    min_words=st.integers(1, 4),
    partitions=st.integers(1, 3),
    most=st.sampled_from([2, 20]),
)
def test_of_equal_units_the_first_of_the_smallest_digest_stays(
    tmp_path_factory, monkeypatch, texts, unit, min_words, partitions, most
):
    monkeypatch.setattr(lines, "partitions_for", lambda size: partitions)
    monkeypatch.setattr(lines, "MOST_FREQUENT", most)
    found = documents(texts)
    results, report, _ = run(tmp_path_factory.mktemp("run"), cut(found, 3), unit, min_words)
    expected, frequent = plain_pass(found, unit, min_words)
    assert {id_: text for id_, (text, _) in results.items()} == expected
    assert [(row["times"], row["document"], row["unit"]) for row in report["frequent"]] == frequent[:most]


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
    assert edits[0][1:4] == [[3, 3], [0, 1], [0, gone]]
    assert report == {
        "units_compared": 2,
        "different": 1,
        "by_source": {
            "test": {
                "units": 6, "units_removed": 1, "characters_removed": gone, "documents_cut": 1, "documents_removed": 0
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
    goes = Answers(work.scratch / lines.ANSWERS, 0).take(np.zeros(4, dtype=np.uint64))
    assert goes.tolist() == [0, 0, 1, 0]


def test_a_document_without_text_or_with_few_sentences_leaves_after_a_cut(tmp_path):
    shared = ["One line is here.", "Another line is here."]
    texts = ["\n".join(shared), "\n".join([*shared, "Mine."]), "\n".join([*shared, "Mine.", "And mine."]), "Short."]
    found = [Document(text, str(number)) for number, text in enumerate(texts)]
    left = {"0": 0, "1": 1, "2": 2}  # sentences, if cut
    first = min(found[:3], key=lambda d: d.place)
    for least in (0, 2, 3):
        results, report, _ = run(tmp_path / str(least), [found], min_sentences=least)
        expected = {d.origin for d in found[:3] if d is not first and left[d.origin] < max(1, least)}
        assert {d.origin for d in found if results[d.id][1]} == expected
        assert report["by_source"]["test"]["documents_removed"] == len(expected)


def test_characters_are_code_points_and_sentences_are_counted_where_something_was_cut(tmp_path):
    line = "日本語の行です。"
    found, _ = two_documents(f"{line}\nその一。", f"{line}\nその二。そうだ。")
    _, _, ((_, units, removed, characters, sentences, _),) = run(tmp_path, [found])
    assert (units, removed, characters) == ([2, 2], [0, 1], [0, len(line) + 1])
    assert sentences == [-1, {"その一。": 1, "その二。そうだ。": 2}[found[1].text.split("\n")[1]]]


def test_the_documents_must_be_the_kept_ones(tmp_path):
    shards = [[Document(MENU, "a"), Document("Other text is here", "b", is_kept=False)]]
    work = prepare(tmp_path, shards)
    lines.find_repeated(work, tmp_path / "in", range(1), unit="line", min_words=3)
    table = read_shard(tmp_path / "in" / shard_name(0))
    with pytest.raises(ValueError, match="2 documents to edit, but 1 are kept"):
        edit_shard(0, table, scratch=work.scratch, unit="line", min_words=3, min_sentences=0)
