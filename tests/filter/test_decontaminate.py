"""Decontamination: what is sought, found and cut; the index against its definition in plain Python."""

import json
import unicodedata
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from antimatter.collect import benchmarks
from antimatter.corpus.reports import write_json
from antimatter.corpus.shards import MissingData
from antimatter.filter import decontaminate, masking
from antimatter.filter.decontaminate import Sought
from antimatter.filter.evaluation_sets import DamagedBenchmark
from antimatter.params.benchmarks import Benchmark, Benchmarks
from antimatter.params.filter import Decontamination
from antimatter.text.loose_words import loose_words_of
from antimatter.text.words import fold, stands_alone

SMALL = Decontamination(ngram=4, shortest=2)
WORDS = ["a", "b", "C", "d", "e", "don't", "7", "猫", "垫", "ﬁ"]
ITEM = st.lists(st.lists(st.sampled_from(WORDS), max_size=9).map(" ".join), min_size=2, max_size=4)


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


def found(index, *texts: str, minimum: int = 1) -> decontaminate.Contamination:
    return decontaminate.search(index, pa.array(texts, pa.string()), minimum)


def masked(index, *texts: str, minimum: int = 1) -> tuple[list[str], list[int]]:
    result = masking.mask(pa.array(texts, pa.string()), found(index, *texts, minimum=minimum))
    return result.texts.to_pylist(), result.characters.tolist()


def plain_sought(item: list[str], ngram: int, shortest: int) -> set[tuple[str, ...]]:
    """Of a set without a template."""
    sought: set[tuple[str, ...]] = set()
    for form in ("NFC", "NFKC"):
        texts = [[fold(word) for word in loose_words_of(unicodedata.normalize(form, text))] for text in item]
        words = [word for text in texts for word in text]
        factor = 2 if 2 * sum(map(stands_alone, (word[0] for word in words))) > len(words) else 1
        most, least = factor * ngram, factor * shortest
        query, *choices = texts
        for words in [query, *choices, *(query + choice for choice in choices)]:
            sought |= {tuple(words[i : i + most]) for i in range(len(words) - most + 1)}
        if least <= len(query) < most:
            sought.add(tuple(query))
        if len(query) < least:
            sought |= {tuple(query + choice) for choice in choices if least <= len(query + choice) < most}
    return {words for words in sought if len(set(words)) >= 4 and any(c.isalpha() for word in words for c in word)}


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


@pytest.mark.parametrize(
    "text",
    [
        "1)Which gas don't plants take in from the air to make food?",
        "Q:Which gas don’t plants take-in from the air—to make food?A)oxygen",
        "<p>Which gas don't plants take in from the\xadair to ma\xadke food</p>",
        "Look.WHICH GAS DON'T PLANTS\u200b TAKE\n\nIN FROM THE AIR TO MAKE FOOD.Next",
    ],
)
def test_ways_of_writing_the_same_words_do_not_hide_an_item(tmp_path, text):
    query = "Which gas don't plants take in from the air to make food?"
    index = decontaminate.build(written(tmp_path, quiz=[[query, "x", "y"]]), Decontamination(ngram=16))
    text = text.replace("the\xadair", "the air")
    assert found(index, text).matches.tolist() == [1]


def test_an_item_is_found_as_it_stands_and_with_plain_letters_in_place_of_ligatures_and_wide_ones(tmp_path):
    item = "The ﬁrst oﬃcer said ＨＥＬＬＯ to the x² people on deck"
    index = decontaminate.build(written(tmp_path, quiz=[[item, "-"]]), Decontamination())
    plain = "The first officer said HELLO to the x2 people on deck"
    assert found(index, item, plain, unicodedata.normalize("NFC", item)).matches.tolist() == [1, 1, 1]


TOPICS = "river mountain glacier desert forest prairie lagoon tundra".split()


def questions(count: int, prefix: str = "", suffix: str = "") -> list[list[str]]:
    """Items of 9 words between prefix and suffix."""
    return [
        [
            f"{prefix}{TOPICS[i % 8]} number {i} has {i + 1} parts, one {TOPICS[i % 5]} amid{i % 3}?{suffix}",
            "yes",
            "no",
        ]
        for i in range(count)
    ]


