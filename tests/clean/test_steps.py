"""Steps by name, in the order of the parameters."""

import random
import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antimatter.clean.steps import clean_text, facts_of, steps_of
from antimatter.clean.unicode import repair
from antimatter.params.clean import Clean
from antimatter.params.loader import ParameterError, check
from tests.clean.nasty_text import ODD, SENTENCES

EVERY = (
    "line_ends", "ftfy", "nfc", "invisible", "c4_lines", "c4_datatrove_lines", "refinedweb_lines", "spaces",
    "blank_lines", "pii",
)  # fmt: skip


def test_a_text_goes_through_the_default_steps_in_their_order():
    text, edits = clean_text("schÃ¶n\u00ades “Bild”  hier \x0c\n\n\n\nEnde  ", Clean())
    assert text == 'schönes "Bild" hier\n\nEnde'
    assert {name: edit.characters for name, edit in edits.items()} == {
        "line_ends": 1, "ftfy": 4, "invisible": 1, "spaces": 4, "blank_lines": 3,
    }  # fmt: skip


def test_invisible_characters_go_before_the_spaces_that_they_keep_apart():
    assert clean_text("one \u200b two \u200b\nthree", Clean())[0] == "one two\nthree"


def test_a_vertical_tab_ends_a_line_before_ftfy_can_delete_it():
    assert clean_text("Title\x0bSubtitle", Clean())[0] == "Title\nSubtitle"


def test_a_next_line_control_is_left_to_ftfy_which_reads_an_ellipsis():
    assert clean_text("one\x85two", Clean())[0] == repair("one\x85two") == "one…two"


@given(
    st.lists(st.one_of(st.sampled_from([*SENTENCES, *ODD, *"e\u0301\u00ad\u200b\u1100\u1161"]), st.text())).map("".join)
)
def test_what_leaves_the_default_steps_is_in_nfc(text):
    assert unicodedata.is_normalized("NFC", clean_text(text, Clean())[0])


def test_no_steps_change_nothing():
    assert clean_text("schÃ¶n  ", Clean(steps=())) == ("schÃ¶n  ", {})


@given(st.sampled_from(EVERY), st.text())
def test_every_step_keeps_the_promises_of_an_edit(name, text):
    settings = Clean(steps=(name,))
    edit = steps_of(settings)[name](text)
    assert (edit.characters > 0) == (edit.text != text)
    assert tuple(edit.facts) == facts_of(settings)[name], "the same facts for every text"
    assert edit.characters <= len(text)


def test_cleaning_a_clean_text_changes_nothing_more():
    """Of damage upon damage this cannot be said: what one pass removes may lay bare more of it."""
    draw = random.Random(3)
    clean = [sentence for sentence in SENTENCES[:12] if "вЂ" not in sentence and "Ã" not in sentence]
    for _ in range(1000):
        text = "".join(draw.choice([*clean, "\n", "  ", "\t", "\u200b", "\n\n", "\x0c", "\xa0"]) for _ in range(12))
        once = clean_text(text, Clean())[0]
        assert clean_text(once, Clean())[0] == once, text


@pytest.mark.parametrize(
    ("steps", "problem"),
    [
        (
            ("invisible", "spaces", "ftfy"),
            r"steps has ftfy after invisible, spaces: only line_ends may stand before ftfy",
        ),
        (("spaces", "invisible"), r"steps has spaces before invisible: put invisible first"),
        (("pii", "nfc"), r"steps has pii before nfc: put pii last"),
        (
            ("blank_lines", "c4_lines", "c4_datatrove_lines", "refinedweb_lines"),
            r"steps has blank_lines before c4_lines, c4_datatrove_lines, refinedweb_lines: put",
        ),
    ],
)
def test_an_order_in_which_steps_undo_each_other_is_a_problem(steps, problem):
    (found,) = Clean(steps=steps).problems()
    assert re.match(problem, found)


def test_parameters_name_each_step_once():
    assert not list(Clean().problems())
    assert not list(Clean(steps=EVERY).problems())
    with pytest.raises(ParameterError, match=r"clean.steps names spaces twice: each may stand once"):
        check({"clean": {"steps": ["spaces", "pii", "spaces"]}}, "params.yaml")
    with pytest.raises(ParameterError, match=r"clean.pii_kinds is empty, but steps names pii"):
        check({"clean": {"steps": ["pii"], "pii_kinds": []}}, "params.yaml")
    with pytest.raises(ParameterError, match=r"must be one of .* Did you mean spaces"):
        check({"clean": {"steps": ["space"]}}, "params.yaml")
