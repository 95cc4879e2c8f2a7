"""Policies: what is asked of whom, in which order, and slips that are caught before a shard is read."""

import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from antimatter.clean import c4_lines, refinedweb_lines
from antimatter.errors import AntiMatterError
from antimatter.filter.policies import NUMBERS, judges, policy_of
from antimatter.filter.rule_sets import RULE_SETS
from antimatter.filter.rules import MissingSignal
from antimatter.filter.signals import TEXT_SIGNALS
from antimatter.params.filter import Filter, HandRule, Policy

REASONS = {rule.reason: rule for rules in RULE_SETS.values() for rule in rules}
BOUNDS = sorted({bound for rule in REASONS.values() for bound in rule.bounds.values()})


def judge(policy: Policy, **languages: float):
    return judges(Filter(policies=(policy,), languages=languages or {"en": 0.65}))[policy.name]


def policy(**settings) -> Policy:
    return Policy(name="web", **{"rule_sets": (), **settings})


def column(*values):
    return np.array(values)


# order and values


def test_language_comes_first_then_the_rule_sets_in_the_policys_order_then_rules_by_hand():
    asked = policy(
        rule_sets=("fineweb", "gopher_quality"),
        languages=("en",),
        rules=(HandRule(signal="digit_share", at_most=0.2), HandRule(signal="words", at_least=9)),
    )
    reasons = [rule.reason for rule in judge(asked).rules]
    assert reasons == [
        "language.undetermined",
        "language.other",
        "language.uncertain",
        *(rule.reason for rule in RULE_SETS["fineweb"]),
        *(rule.reason for rule in RULE_SETS["gopher_quality"]),
        "by_hand.digit_share",
        "by_hand.words",
    ]


def test_a_failure_has_value_and_threshold_and_what_was_kept_has_neither():
    verdicts = judge(policy(rules=(HandRule(signal="words", at_least=3, at_most=9),))).verdicts(
        {"words": np.array([2, 5, 10], dtype=np.int32)}
    )
    assert verdicts.fails.tolist() == [[True, False, True]]
    assert verdicts.failures(0) == [("by_hand.words", 2, 3)]
    assert verdicts.failures(1) == []
    assert verdicts.failures(2) == [("by_hand.words", 10, 9)]
    assert np.isnan(verdicts.values[0, 1]) and np.isnan(verdicts.thresholds[0, 1])


def test_a_policy_that_asks_for_nothing_keeps_everything():
    verdicts = judge(policy()).verdicts({"words": column(1, 2)})
    assert verdicts.reasons == ()
    assert verdicts.fails.shape == (0, 2)
    assert verdicts.failures(1) == []


def test_a_source_has_its_policy_or_the_first():
    settings = Filter(policies=(Policy(name="prose"), Policy(name="talk")), sources={"chat": "talk"})
    assert [policy_of(source, settings) for source in ("chat", "web")] == ["talk", "prose"]


# language


def test_three_ways_to_fail_by_language_each_with_the_number_that_decided():
    asked = judge(policy(languages=("en", "fr")), en=0.65, fr=0.8)
    found = asked.verdicts(
        {"language": ["en", None, "de", "fr", "fr", "en"], "language_score": column(0.65, 0.0, 0.9, 0.7, 0.8, 0.64)}
    )
    assert [found.failures(row) for row in range(6)] == [
        [],
        [("language.undetermined", None, None)],
        [("language.other", 0.9, 0.65)],
        [("language.uncertain", 0.7, 0.8)],
        [],
        [("language.uncertain", 0.64, 0.65)],
    ]


@pytest.mark.parametrize("languages", [["en", None], np.array(["en", None], dtype=object), pa.array(["en", None])])
def test_languages_come_as_a_list_an_array_of_objects_or_an_arrow_array(languages):
    found = judge(policy(languages=("en",))).verdicts({"language": languages, "language_score": column(0.9, 0.0)})
    assert found.fails.tolist() == [[False, True], [False, False], [False, False]]