def test_words_around_most_queries_are_a_template_and_not_sought(tmp_path):
    items = questions(30, "Question: ", "\nAnswer:")
    items[7][0] = items[7][0].removeprefix("Question: ")
    index = decontaminate.build(written(tmp_path, quiz=items), Decontamination())
    assert index.sets == (Sought("quiz", items=30, sought=30, template="question ... answer"),)
    bare = [query.removesuffix("\nAnswer:").removeprefix("Question: ") for query, *_ in items]
    assert found(index, *bare).matches.tolist() == [1] * 30
    assert found(index, *(query for query, *_ in items)).items.to_pylist() == [f"quiz-{i}" for i in range(30)]


def test_of_a_few_items_no_template_is_known(tmp_path):
    items = questions(19, "Question: ")
    index = decontaminate.build(written(tmp_path, quiz=items), Decontamination())
    assert index.sets == (Sought("quiz", items=19, sought=19, template=""),)
    assert found(index, items[0][0], items[0][0].removeprefix("Question: ")).matches.tolist() == [1, 0]


def test_a_query_that_is_too_short_without_its_template_is_sought_with_it_and_with_its_answer(tmp_path):
    items = [[f"Question: {TOPICS[i % 8]} {i} is {i + 1} miles long?", "true, they say", "no"] for i in range(20)]
    index = decontaminate.build(written(tmp_path, quiz=items), Decontamination(shortest=7))
    query = items[3][0]
    bare = query.removeprefix("Question: ")
    assert found(index, query, bare, f"{bare} True, they say", f"{bare} no").matches.tolist() == [1, 0, 1, 1]
    index = decontaminate.build(tmp_path, Decontamination(shortest=8))
    assert found(index, query, f"{bare} no", f"{query} no").matches.tolist() == [0, 0, 1]


def test_a_query_that_is_all_template_is_not_sought_its_choices_are(tmp_path):
    items = [["Which of these sentences would a native speaker say?", f"{numbered(f'c{i}x', 9)}"] for i in range(20)]
    index = decontaminate.build(written(tmp_path, quiz=items), Decontamination())
    assert found(index, items[0][0], items[5][1]).items.to_pylist() == [None, "quiz-5"]


def test_sequences_of_fewer_than_four_different_words_or_without_a_letter_are_not_sought(tmp_path):
    items = [["ha " * 20, "b"], ["the a of " * 5, "a"], ["1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13", "14"]]
    items.append(["Count 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13", "14"])
    index = decontaminate.build(written(tmp_path, quiz=items), Decontamination())
    assert index.sets == (Sought("quiz", items=4, sought=1),)
    texts = ["ha " * 20, "the a of " * 5, "1 2 3 4 5 6 7 8 9 10 11 12 13 14", "count 1 2 3 4 5 6 7 8 9 10 11 12"]
    assert found(index, *texts).matches.tolist() == [0, 0, 0, 1]


def test_where_letters_are_words_twice_as_many_are_asked_for(tmp_path):
    long, short = "下列文件由中华人民共和国国务院办公厅发布的是哪一项请选择", "猫和狗为什么在垫子上睡了一整天觉"
    assert (len(long), len(short)) == (28, 16)
    items = [[long, "甲", "乙"], [short, "甲", "乙"], [short[:12], "甲", "乙"]]
    index = decontaminate.build(written(tmp_path, quiz=items), Decontamination())
    assert index.sets == (Sought("quiz", items=3, sought=2),)
    texts = [
        "昨天中华人民共和国国务院办公厅通报了天气。",
        f"问：{long}！",
        long[:26],
        long[:25],
        f"问{short}?",
        short[:12],
    ]
    assert found(index, *texts).matches.tolist() == [0, 3, 1, 0, 1, 0]


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
    assert seen.matches.tolist() == [4, 3, 0, 2]
    assert decontaminate.matched_items(index, seen.found.owners) == [2, 2]


