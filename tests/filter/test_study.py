"""The filter study: equal to judging document by document, whatever the shards; a trial is what the stage would do."""

import json
from collections import Counter
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from antimatter.corpus.reports import write_json
from antimatter.corpus.schema import document_id
from antimatter.corpus.shards import MissingData, read_shard, shard_name, write_shard
from antimatter.errors import AntiMatterError
from antimatter.filter import decontaminate
from antimatter.filter.policies import judges, policy_of
from antimatter.filter.shard import Places, filter_shard
from antimatter.filter.study.borderline import Threshold, nearest
from antimatter.filter.study.distribution import Distribution
from antimatter.filter.study.study import study_project
from antimatter.filter.study.trial import UnknownName, with_trial
from antimatter.params.filter import Decontamination, Filter, HandRule, Policy
from tests.documents import write_documents
from tests.filter.made_signals import document_table, signal_table, write_data

PROSE = Policy(name="prose", rule_sets=("gopher_quality", "gopher_repetition"), languages=("en",))
SHORT = Policy(
    name="short",
    thresholds={"gopher_quality.word_count.low": 20},
    without=("gopher_quality.stop_words",),
    rules=(HandRule(signal="digit_share", at_most=0.5),),
)
SETTINGS = Filter(policies=(PROSE, SHORT), sources={"leads": "short"})


def tables(*shards):
    return [signal_table(sources, seed) for seed, sources in enumerate(shards)]


MIXED = tables(["books"] * 300, ["leads"] * 200 + ["books"] * 50, ["leads"] * 120)


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def failures(table, settings):
    """Each document as (source, characters, reasons): judged one at a time."""
    ready = judges(settings)
    for row in table.to_pylist():
        judge = ready[policy_of(row["source"], settings)]
        found = judge.verdicts({name: [value] for name, value in row.items()}).failures(0)
        yield row["source"], row["characters"], [failure.reason for failure in found]


@pytest.mark.parametrize(
    "trial",
    [
        {},
        {"rule_sets": ["fineweb", "gopher_repetition"]},
        {"thresholds": {"gopher_quality.word_count.low": 200, "by_hand.url_share.high": 0.1}},
        {"rule_sets": [], "thresholds": {"language.uncertain": 0.1}},
    ],
)
def test_what_it_counts_is_what_judging_one_document_after_the_other_counts(here, trial):
    write_data(here, MIXED)
    result = study_project(SETTINGS, **trial)
    tried = with_trial(SETTINGS, ["prose", "short"], trial.get("rule_sets"), trial.get("thresholds", {}))
    judged = [verdict for table in MIXED for verdict in failures(table, tried)]
    for source, of_source in result.sources.items():
        mine = [(characters, reasons) for name, characters, reasons in judged if name == source]
        assert of_source.whole == (len(mine), sum(characters for characters, _ in mine))
        removed = [characters for characters, reasons in mine if reasons]
        assert of_source.removed == (len(removed), sum(removed))
        for reason, tally in of_source.losses.items():
            for size, chosen in (
                (tally.failed, [characters for characters, reasons in mine if reason in reasons]),
                (tally.alone, [characters for characters, reasons in mine if reasons == [reason]]),
                (tally.first, [characters for characters, reasons in mine if reasons[:1] == [reason]]),
            ):
                assert size == (len(chosen), sum(chosen)), reason
        assert sum(tally.first.documents for tally in of_source.losses.values()) == of_source.removed.documents
    now = [sum(bool(reasons) for table in MIXED for name, _, reasons in failures(table, SETTINGS) if name == source)
           for source in result.sources]  # fmt: skip
    assert [of_source.removed_now.documents for of_source in result.sources.values()] == now


ENGLISH = "The old man and the sea have been with us for a long time, and that is what we have to be glad of. "
QUIZ = "Which of the seven hills of Rome did the first kings of the city choose for their own houses"
TEXTS = [
    ENGLISH * 4,
    ENGLISH * 40,
    "".join(ENGLISH.replace("time", f"time{number}") for number in range(9)),
    "La maison se trouvait au bout de la rue, et personne n'y avait habité depuis des années. " * 6,
    "hello there, how are you today my friend?",
    "\n".join(f"- item number {number} of the list that goes with this" for number in range(30)),
    f"{ENGLISH * 3}\n{QUIZ}? {ENGLISH}",
    "1 2 3 4 5 6 7 8 9 10",
]