def test_the_policys_own_score_goes_before_that_of_the_languages():
    asked = judge(policy(languages=("en",), minimum_language_score=0.99), en=0.65)
    found = asked.verdicts({"language": np.array(["en", "en"], dtype=object), "language_score": column(0.98, 0.99)})
    assert found.failures(0) == [("language.uncertain", 0.98, 0.99)]
    assert found.failures(1) == []
    assert asked.rules[2].at_least == 0.99


def test_the_rule_on_the_score_shows_a_bound_only_if_all_languages_share_it():
    assert judge(policy(languages=("en", "fr")), en=0.65, fr=0.8).rules[2].at_least is None
    assert judge(policy(languages=("en", "fr")), en=0.65, fr=0.65).rules[2].at_least == 0.65


def test_without_languages_nobody_asks_for_the_columns():
    assert judge(policy()).verdicts({"language": [None], "language_score": column(0.0)}).fails.shape == (0, 1)


def test_all_undetermined_is_judged_too_and_their_score_does_not_matter():
    found = judge(policy(languages=("en",))).verdicts({"language": [None, None], "language_score": column(np.nan, 0.0)})
    assert found.fails.tolist() == [[True, True], [False, False], [False, False]]


# thresholds, without, by hand


def test_a_threshold_replaces_the_papers_and_the_other_bound_stays():
    found = judge(policy(rule_sets=("gopher_quality",), thresholds={"gopher_quality.word_count.low": 20}))
    rule = found.rules[0]
    assert (rule.at_least, rule.at_most) == (20, 100_000)
    assert REASONS["gopher_quality.word_count"].at_least == 50  # for everybody else


def test_a_threshold_keeps_the_strictness_of_its_rule():
    found = judge(policy(rule_sets=("fineweb",), thresholds={"fineweb.short_lines": 0.5}))
    assert {rule.reason: rule.bounds for rule in found.rules}["fineweb.short_lines"] == {"less_than": 0.5}


def test_a_policy_may_be_without_a_rule_and_then_needs_nothing_for_it():
    assert "c4.bad_words" in [rule.reason for rule in judge(policy(rule_sets=("c4",))).needs]
    found = judge(policy(rule_sets=("c4",), without=("c4.bad_words",)))
    assert [rule.needs for rule in found.needs] == ["clean.steps: c4_lines"] * 2
    assert len(found.rules) == 4


def test_a_rule_by_hand_says_where_it_comes_from_and_what_it_needs():
    (rule,) = judge(policy(rules=(HandRule(signal="quality_score", at_least=0.3),))).rules
    assert (rule.needs, rule.source) == ("filter.quality_model", "by hand: filter.policies, web")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"without": ("c4.badwords",)}, "without names c4.badwords.*Did you mean c4.bad_words?"),
        ({"without": ("gopher_quality.stop_words",)}, "without names gopher_quality.stop_words, which is no rule"),
        (
            {"thresholds": {"c4.sentence": 4}},
            r"thresholds.c4.sentence is no rule of policy web. Did you mean c4.sentences\?",
        ),
        ({"thresholds": {"c4.sentences.low": 4}}, r"Did you mean c4.sentences\?"),
        ({"thresholds": {"c4.sentences": math.nan}}, "must be a finite number"),
        ({"thresholds": {"c4.sentences": math.inf}}, "must be a finite number"),
        ({"thresholds": {"c4.sentences": 4}, "without": ("c4.sentences",)}, "which the policy is without"),
        ({"rules": (HandRule(signal="digits_share", at_most=1),)}, r"digits_share.*Did you mean digit_share\?"),
        ({"rules": (HandRule(signal="language", at_most=1),)}, "is language, which is no signal that a rule can judge"),
        ({"rules": (HandRule(signal="c4_lines.lines_remove", at_most=1),)}, "Did you mean c4_lines.lines_removed"),
        ({"rules": (HandRule(signal="words", at_least=math.nan),)}, "has the bound nan for words"),
        ({"rule_sets": ("c5",)}, "names c5, which is no rule set. Did you mean c4"),
    ],
)
def test_a_slip_is_refused_with_policy_and_nearest_right_name(settings, message):
    with pytest.raises(AntiMatterError, match=message) as caught:
        judge(policy(**{"rule_sets": ("c4",), **settings}))
    assert str(caught.value).startswith("filter.policies, web: ")