def test_a_document_reaches_the_minimum_with_all_sets_together(tmp_path):
    quiz, exam = numbered("w", 13), " ".join(f"w{i}" for i in range(1, 14))
    folder = written(tmp_path, quiz=[[quiz, "-"]], exam=[[exam, "-"]])
    seen = found(decontaminate.build(folder, Decontamination()), f"{quiz} w13", quiz, minimum=2)
    assert seen.by_set.tolist() == [[1, 1], [0, 1]]
    assert (seen.matches.tolist(), seen.reaches.tolist()) == ([2, 1], [True, False])


def test_an_item_of_two_sets_counts_for_both_and_once_for_the_minimum(tmp_path):
    same = [numbered("w", 15), "-"]
    index = decontaminate.build(written(tmp_path, quiz=[["?", "-"], same], exam=[same]), Decontamination())
    seen = found(index, same[0], minimum=4)
    assert (seen.by_set.tolist(), seen.matches.tolist(), seen.reaches.tolist()) == ([[3, 3]], [3], [False])
    assert decontaminate.matched_items(index, seen.found.owners) == [1, 1]


@given(
    sets=st.lists(st.lists(ITEM, max_size=3), min_size=2, max_size=3),
    texts=st.lists(st.lists(st.sampled_from(WORDS), max_size=25).map(" ".join), min_size=1, max_size=3),
    minimum=st.integers(1, 5),
)
def test_another_set_never_weakens_one(tmp_path_factory, sets, texts, minimum):
    names = {f"set{number}": items for number, items in enumerate(sets)}
    together = decontaminate.build(written(tmp_path_factory.mktemp("sets"), **names), SMALL)
    seen = found(together, *texts, minimum=minimum)
    for number, (name, items) in enumerate(names.items()):
        alone = decontaminate.build(written(tmp_path_factory.mktemp("sets"), **{name: items}), SMALL)
        mine = found(alone, *texts, minimum=minimum)
        assert mine.by_set[:, 0].tolist() == seen.by_set[:, number].tolist()
        assert not (mine.reaches & ~seen.reaches).any()
        matched = decontaminate.matched_items(together, seen.found.owners)[number]
        assert [matched] == decontaminate.matched_items(alone, mine.found.owners)


def test_a_short_item_that_stands_whole_counts_as_the_minimum(tmp_path):
    items = [[numbered("a", 9), "-"], [numbered("b", 20), "-"]]
    index = decontaminate.build(written(tmp_path, quiz=items), Decontamination())
    texts = [f"x {numbered('a', 9)} y", f"{numbered('a', 9)} {numbered('b', 14)}", numbered("b", 16)]
    seen = found(index, *texts, minimum=5)
    assert (seen.matches.tolist(), seen.reaches.tolist()) == ([5, 5, 4], [True, True, False])
    assert seen.items.to_pylist() == ["quiz-0", "quiz-0", "quiz-1"]


def test_an_ngram_of_several_items_of_a_set_belongs_to_the_first(tmp_path):
    same = [numbered("a", 4), "-"]
    index = decontaminate.build(written(tmp_path, exam=[["?", "-"], same, same]), SMALL)
    assert found(index, numbered("a", 4)).items.to_pylist() == ["exam-1"]


def test_without_sets_nothing_is_found(tmp_path):
    index = decontaminate.build(written(tmp_path), Decontamination())
    seen = found(index, "a text", "")
    assert (seen.matches.tolist(), seen.sets.to_pylist()) == ([0, 0], [None, None])
    assert seen.by_set.shape == (2, 0) and not seen.reaches.any()
    assert decontaminate.matched_items(index, seen.found.owners) == []
    texts = pa.array(["a text", ""])
    assert masking.mask(texts, seen).texts is texts


def test_a_saved_index_is_the_same_index(tmp_path):
    named = {"quiz": [[numbered("a", 4), "-"], [numbered("b", 5), "-"]], "exam": questions(20, "Question: ")}
    for number, sets in enumerate((named, {"quiz": [["", ""]]}, {})):
        (tmp_path / str(number)).mkdir()
        index = decontaminate.build(written(tmp_path / str(number), **sets), SMALL)
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
    with pytest.raises(MissingData, match="dvc repro benchmarks"):
        decontaminate.build(tmp_path / "data/benchmarks", Decontamination())


