"""Contradictions between groups, each with its place in the file."""

from pathlib import Path

import pytest
from ruamel.yaml import YAML

from antimatter.params.loader import ParameterError, check

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


def test_a_threshold_of_a_rule_that_is_not_there_names_the_nearest():
    found = mistakes(("gopher_quality.word_count: 30", "gopher_quality.word_cuont: 30"))
    assert (
        "gopher_quality.word_cuont is no rule of policy short_prose. Did you mean gopher_quality.word_count?" in found
    )
    assert "line " in found


def test_a_source_that_looks_like_another_is_a_slip_and_one_that_was_deleted_is_not():
    assert "Did you mean wiki_en?" in mistakes(("    wiki_en: short_prose", "    wiki_enn: short_prose"))
    check(YAML().load(DEMO.replace("    wiki_en: short_prose", "    gone_long_ago: short_prose")), "params.yaml")


def test_a_language_that_nobody_can_detect_is_refused():
    assert "names xx, which langdetect does not know" in mistakes(("languages: [en]", "languages: [xx]"))


def test_held_out_dialogues_stay_out_of_pretraining():
    assert "collect.sources[7].held_out_share" in mistakes(("held_out_share: 0.05", "held_out_share: 0.01"))


def test_a_mistake_inside_one_group_does_not_hide_contradictions_between_others():
    found = mistakes(("  bands: 14", "  bnads: 14"), ("  sequence_length: 256", "  sequence_length: 512"))
    assert "dedup.bnads" in found
    assert "train.sequence_length" in found