def test_a_threshold_of_a_rule_with_two_bounds_must_say_which():
    message = "two bounds: say which one, gopher_quality.word_count.low or gopher_quality.word_count.high"
    with pytest.raises(AntiMatterError, match=message):
        judge(policy(rule_sets=("gopher_quality",), thresholds={"gopher_quality.word_count": 20}))


def test_thresholds_that_no_document_could_meet_are_refused():
    with pytest.raises(AntiMatterError, match="the low bound is above the high one"):
        judge(policy(rule_sets=("gopher_quality",), thresholds={"gopher_quality.word_count.low": 100_001}))


def test_everything_that_is_wrong_is_told_at_once():
    with pytest.raises(AntiMatterError) as caught:
        judge(policy(without=("a.b",), thresholds={"c.d": 1.0}))
    assert "a.b" in str(caught.value) and "c.d" in str(caught.value)


# signals


def test_a_signal_that_was_not_measured_is_an_error_that_says_what_it_needs():
    with pytest.raises(MissingSignal, match=r"judges c4_lines\.lorem_ipsum.*needs clean\.steps: c4_lines"):
        judge(policy(rule_sets=("c4",))).verdicts({"characters": column(1), "sentences": column(3)})


def test_a_missing_value_is_an_error():
    asked = judge(policy(rules=(HandRule(signal="quality_score", at_least=0.3),)))
    with pytest.raises(MissingSignal, match="quality_score has no value"):
        asked.verdicts({"quality_score": column(0.5, np.nan)})
    asked = judge(policy(languages=("en",)))
    with pytest.raises(MissingSignal, match="language_score has no value"):
        asked.verdicts({"language": ["en"], "language_score": column(np.nan)})


def test_the_names_of_signals_are_those_that_are_measured():
    later = {"language_score", "language_arbitrated", "contaminated_matches", "masked_characters", "bad_words"}
    later.add("quality_score")
    assert {name for name in NUMBERS if "." not in name} == set(TEXT_SIGNALS) | later
    assert len(set(NUMBERS)) == len(NUMBERS)


@pytest.mark.parametrize(
    ("step", "facts"),
    [
        ("c4_lines", c4_lines.FACTS),
        ("c4_datatrove_lines", c4_lines.FACTS),
        ("refinedweb_lines", refinedweb_lines.FACTS),
    ],
)
def test_the_names_of_the_line_steps_signals_are_what_clean_writes_and_the_share_made_of_it(step, facts):
    assert {name for name in NUMBERS if name.startswith(f"{step}.")} == {
        f"{step}.{fact}" for fact in ("characters", *facts, "removed_word_share")
    }


# all documents at once, and one by one