@pytest.mark.parametrize(
    "line",
    [
        b"{}",
        b"not json",
        b"",
        b"[1]",
        b'{"id": "1", "query": "\xff", "choices": []}',
        b'{"id": 1, "query": "a", "choices": []}',
        b'{"id": "1", "query": null, "choices": []}',
        b'{"id": "1", "query": "a \\ud800", "choices": []}',
        b'{"id": "1", "query": "a", "choices": "abc"}',
        b'{"id": "1", "query": "a", "choices": ["b", 5]}',
        b"[" * 100_000,
    ],
    ids=["empty", "words", "blank", "list", "bytes", "id", "null", "surrogate", "text", "number", "deep"],
)
def test_a_line_that_is_no_item_is_named(tmp_path, line):
    folder = written(tmp_path, quiz=[["a", "b"], ["c", "d"]])
    good = (folder / "quiz.jsonl").read_bytes().splitlines()[0]
    (folder / "quiz.jsonl").write_bytes(good + b"\n" + line + b"\n")
    with pytest.raises(DamagedBenchmark, match=r"quiz\.jsonl, line 2 is no item \(.*Run `dvc repro benchmarks`"):
        decontaminate.build(folder, Decontamination())


@pytest.mark.parametrize(
    "content",
    [
        "{}",
        "[]",
        "not json",
        '{"benchmarks": null}',
        '{"benchmarks": [1]}',
        '{"benchmarks": [{"name": "quiz"}]}',
        '{"benchmarks": [{"name": 1, "items": 1}]}',
        '{"benchmarks": [{"name": "quiz", "items": true}]}',
        '{"benchmarks": [{"name": "quiz", "items": 1}, {"name": "quiz", "items": 1}]}',
    ],
)
def test_a_manifest_of_another_shape_is_named(tmp_path, content):
    folder = written(tmp_path, quiz=[["a", "b"]])
    (folder / "manifest.json").write_text(content)
    with pytest.raises(DamagedBenchmark, match=r"manifest\.json .*Run `dvc repro benchmarks`"):
        decontaminate.build(folder, Decontamination())


def test_a_set_that_the_manifest_does_not_list_is_an_error(tmp_path):
    folder = written(tmp_path, quiz=[["a", "b"]])
    (folder / "extra.jsonl").write_text("")
    with pytest.raises(DamagedBenchmark, match=r"extra\.jsonl, which manifest\.json does not list"):
        decontaminate.build(folder, Decontamination())


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


@pytest.mark.parametrize(
    ("around", "left"),
    [
        ("Look.ITEM.Next", "Look.\n\nNext"),
        ("我们开会了。ITEM？他没有回答。", "我们开会了。\n\n他没有回答。"),
        ("<p>ITEM?</p> x", "<p>\n\n</p> x"),
        ("He: “ITEM!” So", "He:\n\nSo"),
        ("« ITEM » x", "«\n\n» x"),
        ("a\n\n```ITEM``` b", "a\n\nb"),
        ("**ITEM**, he", "he"),
        ("¿ITEM? Sí", "Sí"),
        ("(https://ITEM) x", "(https://\n\nx"),
        ("no! ITEM(see b)", "no!\n\n(see b)"),
        ('ITEM..."And', "And"),
    ],
)
def test_of_the_punctuation_around_a_cut_goes_what_opens_before_and_what_closes_behind(tmp_path, around, left):
    item = numbered("a", 13)
    index = decontaminate.build(written(tmp_path, quiz=[[item, "-"]]), Decontamination())
    assert masked(index, around.replace("ITEM", item))[0] == [left]


def test_cuts_that_touch_are_one_and_others_keep_what_lies_between(tmp_path):
    index = decontaminate.build(written(tmp_path, quiz=[["a b c d", "-"], ["e f g h", "-"]]), SMALL)
    assert masked(index, "x a b c d. e f g h y", "a b c d e x e f g h") == (["x\n\ny", "e x"], [16, 14])


