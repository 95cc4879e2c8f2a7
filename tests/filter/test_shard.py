"""One shard through filter: measured whole, judged by the policy of its source, told in the ledger."""

import json

import numpy as np
import pyarrow as pa
import pytest

from antimatter.clean.shard import clean_shard
from antimatter.corpus.ledger import Counts
from antimatter.corpus.shards import DamagedShard, read_shard, shard_name, write_shard
from antimatter.filter import decontaminate
from antimatter.filter.rules import MissingSignal
from antimatter.filter.shard import Places, filter_shard
from antimatter.filter.signals import TEXT_SIGNALS, measure_text
from antimatter.filter.tally import Tally
from antimatter.params.clean import Clean
from antimatter.params.filter import Decontamination, Filter, HandRule, Policy
from tests.documents import write_documents

SENTENCES = [
    "The old man and the sea have been with us for a long time.",
    "That is what we have to be glad of, said the captain of the ship.",
    "Nobody on board remembered when the last storm had blown from the east.",
    "Their nets were mended with thread that came from four different harbours.",
    "To sail without a compass is possible, but it takes courage and some luck.",
]
PROSE = " ".join(SENTENCES)
FRENCH = "La maison se trouvait au bout de la rue, et personne n'y avait habité depuis des années. " * 6
SHORT = "hello there, how are you today my friend?"
QUESTION = "Which of the four harbours gave the thread with which their nets were mended after the storm?"
ANSWERS = ["The first one, as the captain told us.", "None of them at all."]
SETTINGS = Filter(policies=(Policy(name="prose", languages=("en",)), Policy(name="conversation", rule_sets=())))


def benchmarks(folder, **sets):
    """data/benchmarks with these sets: name=[(id, query, choices), ...]"""
    folder.mkdir(parents=True, exist_ok=True)
    for name, items in sets.items():
        lines = [
            json.dumps({"name": name, "id": identity, "query": query, "choices": choices, "gold": 0})
            for identity, query, choices in items
        ]
        (folder / f"{name}.jsonl").write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    entries = [{"name": name, "items": len(items)} for name, items in sets.items()]
    (folder / "manifest.json").write_text(json.dumps({"benchmarks": entries}), encoding="utf-8")
    return folder


def places_in(tmp_path, settings, **sets):
    """Where filter works below tmp_path, the index of the evaluation sets made."""
    places = Places(
        documents=tmp_path / "cleaned" / "documents",
        clean_signals=tmp_path / "cleaned" / "signals",
        output=tmp_path / "out",
        scratch=tmp_path / "scratch",
    )
    places.scratch.mkdir(exist_ok=True)
    index = decontaminate.build(benchmarks(tmp_path / "benchmarks", **sets), settings.decontamination)
    decontaminate.save(index, places.index)
    return places


def run(tmp_path, texts, settings=SETTINGS, steps=("spaces",), **sets):
    """(documents as clean left them, {documents, removed, signals} of filter, its result)"""
    write_documents(tmp_path / "raw", [texts])
    cleaned = tmp_path / "cleaned"
    clean_shard(0, source=tmp_path / "raw", output=cleaned, scratch=tmp_path / "scratch", settings=Clean(steps=steps))
    places = places_in(tmp_path, settings, **sets)
    result = filter_shard(0, places=places, settings=settings)
    Counts.from_plain(result["counts"]).require_balance("filter")
    read = {kind: read_shard(tmp_path / "out" / kind / shard_name(0)) for kind in ("documents", "removed", "signals")}
    return read_shard(places.documents / shard_name(0)), read, result


def test_prose_stays_and_the_others_leave_with_reason_value_and_threshold(tmp_path):
    _, read, _ = run(tmp_path, [PROSE, FRENCH, SHORT])
    assert read["documents"].column("text").to_pylist() == [PROSE]
    french, short = read["removed"].to_pylist()
    assert french["reason"] == "language.other"
    assert "gopher_quality.stop_words" in french["also_failed"]
    assert (short["reason"], short["value"], short["threshold"]) == ("gopher_quality.word_count", 8, 50)


def test_each_source_is_judged_by_its_own_policy(tmp_path):
    settings = Filter(policies=SETTINGS.policies, sources={"test": "conversation"})
    _, read, _ = run(tmp_path, [SHORT, FRENCH], settings)
    assert read["documents"].num_rows == 2


