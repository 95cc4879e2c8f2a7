"""Rule sets: each bound of each rule as its paper or its code has it, from both sides."""

import operator
import typing

import numpy as np
import pytest

from antimatter.filter.policies import NEEDS, NUMBERS
from antimatter.filter.rule_sets import RULE_SETS
from antimatter.params.filter import RuleSet

RULES = {rule.reason: rule for rules in RULE_SETS.values() for rule in rules}

KEEP = """
gopher_quality.word_count                             words                                   >= 50
gopher_quality.word_count                             words                                   <= 100000
gopher_quality.mean_word_length                       mean_word_length                        >= 3
gopher_quality.mean_word_length                       mean_word_length                        <= 10
gopher_quality.hash_to_word                           hash_to_word_ratio                      <= 0.1
gopher_quality.ellipsis_to_word                       ellipsis_to_word_ratio                  <= 0.1
gopher_quality.bullet_lines                           bullet_line_share                       <= 0.9
gopher_quality.ellipsis_lines                         ellipsis_line_share                     <= 0.3
gopher_quality.alphabetic_words                       alphabetic_word_share                   >= 0.8
gopher_quality.stop_words                             stop_words                              >= 2
gopher_repetition.duplicate_lines                     duplicate_line_share                    <= 0.3
gopher_repetition.duplicate_paragraphs                duplicate_paragraph_share               <= 0.3
gopher_repetition.duplicate_line_characters           duplicate_line_character_share          <= 0.2
gopher_repetition.duplicate_paragraph_characters      duplicate_paragraph_character_share     <= 0.2
gopher_repetition.top_2gram                           top_2gram_share                         <= 0.2
gopher_repetition.top_3gram                           top_3gram_share                         <= 0.18
gopher_repetition.top_4gram                           top_4gram_share                         <= 0.16
gopher_repetition.duplicate_5gram                     duplicate_5gram_share                   <= 0.15
gopher_repetition.duplicate_6gram                     duplicate_6gram_share                   <= 0.14
gopher_repetition.duplicate_7gram                     duplicate_7gram_share                   <= 0.13
gopher_repetition.duplicate_8gram                     duplicate_8gram_share                   <= 0.12
gopher_repetition.duplicate_9gram                     duplicate_9gram_share                   <= 0.11
gopher_repetition.duplicate_10gram                    duplicate_10gram_share                  <= 0.1
gopher_repetition_datatrove.repeated_paragraphs       repeated_paragraph_share                <= 0.3
gopher_repetition_datatrove.repeated_paragraph_characters repeated_paragraph_character_share  <= 0.2
gopher_repetition_datatrove.repeated_lines            repeated_line_share                     <= 0.3
gopher_repetition_datatrove.repeated_line_characters  repeated_line_character_share           <= 0.2
gopher_repetition_datatrove.top_2gram                 top_2gram_share_datatrove               <= 0.2
gopher_repetition_datatrove.top_3gram                 top_3gram_share_datatrove               <= 0.18
gopher_repetition_datatrove.top_4gram                 top_4gram_share_datatrove               <= 0.16
gopher_repetition_datatrove.duplicate_5gram           duplicate_5gram_share_datatrove         <= 0.15
gopher_repetition_datatrove.duplicate_6gram           duplicate_6gram_share_datatrove         <= 0.14
gopher_repetition_datatrove.duplicate_7gram           duplicate_7gram_share_datatrove         <= 0.13
gopher_repetition_datatrove.duplicate_8gram           duplicate_8gram_share_datatrove         <= 0.12
gopher_repetition_datatrove.duplicate_9gram           duplicate_9gram_share_datatrove         <= 0.11
gopher_repetition_datatrove.duplicate_10gram          duplicate_10gram_share_datatrove        <= 0.1
c4.characters                                         characters                              <= 190000
c4.lorem_ipsum                                        c4_lines.lorem_ipsum                    <= 0
c4.curly_brace                                        c4_lines.curly_brace                    <= 0
c4.sentences                                          sentences                               >= 3
c4.bad_words                                          bad_words                               <= 0
c4_datatrove.lorem_ipsum                              c4_datatrove_lines.lorem_ipsum          <= 0
c4_datatrove.curly_brace                              c4_datatrove_lines.curly_brace          <= 0
c4_datatrove.sentences                                sentences                               >= 5
fineweb.end_mark_lines                                end_mark_line_share                     >  0.12
fineweb.repeated_line_characters                      repeated_line_character_share_fineweb   <  0.1
fineweb.short_lines                                   short_line_share                        <  0.67
fineweb_datatrove.end_mark_lines                      end_mark_line_share_datatrove           >= 0.12
fineweb_datatrove.short_lines                         short_line_share_datatrove              <= 0.67
fineweb_datatrove.repeated_line_characters            repeated_line_character_share_fineweb   <= 0.01
fineweb_datatrove.newline_to_word                     newline_to_word_ratio                   <= 0.3
refinedweb.removed_words                              refinedweb_lines.removed_word_share     <= 0.05
"""
TABLE = [line.split() for line in KEEP.strip().splitlines()]
SIGNS = {">=": operator.ge, ">": operator.gt, "<=": operator.le, "<": operator.lt}


@pytest.mark.parametrize(("reason", "signal", "sign", "number"), TABLE)
def test_a_document_at_the_bound_and_next_to_it_is_judged_as_the_source_says(reason, signal, sign, number):
    rule, bound = RULES[reason], float(number)
    assert rule.signal == signal
    next_to_it = np.array([np.nextafter(bound, -np.inf), bound, np.nextafter(bound, np.inf)])
    assert rule.fails(next_to_it).tolist() == [not SIGNS[sign](value, bound) for value in next_to_it]


def test_the_table_above_holds_every_bound_of_every_rule_in_order():
    assert list(dict.fromkeys(reason for reason, *_ in TABLE)) == list(RULES)
    assert len(TABLE) == sum(len(rule.bounds) for rule in RULES.values())


def test_reasons_are_unique_and_begin_with_the_name_of_their_set():
    reasons = [(name, rule.reason) for name, rules in RULE_SETS.items() for rule in rules]
    assert len(RULES) == len(reasons)
    assert all(reason.split(".")[0] == name for name, reason in reasons)


def test_every_rule_names_paper_number_and_section():
    assert [rule.reason for rule in RULES.values() if "arXiv" not in rule.source] == []
    assert [rule.reason for rule in RULES.values() if not {"section", "appendix"} & set(rule.source.split())] == []


def test_every_rule_set_that_a_policy_may_name_is_here_and_no_other():
    assert set(RULE_SETS) == set(typing.get_args(RuleSet))


def test_every_rule_judges_a_signal_that_exists_and_says_what_that_needs():
    assert {rule.signal for rule in RULES.values()} <= set(NUMBERS)
    assert {rule.reason: rule.needs for rule in RULES.values()} == {
        rule.reason: NEEDS.get(rule.signal, "") for rule in RULES.values()
    }


def test_gopher_repetition_has_thirteen_rules_however_it_counts():
    assert len(RULE_SETS["gopher_repetition"]) == len(RULE_SETS["gopher_repetition_datatrove"]) == 13