def test_documents_below_the_minimum_keep_their_words(tmp_path):
    index = decontaminate.build(written(tmp_path, quiz=[["a b c d e", "-"]]), SMALL)
    assert masked(index, "a b c d", "a b c d e", minimum=2) == (["a b c d", ""], [0, 9])


def test_words_of_scripts_without_spaces_are_cut_by_the_letter(tmp_path):
    index = decontaminate.build(written(tmp_path, quiz=[["猫在垫子上", "-"]]), SMALL)
    assert masked(index, "昨天「猫在垫子上」睡觉。") == (["昨天\n\n睡觉。"], [7])


@given(st.data(), st.lists(st.text(st.sampled_from("abcdA悪ก่\u0301\xad -.'\n🖕")), min_size=1, max_size=4))
def test_a_cut_takes_the_matched_words_of_any_text_and_no_others(tmp_path_factory, data, texts):
    queries = []
    for text in texts:
        words = loose_words_of(text)
        start = data.draw(st.integers(0, len(words)))
        queries.append([" ".join(words[start : start + data.draw(st.integers(4, 9))]), "-"])
    settings = Decontamination(ngram=5, shortest=1)
    index = decontaminate.build(written(tmp_path_factory.mktemp("sets"), quiz=queries), settings)
    array = pa.array(["", *texts, "a"], data.draw(st.sampled_from([pa.string(), pa.large_string()])))[1:-1]
    seen = decontaminate.search(index, array)
    result = masking.mask(array, seen)
    assert result.texts.type == array.type
    for document, text in enumerate(texts):
        mine = seen.found.documents == document
        spans = zip(seen.found.positions[mine].tolist(), seen.found.lengths[mine].tolist(), strict=True)
        covered = {position for start, length in spans for position in range(start, start + length)}
        left = [word for position, word in enumerate(loose_words_of(text)) if position not in covered]
        assert loose_words_of(result.texts[document].as_py()) == left
        assert covered or (result.texts[document].as_py(), result.characters[document]) == (text, 0)


@given(
    items=st.lists(ITEM, min_size=1, max_size=6),
    texts=st.lists(st.lists(st.sampled_from(WORDS), max_size=30).map(", ".join), max_size=4),
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
        words = [fold(word) for word in loose_words_of(text)]
        spans = {
            (start, end)
            for start in range(len(words))
            for end in range(start + 1, len(words) + 1)
            if any(tuple(words[start:end]) in phrases for phrases in sought)
        }
        mine = seen.found.documents == document
        starts, lengths = seen.found.positions[mine], seen.found.lengths[mine]
        assert set(zip(starts.tolist(), (starts + lengths).tolist(), strict=True)) == spans
        assert seen.matches[document] == len({start for start, _ in spans})
        covered = {position for start, end in spans for position in range(start, end)}
        (text,), (characters,) = masked(index, text)
        assert list(map(fold, loose_words_of(text))) == [
            word for position, word in enumerate(words) if position not in covered
        ]
        assert (characters > 0) == bool(spans)


@pytest.mark.parametrize("own", range(4, 10))
@pytest.mark.parametrize("choices", [[], ["yes", "no"]])
def test_a_query_is_found_with_its_template_however_many_words_are_its_own(tmp_path, own, choices):
    """Seven words of template and some of its own: with 6 and 7 of them it has an n-gram, but none without template."""
    names = [f"word{number}" for number in range(400)]
    queries = [
        f"Choose the correct answer to this question: {' '.join(names[9 * item : 9 * item + own])}?"
        for item in range(40)
    ]
    index = decontaminate.build(written(tmp_path, quiz=[[query, *choices] for query in queries]), Decontamination())
    texts = [f"As it stands. {query} And then." for query in queries]
    assert decontaminate.search(index, pa.array(texts)).reaches.all()
    only_template = "Choose the correct answer to this question: another thing altogether, asked by somebody else."
    assert not decontaminate.search(index, pa.array([only_template])).reaches.any()
