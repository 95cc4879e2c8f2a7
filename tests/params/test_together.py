"""Contradictions between groups, each with its place in the file."""

import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from ruamel.yaml import YAML

from antimatter.params.filter import Filter, HandRule, Policy, WatchedFile
from antimatter.params.loader import ParameterError, check
from antimatter.params.together import policies_name_what_exists

DEMO = (Path(__file__).parents[2] / "profiles/demo.yaml").read_text(encoding="utf-8")


def mistakes(*edits: tuple[str, str]) -> str:
    text = DEMO
    for old, new in edits:
        assert old in text
        text = text.replace(old, new, 1)
    with pytest.raises(ParameterError) as caught:
        check(YAML().load(text), "params.yaml")
    return str(caught.value)


def test_a_sample_longer_than_the_context_is_refused_with_its_line():
    assert "train.sequence_length is 512, but model.context has only 256" in mistakes(
        ("  sequence_length: 256", "  sequence_length: 512")
    )


def test_held_out_dialogues_stay_out_of_pretraining():
    assert "collect.sources[7].held_out_share" in mistakes(("held_out_share: 0.05", "held_out_share: 0.01"))


def test_a_mistake_inside_one_group_does_not_hide_contradictions_between_others():
    found = mistakes(("  bands: 14", "  bnads: 14"), ("  sequence_length: 256", "  sequence_length: 512"))
    assert "dedup.bnads" in found
    assert "train.sequence_length" in found


# filter: a section of its own in place of the demo's

FILTER = """filter:
  policies:
    - name: prose
      rule_sets: [gopher_quality]
      languages: [en]
    - name: leads
      rule_sets: [gopher_quality, fineweb]
      thresholds:
        gopher_quality.word_count.low: 30
      rules:
        - signal: digit_share
          at_most: 0.2
  sources:
    wiki_en: leads
"""


def with_filter(*edits: tuple[str, str]) -> str:
    text = FILTER
    for old, new in edits:
        assert old in text
        text = text.replace(old, new, 1)
    return re.sub(r"(?ms)^filter:.*?(?=^dedup:)", lambda _: f"{text}\n", DEMO)


def slips(*edits: tuple[str, str]) -> str:
    with pytest.raises(ParameterError) as caught:
        check(YAML().load(with_filter(*edits)), "params.yaml")
    return str(caught.value)


def test_policies_that_name_what_exists_pass():
    check(YAML().load(with_filter()), "params.yaml")


def test_a_threshold_of_a_rule_that_is_not_there_names_the_nearest_and_its_line():
    found = slips(("gopher_quality.word_count.low", "gopher_quality.word_cuont.low"))
    assert (
        "gopher_quality.word_cuont.low is no rule of policy leads. Did you mean gopher_quality.word_count.low?" in found
    )
    line = 1 + with_filter().splitlines().index("        gopher_quality.word_count.low: 30")
    assert f"line {line}: filter.policies[1].thresholds." in found


def test_a_threshold_of_a_rule_with_two_bounds_says_which():
    found = slips(("gopher_quality.word_count.low", "gopher_quality.word_count"))
    assert "say which one, gopher_quality.word_count.low or gopher_quality.word_count.high" in found


def test_a_rule_set_a_rule_left_out_and_a_signal_name_the_nearest():
    assert "must be one of gopher_quality" in slips(("[gopher_quality, fineweb]", "[gopher_quality, finweb]"))
    found = slips(("      thresholds:", "      without: [fineweb.short_line]\n      thresholds:"))
    assert "fineweb.short_line, which is no rule of policy leads. Did you mean fineweb.short_lines?" in found
    found = slips(("signal: digit_share", "signal: digits"))
    assert "filter.policies[1].rules[0].signal is digits, which is no signal that a rule can judge" in found


def test_a_source_that_looks_like_another_is_a_slip_and_one_that_was_deleted_is_not():
    assert "Did you mean wiki_en?" in slips(("wiki_en: leads", "wiki_enn: leads"))
    check(YAML().load(with_filter(("wiki_en: leads", "gone_long_ago: leads"))), "params.yaml")


def test_a_language_that_the_detector_does_not_know_is_refused():
    languages = ("languages: [en]", "languages: [en, xx]\n      minimum_language_score: 0.5")
    assert "names xx, which the detector cascade does not know. It knows " in slips(languages)
    languages = ("languages: [en]", "languages: [eng]\n      minimum_language_score: 0.5")
    assert "names eng, which the detector cascade does not know. Did you mean en?" in slips(languages)


def test_other_mistakes_of_filter_are_told_and_not_tripped_over():
    assert "keep language fr, which has no probability" in slips(("languages: [en]", "languages: [en, fr]"))
    assert "policies is empty" in slips((FILTER, "filter:\n  policies: []\n"))


# what rules need of clean and filter


def lacking(
    policy: Policy, *, steps: tuple[str, ...] = (), sources: tuple[str, ...] = ("crawl",), **settings
) -> list[str]:
    settings = Filter(policies=(Policy(name="talk", rule_sets=()), policy), sources={"crawl": policy.name}, **settings)
    collect = SimpleNamespace(sources=[SimpleNamespace(name=name) for name in sources])
    found = list(policies_name_what_exists(settings, collect, SimpleNamespace(steps=steps)))
    assert all(place == ("filter", "policies", 1) for place, _ in found)
    return [what for _, what in found]