def run_stage(root, settings):
    """Filter the one shard below root; returns what rules came to (policy -> reason -> source), and the ledger."""
    benchmarks = root / "data/benchmarks"
    benchmarks.mkdir(exist_ok=True)
    item = {"id": "1", "query": QUIZ, "choices": ["the Palatine", "the Aventine"], "answer": 0}
    (benchmarks / "quiz.jsonl").write_text(json.dumps(item) + "\n")
    write_json(benchmarks / "manifest.json", {"benchmarks": [{"name": "quiz", "items": 1}]})
    places = Places(
        documents=root / "data/cleaned/documents",
        clean_signals=root / "data/cleaned/signals",
        output=root / "data/filtered",
        scratch=root / "work",
    )
    places.scratch.mkdir(exist_ok=True)
    decontaminate.save(decontaminate.build(benchmarks, settings.decontamination), places.index)
    rules = filter_shard(0, places=places, settings=settings)["tally"]["rules"]
    return rules, read_shard(root / "data/filtered/removed" / shard_name(0)).to_pylist()


@pytest.mark.parametrize(
    ("rule_sets", "thresholds"),
    [
        (None, {}),
        (["gopher_quality", "gopher_repetition", "fineweb"], {"gopher_quality.word_count.low": 5}),
        (["c4"], {"c4.sentences": 1, "by_hand.digit_share.high": 0.2}),
    ],
)
def test_what_is_tried_is_what_the_stage_removes_when_it_is_set(here, rule_sets, thresholds):
    """The signals come from a run with one policy; the second run has what was tried."""
    settings = Filter(policies=(Policy(name="prose", languages=("en",)),))
    table = write_documents(here / "data/cleaned/documents", [TEXTS])[0]
    write_shard(here / "data/cleaned/signals" / shard_name(0), table.select(["id"]))
    run_stage(here, settings)
    result = study_project(settings, rule_sets=rule_sets, thresholds=thresholds).sources["test"]
    absent = ("c4.lorem_ipsum", "c4.curly_brace", "c4.bad_words") if rule_sets == ["c4"] else ()
    tried = with_trial(settings, ["prose"], rule_sets, thresholds)
    tried = replace(tried, policies=(replace(tried.policies[0], without=absent),))
    rules, removed = run_stage(here, tried)
    found = {
        reason: [tally.failed.documents, tally.alone.documents, tally.first.documents]
        for reason, tally in result.losses.items()
        if tally.failed.documents
    }
    assert found == {reason: sources["test"] for reason, sources in rules["prose"].items() if sources}
    assert result.removed.documents == len(removed) > 0
    assert result.losses["decontamination.quiz"].first.documents == 1


def test_shards_do_not_show(here, tmp_path):
    write_data(here, MIXED)
    several = study_project(SETTINGS, signals=["words"])
    for path in (here / "data/filtered/signals").iterdir():
        path.unlink()
    whole = pa.concat_tables(MIXED)
    write_shard(here / "data/filtered/signals" / shard_name(0), whole.take(np.random.default_rng(1).permutation(670)))
    one = study_project(SETTINGS, signals=["words"])
    for source in several.sources:
        left, right = several.sources[source], one.sources[source]
        assert (left.losses, left.removed, left.languages) == (right.losses, right.removed, right.languages)
        assert left.signals["words"].quantiles([0.1, 0.5]) == right.signals["words"].quantiles([0.1, 0.5])
        for threshold, beside in left.beside.items():
            for side in ("kept", "removed"):
                ids = [
                    [example.id for example in getattr(one_of, side)] for one_of in (beside, right.beside[threshold])
                ]
                assert ids[0] == ids[1]


def test_examples_are_the_nearest_documents_on_both_sides(here):
    words = [49, 10, 51, 50, 30, 52, 49]
    table = signal_table(["books"] * 7, 0, {"words": words, "language": ["en"] * 7, "language_score": [1.0] * 7})
    write_data(here, [table])
    result = study_project(SETTINGS, examples=3)
    beside = result.sources["books"].beside[Threshold("gopher_quality.word_count", "at_least", 50)]
    assert [example.value for example in beside.removed] == [49, 49, 30]
    assert [example.value for example in beside.kept] == [50, 51, 52]
    assert beside.removed[0].id < beside.removed[1].id
    assert beside.beyond == 4
    assert result.excerpts[beside.kept[0].id].startswith("Text of row 3 of books.")
    assert len(result.excerpts[beside.kept[0].id]) == 500


@given(
    documents=st.lists(st.tuples(st.integers(0, 3), st.booleans(), st.binary(min_size=16, max_size=16)), max_size=30),
    limit=st.integers(0, 5),
)
def test_the_nearest_ones_are_the_first_when_sorted_by_distance_then_id(documents, limit):
    distances = np.array([distance for distance, _, _ in documents], dtype=np.float64)
    chosen = np.array([yes for _, yes, _ in documents], dtype=bool)
    ids = np.frombuffer(b"".join(id_ for _, _, id_ in documents), dtype=">u8").reshape(-1, 2)
    found = [(distances[index], documents[index][2]) for index in nearest(distances, chosen, ids, limit)]
    assert found == sorted((distance, id_) for distance, yes, id_ in documents if yes)[:limit]


