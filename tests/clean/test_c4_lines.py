"""The lines of C4, by hand."""

from antimatter.clean.c4_lines import c4_lines

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


def test_every_policy_phrase_removes_its_line_whatever_its_case():
    for phrase in ("Terms of Use", "privacy policy", "COOKIE POLICY", "uses cookies", "use of cookies", "use cookies"):
        assert c4_lines(f"Please note that our {phrase} changed.").text == "", phrase


def test_page_conditions_are_told_of_surviving_lines_only():
    assert c4_lines("function f() {").facts["curly_brace"] == 0, "no end mark: the line was gone before"
    assert c4_lines("The set { a, b } has two members.").facts["curly_brace"] == 1
    assert c4_lines("In javascript a { opens a block.").facts["curly_brace"] == 0, "javascript is looked for before '{'"
    assert c4_lines("The privacy policy { is also here.").facts["curly_brace"] == 1, "policy is looked for after '{'"
    assert c4_lines("Lorem Ipsum in javascript is a text.").facts["lorem_ipsum"] == 1, "and lorem ipsum before both"
    assert c4_lines("Lorem ipsum dolor.").facts["lorem_ipsum"] == 0, "too short"


def test_a_page_of_sentences_stays_as_it_is():
    page = "The cat sat on the mat.\nWhy did it sit there?"
    assert c4_lines(page)[:2] == (page, 0)


def test_a_page_may_lose_all_its_lines():
    assert c4_lines("Menu\nLogin").text == ""
    assert c4_lines("").facts["lines_in"] == 0
