"""Rules: every bound of the Gopher paper from both sides, with reasons."""

import pytest

from antimatter.filter.rules import GOPHER_QUALITY, judge, rules_for

GOOD = {
    "words": 100,
    "mean_word_length": 5.0,
    "hash_to_word_ratio": 0.0,
    "ellipsis_to_word_ratio": 0.0,
    "bullet_line_share": 0.0,
    "ellipsis_line_share": 0.0,
    "alphabetic_word_share": 1.0,
    "stop_words": 4,
}


@pytest.mark.parametrize(
    ("reason", "signal", "kept", "removed"),
    [
        ("word_count", "words", 50, 49),
        ("word_count", "words", 100_000, 100_001),
        ("mean_word_length", "mean_word_length", 3, 2.99),
        ("mean_word_length", "mean_word_length", 10, 10.01),
        ("hash_to_word", "hash_to_word_ratio", 0.1, 0.101),
        ("ellipsis_to_word", "ellipsis_to_word_ratio", 0.1, 0.101),
        ("bullet_lines", "bullet_line_share", 0.9, 0.91),
        ("ellipsis_lines", "ellipsis_line_share", 0.3, 0.31),
        ("alphabetic_words", "alphabetic_word_share", 0.8, 0.79),
        ("stop_words", "stop_words", 2, 1),
    ],
)
def test_a_bound_of_the_paper_is_kept_and_beyond_it_removed(reason, signal, kept, removed):
    assert judge(GOOD | {signal: kept}, GOPHER_QUALITY) == []
    (failure,) = judge(GOOD | {signal: removed}, GOPHER_QUALITY)
    assert failure.reason == f"gopher_quality.{reason}"
    assert failure.value == removed
    assert failure.threshold == kept


def test_all_failures_are_named_in_rule_order():
    failures = judge(GOOD | {"words": 3, "stop_words": 0}, GOPHER_QUALITY)
    assert [failure.reason for failure in failures] == ["gopher_quality.word_count", "gopher_quality.stop_words"]


def test_a_threshold_can_be_replaced_and_an_unknown_one_is_refused():
    rules = rules_for(["gopher_quality"], {"gopher_quality.word_count": 20, "gopher_quality.bullet_lines": 0.5})
    assert judge(GOOD | {"words": 20}, rules) == []
    assert judge(GOOD | {"bullet_line_share": 0.6}, rules)[0].threshold == 0.5
    with pytest.raises(ValueError, match=r"gopher_quality\.word_count"):
        rules_for(["gopher_quality"], {"gopher_quality.words": 20})


def test_every_rule_names_its_source():
    assert all("arXiv" in rule.source for rule in GOPHER_QUALITY)