def test_another_language_is_no_example_of_a_certain_one(here):
    columns = {"language": ["en", "fr", "en", None], "language_score": [0.7, 0.66, 0.6, 0.0]}
    write_data(here, [signal_table(["books"] * 4, 0, columns)])
    of_source = study_project(SETTINGS).sources["books"]
    beside = of_source.beside[Threshold("language.uncertain", "at_least", 0.65)]
    assert [example.value for example in beside.kept] == [0.7]
    assert [example.value for example in beside.removed] == [0.6]
    other = of_source.beside[Threshold("language.other", "", 0.0)]
    assert [example.value for example in other.removed] == ["fr"] and other.kept == []
    assert of_source.languages == {"en": 2, "fr": 1, "undetermined": 1}
    assert of_source.signals["language_score"].documents == 2
    asked = study_project(SETTINGS, signals=["language_score"]).sources["books"]
    assert asked.signals["language_score"].documents == 4


def test_contaminated_documents_leave_before_all_others_if_they_are_to_be_removed(here):
    columns = {
        "contaminated_set": pa.array([None, "quiz", "arc", "quiz"], pa.string()),
        "contaminated_matches": pa.array([0, 3, 2, 1], pa.int32()),
    }
    write_data(here, [signal_table(["leads"] * 4, 0, columns)])
    settings = Filter(policies=(SHORT,), decontamination=Decontamination(minimum_matches=2))
    tallies = study_project(settings).sources["leads"].losses
    assert list(tallies)[:2] == ["decontamination.arc", "decontamination.quiz"]
    assert [tallies[f"decontamination.{name}"].first.documents for name in ("arc", "quiz")] == [1, 1]
    reporting = Filter(policies=(SHORT,), decontamination=Decontamination(action="report"))
    assert not [reason for reason in study_project(reporting).sources["leads"].losses if reason.startswith("decon")]


def test_a_rule_whose_signal_was_not_measured_is_left_out_with_a_note(here):
    write_data(here, MIXED)
    hand = Policy(name="hand", rules=(HandRule(signal="quality_score", at_least=0.5),))
    settings = Filter(policies=(PROSE, hand), sources={"leads": "hand"})
    result = study_project(settings, rule_sets=["c4", "refinedweb"], thresholds={"c4.bad_words": 2, "c4.sentences": 4})
    (note,) = result.notes
    for words in ("c4.bad_words (filter.bad_words)", "c4.curly_brace (clean.steps: c4_lines)",
                  "refinedweb.removed_words", "by_hand.quality_score"):  # fmt: skip
        assert words in note
    assert list(result.sources["leads"].losses) == ["c4.characters", "c4.sentences"]
    assert result.sources["leads"].rules["c4.sentences"].at_least == 4


def test_a_trial_forgets_what_the_policy_says_of_rules_that_it_loses():
    tried = with_trial(SETTINGS, ["short"], ["fineweb"], {})
    assert tried.policies[0] == PROSE
    assert (tried.policies[1].without, tried.policies[1].thresholds) == ((), {})
    assert tried.policies[1].rules == SHORT.rules


def test_a_rule_by_hand_gets_its_second_bound_and_keeps_its_place():
    tried = with_trial(SETTINGS, ["short"], None, {"by_hand.words.low": 5, "by_hand.digit_share.low": 0.1})
    digits = HandRule(signal="digit_share", at_least=0.1, at_most=0.5)
    assert tried.policies[1].rules == (digits, HandRule(signal="words", at_least=5))


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"sources": ["book"]}, "holds no source book. Did you mean books?"),
        ({"signals": ["digits_share"]}, "Did you mean digit_share?"),
        ({"signals": ["language"]}, "no numbers called language"),
        ({"rule_sets": ["fine_web"]}, "fine_web is not a rule set. Did you mean fineweb?"),
        ({"thresholds": {"gopher_quality.stop_word": 1}}, "Did you mean gopher_quality.stop_words?"),
        ({"thresholds": {"gopher_quality.word_count": 1}}, "Did you mean gopher_quality.word_count.low?"),
        ({"thresholds": {"by_hand.digit_share": 1}}, "by_hand.digit_share.low or by_hand.digit_share.high"),
        ({"thresholds": {"by_hand.digits.low": 1}}, "digits"),
        ({"thresholds": {"by_hand.digit_share.low": 0.9, "by_hand.digit_share.high": 0.1}}, "no document could stay"),
    ],
)
def test_a_wrong_name_is_a_message_with_the_right_one(here, asked, message):
    write_data(here, MIXED)
    with pytest.raises(AntiMatterError) as raised:
        study_project(SETTINGS, **asked)
    assert message in str(raised.value)


