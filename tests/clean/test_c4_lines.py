"""The lines of C4, by hand; and those that datatrove keeps."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from antimatter.clean.c4_lines import DATATROVE, FINEWEB, REFERENCE, c4_lines
from antimatter.clean.steps import steps_of
from antimatter.params.clean import Clean

PAGE = """Home | About | Contact
  The cat sat on the mat.[1]
Four words end here.
She said: "This is a sentence."
And then it just went on...
You must enable javascript to see this page!

By using it you accept the terms of use.
Did the cat sit there again?[edit] [citation needed]
This line has no mark at its end
"""


def test_a_page_keeps_its_sentences():
    edit = c4_lines(PAGE)
    assert edit.text == ('The cat sat on the mat.\nShe said: "This is a sentence."'), (
        "citation marks go before the end is looked at, and what they leave behind them is looked at as it is"
    )
    assert edit.facts == {
        "lines_in": 9,
        "lines_removed": 7,
        "words_in": 5 + 6 + 4 + 6 + 6 + 8 + 9 + 8 + 8,
        "words_removed": 60 - 12,
        "lorem_ipsum": 0,
        "curly_brace": 0,
    }
    assert edit.characters == len(PAGE) - len(edit.text)


def test_words_are_counted_after_citation_marks_are_deleted():
    assert c4_lines("One two [12] three four.").text == ""
    assert c4_lines("One two [12] three four five.").text == "One two  three four five."


def test_the_space_behind_a_citation_mark_at_the_start_goes_with_it():
    assert c4_lines("[1] The cat sat on the mat.").text == "The cat sat on the mat."


def test_a_word_of_more_than_a_thousand_characters_removes_its_line():
    assert c4_lines("This is fine as it " + "x" * 999 + ".").facts["lines_removed"] == 0
    assert c4_lines("This is fine as it " + "x" * 1000 + ".").facts["lines_removed"] == 1


@pytest.mark.parametrize("variant", [REFERENCE, DATATROVE])
def test_every_policy_phrase_removes_its_line_whatever_its_case(variant):
    for phrase in ("Terms of Use", "privacy policy", "COOKIE POLICY", "uses cookies", "use of cookies", "use cookies"):
        assert c4_lines(f"Please note that our {phrase} changed.", variant).text == "", phrase


@pytest.mark.parametrize("variant", [REFERENCE, DATATROVE])
def test_page_conditions_are_told_of_surviving_lines_only(variant):
    def facts(line):
        return c4_lines(line, variant).facts

    assert facts("function f() {")["curly_brace"] == 0, "no end mark: the line was gone before"
    assert facts("The set { a, b } has two members.")["curly_brace"] == 1
    assert facts("In javascript a { opens a block.")["curly_brace"] == 0, "javascript is looked for before '{'"
    assert facts("The privacy policy { is also here.")["curly_brace"] == 1, "policy is looked for after '{'"
    assert facts("Lorem Ipsum in javascript is a text.")["lorem_ipsum"] == 1, "and lorem ipsum before both"
    assert facts("Lorem ipsum.")["lorem_ipsum"] == 0, "too short"


def test_a_line_too_short_for_c4_may_be_long_enough_for_datatrove():
    assert c4_lines("Lorem ipsum dolor.").facts["lorem_ipsum"] == 0
    assert c4_lines("Lorem ipsum dolor.", DATATROVE).facts["lorem_ipsum"] == 1


def test_a_page_of_sentences_stays_as_it_is():
    page = "The cat sat on the mat.\nWhy did it sit there?"
    assert c4_lines(page)[:2] == (page, 0)


def test_a_page_may_lose_all_its_lines():
    assert c4_lines("Menu\nLogin").text == ""
    assert c4_lines("").facts["lines_in"] == 0


def test_datatrove_keeps_a_line_of_three_words_that_ends_in_an_apostrophe():
    edit = c4_lines("She said: 'Go home'\nTwo words.\nOne, two, three.\nOne, two, three", DATATROVE)
    assert edit.text == "She said: 'Go home'\nOne, two, three."
    assert edit.facts["lines_removed"] == 2
    assert edit.facts["words_removed"] == 2 + 3


def test_for_datatrove_a_citation_mark_is_a_word_though_it_goes():
    """[citation needed] is even two words."""
    assert c4_lines("Two [3] words.", DATATROVE).text == "Two  words."
    assert c4_lines("Stop.[citation needed]", DATATROVE).text == ""
    assert c4_lines("Two [citation needed] words.", DATATROVE).facts == {
        "lines_in": 1, "lines_removed": 0, "words_in": 4, "words_removed": 2, "lorem_ipsum": 0, "curly_brace": 0,
    }  # fmt: skip


def test_datatrove_deletes_citation_marks_in_digits_of_any_script():
    line = "The cat sat on the mat.[\u0663]"
    assert c4_lines(line).text == "", "to C4 this line ends in a bracket"
    assert c4_lines(line, DATATROVE).text == "The cat sat on the mat."


def test_fineweb_lets_a_line_end_as_it_likes():
    text = "A heading of five words\nand so on...\ntwo words\nuse cookies or not"
    assert c4_lines(text, DATATROVE).text == ""
    assert c4_lines(text, FINEWEB).text == "A heading of five words\nand so on..."
    steps = steps_of(Clean(steps=("c4_lines", "c4_datatrove_lines"), c4_end_marks=False))
    assert (steps["c4_lines"](text).text, steps["c4_datatrove_lines"](text)) == ("", c4_lines(text, FINEWEB))


LINES = st.lists(
    st.lists(
        st.sampled_from(
            ["The", "cat", "sat.", "sat?", "'so'", "\"so\"", "on...", "[1]", "sat.[1]", "[edit]", "[citation needed]",
             "[\u0663]", "{", "lorem ipsum", "JavaScript", "privacy policy", "x" * 1000, "x" * 1001, "\t", "\u3000"]
        ),
        max_size=8,
    ).map(" ".join),
    max_size=6,
).map("\n".join)  # fmt: skip


@given(LINES)
def test_what_c4_keeps_datatrove_keeps_too(text):
    """C4 asks for more, but for the marks that hold digits of other scripts."""
    text = text.replace("[\u0663]", "")
    kept, datatrove = (c4_lines(text, variant).text.split("\n") for variant in (REFERENCE, DATATROVE))
    rest = iter(datatrove)
    assert kept == [""] or all(line in rest for line in kept), "the same lines in the same order, and perhaps more"


@given(LINES)
def test_the_steps_of_clean_are_these_variants(text):
    steps = steps_of(Clean(steps=("c4_lines", "c4_datatrove_lines")))
    assert steps["c4_lines"](text) == c4_lines(text, REFERENCE)
    assert steps["c4_datatrove_lines"](text) == c4_lines(text, DATATROVE)