def plainly(asked: Policy, languages: dict[str, float], document: dict) -> list[tuple]:
    """What a document fails, without numpy."""
    found = []
    if asked.languages:
        own = asked.minimum_language_score
        scores = {code: languages[code] if own is None else own for code in asked.languages}
        code, score = document["language"], document["language_score"]
        if code is None:
            found.append(("language.undetermined", None, None))
        elif code not in scores:
            found.append(("language.other", score, min(scores.values())))
        elif score < scores[code]:
            found.append(("language.uncertain", score, scores[code]))
    for name in asked.rule_sets:
        for rule in RULE_SETS[name]:
            if rule.reason not in asked.without:
                low = asked.thresholds.get(f"{rule.reason}.low", asked.thresholds.get(rule.reason))
                high = asked.thresholds.get(f"{rule.reason}.high", asked.thresholds.get(rule.reason))
                given = {
                    "at_least": low, "more_than": low, "at_most": high, "less_than": high,
                }  # fmt: skip
                bounds = {kind: bound if given[kind] is None else given[kind] for kind, bound in rule.bounds.items()}
                found += broken(rule.reason, document[rule.signal], bounds)
    for rule in asked.rules:
        bounds = {"at_least": rule.at_least, "at_most": rule.at_most}
        found += broken(f"by_hand.{rule.signal}", document[rule.signal], bounds)
    return found


def broken(reason: str, value: float, bounds: dict) -> list[tuple]:
    for kind, bound in bounds.items():
        if bound is not None:
            keeps = {
                "at_least": value >= bound, "more_than": value > bound, "at_most": value <= bound,
                "less_than": value < bound,
            }[kind]  # fmt: skip
            if not keeps:
                return [(reason, float(value), float(bound))]
    return []


numbers = st.sampled_from(BOUNDS).flatmap(
    lambda bound: st.sampled_from([float(np.nextafter(bound, -1)), bound, float(np.nextafter(bound, np.inf))])
) | st.floats(0, 1)


@st.composite
def policies(draw):
    rule_sets = tuple(draw(st.lists(st.sampled_from(list(RULE_SETS)), unique=True)))
    rules = [rule for name in rule_sets for rule in RULE_SETS[name]]
    without = tuple(rule.reason for rule in rules if draw(st.integers(0, 5)) == 0)
    names = [name for rule in rules if rule.reason not in without for name in rule.threshold_names()]
    names = [name for name in names if draw(st.integers(0, 5)) == 0]
    apart = {"low": 0.0, "high": 200_000.0}  # of a rule with two bounds: they must not pass each other
    thresholds = {name: apart.get(name.split(".")[-1], draw(numbers)) for name in names}
    signals = draw(st.lists(st.sampled_from(NUMBERS), unique=True, max_size=4))
    by_hand = tuple(
        HandRule(signal=signal, at_least=draw(st.none() | st.floats(0, 0.5)), at_most=0.5) for signal in signals
    )
    return Policy(
        name="web",
        rule_sets=rule_sets,
        without=without,
        thresholds=thresholds,
        rules=by_hand,
        languages=tuple(draw(st.lists(st.sampled_from(["en", "fr", "de"]), unique=True))),
        minimum_language_score=draw(st.none() | st.floats(0, 1)),
    )


@given(policies(), st.data(), st.integers(0, 6))
def test_a_shard_is_judged_as_its_documents_are_one_by_one(asked, data, documents):
    languages = {"en": 0.65, "fr": 0.8, "de": 0.5}
    needed = list(dict.fromkeys([rule.signal for rule in judge(asked, **languages).rules] + ["words"]))
    kinds = {name: bool if name.endswith(("lorem_ipsum", "curly_brace", "arbitrated")) else float for name in needed}
    rows = [
        {
            "language": data.draw(st.sampled_from(["en", "fr", "de", "ja", None])),
            "language_score": data.draw(st.floats(0, 1)),
            **{
                name: data.draw(st.booleans() if kinds[name] is bool else numbers)
                for name in needed
                if name not in ("language", "language_score")
            },
        }
        for _ in range(documents)
    ]
    signals = {name: np.array([row[name] for row in rows], dtype=kinds[name]) for name in kinds if name != "language"}
    signals |= {"language": [row["language"] for row in rows]}
    signals |= {"language_score": np.array([row["language_score"] for row in rows], dtype=float)}
    verdicts = judge(asked, **languages).verdicts(signals)
    assert [verdicts.failures(row) for row in range(documents)] == [plainly(asked, languages, row) for row in rows]