def test_texts_are_never_edited_and_languages_are_filled_in(tmp_path):
    before, read, _ = run(tmp_path, [PROSE + " \u00a0\n\n\n odd   spacing "], steps=())
    assert read["documents"].column("text").equals(before.column("text"))
    assert read["documents"].column("language").to_pylist() == ["en"]
    assert pa.compute.min(read["documents"].column("language_score")).as_py() > 0.9


def test_signals_are_written_for_kept_and_removed_alike(tmp_path):
    before, read, _ = run(tmp_path, [PROSE, SHORT])
    signals = read["signals"]
    assert signals.column("id").equals(before.column("id"))
    assert signals.column("source").to_pylist() == ["test", "test"]
    for row, text in enumerate([PROSE, SHORT]):
        assert {name: signals.column(name)[row].as_py() for name in TEXT_SIGNALS} == measure_text(text)


def test_documents_that_cleaning_emptied_do_not_shift_the_signals_of_the_others(tmp_path):
    settings = Filter(policies=(Policy(name="web", rule_sets=("refinedweb",)),))
    cluttered = PROSE + "\nBUY IT NOW AND HERE\n" * 20
    _, read, _ = run(tmp_path, ["\u200b", cluttered, PROSE, "\u200b"], settings, ("invisible", "refinedweb_lines"))
    assert read["documents"].column("text").to_pylist() == [PROSE]
    (removed,) = read["removed"].to_pylist()
    assert removed["reason"].startswith("refinedweb.")
    share = read["signals"].column("refinedweb_lines.removed_word_share").to_pylist()
    assert share == [pytest.approx(100 / (100 + len(PROSE.split()))), 0.0]


def test_page_rules_refuse_to_judge_without_their_line_step(tmp_path):
    with pytest.raises(MissingSignal, match="c4_lines"):
        run(tmp_path, [PROSE], Filter(policies=(Policy(name="web", rule_sets=("c4",)),)))


def test_signals_of_other_documents_are_refused(tmp_path):
    run(tmp_path, [PROSE, SHORT], steps=("refinedweb_lines",))
    path = tmp_path / "cleaned" / "signals" / shard_name(0)
    write_shard(path, read_shard(path).slice(1))
    with pytest.raises(DamagedShard, match="dvc repro clean"):
        filter_shard(0, places=places_in(tmp_path, SETTINGS), settings=SETTINGS)


def test_an_evaluation_item_removes_its_document_before_all_other_reasons(tmp_path):
    contaminated = f"{FRENCH} {QUESTION} {ANSWERS[0]}"
    sets = {"quiz": [("7", QUESTION, ANSWERS)], "other": [("1", "Nothing of this stands in any document of ours.", [])]}
    _, read, result = run(tmp_path, [PROSE, contaminated], **sets)
    (removed,) = read["removed"].to_pylist()
    assert (removed["reason"], removed["detail"]) == ("decontamination.quiz", "item 7")
    assert (removed["value"], removed["threshold"]) == (13.0, 1.0)  # of 17 + 8 words: 13-grams
    assert removed["also_failed"][0] == "language.other"
    assert read["signals"].column("contaminated_set").to_pylist() == [None, "quiz"]
    assert np.load(tmp_path / "scratch" / "contaminated-00000.npy").tolist() == [1]  # sets by name: other, quiz
    tally = Tally.sum([result["tally"]]).rule_report("prose", "decontamination.quiz")
    assert (tally["failed"], tally["first"], tally["alone"]) == (1, 1, 0)


def test_an_item_may_be_masked_or_only_reported(tmp_path):
    text, sets = f'{PROSE} "{QUESTION}" So {PROSE}', {"quiz": [("7", QUESTION, ANSWERS)]}
    for action in ("mask", "report"):
        settings = Filter(policies=SETTINGS.policies, decontamination=Decontamination(action=action))
        _, read, result = run(tmp_path / action, [text, QUESTION], settings, **sets)
        assert read["signals"].column("contaminated_matches").to_pylist() == [5, 5]
        kept = read["documents"].column("text").to_pylist()
        reasons = [row["reason"] for row in read["removed"].to_pylist()]
        if action == "mask":
            assert kept == [f"{PROSE}\n\nSo {PROSE}"]
            assert reasons == ["decontamination.quiz"], "nothing is left of a document that is an item"
            assert read["signals"].column("masked_characters").to_pylist() == [len(QUESTION) + 2, len(QUESTION)]
            assert result["counts"]["test"]["bytes_out"] == len(kept[0])
        else:
            assert kept == [text]
            assert reasons == ["gopher_quality.word_count"]