@pytest.mark.parametrize(
    ("rule_set", "without", "step"),
    [
        ("c4", ("c4.bad_words",), "c4_lines"),
        ("c4_datatrove", (), "c4_datatrove_lines"),
        ("refinedweb", (), "refinedweb_lines"),
    ],
)
def test_page_rules_need_their_line_step(rule_set, without, step):
    policy = Policy(name="web", rule_sets=(rule_set,), without=without)
    (what,) = lacking(policy)
    assert "(web, for source crawl)" in what
    assert f"clean.steps lacks the step {step}: put {step} into clean.steps" in what
    assert lacking(policy, steps=(step,)) == []


def test_the_way_out_that_the_message_names_is_one():
    (what,) = lacking(Policy(name="web", rule_sets=("c4_datatrove",)))
    assert "`without: [c4_datatrove.lorem_ipsum, c4_datatrove.curly_brace]`" in what
    left_out = ("c4_datatrove.lorem_ipsum", "c4_datatrove.curly_brace")
    assert lacking(Policy(name="web", rule_sets=("c4_datatrove",), without=left_out)) == []


def test_bad_words_need_a_file_or_are_left_out():
    policy = Policy(name="web", rule_sets=("c4",))
    (what,) = lacking(policy, steps=("c4_lines",))
    assert "judges c4.bad_words, but filter.bad_words gives no file: give filter.bad_words a path and sha256" in what
    assert "`without: [c4.bad_words]`" in what
    assert lacking(policy, steps=("c4_lines",), bad_words=WatchedFile(path="list.txt", sha256="0" * 64)) == []


def test_a_rule_by_hand_needs_what_its_signal_needs():
    (what,) = lacking(Policy(name="web", rule_sets=(), rules=(HandRule(signal="quality_score", at_least=0.5),)))
    assert "filter.quality_model gives no file" in what
    assert "delete by_hand.quality_score from its rules" in what


def test_a_policy_that_no_source_uses_needs_nothing_but_its_names_are_checked():
    assert lacking(Policy(name="web", rule_sets=("c4",)), sources=("chat",)) == []
    slip = Policy(name="web", rule_sets=("c4",), without=("c4.badwords",))
    settings = Filter(policies=(Policy(name="talk", rule_sets=()), slip))
    collect = SimpleNamespace(sources=[SimpleNamespace(name="chat")])
    (found,) = policies_name_what_exists(settings, collect, SimpleNamespace(steps=()))
    assert found[0] == ("filter", "policies", 1, "without")


def test_a_policy_with_a_slip_is_told_of_the_slip_before_it_is_asked_for_its_needs():
    slip = Policy(name="web", rule_sets=("c4", "c5"))
    settings = Filter(policies=(slip,))
    collect = SimpleNamespace(sources=[SimpleNamespace(name="crawl")])
    (found,) = policies_name_what_exists(settings, collect, SimpleNamespace(steps=()))
    assert found == (("filter", "policies", 0, "rule_sets"), "names c5, which is no rule set. Did you mean c4?")


def test_the_first_policy_is_used_by_every_source_that_names_none():
    settings = Filter(policies=(Policy(name="web", rule_sets=("refinedweb",)),))
    collect = SimpleNamespace(sources=[SimpleNamespace(name="crawl")])
    assert len(list(policies_name_what_exists(settings, collect, SimpleNamespace(steps=())))) == 1
    assert list(policies_name_what_exists(settings, SimpleNamespace(sources=[]), SimpleNamespace(steps=()))) == []


def test_which_copy_stays_is_decided_by_what_is_measured():
    def keep(value: str) -> tuple[str, str]:
        return "  keep: [length] ", f"  keep: [{value}] "

    check(YAML().load(DEMO.replace(*keep("-digit_share, mean_word_length, length"))), "params.yaml")
    assert "dedup.keep names mean_word_lenght, which is neither" in mistakes(keep("mean_word_lenght"))
    assert "Did you mean mean_word_length?" in mistakes(keep("mean_word_lenght"))
    assert "it needs filter.quality_model" in mistakes(keep("quality_score"))
    assert "it needs clean.steps: refinedweb_lines" in mistakes(keep("-refinedweb_lines.removed_word_share"))
    assert "must match" in mistakes(keep("Length"))


def test_the_priority_of_sources_names_sources_and_is_looked_at():
    source = ("  keep: [length] ", "  keep: [source, length] ")
    named = ("  source_priority: [] ", "  source_priority: [wiki_en, sotuu] ")
    assert "names sotuu, which is no source of collect. Did you mean sotu?" in mistakes(source, named)
    assert "source_priority is empty" in mistakes(source)
    assert "put source into keep" in mistakes(named)


def test_the_sources_whose_lines_are_compared_are_named_as_they_are_collected():
    unit, named = ("    unit: none ", "    unit: line "), ("    sources: [] ", "    sources: [wiki_en, sotuu, gone] ")
    found = mistakes(unit, named)
    assert "dedup.lines.sources names sotuu, which is no source of collect. Did you mean sotu?" in found
    assert "gone" not in found
    check(YAML().load(DEMO.replace(*unit).replace("    sources: [] ", "    sources: [wiki_en, gone] ")), "params.yaml")
    assert "lines.sources says where lines are compared: give lines.unit too" in mistakes(named)
    twice = ("    sources: [] ", "    sources: [sotu, sotu] ")
    assert "lines.sources names sotu twice" in mistakes(unit, twice)
