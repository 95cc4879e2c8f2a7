"""Decontamination: what is sought, found and cut; the index against its definition in plain Python."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from antimatter.collect import benchmarks
from antimatter.corpus.reports import write_json
from antimatter.corpus.shards import MissingData
from antimatter.filter import decontaminate
from antimatter.filter.decontaminate import DamagedBenchmark, Sought
from antimatter.params.benchmarks import Benchmark, Benchmarks
from antimatter.params.filter import Decontamination
from antimatter.text.words import fold, segment, words_of

SMALL = Decontamination(ngram=4, shortest=2)
ITEM = st.lists(st.lists(st.sampled_from("abcd"), max_size=8).map(" ".join), min_size=2, max_size=4)


def numbered(prefix: str, count: int) -> str:
    return " ".join(f"{prefix}{i}" for i in range(count))


def written(folder: Path, **sets: list[list[str]]) -> Path:
    """data/benchmarks of sets of [query, *choices]."""
    for name, items in sets.items():
        lines = [
            json.dumps({"name": name, "id": f"{name}-{i}", "query": query, "choices": choices, "gold": 0}) + "\n"
            for i, (query, *choices) in enumerate(items)
        ]
        (folder / f"{name}.jsonl").write_text("".join(lines), encoding="utf-8")
    entries = [{"name": name, "items": len(items)} for name, items in sets.items()]
    write_json(folder / "manifest.json", {"benchmarks": entries})
    return folder


def found(index, *texts: str) -> decontaminate.Contamination:
    return decontaminate.search(index, segment(pa.array(texts, pa.string())))


def masked(index, *texts: str, minimum: int = 1) -> tuple[list[str], list[int]]:
    result = decontaminate.mask(pa.array(texts, pa.string()), found(index, *texts), minimum)
    return result.texts.to_pylist(), result.characters.tolist()


def plain_sought(item: list[str], ngram: int, shortest: int) -> set[tuple[str, ...]]:
    query, *choices = ([fold(word) for word in words_of(text)] for text in item)
    sought = set()
    for words in [query, *choices, *(query + choice for choice in choices)]:
        sought |= {tuple(words[i : i + ngram]) for i in range(len(words) - ngram + 1)}
    if shortest <= len(query) < ngram:
        sought.add(tuple(query))
    if len(query) < shortest:
        sought |= {tuple(query + choice) for choice in choices if shortest <= len(query + choice) < ngram}
    return sought


def test_a_query_a_choice_and_the_seam_between_them_are_found(tmp_path):
    query, choice = numbered("q", 20), numbered("c", 13)
    index = decontaminate.build(written(tmp_path, quiz=[[query, choice, "no"]]), Decontamination())
    seam = " ".join([*query.split()[-6:], *choice.split()[:7]])
    seen = found(index, query, choice, seam, f"{query} {choice}", numbered("q", 12), f"{numbered('x', 9)} {query}")
    assert seen.matches.tolist() == [8, 1, 1, 21, 0, 8]
    assert seen.sets.to_pylist() == ["quiz", "quiz", "quiz", "quiz", None, "quiz"]
    assert seen.items.to_pylist()[0] == "quiz-0"


def test_case_and_punctuation_around_words_do_not_hide_an_item(tmp_path):
    query = "Where did the old cat of the miller go to rest on a rainy day"
    index = decontaminate.build(written(tmp_path, quiz=[[query, "On the mat."]]), Decontamination())
    assert found(index, query.upper().replace(" ", ", ") + "?!").matches.tolist() == [3]


def test_short_queries_are_sought_whole_and_what_is_shorter_is_counted_as_not_sought(tmp_path):
    items = [[numbered("a", 8), "x", "y"], [numbered("b", 7), "x", "y"], [numbered("c", 5), "x y z", "v"], ["", "no"]]
    index = decontaminate.build(written(tmp_path, quiz=items), Decontamination())
    assert index.sets == (Sought("quiz", items=4, sought=3),)
    texts = [numbered("a", 8), f"{numbered('b', 7)} y", f"{numbered('c', 5)} x y z", numbered("c", 5), numbered("b", 7)]
    assert found(index, *texts).matches.tolist() == [1, 1, 1, 0, 0]


def test_short_choices_alone_are_not_sought(tmp_path):
    index = decontaminate.build(written(tmp_path, quiz=[[numbered("q", 9), numbered("c", 12)]]), Decontamination())
    assert found(index, numbered("c", 12)).matches.tolist() == [0]


def test_the_set_and_the_item_with_most_matches_are_named(tmp_path):
    quiz = [[numbered("a", 4), "-"], [numbered("b", 5), "-"]]
    exam = [[numbered("c", 4), "-"], [numbered("d", 4), "-"]]
    index = decontaminate.build(written(tmp_path, quiz=quiz, exam=exam), SMALL)
    assert [sought.name for sought in index.sets] == ["exam", "quiz"]
    seen = found(
        index,
        " ".join(numbered(*words) for words in (("d", 4), ("a", 4), ("b", 5))),
        f"{numbered('d', 4)} {numbered('c', 4)} {numbered('a', 4)}",
        "nothing",
        f"{numbered('a', 4)} {numbered('c', 4)}",
    )
    assert seen.by_set.tolist() == [[1, 3], [2, 1], [0, 0], [1, 1]]
    assert seen.sets.to_pylist() == ["quiz", "exam", None, "exam"]
    assert seen.items.to_pylist() == ["quiz-1", "exam-0", None, "exam-0"]
    assert seen.reaches(2).tolist() == [True, True, False, False]
    assert decontaminate.matched_items(index, seen.found.owners) == [2, 2]


def test_an_ngram_of_several_items_belongs_to_the_first(tmp_path):
    same = [numbered("a", 4), "-"]
    index = decontaminate.build(written(tmp_path, quiz=[same], exam=[["?", "-"], same, same]), SMALL)
    assert found(index, numbered("a", 4)).items.to_pylist() == ["exam-1"]


def test_without_sets_nothing_is_found(tmp_path):
    index = decontaminate.build(written(tmp_path), Decontamination())
    seen = found(index, "a text", "")
    assert (seen.matches.tolist(), seen.sets.to_pylist()) == ([0, 0], [None, None])
    assert seen.by_set.shape == (2, 0) and not seen.reaches(1).any()
    assert decontaminate.matched_items(index, seen.found.owners) == []
    texts = pa.array(["a text", ""])
    assert decontaminate.mask(texts, seen).texts is texts


def test_a_saved_index_is_the_same_index(tmp_path):
    for sets in ({"quiz": [[numbered("a", 4), "-"], [numbered("b", 5), "-"]]}, {"quiz": [["", ""]]}, {}):
        index = decontaminate.build(written(tmp_path, **sets), SMALL)
        decontaminate.save(index, tmp_path / "index.arrow")
        loaded = decontaminate.load(tmp_path / "index.arrow")
        assert all(np.array_equal(*pair) for pair in zip(loaded.phrases, index.phrases, strict=True))
        assert [array.dtype for array in loaded.phrases] == [array.dtype for array in index.phrases]
        assert (loaded.sets, loaded.ids.to_pylist()) == (index.sets, index.ids.to_pylist())
        assert found(loaded, numbered("b", 5)).matches.tolist() == found(index, numbered("b", 5)).matches.tolist()


def test_what_the_benchmarks_stage_writes_is_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("quiz.jsonl").write_text(json.dumps({"ctx": numbered("q", 13), "endings": ["a", "b"], "label": 1, "ind": 7}))
    import hashlib

    digest = hashlib.sha256(Path("quiz.jsonl").read_bytes()).hexdigest()
    source = Benchmark(name="quiz", path="quiz.jsonl", format="multiple_choice", sha256=digest)

    class Work:
        settings, output = Benchmarks(sources=(source,)), tmp_path

        @staticmethod
        def report(content):
            pass

    benchmarks.build(Work)
    index = decontaminate.build(Path("benchmarks"), Decontamination())
    assert found(index, numbered("q", 13)).items.to_pylist() == ["7"]


def test_a_file_that_is_not_what_the_manifest_promises_is_named(tmp_path):
    folder = written(tmp_path, quiz=[["a", "b"]])
    write_json(folder / "manifest.json", {"benchmarks": [{"name": "quiz", "items": 2}]})
    with pytest.raises(DamagedBenchmark, match=r"holds 1 items, manifest\.json promises 2"):
        decontaminate.build(folder, Decontamination())
    (folder / "quiz.jsonl").write_text("{}\n")
    with pytest.raises(DamagedBenchmark, match=r"quiz.jsonl, line 1 is no item \(KeyError"):
        decontaminate.build(folder, Decontamination())
    with pytest.raises(MissingData, match="dvc repro benchmarks"):
        decontaminate.build(tmp_path / "data/benchmarks", Decontamination())


def test_masking_cuts_the_shared_words_and_leaves_a_paragraph_break(tmp_path):
    index = decontaminate.build(written(tmp_path, quiz=[["One two, three four five", "-"]]), SMALL)
    assert masked(
        index,
        "He said: one two three  four\nfive. Then left.",
        "one two three four five",
        "Before (one two three four)",
        "(one two three four five) behind",
        "nothing here",
    ) == (
        ["He said:\n\nThen left.", "", "Before", "behind", "nothing here"],
        [25, 23, 20, 25, 0],
    )


def test_cuts_that_touch_are_one_and_others_keep_what_lies_between(tmp_path):
    index = decontaminate.build(written(tmp_path, quiz=[["a b c d", "-"], ["e f g h", "-"]]), SMALL)
    assert masked(index, "x a b c d. e f g h y", "a b c d e x e f g h") == (["x\n\ny", "e x"], [16, 14])


def test_documents_below_the_minimum_keep_their_words(tmp_path):
    index = decontaminate.build(written(tmp_path, quiz=[["a b c d e", "-"]]), SMALL)
    assert masked(index, "a b c d", "a b c d e", minimum=2) == (["a b c d", ""], [0, 9])


def test_words_of_scripts_without_spaces_are_cut_by_the_letter(tmp_path):
    index = decontaminate.build(written(tmp_path, quiz=[["猫在垫子上", "-"]]), SMALL)
    assert masked(index, "昨天猫在垫子上睡觉。") == (["昨天\n\n睡觉。"], [5])


@given(st.data(), st.lists(st.text(st.sampled_from("abA悪ก่\u0301 -.'\n🖕")), min_size=1, max_size=4))
def test_a_cut_takes_the_matched_words_of_any_text_and_no_others(tmp_path_factory, data, texts):
    queries = []
    for text in texts:
        words = words_of(text)
        start = data.draw(st.integers(0, len(words)))
        queries.append([" ".join(words[start : start + data.draw(st.integers(2, 6))]), "-"])
    settings = Decontamination(ngram=4, shortest=1)
    index = decontaminate.build(written(tmp_path_factory.mktemp("sets"), quiz=queries), settings)
    array = pa.array(["", *texts, "a"], data.draw(st.sampled_from([pa.string(), pa.large_string()])))[1:-1]
    seen = decontaminate.search(index, segment(array))
    result = decontaminate.mask(array, seen)
    assert result.texts.type == array.type
    for document, text in enumerate(texts):
        mine = seen.found.documents == document
        spans = zip(seen.found.positions[mine].tolist(), seen.found.lengths[mine].tolist(), strict=True)
        covered = {position for start, length in spans for position in range(start, start + length)}
        left = [word for position, word in enumerate(words_of(text)) if position not in covered]
        assert words_of(result.texts[document].as_py()) == left
        assert covered or (result.texts[document].as_py(), result.characters[document]) == (text, 0)


@given(
    items=st.lists(ITEM, min_size=1, max_size=6),
    texts=st.lists(st.lists(st.sampled_from("abcd"), max_size=30).map(", ".join), max_size=4),
    sizes=st.tuples(st.integers(2, 6), st.integers(1, 6)),
)
def test_the_index_finds_exactly_what_is_sought_by_definition(tmp_path_factory, items, texts, sizes):
    settings = Decontamination(ngram=max(sizes), shortest=min(sizes))
    index = decontaminate.build(written(tmp_path_factory.mktemp("sets"), quiz=items), settings)
    sought = [plain_sought(item, settings.ngram, settings.shortest) for item in items]
    assert index.sets[0].sought == sum(map(bool, sought))
    assert len(index.phrases.keys) == len(set().union(*sought))
    seen = found(index, *texts)
    for document, text in enumerate(texts):
        words = words_of(text)
        spans = {
            (start, end)
            for start in range(len(words))
            for end in range(start + 1, len(words) + 1)
            if any(tuple(words[start:end]) in phrases for phrases in sought)
        }
        mine = seen.found.documents == document
        starts, lengths = seen.found.positions[mine], seen.found.lengths[mine]
        assert set(zip(starts.tolist(), (starts + lengths).tolist(), strict=True)) == spans
        assert seen.matches[document] == len(spans)
        covered = {position for start, end in spans for position in range(start, end)}
        (text,), (characters,) = masked(index, text)
        assert words_of(text) == [word for position, word in enumerate(words) if position not in covered]
        assert (characters > 0) == bool(spans)