def test_of_several_sets_the_one_with_most_matches_speaks_first(tmp_path):
    text = f"{PROSE} {QUESTION}"
    words = QUESTION.split()
    sets = {"less": [("1", " ".join(words[:13]), [])], "more": [("2", QUESTION, [])]}
    _, read, result = run(tmp_path, [text], **sets)
    (removed,) = read["removed"].to_pylist()
    assert (removed["reason"], removed["detail"]) == ("decontamination.more", "item 2")
    assert removed["also_failed"][0] == "decontamination.less"
    tally = Tally.sum([result["tally"]])
    found = {name: tally.rule_report("prose", f"decontamination.{name}") for name in sets}
    assert [(found[name]["failed"], found[name]["first"], found[name]["alone"]) for name in sets] == [
        (1, 0, 0),
        (1, 1, 0),
    ]
    assert tally.contaminated == {"less": [0, 0], "more": [1, 0]}


def test_the_language_that_a_document_leaves_for_is_told(tmp_path):
    _, read, _ = run(tmp_path, [FRENCH, SHORT])
    assert [row["detail"] for row in read["removed"].to_pylist()] == ["language fr", None]


def test_all_reasons_are_told_the_first_alone_counts(tmp_path):
    settings = Filter(
        policies=(Policy(name="prose", languages=("en",), rules=(HandRule(signal="lines", at_least=2),)),),
    )
    _, read, result = run(tmp_path, [SHORT, PROSE], settings)
    short, prose = read["removed"].to_pylist()
    assert short["reason"] == "gopher_quality.word_count"
    assert short["also_failed"][-1] == "by_hand.lines"
    assert (prose["reason"], prose["value"], prose["threshold"], prose["also_failed"]) == ("by_hand.lines", 1, 2, [])
    by_hand = Tally.sum([result["tally"]]).rule_report("prose", "by_hand.lines")
    assert by_hand == {
        "failed": 2, "alone": 1, "first": 1, "sources": {"test": {"failed": 2, "alone": 1, "first": 1}}
    }  # fmt: skip


def test_many_pieces_give_what_one_gives(tmp_path, monkeypatch):
    texts = [PROSE, SHORT, "", FRENCH, QUESTION, PROSE * 3, "word " * 300, "水" * 100]
    sets = {"quiz": [("7", QUESTION, ANSWERS)]}
    _, whole, result = run(tmp_path / "one", texts, **sets)
    for name, limit in (("PIECE_BYTES", 100), ("PIECE_ROWS", 3)):
        monkeypatch.setattr(f"antimatter.filter.shard.{name}", limit)
        _, sliced, again = run(tmp_path / name, texts, **sets)
        assert result == again
        assert all(whole[kind].equals(sliced[kind]) for kind in whole)


def test_a_shard_without_documents_passes(tmp_path):
    _, read, result = run(tmp_path, ["\u200b"], steps=("invisible",))
    assert result["documents"] == 0
    assert all(table.num_rows == 0 for table in read.values())
    assert set(TEXT_SIGNALS) <= set(read["signals"].column_names)


@pytest.mark.parametrize(
    "text",
    [
        " " * 50_000,
        "x" * 1_000_000,
        "word " * 200_000,
        "😀" * 100_000,
        "水" * 100_000,
        "ก่" * 100_000,
        "שלום " * 50_000,
        "\u0301" * 100_000,
        "a\n" * 200_000,
    ],
    ids=["space", "line", "word", "emoji", "han", "thai", "hebrew", "marks", "lines"],
)
def test_bad_input_is_judged_like_any_other(tmp_path, text):
    places = places_in(tmp_path, SETTINGS)
    (table,) = write_documents(places.documents, [[text, PROSE]])  # clean would remove some of them
    write_shard(places.clean_signals / shard_name(0), table.select(["id"]))
    filter_shard(0, places=places, settings=SETTINGS)
    assert read_shard(places.output / "documents" / shard_name(0)).column("text").to_pylist() == [PROSE]
    signals = read_shard(places.output / "signals" / shard_name(0))
    assert signals.column("characters").to_pylist() == [len(text), len(PROSE)]