def test_a_threshold_goes_to_the_policies_that_have_its_rule():
    tried = with_trial(SETTINGS, ["prose", "short"], None, {"gopher_repetition.top_2gram": 0.5})
    assert [policy.thresholds.get("gopher_repetition.top_2gram") for policy in tried.policies] == [0.5, None]
    with pytest.raises(UnknownName, match="no policy of the sources studied"):
        with_trial(SETTINGS, ["short"], None, {"gopher_repetition.top_2gram": 0.5})


def test_texts_that_changed_since_or_are_gone_are_not_shown_but_told(here):
    write_data(here, MIXED)
    ids = [document_id("books", f"other-{row}") for row in range(300)]
    others = document_table(MIXED[0]).set_column(
        0, pa.field("id", pa.binary(16), nullable=False), pa.array(ids, pa.binary(16))
    )
    write_shard(here / "data/cleaned/documents" / shard_name(0), others)
    result = study_project(SETTINGS)
    assert "texts are not shown" in result.notes[-1] and result.excerpts
    for path in (here / "data/cleaned/documents").iterdir():
        path.unlink()
    result = study_project(SETTINGS)
    assert "dvc repro clean" in result.notes[-1] and not result.excerpts


def test_without_signals_the_stage_to_run_is_named(here):
    with pytest.raises(MissingData, match="dvc repro filter"):
        study_project(SETTINGS)


def test_how_many_documents_fail_on_a_signal_comes_from_the_verdicts(here):
    """0.8 is kept by the rule >= 0.8, though its distribution has room for 0.7998 alone; two rules fail one once."""
    hand = (HandRule(signal="alphabetic_word_share", at_least=0.8), HandRule(signal="words", at_least=60))
    policy = Policy(name="prose", rules=hand, languages=("en",))
    columns = {
        "language": ["en", "en", "fr", "en"],
        "language_score": [0.9, 0.5, 0.5, 0.9],
        "alphabetic_word_share": [0.8, 0.79999, 0.9, 0.9],
        "words": [70, 55, 45, 100_001],
    }
    write_data(here, [signal_table(["books"] * 4, 0, columns)])
    asked = ["alphabetic_word_share", "words", "language_score", "url_share"]
    signals = study_project(Filter(policies=(policy,)), signals=asked).sources["books"].signals
    assert [signals[name].failed for name in asked] == [1, 3, 1, 0]
    values, counts = signals["alphabetic_word_share"].values()
    assert counts.tolist() == [2, 2] and signals["alphabetic_word_share"].failing().tolist() == [1, 0]
    assert values[0] == pytest.approx(0.8, rel=1e-3)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -0.1, 7.0])
def test_a_language_score_that_is_no_probability_is_refused(value):
    with pytest.raises(AntiMatterError, match=r"language.uncertain is .*: must lie in \[0, 1\]"):
        with_trial(SETTINGS, ["prose"], None, {"language.uncertain": value})


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_a_language_score_may_be_any_probability(value):
    tried = with_trial(SETTINGS, ["prose"], None, {"language.uncertain": value})
    assert tried.policies[0].minimum_language_score == value


@given(st.lists(st.integers(0, 2048), min_size=1), st.floats(0, 1))
def test_quantiles_of_whole_numbers_are_exact(values, part):
    found = Distribution()
    for value in values:
        found.add(np.array([value], dtype=np.int32))
    rank = max(1, int(np.ceil(part * len(values) - 1e-9)))
    assert found.quantiles([part]) == [sorted(values)[rank - 1]]


@given(st.lists(st.floats(allow_subnormal=False)), st.integers(0))
def test_values_are_counted_to_a_thousandth_and_what_is_no_number_is_not(values, chosen):
    found = Distribution()
    fails = np.array([bool(chosen >> row & 1) for row in range(len(values))], dtype=bool)
    found.add(np.array(values, dtype=np.float64), fails)
    assert found.failed == np.count_nonzero(fails & np.isfinite(np.array(values, dtype=np.float64)))
    assert (found.failing() <= found.values()[1]).all() and found.failing().sum() == found.failed
    finite = [value for value in values if np.isfinite(value)]
    assert found.documents == len(finite)
    kept, counts = found.values()
    for value, near in zip(sorted(finite), np.repeat(kept, counts), strict=True):
        assert abs(near) <= abs(value) and abs(value - near) <= abs(value) / 1000


def test_a_distribution_is_small_however_many_documents_there_are():
    found = Distribution()
    found.add(np.random.default_rng(0).random(200_000))
    assert len(found.values()[0]) < 15_000 and found.documents == 200_000
    assert Counter(np.sign(found.values()[0]).tolist())[-1.0] == 0
